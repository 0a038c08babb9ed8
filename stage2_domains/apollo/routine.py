"""A routine that fits the free time given.

Goals are placed by priority, then by length, each into the free stretch that it
fills best. This is not the best packing there is (finding that one takes
exponential time), but no goal is refused while a free stretch could hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stage2_domains.figures import ratio
from stage2_domains.reading import minutes_of

if TYPE_CHECKING:
    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["SMALLEST_PIECE", "plan_routine"]

SMALLEST_PIECE: Final = 15
"""Minutes; a goal that may be split is not cut into shorter pieces."""

_PRIORITY: Final = 3


@dataclass(slots=True)
class _Stretch:
    """A free stretch: the place of its day in the plan, and minutes of the day."""

    day: int
    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class _Goal:
    name: str
    minutes: int
    priority: int
    may_split: bool


@dataclass(frozen=True, slots=True)
class _Block:
    day: int
    start: int
    end: int
    goal: str


def plan_routine(given: Record) -> Answer:
    """Place goals into the windows given, and say why the others did not fit."""
    days, free = _windows(given)
    pause = given.integer("break_minutes", 0)
    goals = [
        _Goal(
            goal.text("name"),
            goal.integer("minutes"),
            goal.integer("priority", _PRIORITY),
            goal.flag("may_split", default=False),
        )
        for goal in given.records("goals")
    ]
    total = sum(stretch.length for stretch in free)
    blocks: list[_Block] = []
    unplaced: list[Answer] = []
    for goal in sorted(goals, key=lambda one: (-one.priority, -one.minutes)):
        placed = _place(goal, free, pause)
        blocks.extend(placed)
        if not placed:
            unplaced.append(_unplaced(goal, free))
    blocks.sort(key=lambda block: (block.day, block.start))
    planned = sum(block.end - block.start for block in blocks)
    return {
        "goals_count": len(goals),
        "routine": [_shown(block, days) for block in blocks],
        "unplaced": unplaced,
        "free_minutes": total,
        "planned_minutes": planned,
        "share_of_free_time": ratio(planned, total),
    }


def _windows(given: Record) -> tuple[list[str], list[_Stretch]]:
    """Read the windows; those of one day that touch or overlap become one."""
    days: dict[str, int] = {}
    found: list[_Stretch] = []
    for window in given.records("windows"):
        day = days.setdefault(window.text("day", "every day"), len(days))
        start, end = window.clock("start"), window.clock("end")
        if end <= start:
            raise window.refusal("end", "a window must end after it starts")
        found.append(_Stretch(day, start, end))
    found.sort(key=lambda one: (one.day, one.start))
    merged: list[_Stretch] = []
    for one in found:
        last = merged[-1] if merged else None
        if last is not None and last.day == one.day and one.start <= last.end:
            last.end = max(last.end, one.end)
        else:
            merged.append(one)
    return list(days), merged


def _place(goal: _Goal, free: list[_Stretch], pause: int) -> list[_Block]:
    """Take the goal's time from ``free``; all of it or nothing."""
    fitting = [one for one in free if one.length >= goal.minutes]
    if fitting:
        # The tightest stretch, the earliest of equals.
        best = min(fitting, key=lambda one: one.length)
        return [_take(best, goal, goal.minutes, pause)]
    if not goal.may_split:
        return []
    pieces = _pieces(goal, free)
    return [_take(stretch, goal, minutes, pause) for stretch, minutes in pieces]


def _pieces(goal: _Goal, free: list[_Stretch]) -> list[tuple[_Stretch, int]]:
    """Cut a goal over the longest stretches, or return nothing if it does not fit."""
    left = goal.minutes
    pieces: list[tuple[_Stretch, int]] = []
    for stretch in sorted(free, key=lambda one: -one.length):
        if stretch.length < SMALLEST_PIECE:
            break
        minutes = min(left, stretch.length)
        # What stays over must itself be long enough for a piece.
        if 0 < left - minutes < SMALLEST_PIECE:
            minutes = left - SMALLEST_PIECE
        if minutes < SMALLEST_PIECE:
            break
        pieces.append((stretch, minutes))
        left -= minutes
        if not left:
            return pieces
    return []


def _take(stretch: _Stretch, goal: _Goal, minutes: int, pause: int) -> _Block:
    start = stretch.start
    stretch.start = min(start + minutes + pause, stretch.end)
    return _Block(stretch.day, start, start + minutes, goal.name)


def _unplaced(goal: _Goal, free: list[_Stretch]) -> Answer:
    longest = max((one.length for one in free), default=0)
    left = sum(one.length for one in free)
    if goal.may_split:
        reason = f"{left} free minutes are left, in pieces of at most {longest}"
    else:
        reason = f"the longest free stretch left is {longest} minutes"
    return {
        "goal": goal.name,
        "minutes": goal.minutes,
        "priority": goal.priority,
        "reason": f"needs {goal.minutes} minutes; {reason}",
    }


def _shown(block: _Block, days: list[str]) -> Answer:
    return {
        "day": days[block.day],
        "start": minutes_of(block.start),
        "end": minutes_of(block.end),
        "goal": block.goal,
        "minutes": block.end - block.start,
    }
