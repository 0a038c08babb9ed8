"""W0: how often a plan flushes, counted below SQLite and below PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import statistics
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.children import run_child
from benchmarks.floor import Floor
from benchmarks.flushes import BOARD, Board, shim, why_no_shim
from benchmarks.measure import Line
from benchmarks.notes import skipped
from benchmarks.postgres import PostgresSink, has_store, postgres, why_no_postgres
from benchmarks.world import PARAMETERS, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.measure import Settings

__all__ = ["flush_count", "on_postgres", "sqlite_child"]

_LENGTHS: Final = (1, 3, 10)
_PLANS: Final = 9
_LOG_HEAD: Final = 32
_LOG_FRAME: Final = 24 + 4_096
_QUIET: Final = (
    "autovacuum = off",
    "wal_writer_delay = 10s",
    "bgwriter_lru_maxpages = 0",
    "checkpoint_timeout = 1h",
)


def flush_count(settings: Settings) -> list[Line]:
    """W0: the flushes of a plan on both stores; a gate, as it is free of noise."""
    reason = why_no_shim()
    if reason is not None:
        return skipped("W0", reason)
    with shim() as (board, variables):
        lines = run_child("flush count", settings, variables)
        return lines + on_postgres(board, variables)


def sqlite_child(settings: Settings) -> list[Line]:
    """Count in this process, into which the library was preloaded."""
    board = Board(Path(os.environ[BOARD]))
    world = World(f"sqlite:///{settings.folder}/w0.db")
    floor = Floor(settings.folder / "w0-floor.db")
    lines = _counted(board, "SQLite", world.run)
    lines += _counted(board, "SQLite floor", lambda n: floor.run_plan(n, PARAMETERS))
    before = sum(board.flushes)
    for _ in range(settings.rounds):
        world.run(3)
    mean = (sum(board.flushes) - before) / settings.rounds
    ours = _pages(settings.folder / "w0.db", partial(world.run, 3))
    least = _pages(
        settings.folder / "w0-floor.db", partial(floor.run_plan, 3, PARAMETERS)
    )
    floor.close()
    world.close()
    return [
        *lines,
        Line("W0  SQLite, N = 3, with checkpoints", mean, "flushes"),
        Line("W0  SQLite, N = 3, written / floor's", ours, "pages", least),
    ]


def _pages(database: Path, run: Callable[[], object]) -> float:
    """Count the pages that a plan writes into SQLite's log, on average."""
    log, total = Path(f"{database}-wal"), 0
    connection = sqlite3.connect(database)
    for _ in range(_PLANS):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        run()
        total += (log.stat().st_size - _LOG_HEAD) // _LOG_FRAME
    connection.close()
    return total / _PLANS


def on_postgres(board: Board, variables: Mapping[str, str]) -> list[Line]:
    """Count on a server into which the library was preloaded."""
    reason = why_no_postgres()
    if reason is not None:
        return skipped("W0 on PostgreSQL", reason)
    with _environment(variables), postgres(*_QUIET) as url:
        floor = Floor(PostgresSink(url))
        lines = _counted(
            board, "PostgreSQL floor", lambda n: floor.run_plan(n, PARAMETERS)
        )
        floor.close()
        if not has_store(url):
            return skipped("W0 on PostgreSQL", "there is no store") + lines
        world = World(url)
        lines = _counted(board, "PostgreSQL", world.run) + lines
        world.close()
    return lines


def _counted(board: Board, name: str, run: Callable[[int], object]) -> list[Line]:
    """Count the flushes of the log, plan by plan; checkpoints make a few differ."""
    lines = []
    for steps in _LENGTHS:
        run(steps)
        counts = []
        for _ in range(_PLANS):
            before = board.flushes[0]
            run(steps)
            counts.append(board.flushes[0] - before)
        usual = statistics.mode(counts)
        target = f"= {steps + 1}"
        lines.append(Line(f"W0  {name}, N = {steps}", usual, "flushes", None, target))
    return lines


@contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    """Let processes started meanwhile have these variables."""
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
