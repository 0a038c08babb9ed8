"""Laws of the built-in domains on generated parameters: DOM-7, DOM-8."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from stage2_domains.canonical import JsonObject, JsonValue, canonical_bytes
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.registry import DomainRegistry
from tests.oracles.calendar_reader import read_calendar
from tests.unit.stage2_domains.builtin_calls import METHODS, at, call, domain_of

DAY = datetime(2026, 3, 2, tzinfo=UTC)


def moment(minute: int) -> str:
    return (DAY + timedelta(minutes=minute)).isoformat()[:16]


def generated(schema: JsonObject) -> st.SearchStrategy[JsonValue]:
    """Return values that the schemas of the built-in domains mostly accept."""
    if "enum" in schema:
        values = schema["enum"]
        assert isinstance(values, list)
        return st.sampled_from(values)
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        return st.one_of(*(generated({**schema, "type": one}) for one in kind))
    if kind == "object":
        return _object(schema)
    if kind == "array":
        items = schema["items"]
        assert isinstance(items, dict)
        least = schema.get("minItems", 0)
        assert isinstance(least, int)
        return st.lists(generated(items), min_size=least, max_size=5)
    return _SCALARS[str(kind)]


def _object(schema: JsonObject) -> st.SearchStrategy[JsonValue]:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        values = schema["additionalProperties"]
        assert isinstance(values, dict)
        return st.dictionaries(st.sampled_from("abc"), generated(values)).map(dict)
    required = schema["required"]
    assert isinstance(required, list)
    parts = {
        name: generated(one)
        for name, one in properties.items()
        if isinstance(one, dict)
    }
    return st.fixed_dictionaries(
        {name: one for name, one in parts.items() if name in required},
        optional={name: one for name, one in parts.items() if name not in required},
    )


_SCALARS: dict[str, st.SearchStrategy[JsonValue]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-1, 12) | st.integers(0, 2_000),
    "number": st.integers(0, 12) | st.floats(0, 1) | st.floats(-1, 500),
    "string": st.sampled_from(
        [
            "2026-03-01",
            "2026-03-02T10:00Z",
            "08:00",
            "17:30",
            "bmi",
            "calm",
            "{{a}}",
            "a",
        ]
    )
    | st.text(max_size=8),
}


@given(st.data())
@settings(max_examples=200)
def test_every_method_answers_or_says_why_not(data: st.DataObject) -> None:
    """DOM-7.2, DOM-7.4: twice the same plain data, within its own result schema."""
    name, method = data.draw(st.sampled_from(METHODS))
    found = domain_of(name).methods[method]
    given_ = data.draw(generated(found.parameters))
    assert isinstance(given_, dict)
    other = DomainRegistry.builtin().get(name)
    assert other is not None

    first = domain_of(name).domain.invoke(method, IsolatedParameters(given_))
    second = other.domain.invoke(method, IsolatedParameters(given_))

    assert first == second
    encoded = canonical_bytes({"data": first.data, "error": first.error})
    assert len(encoded) <= 200_000
    if first.success:
        assert found.check_result(dict(first.data or {})) is None  # type: ignore[arg-type]  # encoded just above
    else:
        assert first.error
        assert first.error.isprintable()


events = st.lists(
    st.tuples(
        st.integers(1, 200), st.integers(0, 600), st.integers(0, 300), st.integers(1, 5)
    ),
    max_size=12,
)


@given(events, st.integers(0, 30))
def test_a_schedule_never_overlaps_and_keeps_every_window(
    wanted: list[tuple[int, int, int, int]], pause: int
) -> None:
    """DOM-8.6: and the calendar says the same."""
    wishes: list[JsonValue] = [
        {
            "title": str(i),
            "duration_minutes": minutes,
            "earliest": moment(start),
            "latest": moment(start + minutes + slack),
            "priority": priority,
        }
        for i, (minutes, start, slack, priority) in enumerate(wanted)
    ]
    given_: JsonObject = {
        "events": wishes, "stamp": moment(0), "break_minutes": pause,
    }  # fmt: skip
    data = call("hermes", "draft_schedule", given_)

    schedule, unplaced = data["schedule"], data["unplaced"]
    assert isinstance(schedule, list)
    assert isinstance(unplaced, list)
    assert sorted(str(at(one, "title")) for one in [*schedule, *unplaced]) == sorted(
        str(i) for i in range(len(wanted))
    )
    spans = []
    for one in schedule:
        wish = wishes[int(str(at(one, "title")))]
        start, end = str(at(one, "start")), str(at(one, "end"))
        assert str(at(wish, "earliest")) <= start
        assert end[:16] <= str(at(wish, "latest"))
        spans.append((datetime.fromisoformat(start), datetime.fromisoformat(end)))
        minutes = (spans[-1][1] - spans[-1][0]).total_seconds() / 60
        assert minutes == at(wish, "duration_minutes")
    gap = timedelta(minutes=pause)
    assert all(spans[i][1] + gap <= spans[i + 1][0] for i in range(len(spans) - 1))
    for one in unplaced:
        _fits_nowhere(wishes[int(str(at(one, "title")))], spans, gap)
    found = read_calendar(str(data["calendar"]))
    assert [one["SUMMARY"][0] for one in found] == [
        at(one, "title") for one in schedule
    ]


def _fits_nowhere(
    wish: JsonValue, spans: list[tuple[datetime, datetime]], gap: timedelta
) -> None:
    """No start, minute by minute, would leave the event clear of all others."""
    length = at(wish, "duration_minutes")
    assert isinstance(length, int)
    start = datetime.fromisoformat(f"{at(wish, 'earliest')}+00:00")
    latest = datetime.fromisoformat(f"{at(wish, 'latest')}+00:00")
    while start + timedelta(minutes=length) <= latest:
        end = start + timedelta(minutes=length)
        assert any(
            start < taken_to + gap and taken_from < end + gap
            for taken_from, taken_to in spans
        )
        start += timedelta(minutes=1)


windows = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 1_300), st.integers(1, 139)),
    max_size=6,
)
goals = st.lists(
    st.tuples(st.integers(1, 150), st.integers(1, 5), st.booleans()), max_size=8
)


def clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def minutes(text: JsonValue) -> int:
    hours, _, rest = str(text).partition(":")
    return int(hours) * 60 + int(rest)


@given(windows, goals, st.integers(0, 20))
def test_a_routine_lies_in_the_windows_and_never_overlaps(
    free: list[tuple[str, int, int]], wanted: list[tuple[int, int, bool]], pause: int
) -> None:
    """DOM-8.2: minute by minute."""
    given_: JsonObject = {
        "windows": [
            {"day": day, "start": clock(start), "end": clock(start + length)}
            for day, start, length in free
        ],
        "goals": [
            {
                "name": str(i),
                "minutes": length,
                "priority": priority,
                "may_split": split,
            }
            for i, (length, priority, split) in enumerate(wanted)
        ],
        "break_minutes": pause,
    }
    data = call("apollo", "plan_routine", given_)

    open_minutes = {
        (day, minute)
        for day, start, length in free
        for minute in range(start, start + length)
    }
    used: set[tuple[str, int]] = set()
    spent: dict[str, int] = {}
    routine, unplaced = data["routine"], data["unplaced"]
    assert isinstance(routine, list)
    assert isinstance(unplaced, list)
    for block in routine:
        day, goal = str(at(block, "day")), str(at(block, "goal"))
        span = range(minutes(at(block, "start")), minutes(at(block, "end")))
        cells = {(day, minute) for minute in span}
        assert cells <= open_minutes
        assert not cells & used
        used |= cells
        spent[goal] = spent.get(goal, 0) + len(span)
        assert len(span) >= 15 or len(span) == wanted[int(goal)][0]
    left_out = {str(at(one, "goal")) for one in unplaced}
    for i, (length, _, _) in enumerate(wanted):
        assert spent.get(str(i), 0) == (0 if str(i) in left_out else length)
    assert data["free_minutes"] == len(open_minutes)
    assert data["planned_minutes"] == len(used)


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["plain", "html"]))
def test_a_message_is_its_template_around_its_values(
    before: str, value: str, channel: str
) -> None:
    """DOM-8.4."""
    template = before.replace("{", "").replace("}", "") + "|{{v}}|"
    try:
        value.encode()
        template.encode()
    except UnicodeEncodeError:
        return
    given_: JsonObject = {"template": template, "values": {"v": value}}

    message = str(
        call("hermes", "compose_message", {**given_, "channel": channel})["message"]
    )

    assert message.startswith(template.removesuffix("{{v}}|"))
    inner = message.removeprefix(template.removesuffix("{{v}}|")).removesuffix("|")
    assert channel == "plain" or not set(inner) & set("<>\"'")


@given(
    st.dictionaries(
        st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefghxy"), max_size=4)
    )
)
def test_layers_and_cycles_follow_from_reachability(
    graph: dict[str, list[str]],
) -> None:
    """DOM-8.11: against the transitive closure by brute force."""
    requirements: list[JsonValue] = [
        {"component": name, "depends_on": list(others)}
        for name, others in graph.items()
    ]
    data = call("hephaestus", "design_system", {"requirements": requirements})
    design = data["design"]

    reach = {name: set(others) & set(graph) for name, others in graph.items()}
    for _ in graph:
        for name in graph:
            reach[name] |= {far for other in reach[name] for far in reach[other]}
    cycles = sorted(
        {
            tuple(sorted({b for b in graph if b in reach[a] and a in reach[b]}))
            for a in graph
            if a in reach[a]
        }
    )
    assert at(design, "cycles") == [list(cycle) for cycle in cycles]
    layers = at(design, "layers")
    assert isinstance(layers, list)
    level = {str(name): i for i, layer in enumerate(layers) for name in _texts(layer)}
    assert set(level) == set(graph)
    for name in graph:
        below = {other for other in reach[name] if name not in reach[other]}
        assert level[name] == max((level[other] + 1 for other in below), default=0)


def _texts(value: JsonValue) -> list[JsonValue]:
    assert isinstance(value, list)
    return value
