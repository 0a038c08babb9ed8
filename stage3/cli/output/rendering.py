"""Values as text: tables and JSON that cannot drive a terminal.

Whatever came from outside is shown in printable ASCII: control characters, bidi
controls and everything else beyond ASCII are escaped, so that no value can move the
cursor, hide a line or change the reading order.

Source: docs/spec/cli.md, CLI-3.3 and CLI-3.4.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from audit.entry import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "MAX_CELL",
    "Json",
    "json_line",
    "json_lines",
    "one_line",
    "pairs",
    "table",
    "time_text",
    "time_text_s",
]

Json: TypeAlias = (
    "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
)

MAX_CELL: Final = 400
"""The longest cell of a table, in characters; a longer one ends in ``...``."""

_WIDTH: Final = 88
_INDENT: Final = 2
_DELETE: Final = "\x7f"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def one_line(value: object, limit: int = MAX_CELL) -> str:
    """Give a value as one line of printable ASCII; None is a dash."""
    if value is None:
        return "-"
    if value is True or value is False:
        return "yes" if value else "no"
    return printable(str(value), limit)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Align rows under their headings; columns of numbers stand to the right.

    Returns:
        The lines, headings first, without trailing spaces.
    """
    kept = [list(row) for row in rows]
    cells = [[one_line(value) for value in row] for row in kept]
    right = [
        bool(kept) and all(type(row[at]) is int or row[at] is None for row in kept)
        for at in range(len(headings))
    ]
    widths = [
        max(len(heading), *(len(row[at]) for row in cells)) if cells else len(heading)
        for at, heading in enumerate(headings)
    ]
    return [_aligned(row, widths, right) for row in (list(headings), *cells)]


def pairs(rows: Iterable[tuple[str, object]]) -> list[str]:
    """Align values after their names, one pair to a line."""
    kept = list(rows)
    width = max((len(name) for name, _ in kept), default=0)
    return [f"{name:<{width}}  {one_line(value)}".rstrip() for name, value in kept]


def json_line(value: Json) -> str:
    """Give a value as one line of JSON in ASCII."""
    return _escaped(json.dumps(value, ensure_ascii=True, separators=(",", ":")))


def json_lines(value: Json, indent: int = 0) -> list[str]:
    """Give a value as JSON in ASCII for people: what fits on one line is on one.

    Args:
        value: Plain data.
        indent: Spaces before each line but the first.
    """
    flat = _escaped(json.dumps(value, ensure_ascii=True))
    if indent + len(flat) <= _WIDTH or not value:
        return [flat]
    inner = " " * (indent + _INDENT)
    if isinstance(value, dict):
        parts = [
            (f"{_escaped(json.dumps(name))}: ", json_lines(one, indent + _INDENT))
            for name, one in value.items()
        ]
        return _bracketed("{", parts, "}", inner)
    if isinstance(value, list | tuple):
        listed = [("", json_lines(one, indent + _INDENT)) for one in value]
        return _bracketed("[", listed, "]", inner)
    return [flat]


def _bracketed(
    opening: str, parts: Sequence[tuple[str, list[str]]], closing: str, inner: str
) -> list[str]:
    lines = [opening]
    for number, (name, found) in enumerate(parts, 1):
        comma = "," if number < len(parts) else ""
        lines.append(inner + name + found[0])
        lines += found[1:]
        lines[-1] += comma
    return [*lines, inner[:-_INDENT] + closing]


def time_text(time_us: int | None) -> str | None:
    """Give a time in Unix microseconds as ISO 8601 in UTC; None stays None."""
    if time_us is None:
        return None
    try:
        time = _EPOCH + timedelta(microseconds=time_us)
    except OverflowError:
        return f"{time_us} us"
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond:06d}Z"


def time_text_s(time_s: int | None) -> str | None:
    """Give a time in Unix seconds as ISO 8601 in UTC; None stays None."""
    text = None if time_s is None else time_text(time_s * 1_000_000)
    return None if text is None else text.replace(".000000Z", "Z")


def _aligned(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    return "  ".join(
        cell.rjust(width) if to_the_right else cell.ljust(width)
        for cell, width, to_the_right in zip(cells, widths, right, strict=True)
    ).rstrip()


def _escaped(text: str) -> str:
    # JSON leaves DEL as it is; every other control character is escaped already.
    return text.replace(_DELETE, "\\u007f")
