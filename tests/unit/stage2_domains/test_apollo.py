"""Apollo's answers: DOM-8.1 to DOM-8.3."""

import pytest

from stage2_domains.apollo.habits import MAX_HABITS
from stage2_domains.apollo.health import NOTE, TOPICS
from stage2_domains.canonical import JsonObject, JsonValue
from tests.unit.stage2_domains.builtin_calls import at, call, refusal


def habits(*entries: JsonValue, **more: JsonValue) -> JsonObject:
    return call("apollo", "analyze_habits", {"habits": [*entries], **more})


def day(number: int, *, done: bool = True, name: str = "run") -> JsonObject:
    return {"name": name, "date": f"2026-03-{number:02d}", "done": done}


def test_a_log_is_counted_by_habit_and_day() -> None:
    """DOM-8.1: two entries of one day are one day."""
    data = habits(
        {"name": "run", "date": "2026-03-02", "minutes": 10},
        {"name": "run", "date": "2026-03-02", "minutes": 5.5},
        {"name": "run", "date": "2026-03-03", "minutes": 0},
        day(4, name="art"),
    )

    assert data["habits_analyzed"] == 2
    assert data["entries_count"] == 4
    assert data["period"] == {"from": "2026-03-02", "to": "2026-03-04", "days": 3}
    art, run = at(data, "analysis", 0), at(data, "analysis", 1)
    assert at(art, "minutes") is None
    assert at(run, "name") == "run"
    assert (at(run, "days_logged"), at(run, "days_done")) == (2, 1)
    assert at(run, "completion_rate") == 0.5
    assert at(run, "minutes") == {"total": 15.5, "mean": 7.75, "median": 7.75}
    assert at(run, "weekdays", "Monday") == {"logged": 1, "done": 1, "rate": 1}
    assert at(run, "weekdays", "Tuesday") == {"logged": 1, "done": 0, "rate": 0}


STREAKS: dict[str, tuple[list[JsonObject], str | None, int, int]] = {
    "done to the end": ([day(1), day(2), day(3)], None, 3, 3),
    "a gap": ([day(1), day(2), day(4)], None, 1, 2),
    "broken on the last day": ([day(1), day(2), day(3, done=False)], None, 0, 2),
    "today has no entry yet": ([day(1), day(2)], "2026-03-03", 2, 2),
    "yesterday has none either": ([day(1), day(2)], "2026-03-04", 0, 2),
    "today is missed": ([day(2), day(3, done=False)], "2026-03-03", 0, 1),
    "never done": ([day(1, done=False)], None, 0, 0),
    "over a month's end": (
        [
            {"name": "run", "date": d, "done": True}
            for d in ("2024-02-29", "2024-03-01")
        ],
        None,
        2,
        2,
    ),
}


@pytest.mark.parametrize(
    ("entries", "as_of", "current", "longest"), STREAKS.values(), ids=STREAKS
)
def test_streaks_are_consecutive_days(
    entries: list[JsonObject], as_of: str | None, current: int, longest: int
) -> None:
    """DOM-8.1."""
    data = habits(*entries, **({"as_of": as_of} if as_of else {}))

    assert at(data, "analysis", 0, "current_streak") == current
    assert at(data, "analysis", 0, "longest_streak") == longest


TRENDS = {
    "ddd": ("too few days", None, None),
    "nndd": ("improving", 0, 1),
    "ddnn": ("declining", 1, 0),
    "dndn": ("steady", 0.5, 0.5),
    "nndnn": ("steady", 0, 0),
    "nnddd": ("improving", 0, 1),
}


@pytest.mark.parametrize(("days", "expected"), TRENDS.items(), ids=TRENDS)
def test_a_trend_compares_the_halves_from_four_days_on(
    days: str, expected: tuple[str, float | None, float | None]
) -> None:
    """DOM-8.1."""
    data = habits(*(day(i + 1, done=d == "d") for i, d in enumerate(days)))

    trend = at(data, "analysis", 0, "trend")
    assert tuple(
        at(trend, key) for key in ("direction", "older_rate", "newer_rate")
    ) == (expected)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            {"name": "a", "date": "2026-02-30", "done": True},
            "habits[0].date: '2026-02-30'",
        ),
        ({"name": "a", "date": "20260301", "done": True}, "habits[0].date"),
        ({"name": "a", "date": "2026-W01-1", "done": True}, "habits[0].date"),
        ({"name": "a", "date": "2026-03-01"}, "habits[0].done: an entry needs"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(entry: JsonObject, words: str) -> None:
    """DOM-7.2, DOM-8.1."""
    assert words in refusal("apollo", "analyze_habits", {"habits": [entry]})


def test_habits_are_accepted_to_the_bound_and_refused_beyond() -> None:
    """DOM-7.6, DOM-8.1."""
    many: list[JsonValue] = [day(1, name=f"h{i}") for i in range(MAX_HABITS)]

    assert habits(*many)["habits_analyzed"] == MAX_HABITS
    assert "201 habits, at most 200" in refusal(
        "apollo", "analyze_habits", {"habits": [*many, day(1, name="one more")]}
    )
    assert "entries after this day" in refusal(
        "apollo", "analyze_habits", {"habits": [day(2)], "as_of": "2026-03-01"}
    )


# --- routines ----------------------------------------------------------------


def routine(
    goals: list[JsonValue], windows: list[JsonValue], **more: JsonValue
) -> JsonObject:
    given: JsonObject = {"goals": goals, "windows": windows, **more}
    return call("apollo", "plan_routine", given)


def goal(name: str, minutes: int, priority: int = 3, **more: JsonValue) -> JsonObject:
    return {"name": name, "minutes": minutes, "priority": priority, **more}


def blocks(data: JsonObject) -> list[tuple[JsonValue, ...]]:
    found = data["routine"]
    assert isinstance(found, list)
    return [
        (at(one, "goal"), at(one, "day"), at(one, "start"), at(one, "end"))
        for one in found
    ]


WINDOWS: list[JsonValue] = [
    {"day": "Mon", "start": "18:00", "end": "19:00"},
    {"day": "Mon", "start": "07:00", "end": "07:30"},
]


def test_goals_take_the_tightest_stretch_by_priority() -> None:
    """DOM-8.2."""
    data = routine([goal("a", 30, 1), goal("b", 30, 5), goal("c", 45, 4)], WINDOWS)

    assert blocks(data) == [
        ("b", "Mon", "07:00", "07:30"),
        ("c", "Mon", "18:00", "18:45"),
    ]
    assert at(data, "unplaced", 0, "goal") == "a"
    assert at(data, "unplaced", 0, "reason") == (
        "needs 30 minutes; the longest free stretch left is 15 minutes"
    )
    assert (data["free_minutes"], data["planned_minutes"]) == (90, 75)
    assert data["share_of_free_time"] == 0.833


def test_a_break_lies_between_two_blocks_of_one_stretch() -> None:
    """DOM-8.2: exactly the break fits, one minute more does not."""
    goals: list[JsonValue] = [goal("a", 20, 5), goal("b", 30, 4)]
    window: list[JsonValue] = [{"start": "10:00", "end": "11:00"}]

    fits = routine(goals, window, break_minutes=10)
    too_long = routine(goals, window, break_minutes=11)

    assert [one[2:] for one in blocks(fits)] == [("10:00", "10:20"), ("10:30", "11:00")]
    assert len(blocks(too_long)) == 1


def test_a_goal_that_may_be_split_fills_several_stretches() -> None:
    """DOM-8.2: no piece is shorter than 15 minutes."""
    window: list[JsonValue] = [
        {"day": "Tue", "start": "08:00", "end": "09:00"},
        {"day": "Wed", "start": "08:00", "end": "08:20"},
    ]

    data = routine([goal("a", 65, may_split=True)], window)
    beyond = routine([goal("a", 81, may_split=True)], window)

    assert blocks(data) == [
        ("a", "Tue", "08:00", "08:50"),
        ("a", "Wed", "08:00", "08:15"),
    ]
    assert at(beyond, "unplaced", 0, "reason") == (
        "needs 81 minutes; 80 free minutes are left, in pieces of at most 60"
    )


def test_windows_that_overlap_are_one_stretch() -> None:
    """DOM-8.2."""
    window: list[JsonValue] = [
        {"day": "Mon", "start": "09:30", "end": "10:30"},
        {"day": "Mon", "start": "09:00", "end": "10:00"},
        {"day": "Mon", "start": "10:30", "end": "11:00"},
    ]

    data = routine([goal("a", 120)], window)

    assert data["free_minutes"] == 120
    assert blocks(data) == [("a", "Mon", "09:00", "11:00")]


@pytest.mark.parametrize(
    "end", ["07:00", "06:59", "24:01", "7:30", "07.30", "\u0660\u0667:30"]
)
def test_a_window_that_is_none_is_refused(end: str) -> None:
    """DOM-7.2, DOM-8.2."""
    given: JsonObject = {"goals": [], "windows": [{"start": "07:00", "end": end}]}

    assert refusal("apollo", "plan_routine", given).startswith("windows[0].end")


# --- health --------------------------------------------------------------------


def health(topic: str, **measurements: JsonValue) -> JsonObject:
    data = call(
        "apollo", "get_health_info", {"topic": topic, "measurements": measurements}
    )
    info = data["info"]
    assert isinstance(info, dict)
    return info


@pytest.mark.parametrize(
    ("kg", "category"),
    [
        (73.9, "underweight"),
        (74, "normal weight"),
        (99.9, "normal weight"),
        (100, "overweight"),
        (120, "obesity class I"),
        (140, "obesity class II"),
        (160, "obesity class III"),
    ],
)
def test_the_body_mass_index_falls_into_the_bands_of_the_who(
    kg: float, category: str
) -> None:
    """DOM-8.3: two metres tall, so the index is a quarter of the weight."""
    info = health("bmi", height_cm=200, weight_kg=kg)

    assert info["category"] == category
    assert info["bmi"] == round(kg / 4, 1)
    assert info["normal_weight_kg"] == {"from": 74, "below": 100}


def test_heart_rate_zones_follow_tanaka_and_karvonen() -> None:
    """DOM-8.3: 208 - 0.7 x 40 = 180; half of the reserve of 120 above 60 is 120."""
    plain = health("heart_rate_zones", age_years=40)
    reserve = health("heart_rate_zones", age_years=40, resting_bpm=60)

    assert plain["maximum_bpm"] == 180
    assert at(plain, "zones", 0) == {
        "zone": "very light",
        "from_bpm": 90,
        "to_bpm": 108,
    }
    assert at(reserve, "zones", 0, "from_bpm") == 120
    assert at(reserve, "zones", 4, "to_bpm") == 180


def test_sleep_debt_adds_what_is_below_the_range() -> None:
    """DOM-8.3."""
    info = health("sleep_debt", age_years=30, sleep_hours=[6, 7, 9.5, 5.5])

    assert info == {
        "nights": 4,
        "recommended_hours": {"from": 7, "to": 9},
        "mean_hours": 7,
        "nights_below": 2,
        "nights_above": 1,
        "debt_hours": 2.5,
    }


def test_the_other_topics_follow_their_formulas() -> None:
    """DOM-8.3: by hand, from the published formulas."""
    energy = health(
        "energy_need", age_years=30, height_cm=180, sex="male", weight_kg=80
    )
    water = health("hydration", sex="female", drinks_l=1)
    waist = health("waist_to_height", height_cm=170, waist_cm=85)

    assert energy["basal_kcal_per_day"] == 1780
    assert at(energy, "daily_kcal", "sedentary") == 2136
    assert water["total_water_l"] == 2
    assert water["from_drinks_l"] == {"from": 1.4, "to": 1.6}
    assert water["missing_l"] == 0.4
    assert waist == {
        "ratio": 0.5,
        "category": "increased risk",
        "half_of_height_cm": 85,
    }


def test_every_result_names_its_source_and_says_what_it_is() -> None:
    """DOM-8.3."""
    for name, topic in TOPICS.items():
        everything: JsonObject = {
            "age_years": 30, "drinks_l": 1, "height_cm": 170, "resting_bpm": 60,
            "sex": "male", "sleep_hours": [7], "waist_cm": 80, "weight_kg": 70,
        }  # fmt: skip

        data = call(
            "apollo", "get_health_info", {"topic": name, "measurements": everything}
        )

        assert data["note"] == NOTE
        assert data["source"] == topic.source
        assert data["formula"] == topic.formula
        unused = data["unused_measurements"]
        assert isinstance(unused, list)
        assert sorted([*unused, *topic.needs, *topic.may_use]) == sorted(everything)


def test_an_unknown_topic_and_a_missing_measurement_are_named() -> None:
    """DOM-8.3."""
    unknown = refusal(
        "apollo", "get_health_info", {"topic": "aura", "measurements": {}}
    )
    missing = refusal(
        "apollo", "get_health_info", {"topic": "bmi", "measurements": {"weight_kg": 70}}
    )

    assert "'aura' is not known" in unknown
    assert all(f"'{topic}'" in unknown for topic in TOPICS)
    assert missing == "measurements: the topic 'bmi' also needs 'height_cm'"


@pytest.mark.parametrize(
    ("topic", "measurements", "words"),
    [
        ("energy_need", {"age_years": 3, "height_cm": 9e1, "weight_kg": 9}, "'sex'"),
        ("bmi", {"height_cm": 150, "weight_kg": 50, "age_years": 17.9}, "adults"),
        ("hydration", {"sex": "male", "age_years": 13.9}, "14 years"),
        ("sleep_debt", {"age_years": 5.9, "sleep_hours": [9]}, "6 years"),
        (
            "heart_rate_zones",
            {"age_years": 40, "resting_bpm": 180},
            "below the maximum",
        ),
    ],
)
def test_a_formula_is_not_used_outside_its_range(
    topic: str, measurements: JsonObject, words: str
) -> None:
    """DOM-8.3."""
    given: JsonObject = {"topic": topic, "measurements": measurements}

    assert words in refusal("apollo", "get_health_info", given)
