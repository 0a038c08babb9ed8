"""Where the time of a plan goes: samples of the running plan, by what it is doing.

About a thousand times a second another thread looks where the plan is; each look counts
for the innermost function of ours that was running. Unlike a tracing profiler this does
not make small functions look dear.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Line
from benchmarks.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.measure import Settings

__all__ = ["task_of", "where"]

_EVERY_S: Final = 0.001
_LET_IN_S: Final = 1e-5
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
    """Look at the calling thread from another one, which is let in at any moment."""
    watched, ended = threading.get_ident(), threading.Event()

    def look() -> None:
        while not ended.wait(_EVERY_S):
            stack, frame = [], sys._current_frames().get(watched)  # noqa: SLF001 - that is its name
            while frame is not None:
                module = frame.f_globals.get("__name__", "")
                stack.append((module, frame.f_code.co_name))
                frame = frame.f_back
            samples[task_of(stack)] += 1

    before = sys.getswitchinterval()
    sys.setswitchinterval(_LET_IN_S)
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        sys.setswitchinterval(before)
