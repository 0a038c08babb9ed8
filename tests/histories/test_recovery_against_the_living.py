"""Recovery in one process while the owners of another live, close and go away.

EXE-7.2, EXE-7.3, EXE-7.8; promise P9: exactly one end for every start.
"""

from __future__ import annotations

import uuid

from audit.log import AuditEventLog
from stage3.pytest_plugin.trails import aborted, assert_trail
from stage3.recovery import recover
from tests.histories.board import Board
from tests.histories.driver import gather_all, started
from tests.histories.ledger_lines import charged_to, read_lines
from tests.histories.stores import url_in
from tests.histories.world import issue_round, open_world
from tests.oracles.fast_folder import fast_folder

PLANS = 60
ABANDONED = 60
RESERVED = 10_000


def test_recovery_never_closes_what_a_live_owner_runs() -> None:
    """Owners come and go, plan by plan, while another process recovers all the time."""
    with fast_folder() as folder, Board(folder / "board") as board:
        with open_world(url_in(folder), board).store as store:
            rounds = [issue_round(store, number, "live", 3) for number in range(PLANS)]
        job = {
            "board": str(folder / "board"),
            "url": url_in(folder),
            "rounds": [played.as_json() for played in rounds],
        }

        with (
            started(folder, "recover_on", "recoverer", job) as recovering,
            started(folder, "live_on", "liver", job) as living,
        ):
            life, report = gather_all([living, recovering])

        assert life["told"] == [""] * PLANS
        assert report["closed"] == 0
        assert report["recoveries"] > 0
        with open_world(url_in(folder), board).store as store:
            assert AuditEventLog(store).verify()
            kinds = {line.kind for line in read_lines(store)}
        assert "OPERATION_ABORTED" not in kinds


def test_a_plan_closed_by_its_owner_and_by_recovery_at_once_is_closed_once() -> None:
    """The owner closes it itself, or only goes away; recovery is there that moment."""
    ids = [str(uuid.UUID(int=number, version=4)) for number in range(ABANDONED)]
    with fast_folder() as folder, Board(folder / "board") as board:
        with open_world(url_in(folder), board).store as store:
            rounds = [
                issue_round(store, number, "left", 2) for number in range(len(ids))
            ]
        job = {
            "board": str(folder / "board"),
            "url": url_in(folder),
            "rounds": [played.as_json() for played in rounds],
            "ids": ids,
            "total_starters": 2,
        }

        with (
            started(folder, "abandon", "owner", job) as owning,
            started(folder, "recover_abandoned", "recoverer", job) as recovering,
        ):
            owner, recovery = gather_all([owning, recovering])

        assert owner["told"] == ["AUDIT_UNAVAILABLE"] * ABANDONED
        with open_world(url_in(folder), board).store as store:
            recover(store)
            log = AuditEventLog(store)
            assert log.verify()
            lines = read_lines(store)
            for execution_id in ids:
                assert_trail(log.trail(execution_id), aborted("racer.run"))
        reserved = [
            line.details["reserved"]
            for line in lines
            if line.kind == "EXECUTION_STARTED"
        ]
        for played in rounds:
            assert charged_to(lines, played.token) == reserved[0]
        # An owner that only goes away leaves it to the next recovery at the latest.
        assert len(recovery["closed"]) > 0
