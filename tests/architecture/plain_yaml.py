"""Reading the YAML of our own files: as much of it as they use, and nothing else.

Blocks of mappings and sequences, ``[flow, sequences]`` on one line, ``{}``, scalars
that are plain or in double quotes, comments on lines of their own. Everything else is
refused, so that a file which passes is read in the same way by every reader of YAML.
"""

import re
from typing import Final, TypeAlias

__all__ = ["Yaml", "read_yaml"]

Yaml: TypeAlias = "str | bool | int | list[Yaml] | dict[str, Yaml]"
_Lines: TypeAlias = list[tuple[int, str]]

_KEY: Final = re.compile(r"([A-Za-z0-9_.-]+):(?: +(.*))?")
_QUOTED: Final = re.compile(r'"([^"\\]*)"')
_PLAIN: Final = re.compile(
    r"[A-Za-z0-9./_-]([^#\"'{}\[\]&*!|>%@`]*[^\s:#])?|-{1,2}[a-z]+\S*"
)
_FLOW: Final = re.compile(r"\[(.*)\]")


def read_yaml(text: str) -> Yaml:
    """Read a file.

    Raises:
        ValueError: There is something in it that is not as plain as that.
    """
    lines: _Lines = []
    for line in text.splitlines():
        stripped = line.strip(" ")
        if stripped and not stripped.startswith("#"):
            lines.append((len(line) - len(line.lstrip(" ")), stripped))
    found, rest = _block(lines, 0)
    if rest:
        raise ValueError(f"out of line: {rest[0][1]}")
    return found


def _block(lines: _Lines, depth: int) -> tuple[Yaml, _Lines]:
    if not lines or lines[0][0] != depth:
        raise ValueError(f"nothing at depth {depth}: {lines[:1]}")
    if lines[0][1].startswith("- "):
        items: list[Yaml] = []
        while lines and lines[0][0] == depth and lines[0][1].startswith("- "):
            items.append(_scalar(lines[0][1][2:].strip()))
            lines = lines[1:]
        return items, lines
    found: dict[str, Yaml] = {}
    while lines and lines[0][0] == depth:
        match = _KEY.fullmatch(lines[0][1])
        if match is None or match[1] in found:
            raise ValueError(f"no key, or one twice: {lines[0][1]}")
        lines = lines[1:]
        if match[2]:
            found[match[1]] = _scalar(match[2])
        else:
            found[match[1]], lines = _block(lines, depth + 2)
    return found, lines


def _scalar(text: str) -> Yaml:
    if text == "{}":
        return {}
    flow = _FLOW.fullmatch(text)
    if flow is not None:
        return [_scalar(item.strip()) for item in flow[1].split(",")]
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return quoted[1]
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch("0|[1-9][0-9]*", text):
        return int(text)
    if _PLAIN.fullmatch(text) is None or ": " in text or " #" in text:
        raise ValueError(f"not plain: {text}")
    return text
