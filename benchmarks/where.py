"""Where the time of a plan goes: samples of the running plan, by what it is doing.

A timer interrupts the plan about a thousand times a second, wherever it is; each sample
counts for the innermost function of ours that was running. Unlike a tracing profiler
this does not make small functions look dear.
"""

from __future__ import annotations

import signal
import statistics
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Line
from benchmarks.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from benchmarks.measure import Settings

__all__ = ["task_of", "where"]

_EVERY_S: Final = 0.001
_STEPS: Final = 3
_COMMIT: Final = "COMMIT: flushing to the disk"
_TASKS: Final = (
    ("audit.store.session", "SQL statements"),
    ("audit.store.reading", "SQL statements"),
    ("audit.store", "locks, checks and rows of the store"),
    ("audit", "entries: encoding, grammar, hashes, tree"),
    ("tokens", "the token: state, counters, limits"),
    ("stage3.isolation", "the box"),
    ("stage2_domains", "parameters and answers of the domain"),
    ("stage3", "the plan: gates, entries, outcome"),
)
_REST: Final = "the caller and the domain"


def where(settings: Settings) -> list[Line]:
    """Sample plans of three steps on SQLite, and give each task its share."""
    world = World(f"sqlite:///{settings.folder}/where.db")
    for _ in range(50):
        world.run(_STEPS)
    samples: Counter[str] = Counter()
    times = []
    with _sampling(samples):
        for _ in range(settings.rounds * 3):
            begin = time.perf_counter()
            world.run(_STEPS)
            times.append((time.perf_counter() - begin) * 1e3)
    world.close()
    middle, total = statistics.median(times), sum(samples.values())
    return [
        Line(f"profile  {task}", middle * count / total, "ms", middle)
        for task, count in samples.most_common()
    ]


def task_of(stack: list[tuple[str, str]]) -> str:
    """Name what is being done; the stack is (module, function), innermost first."""
    for module, _ in stack:
        for prefix, task in _TASKS:
            if f"{module}.".startswith(f"{prefix}."):
                is_commit = ("audit.store.writer", "_commit") in stack[:3]
                return _COMMIT if is_commit else task
    return _REST


@contextmanager
def _sampling(samples: Counter[str]) -> Iterator[None]:
    def sample(_number: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
            frame = frame.f_back
        samples[task_of(stack)] += 1

    before = signal.signal(signal.SIGALRM, sample)
    signal.setitimer(signal.ITIMER_REAL, _EVERY_S, _EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
