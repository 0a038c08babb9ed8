"""What a violation says of the time and memory the call had used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stage2_domains.contract import Budget
from stage3.isolation.interface import Usage, Violation, ViolationKind
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.boxed_source import PATIENT, body

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVEL = probe()
pytestmark = pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal))

BUSY_MS = 100
BUSY = f"""
import time
end = time.process_time() + {BUSY_MS / 1000}
while time.process_time() < end: pass
"""
LEAVE = "import codecs; codecs.builtins.__import__('os').getppid()"


@pytest.fixture(scope="module")
def box() -> Iterator[ProcessIsolation]:
    made = ProcessIsolation(level=LEVEL)
    yield made
    made.close()


def used(box: ProcessIsolation, text: str, budget: Budget = PATIENT) -> Usage:
    outcome = box.invoke(body(text), "run", b"{}", budget=budget)
    assert isinstance(outcome, Violation), outcome
    usage = outcome.usage
    assert usage is not None
    for value in (usage.wall_ms, usage.cpu_ms, usage.peak_mb):
        assert value is None or (type(value) is int and value >= 0)
    return usage


def test_a_deadline_tells_the_time_that_passed(box: ProcessIsolation) -> None:
    """ISO-1.6."""
    usage = used(box, "while True: pass", Budget(wall_ms=120))

    assert 120 <= usage.wall_ms < 10_000
    assert usage.cpu_ms is not None
    assert usage.cpu_ms <= usage.wall_ms
    assert usage.peak_mb is not None
    assert usage.peak_mb < 64


@pytest.mark.parametrize("ending", ["open('/etc/hostname')", LEAVE])
def test_processor_time_is_told_of_the_living_and_the_dead(
    box: ProcessIsolation, ending: str
) -> None:
    """ISO-1.6."""
    usage = used(box, f"{BUSY}\n{ending}")

    assert usage.cpu_ms is not None
    assert BUSY_MS <= usage.cpu_ms < 10 * BUSY_MS
    assert usage.wall_ms >= BUSY_MS
    assert (usage.peak_mb is None) is (ending is LEAVE)


def test_running_out_of_processor_time_tells_how_much(box: ProcessIsolation) -> None:
    """ISO-1.6."""
    usage = used(box, "sum(range(10**15))", Budget(wall_ms=60_000, cpu_s=1))

    assert usage.cpu_ms is not None
    # The kernel ends it by ticks, and tells what it measured.
    assert 500 <= usage.cpu_ms < 3_000


def test_memory_is_told_beside_what_the_box_needs(box: ProcessIsolation) -> None:
    """ISO-1.6."""
    text = "kept = bytearray(100 << 20)\nreturn DomainResult(True, {})"
    usage = used(box, text)

    assert usage.peak_mb is not None
    assert 100 <= usage.peak_mb < 120


def test_an_attempt_is_the_same_whatever_it_used(box: ProcessIsolation) -> None:
    """ISO-1.6: kind, detail and source do not depend on it."""
    found = [
        box.invoke(body("open('/x')"), "run", b"{}", budget=PATIENT) for _ in range(2)
    ]

    assert [(one.kind, one.detail, one.source) for one in found] == [
        (ViolationKind.OPEN, "open: /x r 524288", "hook")
    ] * 2
