"""Where the time of a plan goes: samples of the running plan, by what it is doing.

A timer interrupts the plan about a thousand times a second; the time since the last
interruption counts for the innermost function of ours that was running. Unlike a
tracing profiler this does not make small functions look dear.
"""

from __future__ import annotations

import ast
import functools
import signal
import statistics
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Line
from benchmarks.notes import skipped
from benchmarks.postgres import has_store, postgres, why_no_postgres
from benchmarks.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from benchmarks.measure import Settings

__all__ = ["function_at", "task_of", "where"]

_EVERY_S: Final = 0.001
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
    samples = _Samples()
    times = []
    with samples.taken():
        for _ in range(settings.rounds * 3):
            begin = time.perf_counter()
            world.run(_STEPS)
            times.append((time.perf_counter() - begin) * 1e3)
    world.close()
    middle = statistics.median(times)
    return [
        Line(f"profile  {store}, {task} / a plan", middle * share, "ms", middle)
        for task, share in samples.by_task()
    ]


def task_of(stack: list[tuple[str, str]]) -> str:
    """Name what is being done; the stack is (module, function), innermost first."""
    for module, _ in stack:
        for prefix, task in _TASKS:
            if f"{module}.".startswith(f"{prefix}."):
                is_commit = not _ENDS.isdisjoint(stack)
                return _COMMIT if is_commit and task == _STATEMENTS else task
    return _REST


class _Samples:
    """What was running, and for how long since the sample before it."""

    def __init__(self) -> None:
        self._taken: list[tuple[float, list[tuple[str, int]]]] = []
        self._last = 0.0

    def take(self, _signal: int, frame: FrameType | None) -> None:
        """Note modules and lines: inside the box, more would be a violation."""
        stack = []
        while frame is not None:
            stack.append((frame.f_globals.get("__name__", ""), frame.f_lineno or 0))
            frame = frame.f_back
        now = time.perf_counter()
        self._taken.append((now - self._last, stack))
        self._last = now

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take samples meanwhile."""
        before = signal.signal(signal.SIGALRM, self.take)
        self._last = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, _EVERY_S, _EVERY_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def by_task(self) -> list[tuple[str, float]]:
        """The share of each task, the greatest first; together they are 1."""
        shares: dict[str, float] = {}
        total = sum(seconds for seconds, _ in self._taken)
        for seconds, stack in self._taken:
            named = [(module, function_at(module, line)) for module, line in stack]
            task = task_of(named)
            shares[task] = shares.get(task, 0.0) + seconds / total
        return sorted(shares.items(), key=lambda item: -item[1])


@functools.cache
def function_at(module: str, line: int) -> str:
    """Name the innermost function that has this line; empty if there is none."""
    found = ""
    for name, first, last in _functions(module):
        if first <= line <= last:
            found = name
    return found


@functools.cache
def _functions(module: str) -> list[tuple[str, int, int]]:
    """The functions of a module with their first and last lines, outer ones first."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None or not path.endswith(".py"):
        return []
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return [
        (node.name, node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(ast.parse(Path(path).read_text("utf-8")))
        if isinstance(node, functions)
    ]
