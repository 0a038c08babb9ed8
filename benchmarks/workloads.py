"""The workloads: each gives lines for the table, with its floor in the same run."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.crowd import crowd, slow_disk
from benchmarks.floor import FileSink, Floor, ListSink
from benchmarks.flush_count import flush_count
from benchmarks.history import history
from benchmarks.measure import Line, Point, Settings, interleaved, processor_ms
from benchmarks.memory import memory, verification
from benchmarks.memory_disk import memory_disk
from benchmarks.postgres import on_postgres
from benchmarks.where import where
from benchmarks.world import PARAMETERS, Pair, World
from stage3.pytest_plugin.harness import Harness
from tokens.credential import verify_credential

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WORKLOADS", "Line", "Settings", "interleaved"]

_COMMAND_LINE = "from stage3.cli.main import entry; entry()"
_LENGTHS = (1, 3, 10, 100)


def one_caller(settings: Settings) -> list[Line]:
    """W1: a durable plan of three steps against the floors."""
    pair = Pair(settings.folder, "w1")
    bare = World("memory:")
    floors = {
        "a list in memory": Floor(ListSink()),
        "a file": Floor(FileSink(settings.folder / "w1-floor")),
    }
    with memory_disk(settings.folder) as folder:
        floors["SQLite on a disk in memory"] = Floor(folder / "floor.db")
        mine, least, in_memory, *others = interleaved(
            settings.rounds * 3,
            lambda: pair.run(3),
            lambda: pair.run_floor(3),
            lambda: bare.run(3),
            *(_plan_of(floor) for floor in floors.values()),
        )
        worked, least_worked = (
            processor_ms(settings.rounds, work)
            for work in (partial(pair.run, 3), partial(pair.run_floor, 3))
        )
        for floor in floors.values():
            floor.close()
    bare.close()
    pair.close()
    return [
        Line("W1  N = 3 / SQLite floor", mine, "ms", least, "<= 2.0 x"),
        Line("W1  N = 3, store in memory / SQLite floor", in_memory, "ms", least),
        Line("W1  N = 3, processor time / floor's", worked, "ms", least_worked),
        *(
            Line(f"W1  floor, {name} / SQLite floor", ms, "ms", least)
            for name, ms in zip(floors, others, strict=True)
        ),
    ]


def lengths(settings: Settings) -> list[Line]:
    """W2: a durable plan against its floor, by length."""
    lines = []
    for steps in _LENGTHS:
        pair = Pair(settings.folder, f"w2-{steps}")
        mine, least = interleaved(
            max(20, settings.rounds * 3 // (steps + 2)),
            partial(pair.run, steps),
            partial(pair.run_floor, steps),
        )
        pair.close()
        points = (
            Point("length", "Stage-3", steps, mine),
            Point("length", "SQLite floor", steps, least),
        )
        label = f"W2  N = {steps} / floor"
        lines.append(Line(label, mine, "ms", least, "<= 2.0 x", points))
    usual = dict(zip(_LENGTHS, lines, strict=True))[3].ratio
    return lines + [
        Line(
            f"W2  ratio of N = {steps} / of N = 3",
            line.ratio or 0,
            "x",
            usual,
            "<= 1.15 x",
        )
        for steps, line in zip(_LENGTHS, list(lines), strict=True)
        if steps != 3
    ]


def _plan_of(floor: Floor) -> Callable[[], object]:
    return lambda: floor.run_plan(3, PARAMETERS)


def credentials(settings: Settings) -> list[Line]:
    """W8: a credential against one bare signature check."""
    with Harness() as harness:
        issued = harness.issue()
        keys = harness.authority.verification_keys()
        now = harness.clock.now_us
        key = Ed25519PrivateKey.generate()
        message = issued.credential.encode()[:300]
        signature, public = key.sign(message), key.public_key()
        mine, least = interleaved(
            settings.rounds * 5,
            lambda: verify_credential(issued.credential, keys=keys, now=now),
            lambda: public.verify(signature, message),
        )
    return [Line("W8  credential / bare verification", mine, "ms", least, "<= 1.3 x")]


def starts(settings: Settings) -> list[Line]:
    """W9: whole processes, against a bare interpreter."""

    def process(*arguments: str) -> Callable[[], object]:
        return lambda: subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, *arguments], check=True, capture_output=True
        )

    rounds = max(5, settings.rounds // 20)
    help_ms, import_ms, bare = interleaved(
        rounds,
        process("-c", _COMMAND_LINE, "--help"),
        process("-c", "import stage3"),
        process("-c", "pass"),
    )
    return [
        Line("W9  stage3 --help / bare Python", help_ms, "ms", bare, "<= 200"),
        Line("W9  import stage3 / bare Python", import_ms, "ms", bare, "<= 150"),
    ]


WORKLOADS: dict[str, Callable[[Settings], list[Line]]] = {
    "W0": flush_count,
    "W1": one_caller,
    "W2": lengths,
    "W4": crowd,
    "W4s": slow_disk,
    "W5": on_postgres,
    "W6": history,
    "W7": verification,
    "W8": credentials,
    "W9": starts,
    "W10": memory,
    "profile": where,
}
