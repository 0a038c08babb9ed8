"""SIGKILL at every moment of issuing, revoking, pausing, recovering and opening.

Each act is one commit: it is there, whole, or it is not; what was acknowledged is
there; and it can be done again. Recovery is as many commits as there is to close, and
can itself be killed and repeated (EXE-7.3, EXE-7.7; P3, P4, P9).
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from audit.events import AuditEventType, PlatformEventType
from audit.log import AuditEventLog
from stage3.pytest_plugin.trails import aborted, assert_trail, completed
from stage3.records import EXECUTION
from stage3.recovery import recover
from tests.crash.crash_driver import CrashProcess, moments_of
from tests.crash.crash_judge import (
    CHARGED,
    ID,
    Copy,
    Scene,
    commits_before,
    die,
    make_scene,
    telling,
    usage_of,
)
from tests.crash.crash_scenarios import RESERVED, authority_on, execute, executor_on
from tests.oracles.fast_folder import fast_folder
from tokens.errors import TokenRevokedError
from tokens.registry import TokenRegistry
from tokens.state.selector import Selector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audit.store.interface import Store

OTHER_ID = "4f0c2b4e-8c1a-4b6e-9f00-0123456789ab"


@pytest.fixture(scope="module")
def process() -> Iterator[CrashProcess]:
    with CrashProcess() as started:
        yield started


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with fast_folder() as folder:
        yield make_scene(folder / "scene")


def entries_of(store: Store, kind: AuditEventType | PlatformEventType) -> int:
    return sum(
        record.event_type is kind for record in AuditEventLog(store).get_records()
    )


def refusal_of(store: Store, token: str) -> str | None:
    """Try to start something under the token; nothing may run where it is refused."""
    calls: list[int] = []
    with executor_on(store, "prober", calls.append) as executor:
        outcome = execute(executor, token, OTHER_ID)
    assert calls == ([0, 1, 2] if outcome.success else [])
    return None if outcome.error is None else outcome.error.code.value


def judge_issue(store: Store, copy: Copy, *, is_done: bool) -> None:
    assert entries_of(store, AuditEventType.TOKEN_ISSUED) == 2 + is_done
    for told in copy.notes("issue").told:
        assert TokenRegistry(store).get_token(str(told)).user_id == "alice"
        assert refusal_of(store, str(told)) is None


def judge_revoke_token(store: Store, copy: Copy, *, is_done: bool) -> None:
    token = copy.scene.token
    assert TokenRegistry(store).is_revoked(token) is is_done
    assert refusal_of(store, token) == ("TOKEN_REVOKED" if is_done else None)
    receipt = authority_on(store, "again").revoke_token(token, "again", "somebody")
    for told in copy.notes("revoke_token").told:
        assert receipt.leaf_index == told
    assert entries_of(store, AuditEventType.TOKEN_REVOKED) == 1
    with pytest.raises(TokenRevokedError):
        TokenRegistry(store).get_token(token)


def judge_revoke_user(store: Store, copy: Copy, *, is_done: bool) -> None:
    assert refusal_of(store, copy.scene.token) == ("TOKEN_REVOKED" if is_done else None)
    authority = authority_on(store, "again")
    receipt = authority.revoke(Selector.user("alice"), "again", "somebody")
    for told in copy.notes("revoke_user").told:
        assert receipt.leaf_index == told
    assert entries_of(store, PlatformEventType.SELECTOR_REVOKED) == 1


def judge_pause(store: Store, copy: Copy, *, is_done: bool) -> None:
    assert refusal_of(store, copy.scene.token) == (
        "PLATFORM_PAUSED" if is_done else None
    )
    receipt = authority_on(store, "again").pause("again", "somebody")
    for told in copy.notes("pause").told:
        assert receipt.leaf_index == told
    assert entries_of(store, PlatformEventType.PLATFORM_PAUSED) == 1


ACTS: dict[str, Callable[..., None]] = {
    "issue": judge_issue,
    "revoke_token": judge_revoke_token,
    "revoke_user": judge_revoke_user,
    "pause": judge_pause,
}


@pytest.mark.parametrize("act", ACTS)
def test_an_act_of_the_authority_killed_at_any_moment_is_done_whole_or_not_at_all(
    process: CrashProcess, scene: Scene, act: str
) -> None:
    moments = moments_of(process, scene.copy(f"dry-{act}").job(act))
    assert moments.count("after commit") == 1

    for death in telling(moments):
        copy = scene.copy(f"death-{act}")
        die(process, copy.job(act), death)
        is_done = commits_before(moments, death) == 1

        told = copy.notes(act)
        assert told.killed == moments[death], death
        assert is_done or not told.told, death
        with copy.open() as store:
            assert store.latch is None
            assert AuditEventLog(store).verify()
            ACTS[act](store, copy, is_done=is_done)
            assert AuditEventLog(store).verify()


def test_a_ledger_killed_in_the_making_can_be_made_again(
    process: CrashProcess, scene: Scene
) -> None:
    """From nothing to the first token: the file is empty, or a whole ledger."""
    folder = scene.folder.parent / "nothing"
    folder.mkdir()
    nothing = Scene(folder, "", "")
    moments = moments_of(process, nothing.copy("dry-new").job("issue"))
    assert moments.count("after commit") >= 2

    for death in telling(moments):
        copy = nothing.copy("death-new")
        die(process, copy.job("issue"), death)

        with copy.open() as store:
            assert AuditEventLog(store).verify()
            told = copy.notes("issue").told
            again = moments_of(
                process, copy.job("issue", notes=f"{folder}-{death}", seed="again")
            )
            assert again.count("after commit") >= 1
            is_done = commits_before(moments, death) == moments.count("after commit")
            assert entries_of(store, AuditEventType.TOKEN_ISSUED) == 1 + is_done
            assert is_done or not told
            assert AuditEventLog(store).verify()


@pytest.fixture(scope="module")
def wreck(process: CrashProcess, scene: Scene) -> Scene:
    """A ledger with two executions of dead owners, and a notice of a failed write."""
    copy = scene.copy("wreck")
    second = copy.job(
        "run_plan", token=scene.spent, execution_id=OTHER_ID, seed="second"
    )
    with CrashProcess() as another:
        process.start(copy.job("run_plan", stand_still_at=1))
        child = process.inside()
        another.start(second | {"stand_still_at": 0})
        another_child = another.inside()
        os.kill(child, signal.SIGKILL)
        os.kill(another_child, signal.SIGKILL)
        assert process.ended() == another.ended() == -signal.SIGKILL
    (copy.folder / "ledger.db.notice").write_text("the drill's notice\n")
    return Scene(copy.folder, scene.token, scene.spent)


def judge_wreck_closed(store: Store, wreck: Scene) -> None:
    log = AuditEventLog(store)
    assert_trail(log.trail(ID), completed("worker.work"), aborted("worker.work"))
    assert_trail(log.trail(OTHER_ID), aborted("worker.work"))
    usage = usage_of(store, wreck.token)
    assert usage is not None
    assert usage["units"] == CHARGED[0] + RESERVED
    assert usage["reserved"] == 0
    spent = usage_of(store, wreck.spent)
    assert spent is not None
    assert spent["units"] == sum(CHARGED) + RESERVED
    assert spent["reserved"] == 0
    assert log.verify()


def closed_in(store: Store) -> int:
    """How many of the two are closed; each of those by exactly one ABORTED."""
    with store.read() as tx:
        rows = [tx.get(EXECUTION, each) for each in (ID, OTHER_ID)]
    count = sum(row is not None and row["state"] == "closed" for row in rows)
    assert entries_of(store, AuditEventType.OPERATION_ABORTED) == count
    return count


def test_recovery_killed_at_any_moment_is_repeated_and_closes_each_plan_once(
    process: CrashProcess, wreck: Scene
) -> None:
    """EXE-7.3, EXE-7.6: the latch stands until a recovery has come to its end."""
    moments = moments_of(process, wreck.copy("dry-recover").job("recover"))
    assert moments.count("after commit") == 3

    for death in telling(moments):
        copy = wreck.copy("death-recover")
        die(process, copy.job("recover"), death)
        commits = commits_before(moments, death)

        told = copy.notes("recover").told
        assert told in ([], [[ID, OTHER_ID]])
        with copy.open() as store:
            assert AuditEventLog(store).verify()
            assert closed_in(store) == min(commits, 2), death
            assert (store.latch is None) == bool(told), death

            report = recover(store)

            assert len(report.closed) == 2 - min(commits, 2), death
            assert report.latch_lifted == (not told), death
            assert store.latch is None
            judge_wreck_closed(store, wreck)
            assert closed_in(store) == 2


def test_an_orchestrator_killed_in_the_making_leaves_the_rest_to_the_next(
    process: CrashProcess, wreck: Scene
) -> None:
    """EXE-7.3: the constructor recovers, each execution in a commit of its own."""
    moments = moments_of(process, without_notice(wreck, "dry").job("construct"))
    assert moments.count("after commit") == 2

    for death in telling(moments):
        copy = without_notice(wreck, "death-construct")
        die(process, copy.job("construct"), death)

        with copy.open() as store:
            assert closed_in(store) == commits_before(moments, death), death
            executor_on(store, "next", lambda _step: None).close()
            judge_wreck_closed(store, wreck)


def without_notice(wreck: Scene, name: str) -> Copy:
    copy = wreck.copy(name)
    (copy.folder / "ledger.db.notice").unlink()
    return copy
