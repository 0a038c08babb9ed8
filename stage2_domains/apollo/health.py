"""Health figures by published formulas, from the numbers given.

Each topic names its formula and its source. The result is arithmetic and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stage2_domains.errors import UnusableInputError
from stage2_domains.figures import mean, rounded
from stage2_domains.sentences import listed, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["NOTE", "TOPICS", "get_health_info"]

NOTE: Final = "Arithmetic on the numbers given; not medical advice."


@dataclass(frozen=True, slots=True)
class _Topic:
    """One formula: what it needs, what it may use, where it was published."""

    compute: Callable[[Record], Answer]
    needs: tuple[str, ...]
    formula: str
    source: str
    may_use: tuple[str, ...] = ()


def get_health_info(given: Record) -> Answer:
    """Compute one topic from the measurements, naming formula and source."""
    name = given.text("topic")
    topic = TOPICS.get(name)
    if topic is None:
        known = listed(TOPICS)
        raise given.refusal(
            "topic", f"'{printable(name)}' is not known; known are {known}"
        )
    measurements = given.record("measurements")
    missing = [one for one in topic.needs if not measurements.has(one)]
    if missing:
        raise UnusableInputError(
            f"measurements: the topic '{name}' also needs {listed(missing)}"
        )
    used = {*topic.needs, *topic.may_use}
    return {
        "topic": name,
        "info": topic.compute(measurements),
        "formula": topic.formula,
        "source": topic.source,
        "unused_measurements": [one for one in measurements.names() if one not in used],
        "note": NOTE,
    }


def _band(value: float, bands: Sequence[tuple[float, str]]) -> str:
    """Return the label of the first band whose upper end is above ``value``."""
    return next(label for end, label in bands if value < end)


_ENDLESS: Final = float("inf")
_BMI: Final = (
    (18.5, "underweight"),
    (25.0, "normal weight"),
    (30.0, "overweight"),
    (35.0, "obesity class I"),
    (40.0, "obesity class II"),
    (_ENDLESS, "obesity class III"),
)
_ADULT: Final = 18


def _bmi(given: Record) -> Answer:
    squared = (given.number("height_cm") / 100) ** 2
    bmi = given.number("weight_kg") / squared
    if given.has("age_years") and given.number("age_years") < _ADULT:
        raise given.refusal(
            "age_years", "these bands are for adults of 18 years and over"
        )
    return {
        "bmi": rounded(bmi, 1),
        "category": _band(bmi, _BMI),
        "normal_weight_kg": {
            "from": rounded(18.5 * squared, 1),
            "below": rounded(25.0 * squared, 1),
        },
    }


_ZONES: Final = (
    ("very light", 50, 60),
    ("light", 60, 70),
    ("moderate", 70, 80),
    ("hard", 80, 90),
    ("maximum", 90, 100),
)


def _heart_rate_zones(given: Record) -> Answer:
    highest = 208 - 0.7 * given.number("age_years")
    resting = given.number("resting_bpm", 0.0)
    if resting >= highest:
        raise given.refusal("resting_bpm", "must be below the maximum heart rate")
    reserve = highest - resting
    return {
        "maximum_bpm": round(highest),
        "method": "reserve" if given.has("resting_bpm") else "share of maximum",
        "zones": [
            {
                "zone": name,
                "from_bpm": round(resting + reserve * low / 100),
                "to_bpm": round(resting + reserve * high / 100),
            }
            for name, low, high in _ZONES
        ],
    }


_SLEEP: Final = (
    (14.0, (9, 11)),
    (18.0, (8, 10)),
    (65.0, (7, 9)),
    (_ENDLESS, (7, 8)),
)
_SLEEP_FROM: Final = 6


def _sleep_debt(given: Record) -> Answer:
    nights = [
        float(x) for x in given.items("sleep_hours") if isinstance(x, int | float)
    ]
    if not nights:
        raise given.refusal("sleep_hours", "expected the hours of at least one night")
    age = given.number("age_years")
    if age < _SLEEP_FROM:
        raise given.refusal("age_years", "these ranges start at 6 years")
    low, high = next(bounds for end, bounds in _SLEEP if age < end)
    short = [low - night for night in nights if night < low]
    return {
        "nights": len(nights),
        "recommended_hours": {"from": low, "to": high},
        "mean_hours": rounded(mean(nights)),
        "nights_below": len(short),
        "nights_above": sum(night > high for night in nights),
        "debt_hours": rounded(sum(short)),
    }


_WATER: Final = {"female": 2.0, "male": 2.5}
_WATER_FROM: Final = 14


def _hydration(given: Record) -> Answer:
    if given.number("age_years", _ADULT) < _WATER_FROM:
        raise given.refusal("age_years", "these amounts start at 14 years")
    total = _WATER[_sex(given)]
    found: Answer = {
        "total_water_l": total,
        "from_drinks_l": {
            "from": rounded(total * 0.7),
            "to": rounded(total * 0.8),
        },
    }
    if given.has("drinks_l"):
        drunk = given.number("drinks_l")
        found["missing_l"] = rounded(max(0.0, total * 0.7 - drunk))
    return found


_ACTIVITY: Final = {
    "sedentary": 1.2,
    "light": 1.375,
    "moderate": 1.55,
    "active": 1.725,
    "very active": 1.9,
}


def _energy(given: Record) -> Answer:
    basal = (
        10 * given.number("weight_kg")
        + 6.25 * given.number("height_cm")
        - 5 * given.number("age_years")
        + (5 if _sex(given) == "male" else -161)
    )
    return {
        "basal_kcal_per_day": round(basal),
        "daily_kcal": {
            name: round(basal * factor) for name, factor in _ACTIVITY.items()
        },
    }


_WAIST: Final = (
    (0.4, "below the healthy range"),
    (0.5, "healthy range"),
    (0.6, "increased risk"),
    (_ENDLESS, "high risk"),
)


def _waist(given: Record) -> Answer:
    found = given.number("waist_cm") / given.number("height_cm")
    return {
        "ratio": rounded(found),
        "category": _band(found, _WAIST),
        "half_of_height_cm": rounded(given.number("height_cm") / 2, 1),
    }


def _sex(given: Record) -> str:
    sex = given.text("sex")
    if sex not in _WATER:
        raise given.refusal("sex", "the formula knows 'female' and 'male'")
    return sex


TOPICS: Final = {
    "bmi": _Topic(
        _bmi,
        ("height_cm", "weight_kg"),
        "weight in kg / (height in m)^2",
        "WHO, Obesity: preventing and managing the global epidemic, TRS 894 (2000)",
        ("age_years",),
    ),
    "energy_need": _Topic(
        _energy,
        ("age_years", "height_cm", "sex", "weight_kg"),
        "10 x kg + 6.25 x cm - 5 x years + 5 (male) or - 161 (female), x activity",
        "Mifflin and others, Am J Clin Nutr 51:241-247 (1990)",
    ),
    "heart_rate_zones": _Topic(
        _heart_rate_zones,
        ("age_years",),
        "maximum = 208 - 0.7 x years; zone = resting + share x (maximum - resting)",
        "Tanaka and others, J Am Coll Cardiol 37:153-156 (2001); Karvonen (1957)",
        ("resting_bpm",),
    ),
    "hydration": _Topic(
        _hydration,
        ("sex",),
        "adequate intake of total water, of which drinks give 70 to 80 percent",
        "EFSA, Dietary reference values for water, EFSA Journal 8(3):1459 (2010)",
        ("age_years", "drinks_l"),
    ),
    "sleep_debt": _Topic(
        _sleep_debt,
        ("age_years", "sleep_hours"),
        "sum over nights of max(0, lower end of the recommended range - hours slept)",
        "National Sleep Foundation, Sleep Health 1(1):40-43 (2015)",
    ),
    "waist_to_height": _Topic(
        _waist,
        ("height_cm", "waist_cm"),
        "waist in cm / height in cm",
        "NICE guideline CG189, update of September 2022",
    ),
}
"""The topics by name, in alphabetical order."""
