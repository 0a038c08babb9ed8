"""SIGKILL while several threads share commits: still nobody goes on too early.

Which plans share a commit is up to the processor; what must be true of each is not:
a domain that was called has its STARTED, an outcome that was told has its end
(EXE-5.3, EXE-5.4, EXE-7.7, STO-1).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from audit.log import AuditEventLog
from stage3.pytest_plugin.trails import aborted, assert_trail, completed
from stage3.recovery import recover
from tests.crash.crash_driver import CrashProcess
from tests.crash.crash_judge import Copy, Scene, make_scene
from tests.crash.crash_scenarios import STEPS, execute, executor_on
from tests.oracles.fast_folder import fast_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit.store.interface import Store

THREADS = 6
PLANS = 12
IDS = [str(uuid.UUID(int=number, version=4)) for number in range(1, PLANS + 1)]


@pytest.fixture(scope="module")
def process() -> Iterator[CrashProcess]:
    with CrashProcess() as started:
        yield started


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with fast_folder() as folder:
        yield make_scene(folder / "scene")


def starts_in(store: Store, execution_id: str) -> int:
    trail = AuditEventLog(store).trail(execution_id)
    return sum(event.event_type.value == "EXECUTION_STARTED" for event in trail)


def judge_crowd(copy: Copy) -> None:
    notes = copy.notes("run_crowd")
    with copy.open() as store:
        log = AuditEventLog(store)
        assert log.verify()
        recover(store)
        for execution_id in IDS:
            called = [step for by, step in notes.calls if by == execution_id]  # type: ignore[misc]
            starts = starts_in(store, execution_id)
            # Each step at most once, in order, and none before its start was durable.
            assert called == list(range(len(called)))
            assert len(called) in {starts, starts - 1}
            judge_end(store, execution_id, starts)
        for execution_id, is_success in notes.told:  # type: ignore[misc]
            assert is_success
            done = [completed("worker.work")] * STEPS
            assert_trail(log.trail(execution_id), *done)
        assert log.verify()
        calls: list[int] = []
        with executor_on(store, "who asks again", calls.append) as executor:
            for execution_id in IDS:
                if starts_in(store, execution_id):
                    assert execute(executor, copy.scene.token, execution_id).replayed
        assert calls == []


def judge_end(store: Store, execution_id: str, starts: int) -> None:
    trail = AuditEventLog(store).trail(execution_id)
    if not starts:
        assert trail == ()
    elif trail[-1].status == "aborted":
        done = [completed("worker.work")] * (starts - 1)
        assert_trail(trail, *done, aborted("worker.work"))
    else:
        assert_trail(trail, *[completed("worker.work")] * STEPS)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crowd_killed_at_any_commit_has_run_nothing_that_is_not_on_record(
    process: CrashProcess, scene: Scene, when: str
) -> None:
    """At every commit from the first on, until the crowd comes to its end alive."""
    deaths = 0
    for kill_at in range(1, PLANS * (STEPS + 1) + 1):
        copy = scene.copy(f"crowd-{when}")
        job = {"ids": IDS, "threads": THREADS, "when": when, "kill_at": kill_at}
        status = process.run(copy.job("run_crowd", **job))
        judge_crowd(copy)
        if status == 0:
            break
        assert status == -9
        deaths += 1
    assert deaths >= PLANS * (STEPS + 1) // THREADS
