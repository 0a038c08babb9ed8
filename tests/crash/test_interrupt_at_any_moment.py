"""KeyboardInterrupt at every statement of a plan: closed, raised again, never re-run.

EXE-7.1, EXE-4.5. The interrupt is raised by the watcher of the connection, which is
where a signal handler's would come from too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit.log import AuditEventLog
from audit.store.faults import Faults
from audit.store.opening import open_sqlite
from audit.store.sqlite import SqlitePorts
from audit.store.timing import SYSTEM_TIMING
from stage3.pytest_plugin.harness import LEDGER_ID
from stage3.pytest_plugin.trails import assert_trail
from tests.crash.crash_judge import (
    ID,
    LATER,
    Scene,
    expected_trail,
    expected_usage,
    make_scene,
    usage_of,
)
from tests.crash.crash_scenarios import STEPS, execute, executor_on
from tests.oracles.fast_folder import fast_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit.store.faults import Moment

DRY = -1


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with fast_folder() as folder:
        yield make_scene(folder / "scene")


class Interrupter:
    """A watcher that interrupts once, at one moment."""

    def __init__(self, at: int) -> None:
        self.names: list[str] = []
        self._at = at

    def __call__(self, moment: Moment) -> None:
        """Note the moment, and interrupt at the chosen one."""
        self.names.append(f"{moment[0]} {moment[1]}")
        if len(self.names) - 1 == self._at:
            raise KeyboardInterrupt


def run_interrupted(scene: Scene, at: int) -> list[str]:
    """Interrupt a plan at one moment and judge what is left; give all its moments."""
    copy = scene.copy("interrupted")
    faults = Faults()
    ports = SqlitePorts(LATER, faults.connect, SYSTEM_TIMING, 5.0)
    calls: list[int] = []
    with open_sqlite(copy.url, ports=ports, ledger_id=LEDGER_ID) as store:
        executor = executor_on(store, "interrupted", calls.append)
        interrupter = Interrupter(at)
        faults.watch(interrupter)
        if at == DRY:
            assert execute(executor, scene.token, ID).success
        else:
            with pytest.raises(KeyboardInterrupt):
                execute(executor, scene.token, ID)
        faults.watch(None)
        if at == DRY:
            return interrupter.names

        # The interrupt came once: what was claimed is closed by now, nothing latched.
        commits = interrupter.names[: at + 1].count("after commit")
        log = AuditEventLog(store)
        assert store.latch is None
        assert log.verify()
        if commits:
            assert_trail(log.trail(ID), *expected_trail(commits))
        assert usage_of(store, scene.token) == expected_usage(commits)
        is_between = interrupter.names[at] == "after commit"
        assert len(calls) == max(0, min(commits - is_between, STEPS))

        before = len(calls)
        outcome = execute(executor, scene.token, ID)
        assert outcome.replayed == bool(commits)
        assert len(calls) - before == (0 if commits else STEPS)
        assert log.verify()
    return interrupter.names


def test_an_interrupt_at_any_statement_closes_the_plan_and_goes_on(
    scene: Scene,
) -> None:
    moments = run_interrupted(scene, DRY)
    assert moments.count("after commit") == STEPS + 1

    for at in range(len(moments)):
        run_interrupted(scene, at)
