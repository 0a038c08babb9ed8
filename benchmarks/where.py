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
from benchmarks.notes import skipped
from benchmarks.postgres import has_store, postgres, why_no_postgres
from benchmarks.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.measure import Settings

__all__ = ["task_of", "where"]

_EVERY_S: Final = 0.001
_LET_IN_S: Final = 1e-5
_STEPS: Final = 3
_COMMIT: Final = "COMMIT and its flush"
_STATEMENTS: Final = "SQL statements"
_ENDS: Final = frozenset(
    {("audit.store.writer", "_commit"), ("audit.store.postgres.transaction", "commit")}
)
_TASKS: Final = (
    ("audit.store.session", _STATEMENTS),
    ("audit.store.postgres.session", _STATEMENTS),
    ("audit.store.reading", _STATEMENTS),
    ("audit.store", "locks, checks and rows of the store"),
    ("audit", "entries: encoding, grammar, hashes, tree"),
    ("tokens", "the token: state, counters, limits"),
    ("stage3.isolation", "the box"),
    ("stage2_domains", "parameters and answers of the domain"),
    ("stage3", "the plan: gates, entries, outcome"),
)
_REST: Final = "the caller and the domain"


def where(settings: Settings) -> list[Line]:
    """Sample plans of three steps on both stores, and give each task its share."""
    lines = _sampled(settings, "SQLite", f"sqlite:///{settings.folder}/where.db")
    reason = why_no_postgres()
    if reason is not None:
        return lines + skipped("the profile on PostgreSQL", reason)
    with postgres() as url:
        if not has_store(url):
            return lines + skipped("the profile on PostgreSQL", "there is no store")
        return lines + _sampled(settings, "PostgreSQL", url)


def _sampled(settings: Settings, store: str, url: str) -> list[Line]:
    world = World(url)
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
        Line(f"profile  {store}, {task} / a plan", middle * count / total, "ms", middle)
        for task, count in samples.most_common()
    ]


def task_of(stack: list[tuple[str, str]]) -> str:
    """Name what is being done; the stack is (module, function), innermost first."""
    for module, _ in stack:
        for prefix, task in _TASKS:
            if f"{module}.".startswith(f"{prefix}."):
                is_commit = not _ENDS.isdisjoint(stack)
                return _COMMIT if is_commit and task == _STATEMENTS else task
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
