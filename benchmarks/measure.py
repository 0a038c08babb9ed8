"""How a figure is taken, what it is compared with, and whether its target is met."""

from __future__ import annotations

import math
import re
import statistics
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = [
    "Burst",
    "Line",
    "Point",
    "Progress",
    "Settings",
    "burst",
    "bursts",
    "interleaved",
    "percentile",
    "processor_ms",
    "timed",
    "verdict",
]

_TARGET: Final = re.compile(r"(<=|>=|=) ([\d,.]+)( x)?")
_WARM_UP: Final = 20


@dataclass(frozen=True)
class Settings:
    """Where to run and how much.

    Attributes:
        folder: A temporary folder on the disk that is measured.
        rounds: Timed runs of a plan of three steps, per workload.
        history: The largest number of entries a ledger is filled with.
        callers: Numbers of threads that ask at once.
        burst_s: How long they ask, in seconds, in each of ``bursts`` turns.
        bursts: How many turns each contestant gets.
        plans: How many plans the executor runs whose memory is watched.
        history_folder: Where filled ledgers are kept for the next run.
    """

    folder: Path
    rounds: int
    history: int
    callers: tuple[int, ...] = (1, 2, 8, 32)
    burst_s: float = 1.0
    bursts: int = 3
    plans: int = 10_000
    history_folder: Path | None = None


@dataclass(frozen=True)
class Point:
    """One point of one curve of one plot."""

    plot: str
    curve: str
    x: float
    y: float


@dataclass(frozen=True)
class Line:
    """One row of the table; ``floor`` and ``ratio`` are None where there is none.

    ``target`` is text; of the forms ``<= 2.0 x`` (the ratio), ``<= 60``, ``>= 60``
    and ``= 4`` (the figure) it is also judged.
    """

    workload: str
    figure: float
    unit: str
    floor: float | None = None
    target: str = ""
    points: tuple[Point, ...] = ()

    @property
    def ratio(self) -> float | None:
        """The figure over its floor."""
        return None if not self.floor else self.figure / self.floor

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where nothing can be judged."""
        return verdict(self.target, self.figure, self.ratio)


@dataclass(frozen=True)
class Burst:
    """What several callers got done together."""

    seconds: float
    waits_ms: list[float]

    @property
    def per_second(self) -> float:
        """Plans per second, of all callers."""
        return len(self.waits_ms) / self.seconds

    def waited(self, share: float) -> float:
        """The milliseconds that this share of the plans did not exceed."""
        return percentile(self.waits_ms, share)


@dataclass
class Progress:
    """Tells on standard error, every few seconds, how far a long piece of work is."""

    title: str
    total: int
    _next_s: float = field(default_factory=lambda: time.perf_counter() + 1)

    def at(self, done: int) -> None:
        """Say so, if it is time."""
        if time.perf_counter() >= self._next_s:
            self._next_s = time.perf_counter() + 5
            print(f"... {self.title}: {done:,} of {self.total:,}", file=sys.stderr)


def verdict(target: str, figure: float, ratio: float | None) -> bool | None:
    """Judge a target against a figure, or against its ratio where it ends in ``x``."""
    found = _TARGET.fullmatch(target)
    if found is None:
        return None
    sign, number, times = found.groups()
    bound, value = float(number.replace(",", "")), ratio if times else figure
    if value is None:
        return None
    if sign == "=":
        return value == bound
    return value <= bound if sign == "<=" else value >= bound


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of the values do not pass."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def timed(rounds: int, *works: Callable[[], object]) -> list[list[float]]:
    """Run works in turn and give the milliseconds of each run, by work."""
    for work in works:
        for _ in range(min(_WARM_UP, rounds)):
            work()
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for mine, work in zip(times, works, strict=True):
            begin = time.perf_counter()
            work()
            mine.append((time.perf_counter() - begin) * 1e3)
    return times


def interleaved(rounds: int, *works: Callable[[], object]) -> tuple[float, ...]:
    """Run works in turn and give the median milliseconds of each."""
    return tuple(statistics.median(mine) for mine in timed(rounds, *works))


def processor_ms(rounds: int, work: Callable[[], object]) -> float:
    """The mean milliseconds of processor time of a work, waiting left out.

    Other load disturbs it least of all.
    """
    begin = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - begin) * 1e3 / rounds


def burst(callers: int, seconds: float, work: Callable[[int], object]) -> Burst:
    """Let threads call ``work`` (each with its number) again and again for a while.

    Raises:
        BaseException: What one of the calls raised.
    """
    waits: list[list[float]] = [[] for _ in range(callers)]
    failures: list[BaseException] = []
    gate = threading.Barrier(callers + 1)

    def call(caller: int) -> None:
        gate.wait()
        until = time.perf_counter() + seconds
        try:
            begin = time.perf_counter()
            while begin < until and not failures:
                work(caller)
                end = time.perf_counter()
                waits[caller].append((end - begin) * 1e3)
                begin = end
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            failures.append(error)

    threads = [threading.Thread(target=call, args=(n,)) for n in range(callers)]
    for thread in threads:
        thread.start()
    gate.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    every = [wait for mine in waits for wait in mine]
    return Burst(time.perf_counter() - begin, every)


def bursts(times: int, *runs: Callable[[], Burst]) -> list[Burst]:
    """Run bursts in turn, and give each contestant's of median throughput.

    The waits of all its bursts are put together, so that percentiles see them all.
    """
    took: list[list[Burst]] = [[] for _ in runs]
    for _ in range(times):
        for mine, run in zip(took, runs, strict=True):
            mine.append(run())
    return [_middle(mine) for mine in took]


def _middle(took: list[Burst]) -> Burst:
    rate = statistics.median(one.per_second for one in took)
    waits = [wait for one in took for wait in one.waits_ms]
    return Burst(len(waits) / rate, waits)
