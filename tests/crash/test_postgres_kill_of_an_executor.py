"""SIGKILL at the moments of a plan on PostgreSQL; another process recovers it.

EXE-7.3, EXE-7.7, EXE-4.5, STO-7.2, PGS-8.1. The hold ends with the process that had it:
there is no heartbeat and no timer. Who lives but is cut off
can neither append nor return a result.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from audit.log import AuditEventLog
from stage3.pytest_plugin.trails import assert_trail, completed
from stage3.recovery import recover
from tests.crash.crash_driver import CrashProcess, read_notes
from tests.crash.crash_judge import events_in
from tests.crash.crash_scenarios import STEPS
from tests.crash.wire import COMMITTED, Deed
from tests.crash.wired_child import Child
from tests.crash.wired_scene import Fault, WiredScene, suffer, unlike, wired_scene
from tests.oracles.fast_folder import fast_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.postgres_server import PostgresServer

FIGURE = "SIGKILL during a plan on PostgreSQL"
HOLDS = "query LIKE '%pg_try_advisory_lock(%'"
WRITES = f"NOT {HOLDS}"
INTERRUPTED = {"success": False, "code": "INTERRUPTED", "results": None}


@pytest.fixture(scope="module")
def scene(postgres: PostgresServer) -> Iterator[WiredScene]:
    with wired_scene(postgres) as made:
        yield made


@pytest.fixture(scope="module")
def process() -> Iterator[CrashProcess]:
    with CrashProcess() as started:
        yield started


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with fast_folder() as made:
        yield made


@pytest.fixture
def child(scene: WiredScene, folder: Path) -> Child:
    scene.wire.watch(None)
    return Child.on(scene, folder)


def moments_of_a_plan(process: CrashProcess, child: Child) -> list[str]:
    child.scene.wire.watch(None)
    assert process.run(child.job()) == 0
    child.judge_death(STEPS + 1)
    return child.scene.wire.moments


def killed(process: CrashProcess, child: Child, fault: Fault, number: int) -> str:
    """Kill a child at a moment on the wire."""
    child.scene.wire.watch(fault)
    assert process.run(child.job()) == -signal.SIGKILL
    child.judge_death(child.commits, by_recover=number % 2 == 0)
    return f"after {child.commits} commits"


def test_a_plan_killed_at_its_commits_and_locks_is_closed_and_never_run_again(
    process: CrashProcess,
    scene: WiredScene,
    folder: Path,
    figure: Callable[[str, object], None],
) -> None:
    moments = moments_of_a_plan(process, Child.on(scene, folder))
    telling = [i for i, name in enumerate(moments) if name.endswith(f" {COMMITTED}")]
    telling += [i for i, name in enumerate(moments) if "advisory" in name][::8]
    tally = suffer(
        moments,
        [(place, Deed.KILL) for place in telling],
        lambda fault, n: killed(process, Child.on(scene, folder), fault, n),
    )
    figure(FIGURE, tally)


@pytest.mark.nightly
def test_a_plan_killed_at_any_statement_is_closed_and_never_run_again(
    process: CrashProcess,
    scene: WiredScene,
    folder: Path,
    figure: Callable[[str, object], None],
) -> None:
    moments = moments_of_a_plan(process, Child.on(scene, folder))
    tally = suffer(
        moments,
        [(place, Deed.KILL) for place in unlike(moments)],
        lambda fault, n: killed(process, Child.on(scene, folder), fault, n),
    )
    figure(f"{FIGURE}, at any moment", tally)


@pytest.mark.parametrize("place", range(2 * STEPS + 1))
def test_a_plan_killed_around_a_domain_or_its_answer_is_closed(
    process: CrashProcess, child: Child, place: int
) -> None:
    """Before and after each call of a domain, and when the answer was told."""
    assert process.run(child.job(kill_at=place)) == -signal.SIGKILL
    assert child.commits == place // 2 + 1
    child.judge_death(child.commits, by_recover=place % 2 == 0)


@pytest.mark.parametrize("step", range(STEPS))
def test_a_plan_killed_inside_a_domain_is_closed_by_the_next_executor(
    process: CrashProcess, child: Child, step: int
) -> None:
    process.start(child.job(stand_still_at=step))

    os.kill(process.inside(), signal.SIGKILL)

    assert process.ended() == -signal.SIGKILL
    assert child.told.calls == list(range(step + 1))
    child.judge_death(step + 1, by_recover=False)


def test_a_process_that_stands_still_is_alive_and_is_left_alone(
    process: CrashProcess, child: Child
) -> None:
    """EXE-7.3: SIGSTOP is no death; only its connection tells, and no timer."""
    process.start(child.job(stand_still_at=1))
    stopped = process.inside()
    os.kill(stopped, signal.SIGSTOP)

    assert recover(child.scene.store).closed == ()
    os.kill(stopped, signal.SIGCONT)
    process.go_on()

    assert process.ended() == 0
    assert child.told.told[0]["success"] is True  # type: ignore[index]
    child.judge_death(STEPS + 1)


# Cut off while it lives ---------------------------------------------------------------


def cut(child: Child, what: str) -> None:
    """End those of the child's sessions; those of who judges come again unnoticed."""
    mine = ",".join(str(pid) for pid in child.scene.wire.backends)
    assert child.scene.terminate(f"({what}) AND pid IN ({mine})") >= 1


@pytest.mark.parametrize(
    ("what", "step"),
    [(HOLDS, 0), (HOLDS, 1), (HOLDS, 2), ("true", 1)],
    ids=["hold in 0", "hold in 1", "hold in 2", "all in 1"],
)
@pytest.mark.parametrize("is_recovered", [True, False], ids=["recovered", "not yet"])
def test_who_lost_its_hold_can_neither_append_nor_return_a_result(
    process: CrashProcess, child: Child, step: int, what: str, *, is_recovered: bool
) -> None:
    """PGS-8.2, EXE-7.4: whether others have closed its plan by then or not."""
    store = child.scene.store
    process.start(child.job(stand_still_at=step))
    process.inside()
    cut(child, what)

    if is_recovered:
        assert recover(store).closed == (child.execution_id,)
    size = events_in(store, child.execution_id)
    process.go_on()

    assert process.ended() == 0
    assert child.told.told == [INTERRUPTED]
    assert child.told.calls == list(range(step + 1))
    assert events_in(store, child.execution_id) == size
    if is_recovered:
        assert recover(store).closed == ()
        assert AuditEventLog(store).verify()
    else:
        child.scene.settle()
        assert recover(store).closed == (child.execution_id,)


def test_who_lost_only_a_session_at_rest_goes_on_as_its_owner(
    process: CrashProcess, child: Child
) -> None:
    """PGS-6.3: its hold stands, so nobody closes its plan, and nothing is repeated."""
    store = child.scene.store
    process.start(child.job(stand_still_at=1))
    process.inside()
    cut(child, WRITES)

    assert recover(store).closed == ()
    process.go_on()

    assert process.ended() == 0
    assert child.told.told[0]["success"] is True  # type: ignore[index]
    assert child.told.calls == list(range(STEPS))
    trail = AuditEventLog(store).trail(child.execution_id)
    assert_trail(trail, *[completed("worker.work")] * STEPS)
    child.judge_death(STEPS + 1)


def test_of_two_executors_the_one_that_lives_goes_on_while_the_other_is_closed(
    process: CrashProcess, scene: WiredScene, folder: Path
) -> None:
    """One ledger, two processes: the dead one's plan is closed, the other's is not."""
    scene.wire.watch(None)
    dying, living = Child.on(scene, folder), Child.on(scene, folder)
    with CrashProcess() as another:
        process.start(dying.job(stand_still_at=1))
        dead = process.inside()
        another.start(living.job(stand_still_at=1))
        another.inside()

        os.kill(dead, signal.SIGKILL)
        assert process.ended() == -signal.SIGKILL
        recovering = folder / f"recovery after {dying.seed}"
        await_closing(process, dying, recovering)
        another.go_on()
        assert another.ended() == 0

    dying.judge_end(2)
    living.judge_death(STEPS + 1)


def await_closing(process: CrashProcess, child: Child, notes: Path) -> None:
    """Let other processes recover, until the server knows that the child is gone."""
    job = child.job(scenario="recover", url=child.scene.direct, notes=str(notes))
    told: list[object] = []
    while [child.execution_id] not in told:
        assert len(told) < 1_000
        assert process.run(job) == 0
        told = read_notes(notes).told
