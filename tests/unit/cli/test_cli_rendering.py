"""Tables, JSON and times as text."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage3.cli.output.rendering import (
    MAX_CELL,
    json_line,
    json_lines,
    one_line,
    pairs,
    table,
    time_text,
    time_text_s,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_a_table_is_aligned_with_numbers_to_the_right() -> None:
    """CLI-3.4."""
    lines = table(("N", "NAME", "NOTE"), [(1, "a", None), (10, "long", "x")])

    assert lines == [" N  NAME  NOTE", " 1  a     -", "10  long  x"]


def test_a_table_without_rows_is_its_headings() -> None:
    assert table(("A", "B"), []) == ["A  B"]


def test_pairs_are_aligned() -> None:
    assert pairs([("a", True), ("long", False)]) == ["a     yes", "long  no"]
    assert pairs([]) == []


@given(st.text())
def test_a_cell_is_one_line_of_printable_ascii(text: str) -> None:
    """CLI-3.3."""
    shown = one_line(text)

    assert re.fullmatch(r"[ -~]*", shown)
    assert len(shown) <= MAX_CELL


@given(JSON)
def test_json_is_printable_ascii_and_says_the_same(value: object) -> None:
    """CLI-3.3."""
    line = json_line(value)  # type: ignore[arg-type]
    lines = json_lines(value)  # type: ignore[arg-type]

    assert all(re.fullmatch(r"[ -~]*", one) for one in (line, *lines))
    assert json.loads(line) == json.loads("\n".join(lines)) == value


def test_json_for_people_breaks_only_what_does_not_fit() -> None:
    row = {"name": "x" * 40, "n": 1}

    assert json_lines(row) == [json.dumps(row)]
    assert json_lines([row, row]) == [
        "[",
        f"  {json.dumps(row)},",
        f"  {json.dumps(row)}",
        "]",
    ]
    assert json_lines({"del": "\x7f"}) == ['{"del": "\\u007f"}']


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_772_442_000_000_001, "2026-03-02T09:00:00.000001Z"),
        (10**30, f"{10**30} us"),
        (None, None),
    ],
)
def test_times_are_iso_in_utc(time_us: int | None, text: str | None) -> None:
    assert time_text(time_us) == text


def test_whole_seconds_have_no_fraction() -> None:
    assert time_text_s(1_772_442_000) == "2026-03-02T09:00:00Z"
    assert time_text_s(None) is None
