"""The order of the ledger agrees with real time, and nothing is in one of them only.

An operation that returned before another was called stands before it in the ledger.
With ``check_stops`` and ``check_limits``, which play that order through, this shows
that the history is linearizable, by exhibiting the order. One pass: walking along the
ledger, no operation may have ended before the latest beginning seen so far.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.histories.ledger_lines import Line
    from tests.histories.operations import Start, Stop

__all__ = ["disorder", "unrecorded"]

Placed = tuple[int, int, int, str]
"""Place in the ledger, first moment, last moment, what it is."""


def disorder(
    lines: Iterable[Line], starts: Iterable[Start], stops: Iterable[Stop]
) -> list[str]:
    """Find what stands in the ledger before something that was over before it."""
    placed = sorted([*_place_starts(lines, starts), *_place_stops(stops)])
    faults = []
    latest_call, latest = 0, ""
    for _, first, last, what in placed:
        if last < latest_call:
            faults.append(f"over before, yet stands after: {what}; {latest}")
        if first > latest_call:
            latest_call, latest = first, what
    return faults


def _place_starts(lines: Iterable[Line], starts: Iterable[Start]) -> list[Placed]:
    leaves: dict[tuple[str, int, bool], int] = {}
    for line in lines:
        if line.kind == "EXECUTION_STARTED":
            leaves[line.execution, line.details["step"], False] = line.leaf
        elif line.kind == "DENIED":
            leaves[line.execution, -1, True] = line.leaf
    placed = []
    for start in starts:
        key = (start.attempt.id, -1 if start.code else start.step, bool(start.code))
        # What has no entry is found by `unrecorded`.
        if key in leaves:
            placed.append((leaves[key], start.first, start.last, str(start)))
    return placed


def _place_stops(stops: Iterable[Stop]) -> list[Placed]:
    """Stops that were asked for twice share an entry: either of them wrote it."""
    placed: dict[int, Placed] = {}
    for stop in stops:
        if stop.leaf < 0:
            continue
        first, last = stop.called, stop.returned
        if stop.leaf in placed:
            _, called, returned, _ = placed[stop.leaf]
            first, last = min(first, called), max(last, returned)
        what = f"{stop.kind} {stop.name} by {stop.caller}"
        placed[stop.leaf] = (stop.leaf, first, last, what)
    return list(placed.values())


def unrecorded(lines: Iterable[Line], starts: Sequence[Start]) -> list[str]:
    """P3: a domain was entered once for each start on record, and for no other."""
    on_record = Counter(
        (line.execution, line.details["step"])
        for line in lines
        if line.kind == "EXECUTION_STARTED"
    )
    seen = Counter((start.attempt.id, start.step) for start in starts if not start.code)
    return [
        f"step {key[1]} of {key[0]}: {on_record[key]} starts on record, "
        f"entered {seen[key]} times"
        for key in on_record.keys() | seen.keys()
        if (on_record[key], seen[key]) != (1, 1)
    ]
