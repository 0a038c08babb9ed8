"""W6: the same plan on ledgers of different length, and how those are made."""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audit.store.schema import SCHEMA_VERSION
from benchmarks.floor import Floor
from benchmarks.measure import Line, Point, Progress, timed
from benchmarks.world import PARAMETERS, World

if TYPE_CHECKING:
    from benchmarks.measure import Settings

__all__ = ["filled", "history", "sizes"]

_LONG: Final = 100
_PLANS_PER_TOKEN: Final = 1_000
_STEPS: Final = 3


def sizes(settings: Settings) -> list[int]:
    """The lengths to compare: none, a tenth of the largest, the largest."""
    return [0, settings.history // 10, settings.history]


def filled(settings: Settings, size: int) -> Path:
    """Give a ledger of at least so many entries, made by running plans, once."""
    folder = settings.history_folder or settings.folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / f"history-{SCHEMA_VERSION}-{size}.db"
    done = path.with_suffix(".done")
    if not done.exists():
        for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            name.unlink(missing_ok=True)
        _fill(path, size)
        done.touch()
    return path


def _fill(path: Path, size: int) -> None:
    world = World(f"sqlite:///{path}")
    progress, plans, now = Progress("entries made", size), 0, world.size()
    while now < size:
        world.run(_LONG)
        plans += 1
        if plans % _PLANS_PER_TOKEN == 0:
            world.renew()
        now = world.size()
        progress.at(now)
    world.close()


def history(settings: Settings) -> list[Line]:
    """W6: a plan on an empty ledger and on long ones, and the floor, in turn."""
    lengths = sizes(settings)
    worlds = [World(f"sqlite:///{filled(settings, size)}") for size in lengths]
    floor = Floor(settings.folder / "w6-floor.db")
    works = [partial(world.run, _STEPS) for world in worlds]
    *found, least = timed(
        settings.rounds, *works, lambda: floor.run_plan(_STEPS, PARAMETERS)
    )
    for world in worlds:
        world.close()
    floor.close()
    lines, empty, least_ms = [], found[0], statistics.median(least)
    for size, times in zip(lengths, found, strict=True):
        label, middle = f"W6  N = 3 at {size:,} entries", statistics.median(times)
        points = (
            Point("history", "Stage-3", size, middle),
            Point("history", "SQLite floor (empty)", size, least_ms),
        )
        if size == 0:
            lines.append(Line(f"{label} / floor", middle, "ms", least_ms, "", points))
            continue
        base = statistics.median(empty)
        lines.append(Line(f"{label} / empty", middle, "ms", base, "<= 1.1 x", points))
        mean = statistics.fmean(times)
        base = statistics.fmean(empty)
        lines.append(Line(f"{label} / empty, mean", mean, "ms", base, "<= 1.1 x"))
    return lines
