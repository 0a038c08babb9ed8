"""The dionysus domain: its three methods and what they take."""

from __future__ import annotations

from types import MappingProxyType

from stage2_domains.contract import MethodSpec
from stage2_domains.dionysus.leisure import plan_leisure
from stage2_domains.dionysus.mood import AXES, analyze_mood
from stage2_domains.dionysus.music import recommend_music
from stage2_domains.shapes import (
    answer,
    choice,
    flag,
    integer,
    listing,
    mapping,
    number,
    record,
    text,
)
from stage2_domains.tabled import TabledDomain

__all__ = ["DionysusDomain"]

_ANALYZE_MOOD = MethodSpec(
    description="A mood from rated indicators, with what drives it and its trend.",
    parameters=record(
        {
            "mood_indicators": listing(
                record(
                    {"name": text(80), "score": number(0, 10)},
                    {
                        "axis": choice(*AXES),
                        "reversed": flag(),
                        "weight": number(0.01, 100),
                        "date": text(10),
                    },
                ),
                most=5_000,
                least=1,
            )
        }
    ),
    result=answer(
        indicators_count="integer", mood="object", drivers="array", trend="object"
    ),
    example={
        "mood_indicators": [
            {"name": "joy", "score": 8},
            {"name": "stress", "score": 3, "reversed": True},
            {"name": "drive", "score": 3, "axis": "energy"},
        ]
    },
)

_RECOMMEND_MUSIC = MethodSpec(
    description="The catalogue given, ranked for a mood, with reasons.",
    parameters=record(
        {
            "mood": text(40),
            "catalogue": listing(
                record(
                    {
                        "title": text(200),
                        "artist": text(200),
                        "energy": number(0, 1),
                        "valence": number(0, 1),
                    },
                    {"tags": listing(text(40), most=20)},
                ),
                most=2_000,
            ),
        },
        {
            "tags": listing(text(40), most=20),
            "avoid_artists": listing(text(200), most=200),
            "limit": integer(1, 100),
            "per_artist": integer(1, 100),
        },
    ),
    result=answer(
        mood="string",
        target="object",
        considered="integer",
        avoided="integer",
        recommendations="array",
    ),
    example={
        "mood": "calm",
        "limit": 2,
        "catalogue": [
            {
                "title": "Still Water",
                "artist": "Mira",
                "energy": 0.2,
                "valence": 0.65,
                "tags": ["calm", "piano"],
            },
            {"title": "Run", "artist": "The Volts", "energy": 0.95, "valence": 0.8},
            {"title": "Low Sun", "artist": "Mira", "energy": 0.35, "valence": 0.5},
        ],
    },
)

_PLAN_LEISURE = MethodSpec(
    description="The best selection of options within budgets of time and money.",
    parameters=record(
        {
            "preferences": mapping(integer(0, 10), most=50),
            "options": listing(
                record(
                    {"name": text(80), "minutes": integer(1, 10_080)},
                    {
                        "cost": number(0, 1_000_000),
                        "enjoyment": integer(0, 10),
                        "tags": listing(text(40), most=20),
                    },
                ),
                most=40,
            ),
            "minutes": integer(0, 10_080),
        },
        {"money": number(0, 1_000_000)},
    ),
    result=answer(preferences_count="integer", plan="object", left_out="array"),
    example={
        "preferences": {"outdoors": 5, "music": 3},
        "minutes": 240,
        "money": 30,
        "options": [
            {"name": "lake walk", "minutes": 120, "tags": ["outdoors"]},
            {"name": "concert", "minutes": 150, "cost": 25, "tags": ["music"]},
            {"name": "record shop", "minutes": 60, "cost": 10.5, "tags": ["music"]},
            {"name": "climbing", "minutes": 120, "cost": 18, "tags": ["outdoors"]},
        ],
    },
)


class DionysusDomain(TabledDomain):
    """Mood, music and leisure."""

    name = "dionysus"
    methods = MappingProxyType(
        {
            "analyze_mood": _ANALYZE_MOOD,
            "plan_leisure": _PLAN_LEISURE,
            "recommend_music": _RECOMMEND_MUSIC,
        }
    )
    handlers = MappingProxyType(
        {
            "analyze_mood": analyze_mood,
            "plan_leisure": plan_leisure,
            "recommend_music": recommend_music,
        }
    )
