"""``docs/properties.md``: every promise is there, and so is every test it names."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import ROOT, tables

PAGE: Final = Path("docs/properties.md")
TEXT: Final = (ROOT / PAGE).read_text("utf-8")
PROMISES: Final = [f"P{number}" for number in range(1, 13)]
STATUSES: Final = {
    "holds": False,
    "holds on one machine": True,
    "holds for the code, and in the database": True,
    "holds for its tiers": True,
    "in part": True,
    "not claimed": True,
}
"""What may be said of a promise, and whether the rest of it must be explained."""

SAID, SHOWN = tables(TEXT)
NAMED: Final = re.compile(r"\[`([\w.]+)::(\w+)`\]\(([^)]+)\)")
TESTS: Final = [
    (row["#"], *found) for row in SHOWN for found in NAMED.findall(row["shown by"])
]


def test_every_promise_stands_there_once_with_its_status() -> None:
    assert [row["#"] for row in SAID] == PROMISES
    assert [row["#"] for row in SHOWN] == PROMISES
    assert {row["today"] for row in SAID} <= set(STATUSES)


@pytest.mark.parametrize("row", SAID, ids=lambda row: row["#"])
def test_what_does_not_hold_in_full_is_explained(row: dict[str, str]) -> None:
    explained = f"\n- **{row['#']}" in TEXT.partition("## What is not claimed")[2]

    assert explained or not STATUSES[row["today"]]


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row["#"])
def test_every_promise_names_tests_and_nothing_else(row: dict[str, str]) -> None:
    rest = NAMED.sub("", row["shown by"]).replace(",", "").strip()

    assert NAMED.findall(row["shown by"])
    assert rest == ""


@pytest.mark.parametrize(("promise", "name", "function", "link"), TESTS)
def test_a_test_that_a_promise_names_exists(
    promise: str, name: str, function: str, link: str
) -> None:
    path = ((ROOT / PAGE).parent / link).resolve()
    tree = ast.parse(path.read_text("utf-8"))
    functions = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    }

    assert path.name == name
    assert function in functions, promise
