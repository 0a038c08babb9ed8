"""Reading a Markdown page: its blocks, headings, links and tables.

Only as much of Markdown as our own pages use.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.architecture.source_tree import ROOT

__all__ = ["ROOT", "Block", "anchors", "blocks", "links", "pages", "prose", "tables"]

_FENCE: Final = re.compile(r"^(`{3,})(\w*)\s*$")
_COMMENT: Final = re.compile(r"^<!--\s*(.*?)\s*-->$")
_HEADING: Final = re.compile(r"(?m)^#{1,6}\s+(.*?)\s*$")
_LINK: Final = re.compile(r"(?<!!)\[[^\]\[]*\]\(([^()\s]+)\)")
_MARKUP: Final = re.compile(r"[`*]|\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    ``note`` is the text of the comment on the line above it, if there is one; ``line``
    is the number of its first line inside the fence.
    """

    language: str
    text: str
    line: int
    note: str


def pages() -> list[Path]:
    """Every page for readers, as a path from the root of the repository."""
    found = [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("benchmarks/*.md"),
    ]
    return sorted(path.relative_to(ROOT) for path in found)


def blocks(text: str) -> Iterator[Block]:
    """Give the fenced blocks of a page in order."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        if opened is None:
            number += 1
            continue
        end = number + 1
        while lines[end].rstrip() != opened.group(1):
            end += 1
        above = _COMMENT.match(lines[number - 1]) if number else None
        yield Block(
            language=opened.group(2),
            text="\n".join(lines[number + 1 : end]) + "\n",
            line=number + 2,
            note="" if above is None else above.group(1),
        )
        number = end + 1


def prose(text: str) -> str:
    """Give a page without its fenced blocks."""
    kept, fence = [], ""
    for line in text.splitlines():
        found = _FENCE.match(line)
        if fence:
            fence = "" if line.rstrip() == fence else fence
        elif found is not None:
            fence = found.group(1)
        else:
            kept.append(line)
    return "\n".join(kept)


def links(text: str) -> list[str]:
    """Give the targets of a page's links."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """Give the anchors that GitHub makes of a page's headings."""
    found: dict[str, int] = {}
    names = set()
    for heading in _HEADING.findall(prose(text)):
        plain = _MARKUP.sub(lambda match: match.group(1) or "", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = found.get(slug, 0)
        found[slug] = count + 1
        names.add(f"{slug}-{count}" if count else slug)
    return names


def tables(text: str) -> list[list[dict[str, str]]]:
    """Give the tables of a page: for each row a cell by heading."""
    found: list[list[dict[str, str]]] = []
    heads: list[str] | None = None
    for line in [*prose(text).splitlines(), ""]:
        if not line.startswith("|"):
            heads = None
            continue
        row = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if heads is None:
            heads = [cell.strip() for cell in line.strip().strip("|").split("|")]
            found.append([])
        elif set(line) - set("|-: "):
            assert len(row) == len(heads), line
            found[-1].append(dict(zip(heads, row, strict=True)))
    return found
