"""What a habit log says: completion, streaks, weekdays and direction.

Several entries of one habit on one day are one day: done when any of them is, with
their minutes added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stage2_domains.errors import UnusableInputError
from stage2_domains.figures import mean, median, ratio, rounded

if TYPE_CHECKING:
    from datetime import date

    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["MAX_HABITS", "WEEKDAYS", "analyze_habits"]

MAX_HABITS: Final = 200
"""Distinct habits in one log."""

WEEKDAYS: Final = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
_TREND_DAYS: Final = 4
_STEADY: Final = 0.05


@dataclass(slots=True)
class _Day:
    done: bool
    minutes: float | None


def analyze_habits(given: Record) -> Answer:
    """Summarise a habit log, one row per habit in alphabetical order.

    Streaks count consecutive calendar days. The current streak ends on ``as_of``
    (the newest day of the log if not given), or the day before it while ``as_of``
    itself has no entry yet.
    """
    log = _read(given)
    days = sorted({day for habit in log.values() for day in habit})
    as_of = given.day("as_of") if given.has("as_of") else days[-1]
    if as_of < days[-1]:
        raise given.refusal("as_of", "the log has entries after this day")
    rows = [_row(name, log[name], as_of) for name in sorted(log)]
    return {
        "habits_analyzed": len(log),
        "entries_count": len(given.items("habits")),
        "period": {
            "from": days[0].isoformat(),
            "to": days[-1].isoformat(),
            "days": (days[-1] - days[0]).days + 1,
        },
        "analysis": rows,
    }


def _read(given: Record) -> dict[str, dict[date, _Day]]:
    log: dict[str, dict[date, _Day]] = {}
    for entry in given.records("habits"):
        minutes = entry.number("minutes") if entry.has("minutes") else None
        if minutes is None and not entry.has("done"):
            raise entry.refusal("done", "an entry needs 'done' or 'minutes'")
        done = entry.flag("done", default=bool(minutes))
        days = log.setdefault(entry.text("name"), {})
        day = days.setdefault(entry.day("date"), _Day(done=False, minutes=None))
        day.done = day.done or done
        if minutes is not None:
            day.minutes = (day.minutes or 0) + minutes
    if not log:
        raise given.refusal("habits", "expected at least one entry")
    if len(log) > MAX_HABITS:
        raise UnusableInputError(f"habits: {len(log)} habits, at most {MAX_HABITS}")
    return log


def _row(name: str, days: dict[date, _Day], as_of: date) -> Answer:
    ordered = sorted(days)
    done = [day for day in ordered if days[day].done]
    minutes = [m for day in ordered if (m := days[day].minutes) is not None]
    return {
        "name": name,
        "days_logged": len(ordered),
        "days_done": len(done),
        "completion_rate": ratio(len(done), len(ordered)),
        "first_day": ordered[0].isoformat(),
        "last_day": ordered[-1].isoformat(),
        "longest_streak": max(_streaks(done), default=0),
        "current_streak": _current(done, days, as_of),
        "minutes": {
            "total": rounded(sum(minutes)),
            "mean": rounded(mean(minutes)),
            "median": rounded(median(minutes)),
        }
        if minutes
        else None,
        "weekdays": _weekdays(days),
        "trend": _trend([days[day].done for day in ordered]),
    }


def _streaks(done: list[date]) -> list[int]:
    """Return the lengths of the runs of consecutive days, oldest first."""
    runs: list[int] = []
    previous: date | None = None
    for day in done:
        if previous is not None and (day - previous).days == 1:
            runs[-1] += 1
        else:
            runs.append(1)
        previous = day
    return runs


def _current(done: list[date], days: dict[date, _Day], as_of: date) -> int:
    if not done:
        return 0
    grace = 0 if as_of in days else 1
    if (as_of - done[-1]).days > grace:
        return 0
    return _streaks(done)[-1]


def _weekdays(days: dict[date, _Day]) -> Answer:
    """Return done and logged days of each weekday that occurs, Monday first."""
    logged = [0] * 7
    done = [0] * 7
    for day, what in days.items():
        logged[day.weekday()] += 1
        done[day.weekday()] += what.done
    return {
        name: {"logged": logged[i], "done": done[i], "rate": ratio(done[i], logged[i])}
        for i, name in enumerate(WEEKDAYS)
        if logged[i]
    }


def _trend(done: list[bool]) -> Answer:
    """Compare the older with the newer half; an odd day in the middle is left out."""
    half = len(done) // 2
    if len(done) < _TREND_DAYS:
        return {"direction": "too few days", "older_rate": None, "newer_rate": None}
    older, newer = sum(done[:half]) / half, sum(done[-half:]) / half
    change = newer - older
    direction = "steady"
    if abs(change) > _STEADY:
        direction = "improving" if change > 0 else "declining"
    return {
        "direction": direction,
        "older_rate": rounded(older, 3),
        "newer_rate": rounded(newer, 3),
    }
