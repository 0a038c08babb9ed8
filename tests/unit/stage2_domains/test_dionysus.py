"""Dionysus' answers: DOM-8.7 to DOM-8.9."""

import pytest

from stage2_domains.canonical import JsonObject, JsonValue
from stage2_domains.dionysus.music import MOODS
from stage2_domains.parameters import IsolatedParameters
from tests.unit.stage2_domains.builtin_calls import at, call, domain_of, refusal


def mood(*indicators: JsonValue) -> JsonObject:
    return call("dionysus", "analyze_mood", {"mood_indicators": [*indicators]})


def rated(score: float, axis: str = "pleasantness", **more: JsonValue) -> JsonObject:
    return {"name": "n", "score": score, "axis": axis, **more}


@pytest.mark.parametrize(
    ("indicator", "words"),
    [
        ({"axis": "anger"}, "axis: expected"),
        ({"weight": 0}, "weight: expected"),
        ({"score": 11}, "score: expected 0 to 10"),
        ({"reversed": 1}, "reversed: expected true or false"),
        ({"date": "today"}, "date: 'today' is not a date"),
    ],
)
def test_an_indicator_is_read_with_care_without_the_gate(
    indicator: JsonObject, words: str
) -> None:
    """DOM-7.2."""
    given: JsonObject = {"mood_indicators": [{"name": "n", "score": 5, **indicator}]}

    result = domain_of("dionysus").domain.invoke(
        "analyze_mood", IsolatedParameters(given)
    )

    assert result.error is not None
    assert result.error.startswith(f"mood_indicators[0].{words}")


PLACES = [
    (9, 9, "happy"),
    (1, 9, "calm"),
    (9, 1, "tense"),
    (1, 1, "sad"),
    (6, 4, "balanced"),
    (6.1, 5, "happy"),
    (3.9, 5, "calm"),
    (5, 3.9, "tense"),
]


@pytest.mark.parametrize(("energy", "pleasantness", "label"), PLACES)
def test_a_mood_is_named_by_its_quadrant(
    energy: float, pleasantness: float, label: str
) -> None:
    """DOM-8.7."""
    found = mood(rated(energy, "energy"), rated(pleasantness))["mood"]

    assert found == {
        "label": label,
        "energy": energy,
        "pleasantness": pleasantness,
        "assumed": [],
    }


def test_scores_are_weighted_and_turned_round() -> None:
    """DOM-8.7: (3 x 8 + 1 x (10 - 6)) / 4 = 7."""
    data = mood(rated(8, weight=3), rated(6, reversed=True, weight=1))

    assert at(data, "mood", "pleasantness") == 7
    assert at(data, "mood", "assumed") == ["energy"]
    assert data["indicators_count"] == 2


def test_the_strongest_pulls_are_the_drivers() -> None:
    """DOM-8.7."""
    data = mood(
        {"name": "a", "score": 6},
        {"name": "b", "score": 1},
        {"name": "c", "score": 9, "weight": 2},
        {"name": "d", "score": 5},
        {"name": "e", "score": 2, "axis": "energy"},
    )

    assert data["drivers"] == [
        {"name": "c", "axis": "pleasantness", "pull": 8},
        {"name": "b", "axis": "pleasantness", "pull": -4},
        {"name": "e", "axis": "energy", "pull": -3},
    ]


@pytest.mark.parametrize(
    ("scores", "direction"),
    [
        ([1, 2, 3], "too few days"),
        ([1, 1, 9, 9], "rising"),
        ([9, 9, 1, 1], "falling"),
        ([5, 5, 5.5, 5.5], "steady"),
        ([5, 5, 9, 5.6, 5.6], "rising"),
    ],
)
def test_a_mood_trend_compares_the_halves(scores: list[float], direction: str) -> None:
    """DOM-8.7."""
    data = mood(*(rated(s, date=f"2026-03-0{i + 1}") for i, s in enumerate(scores)))

    assert at(data, "trend", "direction") == direction


# --- music -----------------------------------------------------------------------


def track(title: str, energy: float, valence: float, **more: JsonValue) -> JsonObject:
    given: JsonObject = {"title": title, "artist": title, "energy": energy}
    return {**given, "valence": valence, **more}


def recommend(name: str, *tracks: JsonValue, **more: JsonValue) -> JsonObject:
    given: JsonObject = {"mood": name, "catalogue": [*tracks], **more}
    return call("dionysus", "recommend_music", given)


def ranking(data: JsonObject) -> list[tuple[JsonValue, JsonValue]]:
    found = data["recommendations"]
    assert isinstance(found, list)
    return [(at(one, "title"), at(one, "score")) for one in found]


@pytest.mark.parametrize("name", MOODS)
def test_the_place_of_a_mood_itself_scores_full(name: str) -> None:
    """DOM-8.8: 80 points for the place and 10 for the tag."""
    energy, valence = MOODS[name]

    data = recommend(name, track("a", energy, valence, tags=[name.upper()]))

    assert ranking(data) == [("a", 90)]


def test_tracks_are_ranked_by_score_then_title() -> None:
    """DOM-8.8."""
    data = recommend(
        "balanced",
        track("far", 1, 1),
        track("b", 0.6, 0.5),
        track("a", 0.4, 0.5),
        track("tagged", 0.4, 0.5, tags=["Jazz", "x", "BALANCED", "jazz"]),
        tags=["jazz", "x"],
    )

    assert ranking(data) == [("tagged", 94.3), ("a", 74.3), ("b", 74.3), ("far", 40)]
    assert at(data, "recommendations", 0, "reasons") == [
        "energy 0.4 is close to 0.5",
        "valence 0.5 is close to 0.5",
        "tagged 'balanced'",
        "tagged 'jazz'",
    ]
    assert at(data, "recommendations", 3, "reasons") == [
        "energy 1.0 is above 0.5",
        "valence 1.0 is above 0.5",
    ]


def test_artists_are_limited_and_avoided() -> None:
    """DOM-8.8."""
    tracks = [
        track(str(i), 0.5 + i / 100, 0.5) | {"artist": "one" if i < 4 else "two"}
        for i in range(6)
    ]

    two = recommend("balanced", *tracks, per_artist=2, limit=3)
    avoided = recommend("balanced", *tracks, avoid_artists=["one"])

    assert [title for title, _ in ranking(two)] == ["0", "1", "4"]
    assert [title for title, _ in ranking(avoided)] == ["4", "5"]
    assert (avoided["considered"], avoided["avoided"]) == (2, 4)


def test_an_unknown_mood_names_the_known_ones() -> None:
    """DOM-8.8."""
    words = refusal("dionysus", "recommend_music", {"mood": "blue", "catalogue": []})

    assert words.startswith("mood: 'blue' is not known; known are 'balanced', 'calm'")


# --- leisure -----------------------------------------------------------------------


def plan(
    options: list[JsonValue], minutes: int, money: float = 0, **weights: JsonValue
) -> JsonObject:
    given: JsonObject = {"options": options, "minutes": minutes, "money": money}
    return call("dionysus", "plan_leisure", {**given, "preferences": weights})


def option(name: str, minutes: int, enjoyment: int, **more: JsonValue) -> JsonObject:
    return {"name": name, "minutes": minutes, "enjoyment": enjoyment, **more}


def chosen(data: JsonObject) -> list[JsonValue]:
    found = at(data, "plan", "chosen")
    assert isinstance(found, list)
    return [at(one, "name") for one in found]


def test_the_best_pair_beats_the_best_single_option() -> None:
    """DOM-8.9: the greedy choice by value, or by value per minute, is wrong here."""
    options: list[JsonValue] = [
        option("a", 60, 9),
        option("b", 50, 6),
        option("c", 50, 6),
    ]

    data = plan(options, 100)

    assert chosen(data) == ["b", "c"]
    assert at(data, "plan", "total_value") == 12
    assert at(data, "left_out", 0) == {
        "name": "a",
        "reason": "takes 60 minutes, 0 are left beside the best",
    }


def test_preferences_count_by_their_weight_and_once() -> None:
    """DOM-8.9."""
    options: list[JsonValue] = [option("a", 1, 1, tags=["Art", "art", "sea", "sun"])]

    data = plan(options, 1, art=3, SEA=2, sun=0)

    assert at(data, "plan", "total_value") == 6
    assert at(data, "plan", "chosen", 0, "matches") == ["art", "sea"]
    assert data["preferences_count"] == 3


def test_ties_go_to_less_time_then_less_money_then_the_earlier_option() -> None:
    """DOM-8.9."""
    dear: JsonValue = option("dear", 10, 5, cost=2)
    cheap: JsonValue = option("cheap", 10, 5, cost=1)
    long: JsonValue = option("long", 11, 5)

    assert chosen(plan([long, dear, cheap], 11, 2)) == ["cheap"]
    assert chosen(plan([dear, {**option("twin", 10, 5), "cost": 2}], 11, 2)) == ["dear"]


def test_budgets_are_met_to_the_cent_and_the_minute() -> None:
    """DOM-8.9: one step each side of both bounds."""
    options: list[JsonValue] = [option("a", 30, 5, cost=10.1)]

    assert chosen(plan(options, 30, 10.1)) == ["a"]
    short, poor = plan(options, 29, 10.1), plan(options, 30, 10.09)
    assert at(short, "left_out", 0, "reason") == "takes 30 minutes, 29 are there"
    assert at(poor, "left_out", 0, "reason") == "costs 10.10, 10.09 is there"
    worthless = plan([option("w", 1, 0)], 30)
    assert (
        at(worthless, "left_out", 0, "reason") == "worth nothing by these preferences"
    )


def test_money_has_at_most_two_decimals() -> None:
    """DOM-7.2, DOM-8.9."""
    given: JsonObject = {"preferences": {}, "options": [], "minutes": 1, "money": 1.005}

    assert refusal("dionysus", "plan_leisure", given).startswith("money: expected")


def test_too_many_equally_promising_combinations_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DOM-8.9: a refusal, never an answer that is not the best."""
    monkeypatch.setattr("stage2_domains.dionysus.leisure.MAX_COMBINATIONS", 4)
    options: list[JsonValue] = [
        option(f"o{i}", 2**i, 1, cost=2 ** (3 - i)) for i in range(3)
    ]
    given: JsonObject = {"preferences": {}, "minutes": 99, "money": 99}

    assert "too many combinations" in refusal(
        "dionysus", "plan_leisure", {**given, "options": options}
    )
