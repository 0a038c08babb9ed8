"""Limits: never exceeded by one, and never refused by one too early.

Counts what the entries say, in the order of the ledger, and holds it against the
limits of the token: nothing of what the product counted is used. That every domain
entered has its entry, and the other way round, is ``check_order.unrecorded``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.histories.ledger_lines import Line
    from tests.histories.operations import Subject

__all__ = ["misspent", "spent"]


@dataclass(slots=True)
class Spent:
    """What a token has been spent on so far."""

    invocations: int = 0
    charged: int = 0
    begun_us: list[int] = field(default_factory=list)
    reserved: dict[str, int] = field(default_factory=dict)

    def open_units(self) -> int:
        """Units charged, and reserved by steps that have not ended."""
        return self.charged + sum(self.reserved.values())

    def begun_within(self, window_us: int, now_us: int) -> int:
        """Plans begun less than a window ago."""
        return sum(now_us - each < window_us for each in self.begun_us)


def spent(lines: Iterable[Line]) -> dict[str, Spent]:
    """Count what each token was spent on in the whole ledger."""
    counts: dict[str, Spent] = {}
    for line in lines:
        _count(counts.setdefault(line.token, Spent()), line)
    return counts


def misspent(lines: Iterable[Line], subjects: Mapping[str, Subject]) -> list[str]:
    """Find starts beyond a limit, and refusals before it."""
    counts = {token: Spent() for token in subjects}
    faults = []
    for line in lines:
        if line.token not in subjects:
            continue
        subject, so_far = subjects[line.token], counts[line.token]
        if line.kind == "EXECUTION_STARTED":
            reached = _reached(
                subject, so_far, line, is_first=line.details["step"] == 0
            )
            faults += [f"beyond {name}: {line}" for name in sorted(reached)]
            left = subject.total - so_far.open_units()
            if line.details["reserved"] != min(subject.response, left):
                faults.append(f"reserved another amount than there was: {line}")
        elif line.kind == "DENIED" and line.code.startswith("LIMIT_"):
            reached = _reached(subject, so_far, line, is_first=True)
            if line.code not in reached:
                faults.append(f"refused before its limit: {line}")
        elif line.details.get("charged", 0) > so_far.reserved.get(line.stream, 0):
            faults.append(f"charged more than was reserved: {line}")
        _count(so_far, line)
    return faults


def _reached(
    subject: Subject, so_far: Spent, line: Line, *, is_first: bool
) -> set[str]:
    """Tell which limits leave nothing for one more start."""
    reached = set()
    if so_far.invocations >= subject.invocations:
        reached.add("LIMIT_INVOCATIONS")
    if so_far.open_units() >= subject.total:
        reached.add("LIMIT_TOTAL")
    if is_first:
        if so_far.begun_within(subject.window_us, line.time_us) >= subject.frequency:
            reached.add("LIMIT_FREQUENCY")
        if len(so_far.begun_us) >= subject.executions:
            reached.add("LIMIT_EXECUTIONS")
    return reached


def _count(so_far: Spent, line: Line) -> None:
    if line.kind == "EXECUTION_STARTED":
        so_far.invocations += 1
        so_far.reserved[line.stream] = line.details["reserved"]
        if line.details["step"] == 0:
            so_far.begun_us.append(line.time_us)
    elif line.kind in {"EXECUTION_COMPLETED", "OPERATION_ABORTED"}:
        so_far.charged += line.details.get("charged", 0)
        so_far.reserved.pop(line.stream, None)
