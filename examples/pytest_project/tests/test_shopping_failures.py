"""A disk that fails: at each commit, in both ways, and what a caller sees of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from audit.store.faults import DISK_FULL, open_faulty_store
from stage3 import recover
from stage3.pytest_plugin import Harness, ManualClock

from shopping.domain import Shopping

if TYPE_CHECKING:
    from pathlib import Path

SCOPE = {"shopping": ["total"]}
TOTAL = ("shopping", "total", {"items": [{"name": "bread", "cents": 390}]})
ID = "0f6f3a52-6a43-4c39-9d4c-8d1f3b0c7e11"


@pytest.mark.parametrize("mode", ["lost", "reported-lost"])
@pytest.mark.parametrize("commit", [1, 2, 3])
def test_a_full_disk_ends_the_plan_and_is_recovered_from(
    tmp_path: Path, commit: int, mode: str
) -> None:
    clock = ManualClock()
    store, faults = open_faulty_store(f"sqlite:///{tmp_path}/ledger.db", clock=clock)
    with store, Harness(store=store, clock=clock, domains=[Shopping()]) as harness:
        token = harness.issue(scope=SCOPE)
        assert harness.run(token, TOTAL).success
        faults.fail(commit=commit, mode=mode, code=DISK_FULL, lasting=True)

        outcome = harness.run(token, TOTAL, TOTAL, execution_id=ID)

        assert outcome.error.code == "AUDIT_UNAVAILABLE"
        assert outcome.results is None

        faults.heal()
        assert recover(store).latch_lifted
        again = harness.run(token, TOTAL, TOTAL, execution_id=ID)

        # Lost before anything was claimed: it runs now, once. Otherwise it is closed.
        assert again.replayed is not (commit == 1 and mode == "lost")
        assert harness.log.verify()
