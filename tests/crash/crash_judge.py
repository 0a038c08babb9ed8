"""What must be true after a death: computed from the moment of it, not from the code.

The one number everything follows from is how many commits were durable. It is counted
in the list of moments: a COMMIT has happened from ``after commit`` on, and had not at
``before commit``.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.log import AuditEventLog
from audit.store.opening import open_store
from audit.trail import execution_stream
from stage3.pytest_plugin.harness import LEDGER_ID, START_US, ManualClock, make_token
from stage3.pytest_plugin.trails import Expected, aborted, assert_trail, completed
from stage3.records import EXECUTION
from stage3.recovery import recover
from tests.crash.crash_driver import read_notes
from tests.crash.crash_scenarios import (
    FIRST_ID,
    LIMITS,
    RESERVED,
    SCOPE,
    STEPS,
    answer_of,
    authority_on,
    execute,
    executor_on,
)
from tokens.state.collections import USAGE, USE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from audit.store.interface import Store
    from tests.crash.crash_driver import CrashProcess, Told

_READINGS = ("select", "pragma", "begin", "rollback")
LATER = ManualClock(START_US + 5_000_000)
ID = "3f0c2b4e-8c1a-4b6e-9f00-0123456789ab"
CHARGED = [
    -(-len(json.dumps(answer_of(i), separators=(",", ":"))) // 4) for i in range(STEPS)
]


@dataclass(frozen=True, slots=True)
class Scene:
    """A ledger, to be copied: one token is fresh, the other has been used once."""

    folder: Path
    token: str
    spent: str

    def copy(self, name: str) -> Copy:
        """Copy the ledger beside itself, in place of an older copy of this name."""
        folder = self.folder.parent / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        return Copy(folder, self)


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of the scene, for one death."""

    folder: Path
    scene: Scene

    @property
    def url(self) -> str:
        """The address of the ledger."""
        return f"sqlite:///{self.folder}/ledger.db"

    def job(self, scenario: str, **more: object) -> dict[str, object]:
        """Make a job for a child on this ledger."""
        notes = str(self.folder / f"notes-{scenario}")
        base = {"scenario": scenario, "url": self.url, "notes": notes}
        return base | {"token": self.scene.token, "execution_id": ID} | more

    def notes(self, scenario: str) -> Told:
        """Read what the child left behind."""
        return read_notes(self.folder / f"notes-{scenario}")

    def open(self) -> Store:
        """Open the ledger in this process, a few seconds later."""
        return open_store(self.url, clock=LATER, ledger_id=LEDGER_ID)


def make_scene(folder: Path) -> Scene:
    """Make a ledger in which a plan has run before, under another token."""
    folder.mkdir()
    url = f"sqlite:///{folder}/ledger.db"
    with open_store(url, clock=ManualClock(), ledger_id=LEDGER_ID) as store:
        authority = authority_on(store, "scene")
        token = make_token("alice", SCOPE, resource_limits=LIMITS)
        spent = authority.issue_token(token).token_hash
        fresh = authority.issue_token(token).token_hash
        calls: list[int] = []
        with executor_on(store, "scene", calls.append) as executor:
            assert execute(executor, spent, FIRST_ID).success
        assert calls == [0, 1, 2]
    return Scene(folder, fresh, spent)


def commits_before(moments: Sequence[str], death: int) -> int:
    """How many commits are durable when the process dies at moment ``death``."""
    return moments[: death + 1].count("after commit")


def expected_trail(commits: int) -> list[Expected]:
    """The trail recovery must leave, for a plan that died with so many commits."""
    done = [completed("worker.work")] * min(commits - 1, STEPS)
    return done if commits > STEPS else [*done, aborted("worker.work")]


def expected_usage(commits: int) -> dict[str, object] | None:
    """The counters once recovered: each step ended pays, the broken one its all."""
    if commits == 0:
        return None
    ended = min(commits - 1, STEPS)
    broken = 0 if commits > STEPS else RESERVED
    return {
        "invocations": min(commits, STEPS),
        "units": sum(CHARGED[:ended]) + broken,
        "reserved": 0,
        "executions": 1,
    }


def usage_of(store: Store, token: str) -> dict[str, object] | None:
    with store.read() as tx:
        row = tx.get(USAGE, token)
        uses = tx.scan(USE, {"token_hash": token})
    assert len(uses) == (0 if row is None else row["executions"])
    if row is None:
        return None
    return {name: value for name, value in row.items() if name != "token_hash"}


def events_in(store: Store, execution_id: str) -> int:
    with store.read() as tx:
        return tx.stream_head(execution_stream(execution_id)).size


def judge_plan(copy: Copy, commits: int, *, by_recover: bool) -> None:
    """Check a ledger whose process died in a plan, recover it, and ask again.

    Args:
        copy: The ledger and the notes of the process.
        commits: How many of the plan's commits were durable at its death.
        by_recover: Recover by ``recover()``; else by making an orchestrator.
    """
    told = copy.notes("run_plan")
    with copy.open() as store:
        log = AuditEventLog(store)

        # (1) Whole as it was left, and exactly as long as its commits.
        assert store.latch is None
        assert log.verify()
        assert events_in(store, ID) == (0, 4, 8, 12, 13)[commits]

        # (2) Recovery closes exactly what was open; a second one finds nothing.
        is_open = 1 <= commits <= STEPS
        if by_recover:
            assert recover(store).closed == ((ID,) if is_open else ())
        else:
            executor_on(store, "next owner", lambda _step: None).close()
        judge_closed(store, copy.scene.token, commits)
        size = log.head().size
        assert recover(store).closed == ()
        assert log.head().size == size

        # (3) Asking again gives the record, or runs what never was claimed.
        judge_repeat(store, copy.scene.token, commits)
        assert log.verify()

    # (4) Nothing was acknowledged that is not there.
    if told.told:
        assert commits == STEPS + 1
        assert told.told[0]["success"] is True  # type: ignore[index,call-overload]


def judge_closed(
    store: Store, token: str, commits: int, execution_id: str = ID
) -> None:
    log = AuditEventLog(store)
    trail = log.trail(execution_id)
    with store.read() as tx:
        row = tx.get(EXECUTION, execution_id)
    if commits == 0:
        assert row is None
        assert trail == ()
    else:
        assert row is not None
        assert row["state"] == "closed"
        assert row["epoch"] == (2 if commits <= STEPS else 1)
        assert_trail(trail, *expected_trail(commits))
    if 1 <= commits <= STEPS:
        end = trail[-1]
        assert end.details["charged"] == RESERVED
        assert end.details["effect"] == "unknown"
        assert end.details["step"] == commits - 1
    assert usage_of(store, token) == expected_usage(commits)
    assert log.verify()


def judge_repeat(
    store: Store, token: str, commits: int, execution_id: str = ID
) -> None:
    calls: list[int] = []
    with executor_on(store, "who asks again", calls.append) as executor:
        outcome = execute(executor, token, execution_id)
    if commits == 0:
        assert outcome.success
        assert not outcome.replayed
        assert calls == [0, 1, 2]
        return
    assert outcome.replayed
    assert calls == []
    assert outcome.success == (commits > STEPS)
    if commits <= STEPS:
        assert outcome.error is not None
        assert outcome.error.code == "INTERRUPTED"
        assert outcome.error.step == commits - 1


def telling(moments: Sequence[str]) -> list[int]:
    """Choose the moments that can differ: of the mere readings, every eighth.

    A statement that only reads leaves nothing behind; the nightly campaign dies at
    those too.
    """
    return [
        index
        for index, name in enumerate(moments)
        if index % 8 == 0 or name.split(" ", 1)[1] not in _READINGS
    ]


def die(process: CrashProcess, job: dict[str, object], death: int) -> None:
    """Run a job up to a moment; that the child died there and so is asserted."""
    status = process.run(job | {"kill_at": death})
    assert status == -9, f"ended with {status} instead of being killed"
