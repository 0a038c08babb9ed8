"""What a call costs in each tier, and how exactly a deadline is kept."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.boxed_domain import Records
from benchmarks.workloads import Line, Settings, interleaved
from stage2_domains.canonical import canonical_bytes
from stage2_domains.contract import Budget
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.registry import DomainRegistry, RegisteredDomain
from stage3.isolation.in_process import InProcessIsolation
from stage3.isolation.interface import Ok
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage3.isolation.interface import Isolation

__all__ = ["boxes"]

ROWS = [{"id": n, "name": f"row {n}", "half": n / 2} for n in range(10)]
PARAMETERS = canonical_bytes({"rows": ROWS})
DEADLINES_MS = (20, 100, 500)
PAUSE_S = 0.005


def boxes(settings: Settings) -> list[Line]:
    """W10: one call, against the direct call and the in-process tier."""
    level = probe()
    if level.refusal is not None:
        return []
    direct, given = Records(), IsolatedParameters(PARAMETERS)
    tripwire, box = InProcessIsolation(), ProcessIsolation(level=level, spares=4)
    trusted, untrusted = _registered(trusted=True), _registered(trusted=False)
    called, watched = interleaved(
        settings.rounds,
        lambda: direct.invoke("echo", given),
        lambda: _call(tripwire, trusted),
    )
    for _ in range(10):
        _call(box, untrusted)
    spaced = _median(settings.rounds, lambda: _call(box, untrusted), PAUSE_S)
    crowded = _median(settings.rounds, lambda: _call(box, untrusted), 0)
    late = [_lateness(box, untrusted, wall_ms) for wall_ms in DEADLINES_MS]
    box.close()
    return [
        Line("W10 in_process / direct", watched, "ms", called, ""),
        Line("W10 process / direct", spaced, "ms", called, "0.8"),
        Line("W10 process / in_process", spaced, "ms", watched, "0.8"),
        Line("W10 process, back to back", crowded, "ms", watched, ""),
        *(
            Line(f"W10 {wall_ms} ms deadline, late", ms, "ms", None, "20")
            for wall_ms, ms in zip(DEADLINES_MS, late, strict=True)
        ),
    ]


def _registered(*, trusted: bool) -> RegisteredDomain:
    registry = DomainRegistry()
    registry.register(Records(), trusted=trusted)
    found = registry.get("records")
    if found is None:
        raise RuntimeError("the domain was not registered")
    return found


def _call(box: Isolation, domain: RegisteredDomain) -> None:
    outcome = box.invoke(domain, "echo", PARAMETERS, budget=Budget(wall_ms=10_000))
    if not isinstance(outcome, Ok):
        raise TypeError(f"the call failed: {outcome}")


def _median(rounds: int, work: Callable[[], None], pause_s: float) -> float:
    times = []
    for _ in range(rounds):
        time.sleep(pause_s)
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times)


def _lateness(box: Isolation, domain: RegisteredDomain, wall_ms: int) -> float:
    """Return the worst overshoot of five calls that never end."""
    worst = 0.0
    for _ in range(5):
        begin = time.perf_counter()
        box.invoke(domain, "loop", PARAMETERS, budget=Budget(wall_ms=wall_ms))
        worst = max(worst, (time.perf_counter() - begin) * 1e3 - wall_ms)
    return worst
