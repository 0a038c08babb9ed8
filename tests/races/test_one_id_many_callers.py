"""One execution id, asked for by two threads in each of two processes at once.

Exactly one of them executes it (EXE-4.2 to EXE-4.5; promise P9).
"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from audit.log import AuditEventLog
from stage3.pytest_plugin.trails import assert_trail, completed
from tests.oracles.fast_folder import fast_folder
from tests.races.race_board import Board
from tests.races.race_driver import play
from tests.races.race_world import issue_round, open_world

if TYPE_CHECKING:
    from pathlib import Path

STARTERS = ((0, 1), (2, 3))
DIFFERENT = 3
"""The caller that asks for another plan under the same id."""
STEPS = 2


def judge_answers(answers: list[list[object]]) -> None:
    """One is done; the others are told so, told to wait, or told of the conflict."""
    told = Counter((success, replayed, code) for success, replayed, code in answers)
    assert told[True, False, None] == 1, told
    allowed = {
        (True, False, None),
        (True, True, None),
        (False, False, "EXECUTION_IN_PROGRESS"),
        (False, False, "EXECUTION_ID_CONFLICT"),
    }
    assert set(told) <= allowed, told
    same = [code for _, _, code in answers[:DIFFERENT]]
    if answers[DIFFERENT][:2] == [True, False]:
        assert same == ["EXECUTION_ID_CONFLICT"] * DIFFERENT
    else:
        assert answers[DIFFERENT][2] == "EXECUTION_ID_CONFLICT"
        assert "EXECUTION_ID_CONFLICT" not in same


def ask_all(folder: Path, board: Board, count: int) -> None:
    ids = [str(uuid.UUID(int=number, version=4)) for number in range(count)]
    with open_world(folder / "ledger.db", board).store as store:
        rounds = [issue_round(store, number, "id", STEPS) for number in range(count)]
    job = {
        "board": str(folder / "board"),
        "ledger": str(folder / "ledger.db"),
        "rounds": [played.as_json() for played in rounds],
        "ids": ids,
        "different": DIFFERENT,
        "total_starters": 4,
    }

    jobs = [job | {"starters": starters} for starters in STARTERS]
    first, second = play(folder, "same_id", jobs)

    told = [*first["told"], *second["told"]]
    for number in range(count):
        judge_answers([answers[number] for answers in told])
        calls = [report["calls"].get(str(number), 0) for report in (first, second)]
        assert sorted(calls) == [0, STEPS]
    with open_world(folder / "ledger.db", board).store as store:
        log = AuditEventLog(store)
        for execution_id in ids:
            assert_trail(log.trail(execution_id), *[completed("racer.run")] * STEPS)
        assert log.verify()


def test_exactly_one_of_many_callers_executes_an_id() -> None:
    with fast_folder() as folder, Board(folder / "board") as board:
        ask_all(folder, board, 100)


@pytest.mark.nightly
def test_exactly_one_of_many_callers_executes_an_id_in_a_long_night() -> None:
    with fast_folder() as folder, Board(folder / "board") as board:
        ask_all(folder, board, 3_000)
