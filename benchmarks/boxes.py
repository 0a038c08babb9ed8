"""What one call costs in each tier."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.boxed_domain import Records
from benchmarks.measure import Line, Settings, interleaved
from stage2_domains.canonical import canonical_bytes
from stage2_domains.contract import Budget, Stage2Domain
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.registry import DomainRegistry, RegisteredDomain
from stage3.isolation.in_process import InProcessIsolation
from stage3.isolation.interface import Ok
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from stage3.isolation.wasm.tier import WasmIsolation

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage3.isolation.interface import Isolation

__all__ = ["boxes", "registered"]

ROWS = [{"id": n, "name": f"row {n}", "half": n / 2} for n in range(10)]
PARAMETERS = canonical_bytes({"rows": ROWS})
PATIENT = Budget(wall_ms=10_000)
PAUSE_S = 0.005
"""Between two calls: time enough for a new child to be forked and warmed up."""

_WASM = Path(__file__).parents[1] / "examples/wasm_domains/rust/domain.toml"
_NUMBERS = canonical_bytes({"numbers": list(range(30))})


def boxes(settings: Settings) -> list[Line]:
    """W3c: one call of each tier, against the direct call and the in-process tier."""
    direct, given = Records(), IsolatedParameters(PARAMETERS)
    tripwire, trusted = InProcessIsolation(), registered(Records(), trusted=True)
    called, watched = interleaved(
        settings.rounds,
        lambda: direct.invoke("echo", given),
        lambda: _call(tripwire, trusted, "echo", PARAMETERS),
    )
    lines = [Line("W3c in_process / direct", watched, "ms", called, "")]
    for tier, times, target in (
        ("process", _process(settings), "<= 0.8"),
        ("wasm, Rust", _wasm(settings), ""),
    ):
        if times is None:
            continue
        spaced, fastest, crowded, first = times
        lines += [
            Line(f"W3c {tier} / direct", spaced, "ms", called, target),
            Line(f"W3c {tier} / in_process", spaced, "ms", watched, target),
            Line(f"W3c {tier}, fastest", fastest, "ms", watched, ""),
            Line(f"W3c {tier}, back to back", crowded, "ms", watched, ""),
            Line(f"W3c {tier}, first call", first, "ms", None, ""),
        ]
    return lines


def registered(domain: Stage2Domain, *, trusted: bool = False) -> RegisteredDomain:
    """Register one domain and give what a tier takes."""
    registry = DomainRegistry()
    registry.register(domain, trusted=trusted)
    return _found(registry, domain.name)


_Times = tuple[float, float, float, float]


def _process(settings: Settings) -> _Times | None:
    level = probe()
    if level.refusal is not None:
        return None
    box = ProcessIsolation(level=level, spares=4)
    domain = registered(Records())
    return _times(settings, box, lambda: _call(box, domain, "echo", PARAMETERS))


def _wasm(settings: Settings) -> _Times | None:
    box = WasmIsolation.available()
    if box is None or not _WASM.exists():
        return None
    registry = DomainRegistry()
    registry.register_manifest(_WASM)
    domain = _found(registry, "statistics")
    return _times(settings, box, lambda: _call(box, domain, "describe", _NUMBERS))


def _found(registry: DomainRegistry, name: str) -> RegisteredDomain:
    found = registry.get(name)
    if found is None:
        raise RuntimeError("the domain was not registered")
    return found


def _call(
    box: Isolation, domain: RegisteredDomain, method: str, parameters: bytes
) -> None:
    outcome = box.invoke(domain, method, parameters, budget=PATIENT)
    if not isinstance(outcome, Ok):
        raise TypeError(f"the call failed: {outcome}")


def _times(settings: Settings, box: Isolation, work: Callable[[], None]) -> _Times:
    """Give median and least of spaced calls, median back to back, and the first."""
    (first,) = _milliseconds(1, work, 0)
    for _ in range(20):
        work()
    spaced = _milliseconds(settings.rounds, work, PAUSE_S)
    crowded = _milliseconds(settings.rounds, work, 0)
    box.close()
    return statistics.median(spaced), min(spaced), statistics.median(crowded), first


def _milliseconds(rounds: int, work: Callable[[], None], pause_s: float) -> list[float]:
    times = []
    for _ in range(rounds):
        time.sleep(pause_s)
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1e3)
    return times
