"""SIGKILL at every moment of a plan: nothing acknowledged is lost, nothing runs twice.

EXE-7.3, EXE-7.7, EXE-4.5, EXE-5.3, EXE-6.2; promises P3 and P9.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from audit.log import AuditEventLog
from stage3.pytest_plugin.trails import assert_trail, completed
from stage3.recovery import recover
from tests.crash.crash_driver import CrashProcess, moments_of
from tests.crash.crash_judge import (
    ID,
    STEPS,
    Scene,
    commits_before,
    die,
    events_in,
    expected_trail,
    judge_plan,
    make_scene,
    telling,
)
from tests.crash.crash_scenarios import execute, executor_on
from tests.oracles.fast_folder import fast_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PARTS = 2


@pytest.fixture(scope="module")
def process() -> Iterator[CrashProcess]:
    with CrashProcess() as started:
        yield started


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with fast_folder() as folder:
        yield make_scene(folder / "scene")


@pytest.mark.parametrize("part", range(PARTS))
def test_a_plan_killed_at_any_telling_moment_is_closed_and_never_run_again(
    process: CrashProcess, scene: Scene, part: int
) -> None:
    """Before and after each writing statement, domain call and answer."""
    moments = moments_of(process, scene.copy("dry").job("run_plan"))
    chosen = telling(moments)
    assert len(chosen) > 70
    die_at_each(process, scene, moments, chosen[part::PARTS])


@pytest.mark.nightly
def test_a_plan_killed_at_any_moment_at_all_is_closed_and_never_run_again(
    process: CrashProcess, scene: Scene
) -> None:
    """Before and after each statement, from opening the store to the answer."""
    moments = moments_of(process, scene.copy("dry").job("run_plan"))
    assert len(moments) > 150
    die_at_each(process, scene, moments, range(len(moments)))


def die_at_each(
    process: CrashProcess, scene: Scene, moments: list[str], deaths: Iterable[int]
) -> None:
    assert moments.count("after commit") == STEPS + 1
    for number, death in enumerate(deaths):
        copy = scene.copy("death")
        die(process, copy.job("run_plan"), death)

        told = copy.notes("run_plan")
        assert told.killed == moments[death], death
        # The calls of domains are as exact as the commits: never one more or less,
        # and none before the commit that holds its STARTED.
        calls = moments[: death + 1].count("after call")
        commits = commits_before(moments, death)
        assert told.calls == list(range(calls)), death
        assert calls <= commits <= calls + 1, death
        judge_plan(copy, commits, by_recover=number % 2 == 0)


@pytest.mark.parametrize("step", range(STEPS))
def test_a_plan_killed_inside_a_domain_is_closed_with_its_effect_unknown(
    process: CrashProcess, scene: Scene, step: int
) -> None:
    """The kill comes from outside, while the domain's own code is on the stack."""
    copy = scene.copy(f"inside-{step}")
    process.start(copy.job("run_plan", stand_still_at=step))

    os.kill(process.inside(), signal.SIGKILL)

    assert process.ended() == -signal.SIGKILL
    assert copy.notes("run_plan").calls == list(range(step + 1))
    judge_plan(copy, step + 1, by_recover=step % 2 == 0)


def test_who_asks_again_before_recovery_is_told_that_it_is_in_progress(
    process: CrashProcess, scene: Scene
) -> None:
    """EXE-4.2, EXE-4.5: by an executor that was there before the other one died."""
    copy = scene.copy("survivor")
    calls: list[int] = []
    with copy.open() as store, executor_on(store, "survivor", calls.append) as executor:
        process.start(copy.job("run_plan", stand_still_at=1))
        os.kill(process.inside(), signal.SIGKILL)
        assert process.ended() == -signal.SIGKILL

        early = execute(executor, scene.token, ID)
        assert recover(store).closed == (ID,)
        late = execute(executor, scene.token, ID)

        assert early.error is not None
        assert early.error.code == "EXECUTION_IN_PROGRESS"
        assert late.error is not None
        assert (late.error.code, late.replayed) == ("INTERRUPTED", True)
        assert calls == []
        assert AuditEventLog(store).verify()


def test_a_process_that_stands_still_is_alive_and_is_left_alone(
    process: CrashProcess, scene: Scene
) -> None:
    """EXE-7.3: SIGSTOP is no death; only the kernel's lock tells, and no timer."""
    copy = scene.copy("stopped")
    process.start(copy.job("run_plan", stand_still_at=1))
    child = process.inside()
    os.kill(child, signal.SIGSTOP)

    with copy.open() as store:
        assert recover(store).closed == ()
    os.kill(child, signal.SIGCONT)
    process.go_on()

    assert process.ended() == 0
    (told,) = copy.notes("run_plan").told
    assert told["success"] is True  # type: ignore[index,call-overload]
    with copy.open() as store:
        trail = AuditEventLog(store).trail(ID)
        assert_trail(trail, *[completed("worker.work")] * STEPS)


@pytest.mark.parametrize("step", range(STEPS))
def test_an_owner_judged_dead_in_another_process_answers_interrupted(
    process: CrashProcess, scene: Scene, step: int
) -> None:
    """EXE-7.4: its owner file is deleted under it, and somebody else recovers.

    It comes back, can append nothing, starts no further step, and returns no result.
    """
    copy = scene.copy(f"judged-dead-{step}")
    process.start(copy.job("run_plan", stand_still_at=step))
    process.inside()
    (sign_of_life,) = copy.folder.glob("ledger.db.owner-*")
    sign_of_life.unlink()

    with copy.open() as store:
        assert recover(store).closed == (ID,)
        size = events_in(store, ID)
    process.go_on()

    assert process.ended() == 0
    told = copy.notes("run_plan")
    assert told.told == [{"success": False, "code": "INTERRUPTED", "results": None}]
    assert told.calls == list(range(step + 1))
    with copy.open() as store:
        log = AuditEventLog(store)
        assert events_in(store, ID) == size
        assert_trail(log.trail(ID), *expected_trail(step + 1))
        assert log.verify()
