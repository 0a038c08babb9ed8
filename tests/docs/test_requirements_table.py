"""Every requirement of phases 1 to 7 is shown by a test, or the page says why not."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import ROOT, links, tables

PAGE: Final = Path("docs/spec/README.md")


def numbered(section: str, count: int, rows: int = 0) -> list[str]:
    """Give the ids of one section: its rules, then the rows of its table."""
    rules = [f"{section}.{number}" for number in range(1, count + 1)]
    return rules + [f"{section} row {number}" for number in range(1, rows + 1)]


REQUIREMENTS: Final = [
    *numbered("1A", 19),
    *numbered("1B", 9),
    *numbered("1C", 9),
    *numbered("1D", 6),
    *numbered("2A", 10),
    *numbered("2B", 12),
    *numbered("2C", 9),
    *numbered("2D", 7),
    *numbered("3A", 7),
    *numbered("3B", 3, rows=12),
    *numbered("4A", 7),
    *numbered("4B", 9, rows=12),
    *numbered("5", 9, rows=12),
    *numbered("6", 9),
    *numbered("7", 9),
]
WITHOUT_A_TEST: Final = {"1D.6"}

ROWS: Final = [
    row
    for table in tables((ROOT / PAGE).read_text("utf-8"))
    for row in table
    if "requirement" in row
]


def cites(text: str, requirement: str) -> bool:
    """Say whether a line of ``text`` cites a requirement as "rules ID"."""
    identity = re.escape(requirement)
    pattern = rf"(?i)\brules?\b.*?(?<![\w.-]){identity}(?!\w|\.\d)"
    return any(re.search(pattern, line) for line in text.splitlines())


def test_the_table_has_every_requirement_once_and_in_order() -> None:
    assert [row["requirement"] for row in ROWS] == REQUIREMENTS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["requirement"])
def test_a_requirement_is_cited_by_each_test_that_the_table_names(
    row: dict[str, str],
) -> None:
    named = links(row["shown by"])

    if row["requirement"] in WITHOUT_A_TEST:
        assert not named
        assert row["shown by"].startswith("Not tested: ")
        return
    assert named
    for link in named:
        text = ((ROOT / PAGE).parent / link).read_text("utf-8")
        assert cites(text, row["requirement"]), link


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Rules 1A.1; TOK-1.1.", True),
        ("# rule 7.9, 1A.1 (both)", True),
        ("Rules 1A.10", False),
        ("Rules 11A.1", False),
        ("Rules 1A.1.2", False),
        ("1A.1 alone", False),
        ("AUD-1A.1 of the rules", False),
    ],
)
def test_a_citation_is_the_whole_id_after_the_word(text: str, *, found: bool) -> None:
    assert cites(text, "1A.1") is found
