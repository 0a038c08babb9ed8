"""P4: no start stands after a stop that covers it, in real time or in the ledger.

In real time, without the ledger
    Stops for good are monotone: the earlier one takes effect, the fewer starts may
    follow, and starts do not influence one another here. So give every allowed start
    its earliest moment, every refused one its latest, and every stop the earliest
    moment that is not before its call nor before an allowed start that it covers. The
    history has a linearization exactly if each stop then still lies before its return
    and each refused start still has a stop before it: any linearization can be turned
    into this one by moving points in those directions, which breaks nothing (sound and
    complete). That takes a pass over the starts and one over the stops.

    A pause can be undone, so its moment cannot be pushed to one side. What is checked
    for each start alone is the promise as it is written: nothing starts between the
    return of a pause and the call of the next resumption.

By the ledger
    The order of the ledger is the order the product claims. ``check_order`` holds it
    against real time; here it is played through: whatever stands in it as a start must
    be covered by no stop before it, and whatever stands in it as stopped must be
    covered by one. Passing both is a linearization, shown by exhibiting it; pauses are
    included. That takes one pass.

``test_the_checker.py`` compares all of it with a search over every order.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from tests.histories.operations import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.histories.ledger_lines import Line
    from tests.histories.operations import Name, Start, Stop, Subject

__all__ = ["late_by_ledger", "late_in_real_time", "started_while_paused"]

_FOR_GOOD = frozenset({"TOKEN_REVOKED", "KEY_NOT_TRUSTED"})

_ENTRY_OF = {
    "token": "TOKEN_REVOKED",
    "user": "SELECTOR_REVOKED",
    "issuer": "SELECTOR_REVOKED",
    "key": "SELECTOR_REVOKED",
    "all": "SELECTOR_REVOKED",
    "compromise": "KEY_STATE_CHANGED",
    "pause": "PLATFORM_PAUSED",
    "resume": "PLATFORM_RESUMED",
}


def late_in_real_time(
    starts: Sequence[Start], stops: Iterable[Stop], subjects: Mapping[str, Subject]
) -> list[str]:
    """Find starts after the return of a stop, and refusals that no stop explains."""
    for_good = [stop for stop in stops if stop.is_permanent]
    faults = _after_the_return(starts, for_good, subjects)
    earliest = _earliest(starts, for_good, subjects)
    for start in starts:
        if start.code in _FOR_GOOD:
            names = subjects[start.token].names()
            if start.last < min(earliest.get(name, NEVER) for name in names):
                faults.append(f"refused although nothing had stopped it: {start}")
    return faults


def _after_the_return(
    starts: Iterable[Start], stops: Iterable[Stop], subjects: Mapping[str, Subject]
) -> list[str]:
    """Find allowed starts that no order puts before a stop that covers them."""
    done: dict[Name, int] = {}
    for stop in stops:
        done[stop.selects] = min(done.get(stop.selects, NEVER), stop.returned)
    return [
        f"started after its stop had returned: {start}"
        for start in starts
        if not start.code
        and start.first
        > min(done.get(name, NEVER) for name in subjects[start.token].names())
    ]


def _earliest(
    starts: Iterable[Start], stops: Iterable[Stop], subjects: Mapping[str, Subject]
) -> dict[Name, int]:
    """Give the earliest moment of each stop: no start that it covers is after it."""
    not_before: dict[Name, int] = {}
    for start in starts:
        if not start.code:
            for name in subjects[start.token].names():
                not_before[name] = max(not_before.get(name, 0), start.first)
    earliest: dict[Name, int] = {}
    for stop in stops:
        moment = max(stop.called, not_before.get(stop.selects, 0))
        earliest[stop.selects] = min(earliest.get(stop.selects, NEVER), moment)
    return earliest


def started_while_paused(starts: Iterable[Start], stops: Iterable[Stop]) -> list[str]:
    """Find starts within a pause, and refusals for a pause that was not.

    Args:
        starts: All starts and refusals.
        stops: Among others pauses and resumptions, which must not overlap one another.
    """
    turns = sorted(
        (stop for stop in stops if not stop.is_permanent), key=lambda stop: stop.called
    )
    kinds = [turn.kind for turn in turns]
    if kinds != ["pause", "resume"] * (len(kinds) // 2) + ["pause"] * (len(kinds) % 2):
        raise ValueError(f"pauses and resumptions do not alternate: {kinds}")
    pauses, resumptions = turns[::2], turns[1::2]
    resumed = [turn.called for turn in resumptions] + [NEVER]
    over = [turn.returned for turn in resumptions] + [NEVER]
    faults = []
    for start in starts:
        # The one pause that may enclose it: of the last that returned before it.
        number = bisect_left([turn.returned for turn in pauses], start.first) - 1
        if not start.code and number >= 0 and start.last < resumed[number]:
            faults.append(f"started while the platform was paused: {start}")
        if start.code == "PLATFORM_PAUSED":
            number = bisect_left(over, start.first)
            if number >= len(pauses) or pauses[number].called > start.last:
                faults.append(f"refused for a pause that was not: {start}")
    return faults


def late_by_ledger(
    lines: Iterable[Line], stops: Iterable[Stop], subjects: Mapping[str, Subject]
) -> list[str]:
    """Play the ledger through, and find what stands on the wrong side of a stop."""
    at = {stop.leaf: stop for stop in stops if stop.leaf >= 0}
    stopped: set[Name] = set()
    is_paused = False
    faults = []
    for line in lines:
        stop = at.get(line.leaf)
        if stop is None and line.kind in _STOPPING:
            faults.append(f"nobody asked for this stop: {line}")
        elif stop is not None:
            if line.kind != _ENTRY_OF[stop.kind]:
                faults.append(f"the receipt of a stop names another entry: {line}")
            if stop.is_permanent:
                stopped.add(stop.selects)
            else:
                is_paused = stop.kind == "pause"
        elif line.token in subjects:
            is_stopped = not stopped.isdisjoint(subjects[line.token].names())
            faults += _misplaced(line, is_stopped=is_stopped, is_paused=is_paused)
    return faults


_STOPPING = frozenset(_ENTRY_OF.values()) - {"KEY_STATE_CHANGED"}


def _misplaced(line: Line, *, is_stopped: bool, is_paused: bool) -> list[str]:
    if line.kind == "EXECUTION_STARTED" and (is_stopped or is_paused):
        return [f"stands after what stopped it: {line}"]
    if line.kind == "DENIED":
        if line.code in _FOR_GOOD and not is_stopped:
            return [f"refused before anything stopped it: {line}"]
        if line.code == "PLATFORM_PAUSED" and not is_paused:
            return [f"refused for a pause that was not: {line}"]
    return []
