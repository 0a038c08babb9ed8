"""How late a call that never ends comes back."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.boxed_domain import Endless
from benchmarks.boxes import registered
from benchmarks.measure import Line, Settings
from stage2_domains.contract import Budget
from stage3.isolation.interface import Violation, ViolationKind
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation

if TYPE_CHECKING:
    from stage2_domains.registry import RegisteredDomain

__all__ = ["DEADLINES_MS", "deadlines", "lateness"]

DEADLINES_MS = (20, 100, 500)
_REPEATS = 5


def deadlines(_settings: Settings) -> list[Line]:
    """W3d: budgets of 20, 100 and 500 ms, with and without a child that waits."""
    level = probe()
    if level.refusal is not None:
        return []
    lines, domain = [], registered(Endless())
    for wall_ms in DEADLINES_MS:
        box = ProcessIsolation(level=level)
        lateness(box, domain, "loop", wall_ms)
        late = [
            lateness(box, domain, method, wall_ms)
            for method in domain.methods
            for _ in range(_REPEATS)
        ]
        cold = _without_spares(ProcessIsolation(level=level, spares=1), domain, wall_ms)
        box.close()
        name = f"W3d {wall_ms} ms deadline"
        lines += [
            Line(f"{name}, late", statistics.median(late), "ms", None, "<= 20"),
            Line(f"{name}, worst", max(late), "ms", None, "<= 20"),
            Line(f"{name}, cold", statistics.median(cold), "ms", None, "<= 20"),
            Line(f"{name}, cold, worst", max(cold), "ms", None, "<= 20"),
        ]
    return lines


def lateness(
    box: ProcessIsolation, domain: RegisteredDomain, method: str, wall_ms: int
) -> float:
    """Return how many milliseconds after its budget a call came back."""
    begin = time.perf_counter()
    outcome = box.invoke(domain, method, b"{}", budget=Budget(wall_ms=wall_ms))
    late = (time.perf_counter() - begin) * 1e3 - wall_ms
    if not isinstance(outcome, Violation) or outcome.kind != ViolationKind.BUDGET_WALL:
        raise TypeError(f"the call was not stopped by its deadline: {outcome}")
    return late


def _without_spares(
    box: ProcessIsolation, domain: RegisteredDomain, wall_ms: int
) -> list[float]:
    """Call in pairs with one spare child: the second call waits for a fork."""
    lateness(box, domain, "loop", wall_ms)
    late: list[float] = []
    with ThreadPoolExecutor(2) as callers:
        for _ in range(_REPEATS):
            both = [
                callers.submit(lateness, box, domain, "loop", wall_ms) for _ in "ab"
            ]
            late.append(max(one.result() for one in both))
    box.close()
    return late
