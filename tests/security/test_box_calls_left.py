"""What could be done with the few system calls a domain is left with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from stage3.isolation.interface import Ok, Violation, ViolationKind
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.boxed_source import PATIENT, body

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVEL = probe()
pytestmark = pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal))

_PARTS: Final = """
import codecs, time
load = codecs.builtins.__import__
lock = load("_thread").allocate_lock
"""

FORBIDDEN: Final = {
    "the processor time of the zygote": "time.clock_gettime((~1 << 3) | 2)",
    "whether a process exists": "time.clock_gettime((~4_000_000 << 3) | 2)",
    "a clock behind a descriptor": "time.clock_gettime((~3 << 3) | 3)",
    "sleeping on a lock": "one = lock(); one.acquire(); one.acquire(timeout=0.01)",
}

ORDINARY: Final = {
    "clocks": "[time.clock_gettime(n) for n in range(12) if n not in (8, 9, 10)]",
    "own processor time": "time.process_time(); time.thread_time()",
    "a lock nobody holds": "one = lock(); one.acquire(timeout=1); one.release()",
    "a lock tried in vain": "one = lock(); one.acquire(); one.acquire(False)",
}


@pytest.fixture(scope="module")
def box() -> Iterator[ProcessIsolation]:
    made = ProcessIsolation(level=LEVEL)
    yield made
    made.close()


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_process_is_watched_and_none_sleeps(
    box: ProcessIsolation, what: str
) -> None:
    """BOX-1.18, BOX-1.19: another's clock is another's secret; who sleeps hides."""
    text = _PARTS + f"try: {FORBIDDEN[what]}\nexcept BaseException: pass\n"
    outcome = box.invoke(
        body(text + "return DomainResult(True, {})"), "run", b"{}", budget=PATIENT
    )

    assert isinstance(outcome, Violation), outcome
    assert outcome.kind is ViolationKind.SYSCALL


@pytest.mark.parametrize("what", ORDINARY)
def test_ordinary_use_of_the_same_calls_goes_on(
    box: ProcessIsolation, what: str
) -> None:
    """BOX-1.6."""
    text = _PARTS + ORDINARY[what] + "\nreturn DomainResult(True, {})"
    outcome = box.invoke(body(text), "run", b"{}", budget=PATIENT)

    assert isinstance(outcome, Ok), outcome
