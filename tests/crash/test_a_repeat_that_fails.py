"""A repeated id whose second call fails must not end the first, which is running.

EXE-4.2, EXE-7.2: only what a call has claimed itself is abandoned with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit.store.faults import IO_ERROR, Faults, Moment, failure, open_faulty_store
from stage3.pytest_plugin.harness import LEDGER_ID, Harness, ManualClock
from stage3.pytest_plugin.trails import assert_trail, completed
from tests.unit.stage3.probe_domains import Probe
from tests.unit.stage3.test_trails import ALL, between

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ID = "3f0c2b4e-8c1a-4b6e-9f00-0123456789ab"
ANSWER = ("probe", "answer", {"x": 1})


def unreadable(moment: Moment) -> None:
    if moment[:2] == ("before", "begin"):
        raise failure(IO_ERROR)


def interrupted(moment: Moment) -> None:
    if moment == ("before", "begin immediate", 1):
        raise KeyboardInterrupt


def ask_again(harness: Harness, faults: Faults, token: str, trouble: object) -> None:
    """Ask for the running id again, in trouble, and then for something else."""
    # What is remembered of the token would spare the read that is to fail.
    harness.orchestrator.token_registry._reader.tokens._remembered.clear()
    faults.watch(trouble)  # type: ignore[arg-type]
    try:
        outcome = harness.run(token, ANSWER, ANSWER, execution_id=ID)
        assert outcome.error is not None
        assert outcome.error.code == "AUDIT_UNAVAILABLE"
    except KeyboardInterrupt:
        assert trouble is interrupted
    faults.heal()
    assert harness.run(token, ANSWER).success


@pytest.mark.parametrize("trouble", [unreadable, interrupted])
def test_a_repeat_that_fails_leaves_the_running_plan_alone(
    tmp_path: Path, trouble: Callable[[Moment], None]
) -> None:
    clock, probe = ManualClock(), Probe()
    store, faults = open_faulty_store(
        f"sqlite:///{tmp_path}/ledger.db", clock=clock, ledger_id=LEDGER_ID
    )
    with store, Harness(domains=[probe], store=store, clock=clock) as harness:
        token = harness.issue(scope={"probe": ALL}).token_hash
        between(harness, lambda: ask_again(harness, faults, token, trouble))

        outcome = harness.run(token, ANSWER, ANSWER, execution_id=ID)

        assert outcome.success
        assert_trail(outcome, *[completed("probe.answer")] * 2)
        assert harness.log.verify()
