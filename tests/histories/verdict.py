"""Everything the checker has to say of one history, and its figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from tests.histories.check_ids import answered_wrongly
from tests.histories.check_limits import misspent
from tests.histories.check_order import disorder, unrecorded
from tests.histories.check_stops import (
    late_by_ledger,
    late_in_real_time,
    started_while_paused,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.histories.ledger_lines import Line
    from tests.histories.operations import History

__all__ = ["Figures", "figures_of", "judge"]

Faults = dict[str, list[str]]


def judge(history: History, lines: Sequence[Line]) -> Faults:
    """Judge a history and the ledger it left; only what has faults is named."""
    starts = history.starts()
    stops, subjects = history.stops, history.subjects
    verdicts = {
        "late in real time": late_in_real_time(starts, stops, subjects),
        "late by the ledger": late_by_ledger(lines, stops, subjects),
        "started while paused": started_while_paused(starts, stops),
        "ledger against real time": disorder(lines, starts, stops),
        "limits": misspent(lines, subjects),
        "execution ids": answered_wrongly(history.attempts),
        "records": unrecorded(lines, starts),
    }
    return {name: faults for name, faults in verdicts.items() if faults}


@dataclass(frozen=True, slots=True)
class Figures:
    """How much a history held. Times are for reports and are never judged."""

    starts: int
    longest_stop_ms: float
    usual_stop_ms: float
    attempts: int
    refusals: dict[str, int]
    stops: dict[str, int]
    shared_ids: int
    replayed: int
    close_calls: int


def figures_of(history: History) -> Figures:
    """Count. A close call is a start that a stop was asked for or returned within."""
    starts = history.starts()
    allowed = [start for start in starts if not start.code]
    asked = [attempt for attempt in history.attempts if attempt.asked_id]
    waits = [stop.returned - stop.called for stop in history.stops]
    edges = sorted((stop.called, stop.returned) for stop in history.stops)
    return Figures(
        starts=len(allowed),
        attempts=len(history.attempts),
        refusals=dict(
            sorted(Counter(a.code for a in history.attempts if a.code).items())
        ),
        stops=dict(sorted(Counter(stop.kind for stop in history.stops).items())),
        shared_ids=len(asked) - len({attempt.asked_id for attempt in asked}),
        replayed=sum(attempt.replayed for attempt in asked),
        close_calls=sum(
            any(
                called <= start.last and start.attempt.called <= returned
                for called, returned in edges
            )
            for start in allowed
        ),
        longest_stop_ms=round(max(waits) / 1e6, 3),
        usual_stop_ms=round(median(waits) / 1e6, 3),
    )
