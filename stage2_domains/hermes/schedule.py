"""Events placed one after another, as a list and as an iCalendar text.

Events are placed by priority, then by how little room they have, each at its
earliest possible start. Nothing overlaps. This is not the best schedule there is
(finding that one takes exponential time), but no event is refused while its own
window still has a gap that could hold it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from stage2_domains.hermes.calendar import CalendarEvent, calendar_text

if TYPE_CHECKING:
    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["draft_schedule"]

_PRIORITY: Final = 3
# 5 is the most important here, 1 is in RFC 5545 section 3.8.1.9.
_TO_RFC: Final = {5: 1, 4: 3, 3: 5, 2: 7, 1: 9}
_REFUSED_IN_ADDRESS: Final = frozenset(' \t"<>()[]\\,;:%&?')

_Gap = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class _Wish:
    """An event as it was asked for."""

    title: str
    duration: timedelta
    earliest: datetime
    latest: datetime
    priority: int
    attendees: tuple[str, ...]
    location: str

    @property
    def slack(self) -> timedelta:
        return self.latest - self.earliest - self.duration


def draft_schedule(given: Record) -> Answer:
    """Place events without overlaps; ``latest`` is when an event must be over."""
    stamp = given.moment("stamp").replace(microsecond=0)
    pause = timedelta(minutes=given.integer("break_minutes", 0))
    wishes = [_wish(event) for event in given.records("events")]
    ordered = sorted(wishes, key=lambda one: (-one.priority, one.slack, one.earliest))
    busy: list[_Gap] = []
    placed: list[tuple[datetime, _Wish]] = []
    unplaced: list[Answer] = []
    for wish in ordered:
        start = _first_start(wish, busy, pause)
        if start is None:
            unplaced.append(_unplaced(wish))
        else:
            insort(busy, (start, start + wish.duration))
            placed.append((start, wish))
    placed.sort(key=lambda one: one[0])
    return {
        "events_count": len(wishes),
        "schedule": [_shown(start, wish) for start, wish in placed],
        "unplaced": unplaced,
        "calendar": calendar_text((_event(*one) for one in placed), stamp),
    }


def _wish(event: Record) -> _Wish:
    wish = _Wish(
        title=event.text("title"),
        duration=timedelta(minutes=event.integer("duration_minutes")),
        earliest=_whole_second(event.moment("earliest")),
        latest=event.moment("latest").replace(microsecond=0),
        priority=event.integer("priority", _PRIORITY),
        attendees=tuple(event.texts("attendees")),
        location=event.text("location", ""),
    )
    if wish.slack < timedelta(0):
        raise event.refusal("latest", "the event does not fit before this time")
    for address in wish.attendees:
        name, at, host = address.partition("@")
        plain = address.isascii() and address.isprintable()
        if not (name and at and host and plain) or "@" in host:
            raise event.refusal("attendees", "expected mail addresses")
        if _REFUSED_IN_ADDRESS.intersection(address):
            raise event.refusal("attendees", "expected plain mail addresses")
    return wish


def _whole_second(time: datetime) -> datetime:
    """Round up, so that nothing starts before it may."""
    whole = time.replace(microsecond=0)
    return whole if whole == time else whole + timedelta(seconds=1)


def _first_start(wish: _Wish, busy: list[_Gap], pause: timedelta) -> datetime | None:
    """Return the earliest start in the wish's window that touches nothing."""
    start = wish.earliest
    # What starts before the window may still reach into it.
    index = max(0, bisect_left(busy, (start, start)) - 1)
    for taken_from, taken_to in busy[index:]:
        if start + wish.duration + pause <= taken_from:
            break
        start = max(start, taken_to + pause)
        if start + wish.duration > wish.latest:
            return None
    return start if start + wish.duration <= wish.latest else None


def _unplaced(wish: _Wish) -> Answer:
    return {
        "title": wish.title,
        "duration_minutes": int(wish.duration.total_seconds()) // 60,
        "priority": wish.priority,
        "reason": f"no free {int(wish.duration.total_seconds()) // 60} minutes between "
        f"{_written(wish.earliest)} and {_written(wish.latest)}",
    }


def _shown(start: datetime, wish: _Wish) -> Answer:
    return {
        "title": wish.title,
        "start": _written(start),
        "end": _written(start + wish.duration),
        "priority": wish.priority,
    }


def _event(start: datetime, wish: _Wish) -> CalendarEvent:
    return CalendarEvent(
        title=wish.title,
        start=start,
        end=start + wish.duration,
        priority=_TO_RFC.get(wish.priority, 0),
        attendees=wish.attendees,
        location=wish.location,
    )


def _written(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
