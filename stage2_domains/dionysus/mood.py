"""A mood from rated indicators, on the two axes of the circumplex model.

Source: Russell, "A circumplex model of affect", J Pers Soc Psychol 39:1161 (1980):
a mood is a place on a plane of pleasantness and energy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stage2_domains.figures import mean, rounded

if TYPE_CHECKING:
    from datetime import date

    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["AXES", "analyze_mood"]

AXES: Final = ("energy", "pleasantness")
_MIDDLE: Final = 5.0
_HIGHEST: Final = 10.0
_BALANCED: Final = 1.0
_STEADY: Final = 0.5
_DRIVERS: Final = 3
_TREND_DAYS: Final = 4
_QUADRANTS: Final = {
    (True, True): "happy",
    (True, False): "tense",
    (False, True): "calm",
    (False, False): "sad",
}


@dataclass(frozen=True, slots=True)
class _Indicator:
    name: str
    axis: str
    score: float
    """0 to 10, turned round where lower is better."""
    weight: float
    day: date | None


def analyze_mood(given: Record) -> Answer:
    """Place the indicators' weighted means on the plane and name the place.

    Scores run from 0 to 10; ``reversed`` indicators (stress) count as 10 - score.
    Within 1 of the middle on both axes the mood is ``balanced``. An axis without
    indicators stands at the middle, and is named in ``assumed``.
    """
    indicators = [_indicator(one) for one in given.records("mood_indicators")]
    if not indicators:
        raise given.refusal("mood_indicators", "expected at least one indicator")
    rated = {axis: [one for one in indicators if one.axis == axis] for axis in AXES}
    place = {axis: _weighted(rated[axis]) for axis in AXES}
    return {
        "indicators_count": len(indicators),
        "mood": {
            "label": _label(place["energy"], place["pleasantness"]),
            "energy": rounded(place["energy"]),
            "pleasantness": rounded(place["pleasantness"]),
            "assumed": [axis for axis in AXES if not rated[axis]],
        },
        "drivers": _drivers(indicators),
        "trend": _trend(indicators),
    }


def _indicator(given: Record) -> _Indicator:
    score = given.number("score")
    axis = given.text("axis", "pleasantness")
    if axis not in AXES:
        raise given.refusal("axis", "expected 'energy' or 'pleasantness'")
    if not 0 <= score <= _HIGHEST:
        raise given.refusal("score", "expected 0 to 10")
    weight = given.number("weight", 1.0)
    if weight <= 0:
        raise given.refusal("weight", "expected more than 0")
    turned = given.flag("reversed", default=False)
    return _Indicator(
        name=given.text("name"),
        axis=axis,
        score=_HIGHEST - score if turned else score,
        weight=weight,
        day=given.day("date") if given.has("date") else None,
    )


def _weighted(indicators: list[_Indicator]) -> float:
    """Return the weighted mean score, or the middle where there is none."""
    if not indicators:
        return _MIDDLE
    total = math.fsum(one.weight for one in indicators)
    return math.fsum(one.weight * one.score for one in indicators) / total


def _label(energy: float, pleasantness: float) -> str:
    up, right = energy - _MIDDLE, pleasantness - _MIDDLE
    if abs(up) <= _BALANCED and abs(right) <= _BALANCED:
        return "balanced"
    return _QUADRANTS[(up >= 0, right >= 0)]


def _drivers(indicators: list[_Indicator]) -> list[Answer]:
    """Return the names that pull hardest, by weight times distance from the middle."""
    pulls: dict[tuple[str, str], float] = {}
    for one in indicators:
        key = (one.name, one.axis)
        pulls[key] = pulls.get(key, 0.0) + one.weight * (one.score - _MIDDLE)
    ranked = sorted(pulls.items(), key=lambda item: (-abs(item[1]), item[0]))
    return [
        {"name": name, "axis": axis, "pull": rounded(pull)}
        for (name, axis), pull in ranked[:_DRIVERS]
        if pull
    ]


def _trend(indicators: list[_Indicator]) -> Answer:
    """Compare the mean pleasantness of the older with the newer half of the days."""
    days: dict[date, list[float]] = {}
    for one in indicators:
        if one.day is not None and one.axis == "pleasantness":
            days.setdefault(one.day, []).append(one.score)
    means = [mean(days[day]) for day in sorted(days)]
    half = len(means) // 2
    if len(means) < _TREND_DAYS:
        return {"direction": "too few days", "older": None, "newer": None}
    older, newer = mean(means[:half]), mean(means[-half:])
    direction = "steady"
    if abs(newer - older) > _STEADY:
        direction = "rising" if newer > older else "falling"
    return {
        "direction": direction,
        "older": rounded(older),
        "newer": rounded(newer),
    }
