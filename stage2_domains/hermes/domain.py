"""The hermes domain: its three methods and what they take."""

from __future__ import annotations

from types import MappingProxyType

from stage2_domains.contract import MethodSpec
from stage2_domains.hermes.composition import CHANNELS, compose_message
from stage2_domains.hermes.conversation import analyze_conversation
from stage2_domains.hermes.schedule import draft_schedule
from stage2_domains.shapes import (
    answer,
    choice,
    integer,
    listing,
    mapping,
    record,
    text,
)
from stage2_domains.tabled import TabledDomain

__all__ = ["HermesDomain"]

_COMPOSE_MESSAGE = MethodSpec(
    description="A message from a template, its values escaped for the channel.",
    parameters=record(
        {
            "template": text(100_000),
            "values": mapping({"type": ["string", "number", "boolean"]}, most=200),
        },
        {"channel": choice(*CHANNELS), "type": text(40)},
    ),
    result=answer(
        type="string",
        channel="string",
        message="string",
        placeholders="array",
        unused_values="array",
        characters="integer",
        words="integer",
    ),
    example={
        "type": "reminder",
        "channel": "html",
        "template": "<p>Hello {{name}}, {{count}} habits were kept: {{habits}}.</p>",
        "values": {"name": "Ann & Bob", "count": 2, "habits": "reading, <running>"},
    },
)

_ANALYZE_CONVERSATION = MethodSpec(
    description="Who writes how much, how fast people answer, what is unanswered.",
    parameters=record(
        {
            "messages": listing(
                record({"sender": text(80), "time": text(32), "text": text(20_000, 0)}),
                most=5_000,
                least=1,
            )
        },
        {"answer_within_minutes": integer(1, 525_600)},
    ),
    result=answer(message_count="integer", analysis="object"),
    example={
        "messages": [
            {
                "sender": "ann",
                "time": "2026-03-02T09:00Z",
                "text": "Shall we move the release to Thursday?",
            },
            {
                "sender": "bob",
                "time": "2026-03-02T09:04Z",
                "text": "Yes, Thursday is better for the release.",
            },
            {
                "sender": "bob",
                "time": "2026-03-02T09:05Z",
                "text": "Who writes the notes?",
            },
        ]
    },
)

_DRAFT_SCHEDULE = MethodSpec(
    description="Events placed without overlaps, with an iCalendar text (RFC 5545).",
    parameters=record(
        {
            "events": listing(
                record(
                    {
                        "title": text(200),
                        "duration_minutes": integer(1, 10_080),
                        "earliest": text(32),
                        "latest": text(32),
                    },
                    {
                        "priority": integer(1, 5),
                        "attendees": listing(text(200), most=50),
                        "location": text(200),
                    },
                ),
                most=500,
            ),
            "stamp": text(32),
        },
        {"break_minutes": integer(0, 1440)},
    ),
    result=answer(
        events_count="integer",
        schedule="array",
        unplaced="array",
        calendar="string",
    ),
    example={
        "stamp": "2026-03-01T12:00Z",
        "events": [
            {
                "title": "Planning",
                "duration_minutes": 60,
                "earliest": "2026-03-02T09:00Z",
                "latest": "2026-03-02T12:00Z",
                "priority": 5,
                "attendees": ["ann@example.org"],
            },
            {
                "title": "Review",
                "duration_minutes": 30,
                "earliest": "2026-03-02T09:00Z",
                "latest": "2026-03-02T10:30Z",
            },
            {
                "title": "Lunch, long",
                "duration_minutes": 120,
                "earliest": "2026-03-02T09:00Z",
                "latest": "2026-03-02T11:30Z",
                "priority": 1,
            },
        ],
    },
)


class HermesDomain(TabledDomain):
    """Messages, conversations and schedules."""

    name = "hermes"
    methods = MappingProxyType(
        {
            "analyze_conversation": _ANALYZE_CONVERSATION,
            "compose_message": _COMPOSE_MESSAGE,
            "draft_schedule": _DRAFT_SCHEDULE,
        }
    )
    handlers = MappingProxyType(
        {
            "analyze_conversation": analyze_conversation,
            "compose_message": compose_message,
            "draft_schedule": draft_schedule,
        }
    )
