"""How late a call that never ends comes back: by the clock, so for nightly runs."""

from __future__ import annotations

import statistics
import sys
import time

import pytest

from benchmarks.boxed_domain import Endless
from benchmarks.boxes import registered
from stage2_domains.contract import Budget
from stage3.isolation.interface import Violation, ViolationKind
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.box_family import LEVEL

pytestmark = [
    pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal)),
    pytest.mark.nightly,
]


@pytest.mark.parametrize("way", Endless.methods)
@pytest.mark.parametrize("wall_ms", [20, 100, 500])
@pytest.mark.parametrize("waiting", ["a child waits", "none waits"])
def test_a_call_that_never_ends_is_back_in_time(
    way: str, wall_ms: int, waiting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """BOX-7.4: within 20 ms of its budget, also when no child was waiting."""
    box = ProcessIsolation(level=LEVEL, spares=1)
    domain, late = registered(Endless()), []
    box.invoke(domain, way, b"{}", budget=Budget(wall_ms=wall_ms))
    for _ in range(15):
        if waiting == "none waits":  # the one that did is used up
            box.invoke(domain, way, b"{}", budget=Budget(wall_ms=1))
        begin = time.perf_counter()
        outcome = box.invoke(domain, way, b"{}", budget=Budget(wall_ms=wall_ms))
        late.append((time.perf_counter() - begin) * 1e3 - wall_ms)
        assert isinstance(outcome, Violation)
        assert outcome.kind is ViolationKind.BUDGET_WALL
    box.close()
    middle, worst = statistics.median(late), max(late)
    said = f"{way}, {wall_ms} ms, {waiting}: {middle:.1f} ms late, at worst {worst:.1f}"
    with capsys.disabled():
        sys.stdout.write(f"\n{said}")

    assert middle <= 20, said
