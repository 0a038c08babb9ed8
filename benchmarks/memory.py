"""W7 and W10: verifying a long ledger, and the memory of writer and verifier."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audit.log import AuditEventLog
from audit.store.opening import open_store
from benchmarks.children import run_child
from benchmarks.history import filled
from benchmarks.measure import Line, Progress
from benchmarks.world import World

if TYPE_CHECKING:
    from benchmarks.measure import Settings

__all__ = ["executor_child", "memory", "verification", "verifier_child"]

_TENTH: Final = 10
_PER_TOKEN: Final = 20_000


def verification(settings: Settings) -> list[Line]:
    """W7, and the verifier's half of W10, in a process of its own."""
    filled(settings, settings.history)
    return run_child("verifier", settings)


def memory(settings: Settings) -> list[Line]:
    """W10: the executor's half, in a process of its own."""
    return run_child("executor", settings)


def verifier_child(settings: Settings) -> list[Line]:
    """Verify the ledger once; nothing else has used this process's memory."""
    with open_store(f"sqlite:///{filled(settings, settings.history)}") as store:
        log = AuditEventLog(store)
        size = log.head().size
        progress = Progress("verifying", size)
        begin, worked = time.perf_counter(), time.process_time()
        report = log.verify(lambda done, _: progress.at(done))
        seconds = time.perf_counter() - begin
        worked = time.process_time() - worked
    if not report:
        raise RuntimeError("the ledger did not verify")
    title = f"verifying {size:,} entries"
    return [
        Line(f"W7  {title}", size / seconds, "entries/s", None, ">= 100,000"),
        Line(f"W7  {title}, of processor time", size / worked, "entries/s"),
        Line(f"W10 {title}, memory", _peak_mb(), "MB", None, "<= 150"),
    ]


def executor_child(settings: Settings) -> list[Line]:
    """Run many plans, and compare the memory after a tenth of them with the end's."""
    world = World(f"sqlite:///{settings.folder}/w10.db")
    progress, early = Progress("plans", settings.plans), 0.0
    for number in range(1, settings.plans + 1):
        world.run(1)
        progress.at(number)
        if number % _PER_TOKEN == 0:
            world.renew()
        if number == settings.plans // _TENTH:
            early = _peak_mb()
    world.close()
    title = f"W10 executor after {settings.plans:,} plans"
    return [
        Line(f"{title} / a tenth", _peak_mb(), "MB", early, "<= 1.1 x"),
        Line(f"{title}, memory", _peak_mb(), "MB", None, "<= 150"),
    ]


def _peak_mb() -> float:
    """The most memory this process has had resident, as Linux tells it."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1_024
    raise RuntimeError("the memory of this process is not told")
