"""W4 and W4s: many threads on one SQLite file, on this disk and on others.

The others are a disk in memory, each of whose flushes is made to take a given time:
what they measure does not depend on what else this machine's disk has to do.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.children import run_child
from benchmarks.floor import Floor, SqliteSink
from benchmarks.floor_crowd import (
    HandedSink,
    LeaderSink,
    OwnSink,
    WriterThreadSink,
    one_thread_burst,
)
from benchmarks.flushes import BOARD, Board, shim, why_no_shim
from benchmarks.measure import Burst, Line, Point, burst, bursts, interleaved
from benchmarks.memory_disk import memory_disk
from benchmarks.notes import skipped
from benchmarks.world import PARAMETERS, Pair, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.floor import Sink
    from benchmarks.measure import Settings

__all__ = ["crowd", "slow_disk", "slow_disk_child"]

_STEPS: Final = 3
_DELAYS_MS: Final = (0.1, 1, 5)
_SLOW_MS: Final = 5
_OURS: Final = "Stage-3"
_FLOORS: Final[dict[str, Callable[[Path], Sink]]] = {
    "own transactions": OwnSink,
    "the turn's holder commits": LeaderSink,
    "the turn is handed on": HandedSink,
    "a writer thread": WriterThreadSink,
}
_ONE_THREAD: Final = "plans interleaved on one thread"
_TARGETS: Final[dict[float, dict[int, str]]] = {
    0: {8: ">= 1.0 x", 32: ">= 1.0 x"},
    0.1: {8: ">= 1.0 x", 32: ">= 1.0 x"},
    1: {},
    5: {8: ">= 3.0 x", 32: ">= 8.0 x"},
}


def crowd(settings: Settings) -> list[Line]:
    """W4: throughput and waits of many callers, on the disk as it is."""
    return _lines("W4", _Contest(settings, settings.folder / "w4").run(), 0)


def slow_disk(settings: Settings) -> list[Line]:
    """W4s: the same where every flush takes so many milliseconds."""
    reason = why_no_shim()
    if reason is not None:
        return skipped("W4s", reason)
    with shim() as (_, variables), memory_disk(settings.folder) as folder:
        settings = replace(settings, folder=folder, callers=(1, 8, 32))
        return run_child("slow disk", settings, variables)


def slow_disk_child(settings: Settings) -> list[Line]:
    """Run in this process, into which the library was preloaded."""
    board = Board(Path(os.environ[BOARD]))
    lines = []
    for delay_ms in _DELAYS_MS:
        longer = 2 if delay_ms >= _SLOW_MS else 1
        given = replace(settings, burst_s=settings.burst_s * longer)
        contest = _Contest(given, settings.folder / f"w4s-{delay_ms:g}")
        board.set_delay(delay_ms)
        lines.append(_one_caller(given, delay_ms))
        lines += _lines(f"W4s {delay_ms:g} ms", contest.run(), delay_ms)
        board.set_delay(0)
    return lines


def _one_caller(settings: Settings, delay_ms: float) -> Line:
    """W1 on a disk that nobody disturbs."""
    pair = Pair(settings.folder, f"w1-{delay_ms:g}")
    rounds = round(settings.rounds / max(1, delay_ms))
    mine, least = interleaved(
        rounds, partial(pair.run, _STEPS), partial(pair.run_floor, _STEPS)
    )
    pair.close()
    target = "<= 2.0 x" if delay_ms < 1 else ""
    title = f"W4s {delay_ms:g} ms  one caller, N = 3, p50 / floor"
    return Line(title, mine, "ms", least, target)


class _Contest:
    """Stage-3 and the floors, each on a file of its own in one folder."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        folder.mkdir()
        self._settings = settings
        self._world = World(f"sqlite:///{folder}/ours.db", max(settings.callers))
        self._floors = {
            name: Floor(sink(folder / f"{number}.db"))
            for number, (name, sink) in enumerate(_FLOORS.items())
        }
        self._alone = SqliteSink(folder / "alone.db")

    def run(self) -> dict[tuple[str, int], Burst]:
        """Let all of them run in turn, with every number of callers."""
        works: dict[tuple[str, int], Callable[[], Burst]] = {}
        for callers in self._settings.callers:
            works[_OURS, callers] = self._threads(callers, self._ours)
            for name, floor in self._floors.items():
                works[name, callers] = self._threads(callers, _plan_of(floor))
            works[_ONE_THREAD, callers] = self._one_thread(callers)
        found = bursts(self._settings.bursts, *works.values())
        for floor in self._floors.values():
            floor.close()
        self._alone.close()
        self._world.close()
        return dict(zip(works, found, strict=True))

    def _ours(self, caller: int) -> None:
        self._world.run(_STEPS, caller)

    def _threads(
        self, callers: int, work: Callable[[int], object]
    ) -> Callable[[], Burst]:
        return lambda: burst(callers, self._settings.burst_s, work)

    def _one_thread(self, plans: int) -> Callable[[], Burst]:
        seconds, work = self._settings.burst_s, (_STEPS, PARAMETERS)
        return lambda: one_thread_burst(plans, seconds, self._alone, work)


def _plan_of(floor: Floor) -> Callable[[int], object]:
    return lambda _caller: floor.run_plan(_STEPS, PARAMETERS)


def _lines(
    title: str, found: dict[tuple[str, int], Burst], delay_ms: float
) -> list[Line]:
    one = found[_OURS, 1].per_second
    plot = f"callers-{delay_ms:g}ms" if delay_ms else "callers"
    lines = []
    for (name, callers), took in found.items():
        rate = took.per_second
        point = Point(plot, name, callers, rate)
        if name == _OURS:
            target = _TARGETS[delay_ms].get(callers, "")
            label = f"{title}  {callers} callers / one"
            lines.append(Line(label, rate, "plans/s", one, target, (point,)))
            lines.append(_patience(title, callers, took, delay_ms))
        else:
            label = f"{title}  {callers} callers / floor, {name}"
            ours = found[_OURS, callers].per_second
            lines.append(Line(label, ours, "plans/s", rate, "", (point,)))
    return lines


def _patience(title: str, callers: int, took: Burst, delay_ms: float) -> Line:
    target = "<= 60" if callers == 32 and delay_ms < 1 else ""
    return Line(
        f"{title}  {callers} callers, p99", took.waited(0.99), "ms", None, target
    )
