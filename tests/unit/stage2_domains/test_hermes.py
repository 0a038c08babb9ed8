"""Hermes' answers: DOM-8.4 to DOM-8.6."""

import html
import re

import pytest

from stage2_domains.canonical import JsonObject, JsonValue
from stage2_domains.hermes.composition import MAX_MESSAGE
from tests.oracles.calendar_reader import read_calendar
from tests.unit.stage2_domains.builtin_calls import at, call, refusal


def compose(template: str, channel: str = "plain", **values: JsonValue) -> JsonObject:
    given: JsonObject = {"template": template, "values": values, "channel": channel}
    return call("hermes", "compose_message", given)


NASTY = "<b>&\"'`*_[x](y)#\\{{b}}\n- \u0007\u0085$1"


def test_a_value_is_escaped_for_its_channel() -> None:
    """DOM-8.4."""
    plain = compose("{{a}}", a=NASTY)["message"]
    page = compose("<p title='{{a}}'>", "html", a=NASTY)["message"]
    marked = compose("{{a}}", "markdown", a=NASTY)["message"]

    clean = NASTY.replace("\u0007", "").replace("\u0085", "")
    assert plain == clean
    assert isinstance(page, str)
    inner = page.removeprefix("<p title='").removesuffix("'>")
    assert not set(inner) & set("<>\"'")
    assert html.unescape(inner) == clean
    assert isinstance(marked, str)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", marked) == clean.replace("\n", " ")
    bare = re.sub(r"\\.", "", marked)
    assert not set(bare) & set("<>&\"'`*_[]()#\\{}-$\n")


def test_the_template_itself_is_left_as_it_is() -> None:
    """DOM-8.4: a placeholder within a value is text."""
    data = compose("<b>{{ a }}</b>{ } {{a}}", "html", a="{{b}}")

    assert data["message"] == "<b>{{b}}</b>{ } {{b}}"
    assert data["placeholders"] == ["a"]


def test_numbers_and_flags_are_written_as_json_writes_them() -> None:
    """DOM-8.4."""
    data = compose("{{i}} {{f}} {{w}} {{t}} {{n}}", i=7, f=0.1, w=1e21, t=True, n=False)

    assert data["message"] == "7 0.1 1e+21 yes no"
    assert (data["words"], data["characters"]) == (5, 18)


def test_missing_values_are_refused_and_unused_ones_named() -> None:
    """DOM-8.4."""
    given: JsonObject = {"template": "{{a}} {{b}} {{c}}", "values": {"b": 1, "z": 2}}

    assert refusal("hermes", "compose_message", given) == (
        "values: the template also needs 'a', 'c'"
    )
    assert compose("{{b}}", b=1, z=2, y=3)["unused_values"] == ["y", "z"]


@pytest.mark.parametrize(
    "template", ["{{", "}}", "{{a b}}", "{{1}}", "{{\u00e9}}", "{{a}}}}"]
)
def test_braces_that_are_no_placeholder_are_refused(template: str) -> None:
    """DOM-8.4."""
    given: JsonObject = {"template": template, "values": {"a": 1}}

    assert "must enclose a name" in refusal("hermes", "compose_message", given)


def test_a_message_is_accepted_to_the_bound_and_refused_beyond() -> None:
    """DOM-7.6, DOM-8.4."""
    half = "x" * (MAX_MESSAGE // 2)

    assert compose("{{a}}{{a}}", a=half)["characters"] == MAX_MESSAGE
    given: JsonObject = {"template": "{{a}}{{a}}.", "values": {"a": half}}
    assert f"{MAX_MESSAGE + 1} characters" in refusal(
        "hermes", "compose_message", given
    )


# --- conversations -------------------------------------------------------------


def talk(*messages: tuple[str, str, str], **more: JsonValue) -> JsonObject:
    given: JsonObject = {
        "messages": [
            {"sender": sender, "time": f"2026-03-02T{time}", "text": text}
            for sender, time, text in messages
        ],
        **more,
    }
    data = call("hermes", "analyze_conversation", given)
    assert data["message_count"] == len(messages)
    analysis = data["analysis"]
    assert isinstance(analysis, dict)
    return analysis


def test_turns_and_response_times_are_counted_per_sender() -> None:
    """DOM-8.5: given out of order, and one with an offset."""
    analysis = talk(
        ("bob", "09:02Z", "two words"),
        ("ann", "09:00Z", "Hello there?"),
        ("bob", "09:03:30Z", "more"),
        ("ann", "11:05+02:00", "ok"),
    )

    ann, bob = at(analysis, "senders", 0), at(analysis, "senders", 1)
    assert (analysis["from"], analysis["to"]) == (
        "2026-03-02T09:00:00Z",
        "2026-03-02T09:05:00Z",
    )
    assert analysis["turns"] == 3
    assert (at(ann, "turns"), at(ann, "longest_run"), at(ann, "messages")) == (2, 1, 2)
    assert (at(bob, "turns"), at(bob, "longest_run"), at(bob, "words")) == (1, 2, 3)
    assert at(bob, "response_seconds") == {
        "count": 1, "mean": 120, "median": 120, "longest": 120,
    }  # fmt: skip
    assert at(ann, "response_seconds", "mean") == 90
    assert at(ann, "share") == 0.5


QUESTIONS: dict[str, tuple[list[tuple[str, str, str]], int]] = {
    "answered": ([("a", "09:00", "why?"), ("b", "09:01", "so")], 0),
    "last word": ([("b", "09:00", "hm"), ("a", "09:01", "why?")], 1),
    "only the asker goes on": ([("a", "09:00", "why?"), ("a", "09:01", "?")], 2),
    "answered after a second message": (
        [("a", "09:00", "why?"), ("a", "09:01", "well"), ("b", "09:02", "so")],
        0,
    ),
    "answered by a question": ([("a", "09:00", "why?"), ("b", "09:01", "what?")], 1),
    "in time to the minute": ([("a", "09:00", "why?"), ("b", "10:00", "so")], 0),
    "too late": ([("a", "09:00", "why?"), ("b", "10:00:01", "so")], 1),
}


@pytest.mark.parametrize(("messages", "expected"), QUESTIONS.values(), ids=QUESTIONS)
def test_a_question_is_unanswered_when_nobody_else_writes_in_time(
    messages: list[tuple[str, str, str]], expected: int
) -> None:
    """DOM-8.5."""
    analysis = talk(*messages, answer_within_minutes=60)

    assert analysis["unanswered_count"] == expected


def test_top_terms_leave_out_what_says_nothing() -> None:
    """DOM-8.5."""
    analysis = talk(
        ("a", "09:00", "The release, the RELEASE and x1 an ok"),
        ("b", "09:01", "Release notes: don't, notes; \u00fcber"),
    )

    assert analysis["top_terms"] == [
        {"term": "release", "count": 3},
        {"term": "notes", "count": 2},
        {"term": "\u00fcber", "count": 1},
    ]


@pytest.mark.parametrize(
    "time",
    ["2026-03-02", "2026-03-02 09:00", "2026-03-02T9:00", "0001-01-01T00:00", "x"],
)
def test_a_time_that_is_none_is_refused(time: str) -> None:
    """DOM-7.2, DOM-8.5."""
    given: JsonObject = {"messages": [{"sender": "a", "time": time, "text": ""}]}

    assert refusal("hermes", "analyze_conversation", given).startswith(
        "messages[0].time: "
    )


def test_senders_are_accepted_to_the_bound_and_refused_beyond() -> None:
    """DOM-7.6, DOM-8.5."""
    messages = [(f"s{i}", "09:00", "x") for i in range(200)]
    given: JsonObject = {
        "messages": [
            {"sender": f"s{i}", "time": "2026-03-02T09:00", "text": ""}
            for i in range(201)
        ]
    }

    assert at(talk(*messages), "turns") == 200
    assert "201 senders, at most 200" in refusal(
        "hermes", "analyze_conversation", given
    )


# --- schedules -----------------------------------------------------------------


def event(
    title: str, minutes: int, start: str, end: str, **more: JsonValue
) -> JsonObject:
    return {
        "title": title,
        "duration_minutes": minutes,
        "earliest": f"2026-03-02T{start}",
        "latest": f"2026-03-02T{end}",
        **more,
    }


def draft(*events: JsonValue, **more: JsonValue) -> JsonObject:
    given: JsonObject = {"events": [*events], "stamp": "2026-03-01T12:00Z", **more}
    return call("hermes", "draft_schedule", given)


def times(data: JsonObject) -> list[tuple[JsonValue, str]]:
    found = data["schedule"]
    assert isinstance(found, list)
    return [(at(one, "title"), str(at(one, "start"))[11:16]) for one in found]


def test_events_are_placed_by_priority_at_their_earliest_time() -> None:
    """DOM-8.6."""
    data = draft(
        event("low", 60, "09:00", "12:00", priority=1),
        event("high", 60, "09:00", "10:00", priority=5),
        event("none", 120, "09:00", "11:30"),
        event("early", 30, "08:00", "09:30"),
    )

    assert times(data) == [("early", "08:00"), ("high", "09:00"), ("low", "10:00")]
    assert at(data, "unplaced", 0, "reason") == (
        "no free 120 minutes between 2026-03-02T09:00:00Z and 2026-03-02T11:30:00Z"
    )


def test_a_break_lies_before_and_after_every_event() -> None:
    """DOM-8.6: exactly the break fits, one minute less does not."""
    first = event("fixed", 60, "10:00", "11:00", priority=5)

    before = draft(first, event("x", 50, "09:00", "10:30"), break_minutes=10)
    after = draft(first, event("x", 51, "09:00", "13:00"), break_minutes=10)

    assert times(before) == [("x", "09:00"), ("fixed", "10:00")]
    assert times(after) == [("fixed", "10:00"), ("x", "11:10")]


def test_the_calendar_says_what_the_schedule_says() -> None:
    """DOM-8.6; RFC 5545."""
    title = "Caf\u00e9; a,b \\ c\nnew " + "\U0001f600" * 30
    data = draft(
        event(title, 30, "09:00", "10:00", priority=5, location="Room, 1"),
        event("Z", 15, "09:00", "10:00", attendees=["ann@example.org"]),
    )

    first, second = read_calendar(str(data["calendar"]))

    assert first["SUMMARY"] == [title]
    assert first["LOCATION"] == ["Room, 1"]
    assert first["DTSTART"] == ["20260302T090000Z"]
    assert first["DTEND"] == ["20260302T093000Z"]
    assert first["DTSTAMP"] == ["20260301T120000Z"]
    assert first["PRIORITY"] == ["1"]
    assert second["ATTENDEE"] == ["mailto:ann@example.org"]
    assert second["PRIORITY"] == ["5"]


@pytest.mark.parametrize(
    "title", ["x" * 200, "\u00e9" * 200, "\u20ac" * 200, ";" * 200]
)
def test_long_lines_are_folded_within_their_octets(title: str) -> None:
    """DOM-8.6: of one to three octets a character, and escaped ones."""
    data = draft(event(title, 5, "09:00", "10:00"))

    (found,) = read_calendar(str(data["calendar"]))

    assert found["SUMMARY"] == [title]


def test_uids_depend_on_the_events_alone_and_differ() -> None:
    """DOM-8.6: two equal events at two times, and another stamp."""
    twin = event("t", 30, "09:00", "12:00")
    one = read_calendar(str(draft(twin, twin)["calendar"]))
    given: JsonObject = {"events": [twin, twin], "stamp": "2027-01-01T00:00"}
    other = read_calendar(str(call("hermes", "draft_schedule", given)["calendar"]))

    uids = [found["UID"][0] for found in one]
    assert len(set(uids)) == 2
    assert uids == [found["UID"][0] for found in other]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"latest": "2026-03-02T09:29"}, "latest: the event does not fit"),
        ({"attendees": ["ann"]}, "attendees: expected mail addresses"),
        ({"attendees": ["a@b\r\nX:1"]}, "attendees: expected mail addresses"),
        ({"attendees": ["a@b@c"]}, "attendees: expected mail addresses"),
        ({"attendees": ["a@b;c"]}, "attendees: expected plain mail addresses"),
        ({"earliest": "tomorrow"}, "earliest: 'tomorrow' is not a time"),
    ],
)
def test_an_event_that_cannot_be_used_is_named(change: JsonObject, words: str) -> None:
    """DOM-7.2, DOM-8.6."""
    given: JsonObject = {
        "events": [{**event("t", 30, "09:00", "09:30"), **change}],
        "stamp": "2026-03-01T12:00Z",
    }

    assert refusal("hermes", "draft_schedule", given).startswith(f"events[0].{words}")


def test_a_title_cannot_add_a_line_to_the_calendar() -> None:
    """DOM-8.6."""
    data = draft(event("x\r\nATTENDEE:evil\rBEGIN:VEVENT\u0000", 5, "09:00", "10:00"))

    (found,) = read_calendar(str(data["calendar"]))

    assert "ATTENDEE" not in found
    assert found["SUMMARY"] == ["x\nATTENDEE:evilBEGIN:VEVENT"]
