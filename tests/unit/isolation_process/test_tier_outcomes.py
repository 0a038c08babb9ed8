"""What comes of a call in the process box, one kind of outcome after another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from stage2_domains.contract import Budget
from stage3.isolation.interface import (
    DomainFailed,
    InfraFailure,
    Ok,
    ResultRefused,
    Violation,
    ViolationKind,
)
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.boxed_source import PATIENT, body, domain_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage3.isolation.interface import BoxOutcome

LEVEL = probe()
pytestmark = pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal))

REAL = "import codecs\n__import__ = codecs.builtins.__import__\n"
"""Gets round the guarded import; the modules are loaded, the kernel is not fooled."""

FOUND = {
    "open('/etc/hostname')": (ViolationKind.OPEN, "hook", "/etc/hostname"),
    "import os": (ViolationKind.IMPORT, "import", "os"),
    "from . import other": (ViolationKind.IMPORT, "import", "relative"),
    "import stage2_domains.registry": (ViolationKind.IMPORT, "import", "registry"),
    REAL + "__import__('wave')": (ViolationKind.IMPORT, "import", "wave"),
    REAL + "__import__('os').getppid()": (ViolationKind.SYSCALL, "seccomp", ""),
    REAL + "__import__('os').write(2, b'x')": (ViolationKind.SYSCALL, "seccomp", ""),
    REAL + "__import__('os')._exit(3)": (ViolationKind.PROCESS, "trap", "status 3"),
    REAL + "__import__('os').fork()": (ViolationKind.PROCESS, "hook", "os.fork"),
    "raise KeyboardInterrupt": (ViolationKind.CONTROL_EXCEPTION, "trap", ""),
    "def deep(): deep()\ndeep()": (ViolationKind.BUDGET_RECURSION, "budget", ""),
    "bytearray(1 << 40)": (ViolationKind.BUDGET_MEMORY, "budget", ""),
    "try:\n    kept = bytearray(100 << 20)\nexcept MemoryError:\n    pass\n"
    "return DomainResult(True, {})": (ViolationKind.BUDGET_MEMORY, "budget", "64"),
    "eval('1')": (ViolationKind.INTEGRITY, "hook", "exec"),
}

ANSWERS = {
    "return DomainResult(True, {'a': [1.5, None]})": (Ok, ""),
    "return DomainResult(False, error='sorry')": (DomainFailed, "sorry"),
    "raise ValueError('bad')": (DomainFailed, "ValueError: bad"),
    "raise SystemExit(0)": (DomainFailed, "SystemExit"),
    "raise BaseExceptionGroup('x', [KeyboardInterrupt()])": (DomainFailed, "Group"),
    "return {'success': True}": (ResultRefused, "dict"),
    "return DomainResult(True, {'a': float('nan')})": (ResultRefused, "finite"),
    "return DomainResult(True, {'a': 'x' * (1 << 21)})": (ResultRefused, "bytes"),
}


@pytest.fixture(scope="module")
def box() -> Iterator[ProcessIsolation]:
    made = ProcessIsolation(level=LEVEL)
    yield made
    made.close()


def run(box: ProcessIsolation, text: str, budget: Budget = PATIENT) -> BoxOutcome:
    return box.invoke(body(text), "run", b'{"n":1}', budget=budget)


@pytest.mark.parametrize("text", FOUND)
def test_an_attempt_is_a_violation_of_its_kind(
    box: ProcessIsolation, text: str
) -> None:
    """BOX-5.8, BOX-6.5, BOX-7.3; ISO-2.1."""
    kind, source, words = FOUND[text]
    outcome = run(box, text)

    assert isinstance(outcome, Violation), outcome
    assert (outcome.kind, outcome.source) == (kind, source)
    assert words in outcome.detail


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_is_what_it_would_be_in_every_box(
    box: ProcessIsolation, text: str
) -> None:
    """BOX-5.7."""
    kind, words = ANSWERS[text]
    outcome = run(box, text)

    assert type(outcome) is kind, outcome
    assert words in repr(outcome)


def test_parameters_and_answers_cross_as_bytes(box: ProcessIsolation) -> None:
    """BOX-5.7."""
    text = "return DomainResult(True, {'got': parameters.get_copy(), 'm': method})"
    outcome = run(box, text)

    assert isinstance(outcome, Ok)
    assert json.loads(outcome.result)["data"] == {"got": {"n": 1}, "m": "run"}
    assert outcome.output_bytes == len(b'{"got":{"n":1},"m":"run"}')


@pytest.mark.parametrize("wall_ms", [20, 100])
def test_a_loop_ends_at_its_deadline(box: ProcessIsolation, wall_ms: int) -> None:
    """BOX-7.4."""
    text = "while True:\n try:\n  while True: pass\n except BaseException: pass"
    outcome = run(box, text, Budget(wall_ms=wall_ms))

    assert isinstance(outcome, Violation)
    assert outcome.kind is ViolationKind.BUDGET_WALL
    assert str(wall_ms) in outcome.detail


def test_processor_time_has_a_budget_of_its_own(box: ProcessIsolation) -> None:
    """BOX-6.5."""
    outcome = run(box, "sum(range(10**15))", Budget(wall_ms=60_000, cpu_s=1))

    assert isinstance(outcome, Violation)
    assert outcome.kind is ViolationKind.BUDGET_CPU


FORGED = [
    b"\x00\x00\x00\x05" + b"junk!",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b'\x00\x00\x00\x1d{"outcome":"ok","units":null}',
    b"\x00\x00\x00\x12" + b'{"outcome":"evil"}',
]


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_reply_is_refused(box: ProcessIsolation, forged: bytes) -> None:
    """BOX-6.4."""
    text = REAL + f"os = __import__('os')\nos.write(3, {forged!r})\nos.read(3, 1)"

    assert isinstance(run(box, text), ResultRefused)


def test_a_forger_that_goes_on_is_not_waited_for(box: ProcessIsolation) -> None:
    """BOX-7.10."""
    text = REAL + f"__import__('os').write(3, {FORGED[0]!r})\nwhile True: pass"

    assert isinstance(run(box, text), ResultRefused)


def test_a_reply_that_stops_half_way_costs_its_plan_only(box: ProcessIsolation) -> None:
    """BOX-7.4."""
    text = REAL + "__import__('os').write(3, b'\\0\\0\\0\\7ab')\nwhile True: pass"
    outcome = run(box, text, Budget(wall_ms=50))

    assert isinstance(outcome, Violation)
    assert outcome.kind is ViolationKind.BUDGET_WALL


@pytest.mark.parametrize("entry", ["Absent", "Boxed.inner"])
def test_a_class_that_is_not_there_is_a_failure(
    box: ProcessIsolation, entry: str
) -> None:
    """BOX-5.7."""
    domain = domain_of("class Boxed: pass", entry)
    outcome = box.invoke(domain, "run", b"{}", budget=PATIENT)

    assert isinstance(outcome, DomainFailed)
    assert outcome.message.startswith("AttributeError")


def test_a_source_that_is_not_python_is_a_failure(box: ProcessIsolation) -> None:
    """BOX-5.2."""
    for _ in range(4):
        outcome = box.invoke(domain_of("def :"), "run", b"{}", budget=PATIENT)
        assert isinstance(outcome, DomainFailed)
        assert "SyntaxError" in outcome.message


def test_a_call_that_does_not_belong_here_runs_nothing(box: ProcessIsolation) -> None:
    """BOX-7.1; ISO-1.4."""
    domain = body("return DomainResult(True, {})")
    calls = [("gone", b"{}"), ("run", b"[]"), ("run", b"")]
    outcomes = [box.invoke(domain, *call, budget=PATIENT) for call in calls]

    assert {type(outcome) for outcome in outcomes} == {InfraFailure}


def test_what_a_module_does_at_its_top_is_boxed_as_well(box: ProcessIsolation) -> None:
    """BOX-5.8."""
    domain = domain_of("open('/etc/hostname')")
    outcome = box.invoke(domain, "run", b"{}", budget=PATIENT)

    assert isinstance(outcome, Violation)
    assert outcome.kind is ViolationKind.OPEN


STATE = """
import json
hidden = getattr(json, "hidden", 0)
json.hidden = hidden + 1
return DomainResult(True, {"hidden": hidden})
"""


def test_nothing_survives_into_the_next_call(box: ProcessIsolation) -> None:
    """BOX-5.9; rules 3A.7."""
    outcomes = [run(box, STATE) for _ in range(5)]

    assert len({outcome.result for outcome in outcomes if type(outcome) is Ok}) == 1
    assert all(b'"hidden":0' in getattr(one, "result", b"") for one in outcomes)


RANDOM = """
import random, time
return DomainResult(True, {"n": random.random(), "set": list({"a", "b", "c"})})
"""


def test_the_same_call_draws_the_same_random_numbers(box: ProcessIsolation) -> None:
    """BOX-5.6."""
    first = run(box, RANDOM)
    fresh = ProcessIsolation(spares=1, level=LEVEL)
    again = run(fresh, RANDOM)
    fresh.close()

    assert type(first) is Ok
    assert first == again


COUNTS = """
import codecs
collector = codecs.builtins.__import__("gc")
return DomainResult(True, {"counts": list(collector.get_count())})
"""


def test_the_collector_begins_every_call_in_the_same_state(
    box: ProcessIsolation,
) -> None:
    """BOX-5.6: when a finalizer runs depends on nothing but the call."""
    outcomes = {run(box, COUNTS) for _ in range(12)}

    (outcome,) = outcomes
    assert type(outcome) is Ok


CLASSES = """\
import dataclasses, enum, typing, collections, zoneinfo, datetime
from stage2_domains import DomainResult, Stage2Domain

@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int

class Pair(typing.NamedTuple):
    a: int

Old = collections.namedtuple("Old", "b")

class Boxed(Stage2Domain):
    def invoke(self, method, parameters):
        zone = zoneinfo.ZoneInfo("Europe/Vienna")
        when = datetime.datetime(2024, 7, 1, tzinfo=zone).isoformat()
        return DomainResult(True, {"p": repr(Point(1)), "s": Pair(1).a + Old(2).b,
                                   "t": when})
"""


def test_classes_are_made_at_import_as_usual(box: ProcessIsolation) -> None:
    """BOX-5.3, BOX-5.8."""
    outcome = box.invoke(domain_of(CLASSES), "run", b"{}", budget=PATIENT)

    assert isinstance(outcome, Ok), outcome
    assert b"2024-07-01T00:00:00+02:00" in outcome.result
