"""What all built-in methods have in common: DOM-7."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from stage2_domains.canonical import JsonObject, canonical_bytes
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.registry import DomainRegistry
from tests.unit.stage2_domains.builtin_calls import METHODS, call, domain_of, method_of

# Rules 6.1: what each result carries besides ``domain`` and ``method``.
KEYS = {
    ("apollo", "analyze_habits"): ("habits_analyzed", "analysis"),
    ("apollo", "plan_routine"): ("goals_count", "routine"),
    ("apollo", "get_health_info"): ("topic", "info"),
    ("hermes", "compose_message"): ("type", "message"),
    ("hermes", "analyze_conversation"): ("message_count", "analysis"),
    ("hermes", "draft_schedule"): ("events_count", "schedule"),
    ("dionysus", "analyze_mood"): ("indicators_count", "mood"),
    ("dionysus", "recommend_music"): ("mood", "recommendations"),
    ("dionysus", "plan_leisure"): ("preferences_count", "plan"),
    ("hephaestus", "analyze_code"): ("snippets_analyzed", "analysis"),
    ("hephaestus", "design_system"): ("requirements_count", "design"),
    ("hephaestus", "debug_issue"): ("issue", "diagnosis"),
}


def test_the_four_domains_have_three_methods_each() -> None:
    """DOM-7.1; rules 6.1."""
    assert set(METHODS) == set(KEYS)


@pytest.mark.parametrize(("domain", "method"), METHODS)
def test_the_example_fits_and_gives_the_result_it_should(
    domain: str, method: str
) -> None:
    """DOM-7.1, DOM-7.4, DOM-7.7."""
    registered = method_of(domain, method)
    example = registered.example
    assert example is not None
    assert registered.description.endswith(".")
    assert registered.check_parameters(example) is None

    data = call(domain, method, example)

    assert data["domain"] == domain
    assert data["method"] == method
    assert set(KEYS[domain, method]) <= set(data)
    assert registered.check_result(data) is None
    again = DomainRegistry.builtin().get(domain)
    assert again is not None
    other = again.domain.invoke(method, IsolatedParameters(example))
    assert canonical_bytes(other.data) == canonical_bytes(data)


@pytest.mark.parametrize(("domain", "method"), METHODS)
def test_unknown_parameters_are_refused_and_missing_ones_named(
    domain: str, method: str
) -> None:
    """DOM-7.3."""
    registered = method_of(domain, method)
    required = registered.parameters["required"]
    assert isinstance(required, list)
    example = registered.example
    assert example is not None

    unknown = registered.check_parameters({**example, "extra": 1})
    missing = registered.check_parameters({})

    assert unknown is not None
    assert "unknown 'extra'" in unknown
    assert missing is not None
    assert required
    assert all(f"'{name}'" in missing for name in required)


@pytest.mark.parametrize("domain", sorted({domain for domain, _ in METHODS}))
@pytest.mark.parametrize("method", ["", "no_such", "invoke", "__init__", "x" * 9_000])
def test_an_unknown_method_gives_an_unsuccessful_result(
    domain: str, method: str
) -> None:
    """DOM-7.2; rules 6.2."""
    result = domain_of(domain).domain.invoke(method, IsolatedParameters(b"{}"))

    assert result.success is False
    assert result.data is None
    assert result.error is not None
    assert "not found" in result.error
    assert len(result.error) < 400


@pytest.mark.parametrize(("domain", "method"), METHODS)
def test_a_call_without_the_gate_answers_instead_of_raising(
    domain: str, method: str
) -> None:
    """DOM-7.2: each top-level parameter missing, and of every wrong type."""
    found = domain_of(domain)
    example = found.methods[method].example
    assert example is not None
    for name in example:
        rest = {key: value for key, value in example.items() if key != name}
        for changed in (rest, *({**rest, name: wrong} for wrong in WRONG)):
            result = found.domain.invoke(method, IsolatedParameters(changed))

            assert result.success or (result.error and len(result.error) <= 2_000)


WRONG: list[object] = [None, True, -1, 1.5, "", "x", [], [None], ["x"], {}, [{}]]


def test_domains_are_given_nothing_but_parameters() -> None:
    """DOM-3.1; rules 6.3: nothing of the executor is an attribute of a domain."""
    for name in DomainRegistry.builtin().names():
        assert set(vars(domain_of(name).domain)) == set()


GUARDED_PROGRAM = """
import json, sys
from stage2_domains import DomainRegistry, IsolatedParameters
from stage2_domains.canonical import canonical_bytes
registry = DomainRegistry.builtin()
calls = [
    (domain, method.name, IsolatedParameters(canonical_bytes(method.example)))
    for name in registry.names()
    for domain in [registry.get(name)]
    for method in domain.methods.values()
]
more = json.loads(sys.stdin.read())
calls += [
    (registry.get(name), method, IsolatedParameters(canonical_bytes(given)))
    for name, method, given in more
]
seen, armed = [], []
sys.addaudithook(lambda event, args: armed and seen.append(event))
for domain, method, given in calls:
    armed.append(1)
    result = domain.domain.invoke(method, given)
    armed.clear()
    print(domain.name, method, sorted(set(seen)), result.error or "")
    seen.clear()
"""

ODD_CALLS = [
    ("hephaestus", "analyze_code", {"code": 'x = "\\d"\nassert (1, 2)\n1is 1\n'}),
    ("hephaestus", "analyze_code", {"code": "def f(:\n"}),
    ("hephaestus", "analyze_code", {"code": "(" * 5_000}),
    ("hephaestus", "debug_issue", {"issue": "nothing"}),
    ("apollo", "get_health_info", {"topic": "x", "measurements": {}}),
    (
        "apollo",
        "analyze_habits",
        {"habits": [{"name": "a", "date": "x", "done": True}]},
    ),
    ("hermes", "compose_message", {"template": "{{a}}", "values": {"a": 0.1}}),
    (
        "hermes",
        "draft_schedule",
        {
            "stamp": "2026-01-01T00:00:00+02:00",
            "events": [
                {
                    "title": "\u00fc" * 90,
                    "duration_minutes": 5,
                    "earliest": "2026-01-01T00:00:00.5-03:30",
                    "latest": "2026-01-02T00:00",
                }
            ],
        },
    ),
]


def test_a_call_raises_no_audit_event_but_compile() -> None:
    """DOM-7.5: examples and odd calls, each as the first call of the process."""
    ran = subprocess.run(
        [sys.executable, "-W", "default", "-c", GUARDED_PROGRAM],
        check=False,
        capture_output=True,
        input=json.dumps(ODD_CALLS),
        text=True,
    )

    lines = ran.stdout.splitlines()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(lines) == 12 + len(ODD_CALLS)
    for line in lines:
        events = line[line.index("[") : line.index("]") + 1]
        compiles = line.startswith("hephaestus analyze_code")
        assert events in ("[]", "['compile']" if compiles else "[]"), line


def test_warnings_of_parsed_source_do_not_escape() -> None:
    """DOM-7.4: warnings are errors in this suite, and the source still parses."""
    data = call("hephaestus", "analyze_code", {"code": 'x = "\\d"\n'})

    analysis = data["analysis"]
    assert isinstance(analysis, dict)
    assert analysis["syntax_errors"] == 0


def code(source: str) -> tuple[str, str, JsonObject]:
    return "hephaestus", "analyze_code", {"code": source}


def issue(text: str) -> tuple[str, str, JsonObject]:
    return "hephaestus", "debug_issue", {"issue": text}


HEADER = "Traceback (most recent call last):\n"
DAY = "2026-01-01T00:00"
LARGEST: dict[str, Callable[[], tuple[str, str, JsonObject]]] = {
    "many functions": lambda: code("def f():0\n" * 12_000),
    "many classes": lambda: code("class A:0\n" * 12_000),
    "many findings": lambda: code("try:0\nexcept:0\n" * 8_000),
    "many imports": lambda: code("".join(f"import a{i}\n" for i in range(9_000))),
    "many defaults": lambda: code(
        f"def f({','.join(f'a{i}={{}}' for i in range(9_000))}):0"
    ),
    "nested classes": lambda: code("".join(" " * i + "class A:\n" for i in range(95))),
    "parentheses": lambda: code("(" * 119_000),
    "unary": lambda: code("-" * 119_000 + "1"),
    "a long sum": lambda: code("1+" * 59_000 + "1"),
    "a long chain": lambda: code("a" + ".a" * 59_000),
    "many elifs": lambda: code("if a:0\n" + "elif a:0\n" * 13_000),
    "lambdas": lambda: code("lambda:" * 17_000 + "0"),
    "bad escapes": lambda: code('"' + "\\d" * 59_000 + '"'),
    "a long number": lambda: code("1" * 119_000),
    "a null": lambda: code("\0"),
    "a lone return": lambda: code("\r" * 119_000),
    "many snippets": lambda: (
        "hephaestus",
        "analyze_code",
        {"code": [{"name": "n" * 200, "code": "x"} for _ in range(200)]},
    ),
    "too much source": lambda: (
        "hephaestus",
        "analyze_code",
        {"code": [{"name": "n", "code": "x\n" * 25_000} for _ in range(4)]},
    ),
    "many tracebacks": lambda: issue((HEADER + "A: b\n\n") * 5_000),
    "many frames": lambda: issue(
        HEADER + '  File "a", line 1, in f\n' * 9_000 + "E: x"
    ),
    "one long word": lambda: issue("E" * 260_000),
    "many dots": lambda: issue(HEADER + "a." * 120_000),
    "open quotes": lambda: issue(HEADER + ('  File "' + "x" * 1_000 + "\n") * 250),
    "many spaces": lambda: issue(HEADER + " " * 250_000 + "x"),
    "many message lines": lambda: issue(HEADER + "A: b\n" + "m\n" * 100_000),
    "repeated value": lambda: (
        "hermes",
        "compose_message",
        {"template": "{{a}}" * 20_000, "values": {"a": "x" * 150_000}},
    ),
    "open braces": lambda: (
        "hermes",
        "compose_message",
        {"template": "{{ a" * 25_000, "values": {}},
    ),
    "large message": lambda: (
        "hermes",
        "compose_message",
        {"template": "{{a}}", "values": {"a": '"\\' * 50_000}, "channel": "markdown"},
    ),
    "many messages": lambda: (
        "hermes",
        "analyze_conversation",
        {
            "messages": [
                {"sender": f"s{i % 200}", "time": DAY, "text": "what?\u00e9\u0001"}
                for i in range(3_300)
            ]
        },
    ),
    "apostrophes": lambda: (
        "hermes",
        "analyze_conversation",
        {"messages": [{"sender": "s", "time": DAY, "text": "a'" * 10_000}] * 12},
    ),
    "many events": lambda: (
        "hermes",
        "draft_schedule",
        {
            "stamp": DAY,
            "events": [
                {
                    "title": "\U0001f600" * 60,
                    "duration_minutes": 1,
                    "earliest": DAY,
                    "latest": "2026-01-01T04:00",
                }
            ]
            * 500,
        },
    ),
    "many habits": lambda: (
        "apollo",
        "analyze_habits",
        {
            "habits": [
                {"name": f"{i % 200:04d}" * 5, "date": f"2026-0{1 + i % 9}-1{i % 10}"}
                | {"minutes": i % 1_440}
                for i in range(3_300)
            ]
        },
    ),
    "many goals": lambda: (
        "apollo",
        "plan_routine",
        {
            "goals": [
                {"name": "n" * 80, "minutes": 1_440, "may_split": True}
                for _ in range(500)
            ],
            "windows": [
                {"day": f"{i:040d}", "start": "00:00", "end": "23:00"}
                for i in range(500)
            ],
        },
    ),
    "many nights": lambda: (
        "apollo",
        "get_health_info",
        {
            "topic": "sleep_debt",
            "measurements": {"age_years": 30, "sleep_hours": [7.1] * 366},
        },
    ),
    "many ratings": lambda: (
        "dionysus",
        "analyze_mood",
        {
            "mood_indicators": [
                {"name": f"n{i}", "score": 3, "date": "2026-01-01"}
                for i in range(5_000)
            ]
        },
    ),
    "many tracks": lambda: (
        "dionysus",
        "recommend_music",
        {
            "mood": "calm",
            "limit": 100,
            "catalogue": [
                {"title": "t", "artist": f"a{i}", "energy": 0.1, "valence": 0.5}
                for i in range(2_000)
            ],
        },
    ),
    "promising options": lambda: (
        "dionysus",
        "plan_leisure",
        {
            "preferences": {},
            "minutes": 10_080,
            "money": 1_000_000,
            "options": [
                {"name": f"o{i}", "minutes": 200 + 7 * i, "cost": 300 - 7 * i + i % 3}
                for i in range(40)
            ],
        },
    ),
    "many dependencies": lambda: (
        "hephaestus",
        "design_system",
        {
            "requirements": [
                {
                    "component": f"c{i}",
                    "depends_on": [f"c{(i + k) % 1_000}" for k in range(1, 25)],
                }
                for i in range(1_000)
            ]
        },
    ),
    "a long line of components": lambda: (
        "hephaestus",
        "design_system",
        {
            "requirements": [
                {"component": f"c{i}", "depends_on": [f"c{i + 1}"]}
                for i in range(1_000)
            ]
        },
    ),
}


@pytest.mark.parametrize("make", LARGEST.values(), ids=LARGEST)
def test_the_largest_parameters_end_within_the_budget(
    make: Callable[[], tuple[str, str, JsonObject]],
) -> None:
    """DOM-7.6: a loop that is not bounded would not come back."""
    name, method, given = make()
    found = domain_of(name)
    assert found.methods[method].check_parameters(given) is None
    assert len(canonical_bytes(given)) <= 320_000

    result = found.domain.invoke(method, IsolatedParameters(given))

    encoded = canonical_bytes({"data": result.data, "error": result.error})
    assert len(encoded) <= found.budget.result_bytes
    if result.success:
        assert found.methods[method].check_result(json.loads(encoded)["data"]) is None
