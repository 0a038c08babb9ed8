"""Limits are never exceeded by one, whoever contends for what is left.

Two threads in each of two processes try every token at once, more often than its limit
allows. What was spent is counted from the ledger's entries alone (rules 2C; AUT-7).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from audit.log import AuditEventLog
from tests.oracles.fast_folder import fast_folder
from tests.races.race_board import Board
from tests.races.race_checks import Spent, read_lines, spent_by
from tests.races.race_driver import play
from tests.races.race_mutants import StaleCounters
from tests.races.race_world import Round, issue_round, open_world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.races.race_world import World

STARTERS = ((0, 1), (2, 3))
CONTENDERS = 4
ATTEMPTS = 8
WINDOW_US = 10_000_000
UNITS = 2
"""What one answer of the racer costs: eight bytes."""

INVOCATIONS, EXECUTIONS, TOTAL, FREQUENCY = 7, 5, 15, 3
KINDS = ("invocations", "executions", "total", "frequency")


def issue_limited(store: object, number: int, kind: str) -> Round:
    limits: dict[str, dict[str, object]] = {
        "invocations": {"resource_limits": {"max_invocations": INVOCATIONS}},
        "executions": {"max_executions": EXECUTIONS},
        "total": {
            "resource_limits": {
                "max_total_tokens": TOTAL,
                "max_tokens_per_response": UNITS + 1,
            }
        },
        "frequency": {
            "resource_limits": {"max_frequency": f"{FREQUENCY} per 10 seconds"}
        },
    }
    steps = 1 if kind == "frequency" else 2
    return issue_round(store, number, kind, steps, **limits[kind])  # type: ignore[arg-type]


def judge(kind: str, spent: Spent) -> None:
    """Never over by one; and used up, since more was asked for than there was."""
    match kind:
        case "invocations":
            assert spent.invocations == INVOCATIONS
        case "executions":
            assert spent.executions == EXECUTIONS
        case "total":
            # What is left at the end is less than an answer costs.
            assert TOTAL - UNITS < spent.charged <= TOTAL
            assert spent.highest <= TOTAL
        case _:
            assert spent.densest == FREQUENCY


def contest(folder: Path, board: Board, count: int) -> list[tuple[str, Spent]]:
    with open_world(folder / "ledger.db", board).store as store:
        rounds = [
            issue_limited(store, number, KINDS[number % len(KINDS)])
            for number in range(count)
        ]
    job = {
        "board": str(folder / "board"),
        "ledger": str(folder / "ledger.db"),
        "rounds": [played.as_json() for played in rounds],
        "attempts": ATTEMPTS,
        "total_starters": CONTENDERS,
    }
    play(folder, "contest", [job | {"starters": starters} for starters in STARTERS])
    with open_world(folder / "ledger.db", board).store as store:
        assert AuditEventLog(store).verify()
        lines = read_lines(store)
    return [(each.kind, spent_by(lines, each.token, WINDOW_US)) for each in rounds]


def test_no_limit_is_exceeded_by_one() -> None:
    """32 attempts of four contenders on each of 24 tokens."""
    with fast_folder() as folder, Board(folder / "board") as board:
        for kind, spent in contest(folder, board, 24):
            judge(kind, spent)


@pytest.mark.nightly
def test_no_limit_is_exceeded_by_one_in_a_long_night() -> None:
    """The same for 1,000 tokens; the clock stays within their lives."""
    with fast_folder() as folder, Board(folder / "board") as board:
        for kind, spent in contest(folder, board, 400):
            judge(kind, spent)


@pytest.mark.parametrize("kind", ["invocations", "executions", "frequency"])
def test_a_registry_that_counts_before_the_lock_is_caught(kind: str) -> None:
    """The judge is able to fail: two read the counters before either writes."""
    with fast_folder() as folder, Board(folder / "board") as board:
        world = open_world(folder / "ledger.db", board)
        with world.store as store:
            issued = issue_limited(store, 0, kind)
            played = Round(0, issued.token, issued.user, kind, steps=1)
            play_stale(world, played, attempts=INVOCATIONS)

            spent = spent_by(read_lines(store), played.token, WINDOW_US)

    over = {
        "invocations": spent.invocations - INVOCATIONS,
        "executions": spent.executions - EXECUTIONS,
        "frequency": spent.densest - FREQUENCY,
    }
    assert over[kind] == 1
    with pytest.raises(AssertionError):
        judge(kind, spent)


def play_stale(world: World, played: Round, attempts: int) -> None:
    """Two threads, always reading together."""
    registry = StaleCounters(world.store, threads=2)
    player = world.player("stale", registry)

    def attempt() -> None:
        for _ in range(attempts):
            player.play(played)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(attempt), pool.submit(attempt)]:
            done.result()
    player.executor.close()
