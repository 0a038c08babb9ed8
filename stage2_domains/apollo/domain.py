"""The apollo domain: its three methods and what they take."""

from __future__ import annotations

from types import MappingProxyType

from stage2_domains.apollo.habits import analyze_habits
from stage2_domains.apollo.health import get_health_info
from stage2_domains.apollo.routine import plan_routine
from stage2_domains.contract import MethodSpec
from stage2_domains.shapes import (
    answer,
    choice,
    flag,
    integer,
    listing,
    number,
    record,
    text,
)
from stage2_domains.tabled import TabledDomain

__all__ = ["ApolloDomain"]

_ANALYZE_HABITS = MethodSpec(
    description="Completion, streaks, weekdays and direction of each habit in a log.",
    parameters=record(
        {
            "habits": listing(
                record(
                    {"name": text(80), "date": text(10)},
                    {"done": flag(), "minutes": number(0, 1440)},
                ),
                most=5_000,
                least=1,
            )
        },
        {"as_of": text(10)},
    ),
    result=answer(
        habits_analyzed="integer",
        entries_count="integer",
        period="object",
        analysis="array",
    ),
    example={
        "habits": [
            {"name": "reading", "date": "2026-03-02", "done": True, "minutes": 30},
            {"name": "reading", "date": "2026-03-03", "done": True, "minutes": 20},
            {"name": "reading", "date": "2026-03-04", "done": False},
            {"name": "reading", "date": "2026-03-05", "done": True, "minutes": 40},
            {"name": "running", "date": "2026-03-02", "minutes": 35},
            {"name": "running", "date": "2026-03-05", "minutes": 45},
        ]
    },
)

_PLAN_ROUTINE = MethodSpec(
    description="A routine that fits goals into the free time given.",
    parameters=record(
        {
            "goals": listing(
                record(
                    {"name": text(80), "minutes": integer(1, 1440)},
                    {"priority": integer(1, 5), "may_split": flag()},
                ),
                most=500,
            ),
            "windows": listing(
                record({"start": text(5), "end": text(5)}, {"day": text(40)}),
                most=500,
            ),
        },
        {"break_minutes": integer(0, 120)},
    ),
    result=answer(
        goals_count="integer",
        routine="array",
        unplaced="array",
        free_minutes="integer",
        planned_minutes="integer",
        share_of_free_time="number",
    ),
    example={
        "goals": [
            {"name": "piano", "minutes": 45, "priority": 5},
            {"name": "Spanish", "minutes": 30, "priority": 4},
            {"name": "tax return", "minutes": 120, "priority": 2},
        ],
        "windows": [
            {"day": "Monday", "start": "07:00", "end": "07:45"},
            {"day": "Monday", "start": "18:00", "end": "19:00"},
        ],
        "break_minutes": 10,
    },
)

_GET_HEALTH_INFO = MethodSpec(
    description="A health figure by a published formula, with its source.",
    parameters=record(
        {
            "topic": text(64),
            "measurements": record(
                {},
                {
                    "age_years": number(0, 130),
                    "drinks_l": number(0, 30),
                    "height_cm": number(30, 280),
                    "resting_bpm": number(20, 200),
                    "sex": choice("female", "male"),
                    "sleep_hours": listing(number(0, 24), most=366, least=1),
                    "waist_cm": number(20, 400),
                    "weight_kg": number(1, 700),
                },
            ),
        }
    ),
    result=answer(
        topic="string",
        info="object",
        formula="string",
        source="string",
        unused_measurements="array",
        note="string",
    ),
    example={"topic": "bmi", "measurements": {"height_cm": 172, "weight_kg": 68.5}},
)


class ApolloDomain(TabledDomain):
    """Habits, routines and health arithmetic."""

    name = "apollo"
    methods = MappingProxyType(
        {
            "analyze_habits": _ANALYZE_HABITS,
            "get_health_info": _GET_HEALTH_INFO,
            "plan_routine": _PLAN_ROUTINE,
        }
    )
    handlers = MappingProxyType(
        {
            "analyze_habits": analyze_habits,
            "get_health_info": get_health_info,
            "plan_routine": plan_routine,
        }
    )
