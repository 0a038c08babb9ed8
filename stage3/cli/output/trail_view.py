"""How a trail is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from audit.events import AuditEventType
from stage3.cli.output.rendering import pairs, table, time_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audit.events import AuditEvent
    from stage3.cli.output.rendering import Json

__all__ = ["trail_document", "trail_lines"]

_VIOLATION: Final = AuditEventType.BOUNDARY_VIOLATION
_HEADINGS = ("#", "TIME", "EVENT", "STATUS", "DOMAIN.METHOD", "CODE")


def trail_document(trail: Sequence[AuditEvent]) -> list[Json]:
    """Give every field of every event, for machines."""
    return [
        {
            "event_type": event.event_type.value,
            "time": time_text(event.timestamp),
            "timestamp_us": event.timestamp,
            "user_id": event.user_id,
            "token_hash": event.token_hash,
            "domain": event.domain,
            "method": event.method,
            "status": event.status,
            "reason_code": None
            if event.reason_code is None
            else event.reason_code.value,
            "reason": event.reason,
            "details": event.details,
        }
        for event in trail
    ]


def trail_lines(trail: Sequence[AuditEvent]) -> list[str]:
    """Give one line for each event, for people, and why it ended where it did."""
    codes = any(event.reason_code is not None for event in trail)
    shown = len(_HEADINGS) if codes else len(_HEADINGS) - 1
    rows = [
        (
            number,
            time_text(event.timestamp),
            event.event_type.value,
            event.status,
            f"{event.domain}.{event.method}",
            event.reason_code or "",
        )[:shown]
        for number, event in enumerate(trail, 1)
    ]
    lines = table(_HEADINGS[:shown], rows)
    if trail and trail[-1].reason is not None:
        lines += ["", *pairs([("reason", trail[-1].reason), *_violations(trail)])]
    return lines


def _violations(trail: Sequence[AuditEvent]) -> list[tuple[str, str]]:
    """Say what a domain tried, in which box, and who noticed; at most one per step."""
    found = [one for one in trail if one.event_type is _VIOLATION]
    return [
        (
            "attempt",
            "{detail} ({violation_type}; {tier} box, by {source})".format(**said),
        )
        for said in (one.details for one in found)
        if {"detail", "violation_type", "tier", "source"} <= said.keys()
    ]
