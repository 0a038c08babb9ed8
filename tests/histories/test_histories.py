"""Revocation, limits, pauses and execution ids are linearizable: shown on histories.

P3, P4, P9; rules 2C.1, 2C.3, 2C.5, 2D.1; EXE-3.2, EXE-4.2 to EXE-4.5, EXE-5.3, EXE-7.9;
AUT-4, AUT-7. What is judged, and why that is enough, is told by the files of the
checker and by docs/linearizability.md.

A domain whose start was durable before the stop, and whose thread was only then given
the processor, is no late start: it is "a call already inside", one step earlier.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from audit.log import AuditEventLog
from tests.histories.campaign import PROCESSES
from tests.histories.driver import play
from tests.histories.ledger_lines import read_lines
from tests.histories.operations import History
from tests.histories.script import make_script
from tests.histories.stores import STORE_KINDS, place_for
from tests.histories.verdict import figures_of, judge
from tests.histories.world import open_world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.histories.ledger_lines import Line
    from tests.histories.stores import Place

    Note = Callable[[str, object], None]

STARTS = 5_000
NIGHTLY_LEDGERS = 20
THREADS = 3
"""In each process, beside the one that stops."""


def record(
    place: Place, starts: int, seed: int, registry: str = "right"
) -> tuple[History, list[Line]]:
    """Act a script out in two processes, and give what was seen of it."""
    with open_world(place.url, place.board).store as store:
        script = make_script(store, starts, seed)
    jobs = [
        {
            "board": str(place.folder / "board"),
            "url": place.url,
            "script": script.as_json(),
            "history": str(place.folder / f"history-{process}"),
            "process": process,
            "threads": THREADS,
            "seed": seed,
            "registry": registry,
        }
        for process in range(PROCESSES)
    ]
    play(place.folder, "act_out", jobs)
    history = History({each.token: each for each in script.subjects})
    for job in jobs:
        history.add_from(place.folder / str(job["history"]))
    with open_world(place.url, place.board).store as store:
        assert AuditEventLog(store).verify()
        return history, read_lines(store)


def show_linearizable(
    kind: str, starts: int, seed: int, note: Note, folder: Path
) -> None:
    with place_for(kind) as place:
        history, lines = record(place, starts, seed)

    figures = figures_of(history)
    note(f"history on {kind}, seed {seed}", str(figures))
    (folder / "figures.json").write_text(json.dumps(asdict(figures)), "utf-8")
    assert judge(history, lines) == {}
    # It would mean nothing if little had happened.
    assert figures.starts >= starts
    assert sum(figures.stops.values()) >= starts // 20
    assert set(figures.stops) == {*KINDS_OF_STOP}
    assert set(figures.refusals) >= {*KINDS_OF_REFUSAL}
    assert figures.replayed > 0


KINDS_OF_STOP = (
    *("token", "user", "issuer", "key", "compromise", "all"),
    *("pause", "resume"),
)
KINDS_OF_REFUSAL = (
    *("TOKEN_REVOKED", "KEY_NOT_TRUSTED", "PLATFORM_PAUSED"),
    *("LIMIT_INVOCATIONS", "LIMIT_EXECUTIONS", "LIMIT_TOTAL", "LIMIT_FREQUENCY"),
    "EXECUTION_ID_CONFLICT",
)


@pytest.mark.parametrize("kind", STORE_KINDS)
def test_a_history_of_starts_and_stops_is_linearizable(
    kind: str, figure: Note, tmp_path: Path
) -> None:
    show_linearizable(kind, STARTS, 1, figure, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(100, 100 + NIGHTLY_LEDGERS))
@pytest.mark.parametrize("kind", STORE_KINDS)
def test_100_000_starts_are_linearizable(
    kind: str, seed: int, figure: Note, tmp_path: Path
) -> None:
    show_linearizable(kind, STARTS, seed, figure, tmp_path)


@pytest.mark.parametrize("kind", STORE_KINDS)
def test_a_registry_that_checks_before_the_lock_is_caught(kind: str) -> None:
    """Check in one block, start in another: every judge of stops sees it."""
    with place_for(kind) as place:
        history, lines = record(place, 600, 2, "stale authority")

    faults = judge(history, lines)

    assert {*faults} >= {
        "late in real time",
        "late by the ledger",
        "started while paused",
    }
