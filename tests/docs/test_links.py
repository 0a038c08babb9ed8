"""Links of the pages lead somewhere: to a file of the repository, and to a heading."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, anchors, links, pages

PAGES = pages()
NAMED_FILE = re.compile(
    r"`((?:\.ci|audit|benchmarks|docs|examples|stage2_domains|stage3|tests|tokens)"
    r"/[\w./-]*)`"
)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = (ROOT / page).read_text("utf-8")

    broken = [link for link in links(text) if not leads_somewhere(page, link)]

    assert broken == []


def leads_somewhere(page: Path, link: str) -> bool:
    if link.startswith("https://"):
        return True
    name, _, anchor = link.partition("#")
    target = (ROOT / page).parent / name if name else ROOT / page
    if not target.exists() or ROOT not in target.resolve().parents:
        return False
    return not anchor or anchor in anchors(target.read_text("utf-8"))


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ("README.md", True),
        ("docs/gone.md", False),
        ("docs/errors.md#gone", False),
        ("docs/errors.md#codes-of-a-plan", True),
        ("#gone", False),
        ("../outside.md", False),
        ("https://www.rfc-editor.org/rfc/rfc6962", True),
    ],
)
def test_a_broken_link_is_found(link: str, *, leads: bool) -> None:
    assert leads_somewhere(Path("README.md"), link) is leads


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_names_only_files_that_exist(page: Path) -> None:
    text = (ROOT / page).read_text("utf-8")

    folders = (ROOT, (ROOT / page).parent)

    missing = [
        name
        for name in NAMED_FILE.findall(text)
        if not any((folder / name).exists() for folder in folders)
    ]
    assert missing == []


def test_every_page_of_docs_can_be_reached_from_the_index() -> None:
    waiting, seen = [Path("docs/index.md")], set()
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for link in links((ROOT / page).read_text("utf-8")):
            if not link.startswith(("https://", "#")):
                target = ((ROOT / page).parent / link.partition("#")[0]).resolve()
                waiting.append(target.relative_to(ROOT))

    unreachable = [
        page for page in PAGES if page.parts[0] == "docs" and page not in seen
    ]
    assert unreachable == []
