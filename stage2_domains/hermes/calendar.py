"""Events as an iCalendar text.

Source: RFC 5545 sections 3.1 (lines of at most 75 octets, folded), 3.3.11 (text
escaping), 3.6.1 (VEVENT) and 3.8.7.2 (DTSTAMP).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

__all__ = ["CalendarEvent", "calendar_text"]

_LINE: Final = 75
_PRODUCT: Final = "-//stage3//hermes//EN"
_ESCAPES: Final = {
    **dict.fromkeys((*range(32), 127)),
    ord("\t"): " ",
    ord("\n"): "\\n",
    ord("\\"): "\\\\",
    ord(";"): "\\;",
    ord(","): "\\,",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEvent:
    """One placed event; times are UTC."""

    title: str
    start: datetime
    end: datetime
    priority: int
    """1 (highest) to 9, as RFC 5545 counts."""
    attendees: tuple[str, ...]
    """Mail addresses."""
    location: str


def calendar_text(events: Iterable[CalendarEvent], stamp: datetime) -> str:
    """Write a VCALENDAR with CRLF line ends.

    Args:
        events: In the order in which they are written; no two start together.
        stamp: The DTSTAMP of every event, in UTC.

    Returns:
        The text; the UIDs depend on the events alone.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{_PRODUCT}"]
    lines.append("CALSCALE:GREGORIAN")
    for event in events:
        body = _body(event)
        # No two events are alike: they start at different times.
        digest = hashlib.sha256("\n".join(body).encode()).hexdigest()[:32]
        lines += [
            "BEGIN:VEVENT",
            f"UID:{digest}@hermes.stage3",
            f"DTSTAMP:{_utc(stamp)}",
            *body,
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _body(event: CalendarEvent) -> list[str]:
    lines = [
        f"DTSTART:{_utc(event.start)}",
        f"DTEND:{_utc(event.end)}",
        f"SUMMARY:{_text(event.title)}",
        f"PRIORITY:{event.priority}",
    ]
    if event.location:
        lines.append(f"LOCATION:{_text(event.location)}")
    lines.extend(f"ATTENDEE:mailto:{address}" for address in event.attendees)
    return lines


def _utc(time: datetime) -> str:
    # ``strftime`` does not pad years below 1000 on every platform.
    return (
        f"{time.year:04d}{time.month:02d}{time.day:02d}"
        f"T{time.hour:02d}{time.minute:02d}{time.second:02d}Z"
    )


def _text(text: str) -> str:
    return text.replace("\r\n", "\n").translate(_ESCAPES)


def _folded(line: str) -> str:
    """Break a line after at most 75 octets, never within a character."""
    if len(line.encode()) <= _LINE:
        return line
    pieces: list[str] = []
    piece, octets = "", 0
    for character in line:
        size = len(character.encode())
        if octets + size > _LINE:
            pieces.append(piece)
            # The space that opens a continuation line counts as well.
            piece, octets = "", 1
        piece += character
        octets += size
    return "\r\n ".join([*pieces, piece])
