"""Several processes on one file, forks, and signs of life that outlast nobody."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from audit.errors import StoreBusyError, StoreClosedError, StoreLatchedError
from audit.log import AuditEventLog
from audit.store.interface import Store
from audit.store.lockfile import LockFile
from audit.store.opening import open_store
from audit.store.sqlite import SqliteStore
from tests.conformance.store_samples import FACT, key_added

ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).with_name("store_child.py")


class Process:
    """A child that obeys."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.answer() == "ok"

    def tell(self, line: str) -> None:
        """Give a command without waiting for its answer."""
        pipe = self.pipe(self.process.stdin)
        pipe.write(f"{line}\n")
        pipe.flush()

    def answer(self) -> str:
        """Wait for an answer."""
        return self.pipe(self.process.stdout).readline().strip()

    def ask(self, line: str) -> str:
        """Give a command and wait for its answer."""
        self.tell(line)
        return self.answer()

    def kill(self) -> None:
        """End it as the kernel would, with no chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Close its input and wait for it."""
        if self.process.poll() is None:
            self.pipe(self.process.stdin).close()
            self.process.wait()
        self.pipe(self.process.stdin).close()
        self.pipe(self.process.stdout).close()

    @staticmethod
    def pipe(pipe: IO[str] | None) -> IO[str]:
        """Give the pipe, which is there."""
        assert pipe is not None
        return pipe


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{path}", lock_timeout_s=30.0) as opened:
        yield opened


@pytest.fixture
def spawn(store: Store) -> Iterator[Callable[[], Process]]:
    children: list[Process] = []

    def spawned() -> Process:
        children.append(Process(store.url))
        return children[-1]

    yield spawned
    for child in children:
        child.end()


def test_processes_number_one_ledger(
    store: Store, spawn: Callable[[], Process]
) -> None:
    """STO-3.1, STO-4.3: while exclusive blocks of a third come through."""
    children = (spawn(), spawn())
    for number, child in enumerate(children):
        child.tell(f"append {1000 * number}-{1000 * number + 60}")

    for _ in range(10):
        with store.write(authority="exclusive") as tx:
            tx.append("platform", [key_added()])

    assert [child.answer() for child in children] == ["ok", "ok"]
    with store.read() as tx:
        rows = tx.entries()
        assert [row.leaf_index for row in rows] == list(range(130))
        assert tx.stream_head("platform").size == 10
    assert AuditEventLog(store).verify()


def test_an_exclusive_block_keeps_other_processes_out(
    store: Store, spawn: Callable[[], Process]
) -> None:
    """STO-4.3, STO-4.4."""
    child = spawn()

    with store.write(authority="exclusive"):
        assert child.ask("write shared").startswith("StoreBusyError")
        assert child.ask("write exclusive").startswith("StoreBusyError")
    assert child.ask("write shared") == "ok"
    assert child.ask("write exclusive") == "ok"


def test_a_latch_is_seen_by_other_processes(
    store: Store, path: Path, spawn: Callable[[], Process]
) -> None:
    """STO-6.5, STO-6.6: the notice for all, its own half for who raised it."""
    child = spawn()
    assert child.ask("latch from far away") == "ok"

    assert store.latch is not None
    with pytest.raises(StoreLatchedError), store.write():
        pass
    assert "from far away" in path.with_name("ledger.db.notice").read_text("ascii")
    store.lift_latch()

    with store.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()])
    assert child.ask("write shared").startswith("StoreLatchedError")


def test_a_hold_ends_with_its_process(
    store: Store, path: Path, spawn: Callable[[], Process]
) -> None:
    """STO-7.2, STO-7.3."""
    child = spawn()
    assert child.ask("hold owner-1") == "ok"
    assert store.is_held("owner-1")
    with pytest.raises(Exception, match="held"):
        store.hold("owner-1")

    child.kill()

    file = path.with_name("ledger.db.owner-owner-1")
    assert file.exists()
    assert not store.is_held("owner-1")
    assert not file.exists()
    store.hold("owner-1").close()
    assert not file.exists()


def test_a_hold_does_not_live_on_in_a_child(
    store: Store, spawn: Callable[[], Process]
) -> None:
    """STO-7.2: the copy of the descriptor is closed when the child is forked."""
    child = spawn()
    assert child.ask("orphan owner-1") == "ok"
    child.process.wait()

    assert wait_until_not_held(store, "owner-1")


def wait_until_not_held(store: Store, name: str) -> bool:
    # The grandchild closes its copy right after the fork, at a time of its own.
    return any(not store.is_held(name) for _ in range(100_000))


def in_fork(check: Callable[[], None]) -> int:
    """Run a check in a forked child; gives its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            check()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_forked_child_is_refused_everything(tmp_path: Path, kind: str) -> None:
    """STO-5.1."""
    url = "memory:" if kind == "memory" else f"sqlite:///{tmp_path / 'ledger.db'}"
    with open_store(url) as store:
        store.declare(FACT)
        block, reading = store.write(authority="exclusive"), store.read()
        hold = store.hold("owner-1")

        def check() -> None:
            for use in (
                block.__enter__,
                reading.__enter__,
                store.write().__enter__,
                store.read().__enter__,
                store.lift_latch,
                lambda: store.declare(FACT),
                lambda: store.hold("owner-2"),
                lambda: store.is_held("owner-1"),
                lambda: store.raise_latch("a reason"),
            ):
                with pytest.raises(StoreClosedError):
                    use()
            hold.close()
            store.close()
            assert isinstance(store, SqliteStore)
            assert store._writer._session is not None

        assert in_fork(check) == 0
        assert store.latch is None
        assert store.is_held("owner-1")
        with block as tx:
            tx.append("platform", [key_added()])


def test_a_fork_inside_a_block_leaves_the_block_to_the_parent(tmp_path: Path) -> None:
    """STO-5.1: the child can neither commit it nor undo it, nor open the gate."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with open_store(url) as store, open_store(url, lock_timeout_s=0.0) as other:
        block = store.write(authority="exclusive")
        tx = block.__enter__()
        tx.append("platform", [key_added()])

        def check() -> None:
            for error in (None, KeyError()):
                with pytest.raises(StoreClosedError):
                    block.__exit__(type(error) if error else None, error, None)

        assert in_fork(check) == 0
        with pytest.raises(Exception, match="locked"), other.write():
            pass
        block.__exit__(None, None, None)
        with other.write() as mine:
            assert mine.stream_head("platform").size == 1


def test_a_stale_file_is_taken_over(store: Store, path: Path) -> None:
    """STO-7.3."""
    file = path.with_name("ledger.db.owner-owner-1")
    file.touch()

    with store.hold("owner-1"):
        assert store.is_held("owner-1")
    file.touch()
    assert not store.is_held("owner-1")
    assert not file.exists()


def test_a_file_made_anew_is_not_removed_by_who_looked_at_the_old_one(
    path: Path, store: Store
) -> None:
    """STO-7.3: whoever removes checks that the path still leads to what it locked."""
    file = path.with_name("ledger.db.owner-owner-1")
    file.touch()
    old = LockFile.open(file, create_mode=None)
    assert old.try_exclusive()
    file.unlink()
    with store.hold("owner-1"):
        assert not old.is_current()
        old.remove_if_current()
        old.close()
        assert file.exists()
        assert store.is_held("owner-1")


def test_a_lock_on_a_file_that_was_removed_meanwhile_holds_nothing(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-7.1: whoever found the file unheld removed it before it was locked."""
    file = path.with_name("ledger.db.owner-owner-1")
    original, removed = LockFile.try_exclusive, []

    def slow(lock: LockFile) -> bool:
        if not removed:
            removed.append(True)
            file.unlink()
        return original(lock)

    monkeypatch.setattr(LockFile, "try_exclusive", slow)
    hold = store.hold("owner-1")
    monkeypatch.undo()

    assert removed
    with open_store(store.url) as other:
        assert other.is_held("owner-1")
        with pytest.raises(StoreBusyError):
            other.hold("owner-1")
    hold.close()


def test_who_looks_does_not_make_others_see_a_hold(store: Store, path: Path) -> None:
    """STO-7.3: looking takes the lock shared."""
    file = path.with_name("ledger.db.owner-owner-1")
    file.touch()
    looking = LockFile.open(file, create_mode=None)
    assert looking.try_shared()

    assert not store.is_held("owner-1")

    looking.close()
    assert not store.is_held("owner-1")


def test_a_link_in_place_of_an_owner_file_is_not_followed(
    store: Store, path: Path
) -> None:
    file, target = path.with_name("ledger.db.owner-owner-1"), path.with_name("target")
    file.symlink_to(target)

    for use in (store.hold, store.is_held):
        with pytest.raises(Exception, match="a hold cannot"):
            use("owner-1")
    assert not target.exists()
    assert store.latch is None
