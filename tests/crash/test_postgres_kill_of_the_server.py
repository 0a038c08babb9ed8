"""``kill -9`` of PostgreSQL in the midst of a plan, and a disk that is really full.

PGS-7.1, STO-1.1, STO-6.7, EXE-7.2, EXE-7.7. The server is this file's own. It recovers
by itself when it is started; what it had acknowledged must be there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.rows import TupleRow

from audit.log import AuditEventLog
from audit.store.opening import open_store
from stage3.recovery import recover
from tests.crash.crash_judge import events_in, judge_closed, judge_repeat
from tests.crash.crash_scenarios import STEPS, execute, executor_on
from tests.crash.wire import COMMITTED, Deed
from tests.crash.wired_scene import Tally, WiredScene, fresh_id, unlike, wired_scene
from tests.postgres_server import PostgresServer, why_no_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from stage3.outcome import PlanOutcome
    from tests.crash.wire import Moment

Witness = psycopg.Connection[TupleRow]
FIGURE = "kill -9 of PostgreSQL during a plan"
MIB = 1_048_576
SPARE = 24 * MIB
MOST_PLANS = 20_000
_PATIENCE_S = 90.0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with own_server() as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def scene(server: PostgresServer) -> Iterator[WiredScene]:
    with wired_scene(server) as made:
        yield made


@contextmanager
def own_server() -> Iterator[PostgresServer]:
    reason = why_no_postgres()
    if reason is not None:
        pytest.skip(reason)
    made = PostgresServer.create()
    try:
        yield made
    finally:
        made.dispose()


# kill -9 ----------------------------------------------------------------------------


class Killer:
    """A watcher that kills the whole server, or only the session's own process."""

    def __init__(self, server: PostgresServer, place: int, *, whole: bool) -> None:
        self.hit: str | None = None
        self._server = server
        self._place = place
        self._whole = whole
        self._count = 0

    def __call__(self, moment: Moment) -> Deed | None:
        """Count, and kill when it is time."""
        self._count += 1
        if self._count - 1 != self._place:
            return None
        self.hit = moment.name
        if self._whole:
            self._server.kill()
        if moment.backend:
            with suppress(ProcessLookupError):
                os.kill(moment.backend, signal.SIGKILL)
        return Deed.GONE


def run_killed(scene: WiredScene, place: int, *, whole: bool) -> tuple[list[str], int]:
    """Kill the server at one moment of a plan; the same process goes on with it."""
    seed = scene.next_point()
    token, execution_id = scene.token(seed), fresh_id()
    calls: list[int] = []
    killer = Killer(scene.server, place, whole=whole)
    with (
        witness_of(scene) as witness,
        open_store(scene.wired, lock_timeout_s=30.0) as store,
        executor_on(store, f"executor {seed}", calls.append) as executor,
    ):
        scene.wire.watch(killer)
        outcome = execute(executor, token, execution_id)
        moments = scene.wire.moments
        commits = scene.wire.commits.count(COMMITTED)
        scene.wire.watch(None)
        if killer.hit is None:
            assert outcome.success
            return moments, commits
        await_end(witness)
        await_server(scene)
        assert store.latch is not None or not killer.hit.endswith(f" {COMMITTED}")
        commits += is_in_flight(scene, execution_id, moments, commits)
        judge_kill(scene, outcome, calls, commits)
        with store.read() as tx:
            assert tx.head().size > 0
    with open_store(scene.wired, lock_timeout_s=30.0) as store:
        is_open = 1 <= commits <= STEPS
        assert recover(store).closed == ((execution_id,) if is_open else ())
        assert store.latch is None
        assert events_in(store, execution_id) == (0, 5, 9, 13, 13)[commits]
        judge_closed(store, token, commits, execution_id)
        judge_repeat(store, token, commits, execution_id)
        assert AuditEventLog(store).verify()
    return moments, commits


def is_in_flight(
    scene: WiredScene, execution_id: str, moments: list[str], commits: int
) -> bool:
    """Tell whether a commit is there that the server did not live to speak of.

    One process of a server can be killed, and another take up the plan, before the
    server has found out and ends them all.
    """
    found = (0, 4, 8, 12, 13).index(events_in(scene.store, execution_id))
    assert found == commits or (
        found == commits + 1 and moments[-1] == f"before {COMMITTED}"
    )
    return found > commits


def judge_kill(
    scene: WiredScene, outcome: PlanOutcome, calls: list[int], commits: int
) -> None:
    """What was told is there; no domain ran whose start is not."""
    assert calls == list(range(len(calls)))
    assert len(calls) <= commits <= len(calls) + 1
    if outcome.error is None:
        assert commits == STEPS + 1
    else:
        assert outcome.error.code == "AUDIT_UNAVAILABLE"
        assert outcome.results is None
    # Sessions that were there before come again by themselves.
    assert AuditEventLog(scene.store).verify()


@contextmanager
def witness_of(scene: WiredScene) -> Iterator[Witness]:
    """Open a session that ends when the server ends all of them."""
    with psycopg.connect(scene.server.url(), autocommit=True) as witness:
        yield witness


def await_end(witness: Witness) -> None:
    """Wait until the server has found out that it lost a process."""
    give_up = time.monotonic() + _PATIENCE_S
    with suppress(psycopg.OperationalError):
        while time.monotonic() < give_up:
            witness.execute("SELECT 1")
    assert witness.broken


def await_server(scene: WiredScene) -> None:
    """Start the server again, or wait until it has restarted its sessions."""
    give_up = time.monotonic() + _PATIENCE_S
    is_ready = False
    while not is_ready:
        assert time.monotonic() < give_up, scene.server.log[-4000:]
        scene.server.start()
        with suppress(psycopg.OperationalError):
            is_ready = scene.server.execute("SELECT 1") == [(1,)]
    scene.settle()


def kill_at_each(
    scene: WiredScene, places: Iterable[int], *, whole: bool
) -> tuple[Tally, int]:
    tally, dead = Tally(), 0
    for place in places:
        try:
            _, commits = run_killed(scene, place, whole=whole)
        except BaseException as error:
            error.add_note(f"place {place}, whole: {whole}")
            raise
        tally.add(Deed.KILL, f"after {commits} commits")
        dead += 1
    return tally, dead


def dry_run(scene: WiredScene) -> list[str]:
    moments, commits = run_killed(scene, -1, whole=True)
    assert commits == STEPS + 1
    return moments


def test_a_server_killed_at_a_commit_of_a_plan_has_what_it_acknowledged(
    scene: WiredScene, figure: Callable[[str, object], None]
) -> None:
    moments = dry_run(scene)
    commits = [i for i, name in enumerate(moments) if name.endswith(f" {COMMITTED}")]
    figure(FIGURE, kill_at_each(scene, commits[2:4], whole=True)[0])
    figure(f"{FIGURE}: one session", kill_at_each(scene, commits[:1], whole=False)[0])


@pytest.mark.nightly
@pytest.mark.parametrize("whole", [True, False], ids=["server", "session"])
def test_a_server_killed_at_any_moment_of_a_plan_has_what_it_acknowledged(
    scene: WiredScene, figure: Callable[[str, object], None], *, whole: bool
) -> None:
    moments = dry_run(scene)
    tally, _ = kill_at_each(scene, unlike(moments), whole=whole)
    figure(f"{FIGURE}, at any moment, whole server: {whole}", tally)


# A full disk ------------------------------------------------------------------------


@contextmanager
def small_disk(server: PostgresServer, what: str) -> Iterator[Path]:
    """Put a folder of a stopped server on a small disk of its own, in memory."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = server.data / what
    disk = server.folder / "disk"
    disk.mkdir()
    used = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    size = f"size={used + SPARE},mode=0711"
    mounted = subprocess.run(
        ["/usr/bin/env", "mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        subprocess.run(["cp", "-a", str(folder), f"{disk}/kept"], check=True)  # noqa: S607
        shutil.rmtree(folder)
        folder.symlink_to(disk / "kept")
        yield disk
    finally:
        server.stop()
        subprocess.run(["/usr/bin/env", "umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leave a little less than one segment of the write-ahead log."""
    ballast = disk / "ballast"
    state = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize - 2 * MIB)
    return ballast


def big_plans(scene: WiredScene, token: str) -> tuple[list[str], str]:
    """Execute plans until one is refused for want of room; give all their ids."""
    done: list[str] = []
    with (
        open_store(scene.direct) as store,
        executor_on(store, "until it is full", lambda _step: None) as executor,
    ):
        for _ in range(MOST_PLANS):
            execution_id = fresh_id()
            outcome = execute(executor, token, execution_id)
            if outcome.error is not None:
                assert outcome.error.code == "AUDIT_UNAVAILABLE"
                again = execute(executor, token, fresh_id())
                assert again.error is not None
                assert again.error.code == "AUDIT_UNAVAILABLE"
                return done, execution_id
            done.append(execution_id)
    raise AssertionError("the disk did not become full")


@pytest.mark.nightly
@pytest.mark.parametrize("what", ["base", "pg_wal"])
def test_a_disk_that_is_really_full_refuses_plans_and_loses_none(
    what: str, figure: Callable[[str, object], None]
) -> None:
    """Of the tables, where a statement fails; of the log, where the server dies."""
    with own_server() as server, small_disk(server, what) as disk:
        server.start()
        with wired_scene(server) as scene:
            token = scene.token(scene.next_point())
            ballast = fill(disk)

            done, refused = big_plans(scene, token)
            ballast.unlink()
            await_server(scene)

            with open_store(scene.direct) as store:
                closed = recover(store).closed
                assert closed in ((), (refused,))
                log = AuditEventLog(store)
                assert log.verify()
                for execution_id in done:
                    assert len(log.trail(execution_id)) == 13
                calls: list[int] = []
                with executor_on(store, "who asks", calls.append) as executor:
                    assert execute(executor, token, done[-1]).replayed
                    assert calls == []
                    outcome = execute(executor, token, refused)
                    assert outcome.replayed == (calls == [])
                    assert execute(executor, token, fresh_id()).success
                assert log.verify()
    figure(f"plans until the disk was full ({what})", len(done))
