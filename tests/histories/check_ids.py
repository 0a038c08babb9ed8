"""Idempotent execution ids: one execution, and every other answer explained by it.

An id is claimed at one moment and closed at a later one by the single call that
executes it; others are told of it. So for each id there are two points to place:

* the claim: not before the executing call, not after its first domain was entered, and
  before the end of every other call (each was told of it);
* the close: not before its last domain was left, not after it returned, not before the
  beginning of a call that was told "in progress", and before the end of every call
  that was given the outcome again.

The claim as early as possible is best for all; for the close it is enough that its
earliest moment is not after its latest. So this is sound and complete for each id, and
ids do not influence one another. ``test_the_checker.py`` compares it with a search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.histories.operations import Attempt

__all__ = ["answered_wrongly"]

_CONFLICT = "EXECUTION_ID_CONFLICT"
_IN_PROGRESS = "EXECUTION_IN_PROGRESS"


def answered_wrongly(attempts: Iterable[Attempt]) -> list[str]:
    """Find ids executed twice, and answers that no order of the calls explains."""
    by_id: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.asked_id:
            by_id.setdefault(attempt.asked_id, []).append(attempt)
    return [
        f"{execution_id}: {fault}"
        for execution_id, calls in by_id.items()
        for fault in _judge(execution_id, calls)
    ]


def _judge(execution_id: str, calls: list[Attempt]) -> list[str]:
    executing = [each for each in calls if _executes(each)]
    if len(executing) != 1:
        return [f"executed {len(executing)} times"]
    (one,) = executing
    others = [each for each in calls if each is not one]
    if one.id != execution_id:
        return ["executed under another id"]
    return [*_wrong_in_itself(one, others), *_wrong_in_time(one, others)]


def _executes(attempt: Attempt) -> bool:
    return not attempt.replayed and attempt.code not in {_CONFLICT, _IN_PROGRESS}


def _wrong_in_itself(one: Attempt, others: list[Attempt]) -> list[str]:
    """Compare the answers with the requests, whenever they were given."""
    faults = []
    for other in others:
        is_same = other.request == one.request
        if other.entered:
            faults.append("a call that was told of another one entered a domain")
        if is_same == (other.code == _CONFLICT and not other.replayed):
            faults.append(f"the same request: {is_same}, answered {other.code!r}")
        if other.replayed and (other.id, other.code, other.step) != (
            one.id,
            one.code,
            one.step,
        ):
            faults.append(f"another outcome the second time: {other.code!r}")
    return faults


def _wrong_in_time(one: Attempt, others: list[Attempt]) -> list[str]:
    """Place the claim and the close; see the top of this file."""
    # A plan that was refused at its first step is claimed and closed in one commit.
    close = one.entered[-1][2] if one.entered else one.called
    closed_by = one.returned
    faults = []
    for other in others:
        if other.returned < one.called:
            faults.append("told of it before it was asked for")
        if other.replayed:
            closed_by = min(closed_by, other.returned)
        elif other.code == _IN_PROGRESS:
            close = max(close, other.called)
            if not one.entered:
                faults.append("in progress, but closed in the commit that claimed it")
    if close > closed_by:
        faults.append("called unfinished after its end, or given before it")
    return faults
