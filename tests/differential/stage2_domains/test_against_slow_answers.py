"""Built-in methods against slow, obvious second implementations: DOM-8."""

import ast
import itertools
import statistics
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stage2_domains.dionysus.leisure import _Choice, _unbeaten
from stage2_domains.hephaestus.parsing import ADDED_LINES, SourceError, parse_source
from stage2_domains.hephaestus.source import measure
from tests.unit.stage2_domains.builtin_calls import at, call

if TYPE_CHECKING:
    from stage2_domains.canonical import JsonObject, JsonValue

# --- the knapsack, by trying every selection -----------------------------------

options = st.lists(
    st.tuples(
        st.integers(1, 60), st.integers(0, 300).map(lambda cents: cents / 10),
        st.integers(0, 10), st.lists(st.sampled_from("pq"), max_size=2),
    ),
    max_size=9,
)  # fmt: skip


@given(options, st.integers(0, 150), st.integers(0, 60), st.integers(0, 9))
@settings(max_examples=150)
def test_no_selection_within_the_budgets_is_worth_more(
    given_: list[tuple[int, float, int, list[str]]],
    minutes: int,
    money: int,
    weight: int,
) -> None:
    """DOM-8.9: of equal worth, least time, then least money, then earliest options."""
    data = call(
        "dionysus",
        "plan_leisure",
        {
            "preferences": {"p": weight},
            "minutes": minutes,
            "money": money,
            "options": [
                {
                    "name": str(i),
                    "minutes": m,
                    "cost": c,
                    "enjoyment": e,
                    "tags": [*tags],
                }
                for i, (m, c, e, tags) in enumerate(given_)
            ],
        },
    )

    worth = [e + (weight if "p" in tags else 0) for _, _, e, tags in given_]
    best: tuple[int, int, int, list[int]] | None = None
    for taken in itertools.product([1, 0], repeat=len(given_)):
        chosen = [i for i, one in enumerate(taken) if one]
        time = sum(given_[i][0] for i in chosen)
        cents = sum(round(given_[i][1] * 100) for i in chosen)
        if time <= minutes and cents <= money * 100 and all(worth[i] for i in chosen):
            key = (-sum(worth[i] for i in chosen), time, cents, chosen)
            # Selections come with the earlier options first.
            if best is None or key[:3] < best[:3]:
                best = key
    assert best is not None
    found = at(data, "plan", "chosen")
    assert isinstance(found, list)
    assert [at(one, "name") for one in found] == [str(i) for i in best[3]]
    assert at(data, "plan", "total_value") == -best[0]


small = st.integers(0, 4)


@given(st.lists(st.tuples(small, small, small), max_size=12))
def test_what_is_kept_is_what_nothing_else_beats(
    triples: list[tuple[int, int, int]],
) -> None:
    """DOM-8.9: value, minutes and cents, each against each."""
    kept = _unbeaten([_Choice(*triple, 0) for triple in triples])

    def beaten(one: tuple[int, int, int]) -> bool:
        return any(
            other != one
            and other[0] >= one[0]
            and other[1] <= one[1]
            and other[2] <= one[2]
            for other in triples
        )

    found = [(one.value, one.minutes, one.cents) for one in kept]
    assert len(found) == len(set(found))
    assert set(found) == {one for one in triples if not beaten(one)}
    assert found == sorted(found, key=lambda one: (-one[0], one[1], one[2]))


# --- habits, day by day --------------------------------------------------------

logs = st.lists(
    st.tuples(st.integers(0, 30), st.booleans(), st.none() | st.integers(0, 90)),
    min_size=1,
    max_size=25,
)
FIRST = date(2026, 2, 20)


@given(logs, st.integers(0, 3))
def test_a_habit_is_counted_day_by_day(
    entries: list[tuple[int, bool, int | None]], later: int
) -> None:
    """DOM-8.1."""
    habits: list[JsonValue] = []
    done: dict[date, bool] = {}
    minutes: dict[date, int] = {}
    for offset, was_done, spent in entries:
        day = FIRST + timedelta(days=offset)
        entry: JsonObject = {"name": "h", "date": day.isoformat(), "done": was_done}
        habits.append(entry if spent is None else {**entry, "minutes": spent})
        done[day] = done.get(day, False) or was_done
        if spent is not None:
            minutes[day] = minutes.get(day, 0) + spent
    as_of = max(done) + timedelta(days=later)

    data = call(
        "apollo", "analyze_habits", {"habits": habits, "as_of": as_of.isoformat()}
    )

    row = at(data, "analysis", 0)
    assert at(row, "days_logged") == len(done)
    assert at(row, "days_done") == sum(done.values())
    runs = "".join(
        "d" if done.get(FIRST + timedelta(days=i)) else " " for i in range(40)
    ).split()
    assert at(row, "longest_streak") == max(map(len, runs), default=0)
    day = as_of if as_of in done else as_of - timedelta(days=1)
    streak = 0
    while done.get(day):
        streak, day = streak + 1, day - timedelta(days=1)
    assert at(row, "current_streak") == streak
    if minutes:
        assert at(row, "minutes") == {
            "total": sum(minutes.values()),
            "mean": round(statistics.mean(minutes.values()), 2),
            "median": statistics.median(minutes.values()),
        }
    weekdays = at(row, "weekdays")
    assert isinstance(weekdays, dict)
    assert {name: at(one, "logged") for name, one in weekdays.items()} == {
        f"{one:%A}": sum(f"{other:%A}" == f"{one:%A}" for other in done) for one in done
    }


# --- conversations, message by message -------------------------------------------

talks = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.sampled_from(["x", "y?"])),
    min_size=1,
    max_size=15,
)


@given(talks, st.integers(1, 20))
def test_a_conversation_is_counted_message_by_message(
    messages: list[tuple[str, int, str]], within: int
) -> None:
    """DOM-8.5."""
    data = call(
        "hermes",
        "analyze_conversation",
        {
            "messages": [
                {"sender": who, "time": f"2026-03-02T10:{minute:02d}", "text": text}
                for who, minute, text in messages
            ],
            "answer_within_minutes": within,
        },
    )

    ordered = sorted(messages, key=lambda one: one[1])
    unanswered = sum(
        "?" in text
        and not any(
            other != who and then - minute <= within
            for other, then, _ in ordered[i + 1 :]
        )
        for i, (who, minute, text) in enumerate(ordered)
    )
    turns = [list(group) for _, group in itertools.groupby(ordered, lambda one: one[0])]
    assert at(data, "analysis", "unanswered_count") == unanswered
    assert at(data, "analysis", "turns") == len(turns)
    senders = at(data, "analysis", "senders")
    assert isinstance(senders, list)
    for row in senders:
        own = [turn for turn in turns if turn[0][0] == at(row, "sender")]
        waits = [
            60 * (turns[i][0][1] - turns[i - 1][-1][1])
            for i in range(1, len(turns))
            if turns[i][0][0] == at(row, "sender")
        ]
        assert at(row, "messages") == sum(map(len, own))
        assert at(row, "turns") == len(own)
        assert at(row, "longest_run") == max(map(len, own))
        if waits:
            assert at(row, "response_seconds", "median") == statistics.median(waits)
            mean = at(row, "response_seconds", "mean")
            assert mean == pytest.approx(statistics.mean(waits), abs=0.05)


# --- source, by the parser of modules and by recursion ---------------------------

SOURCES = sorted(Path(ast.__file__).parent.glob("*.py"))[::4]
MORE = [
    "",
    "\n",
    "x",
    "if a:\n\tb\n\n\tc",
    "\fx = 1\n  \f\ny",
    "a\r\nb\rc",
    "def f():\n \f pass",
    "if a:\n        b\n\tc",
    "if a:\n  b\n c",
    "  a",
    "a\n b",
    "'''\n a\n'''\nb",
    "(\na\n)",
    "a \\\n b",
    "# only\n",
    "if a: pass\nelse:\n",
    "if a: pass\nelse:",
    "x = '''",
    "x = '''\n\n",
    "@",
    "\u00e9 = 1",
    "return",
    "1__0",
    "class A:\n\n\n  def f(self): ...\n\n  # end\n",
    "f'{a!r:>{b}}'",
    "try: pass",
    "a = [\n\n",
]


def of_the_module_parser(source: str) -> object:
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return (error.lineno, error.offset, ascii(error.msg)[1:-1])
    return [
        (type(node).__name__, node.lineno, node.end_lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt)
    ]


def of_ours(source: str) -> object:
    found = parse_source(source)
    if isinstance(found, SourceError):
        return (found.line, found.column, ascii(found.message)[1:-1])
    return [
        (
            type(node).__name__,
            node.lineno - ADDED_LINES,
            (node.end_lineno or 0) - ADDED_LINES,
        )
        for node in ast.walk(found)
        if isinstance(node, ast.stmt)
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")
def test_source_is_parsed_as_the_parser_of_modules_does() -> None:
    """DOM-8.10: the standard library, and texts chosen for their margins."""
    for source in [*MORE, *(path.read_text("utf-8") for path in SOURCES)]:
        assert of_ours(source) == of_the_module_parser(source), source[:200]


def complexity(node: ast.AST) -> int:
    """Count decisions by recursion, leaving out what is defined inside."""
    own = 0
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return 0
        case ast.If() | ast.For() | ast.While() | ast.IfExp() | ast.ExceptHandler():
            own = 1
        case ast.AsyncFor():
            own = 1
        case ast.BoolOp():
            own = len(node.values) - 1
        case ast.comprehension():
            own = 1 + len(node.ifs)
        case ast.match_case():
            own = 0 if ast.unparse(node).startswith("case _:") else 1
    return own + sum(map(complexity, ast.iter_child_nodes(node)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")
def test_complexity_is_what_recursion_counts() -> None:
    """DOM-8.10: every function of a quarter of the standard library's modules."""
    for path in SOURCES:
        source = path.read_text("utf-8")
        tree = ast.parse(source)
        expected = sorted(
            (node.lineno, 1 + sum(complexity(child) for child in node.body))
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )
        found = [(one.line, one.complexity) for one in measure(source).functions]
        assert sorted(found) == expected, path.name
