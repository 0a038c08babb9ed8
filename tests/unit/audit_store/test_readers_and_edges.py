"""Reading connections, and edges of holds, openings and closings."""

import sqlite3
import threading
from pathlib import Path

import pytest

from audit.errors import LedgerFormatError, StoreBusyError, StoreUnavailableError
from audit.store import lockfile
from audit.store.lockfile import LockFile
from audit.store.opening import open_store
from audit.store.session import Session
from tests.conformance.store_samples import FACT, key_added
from tests.unit.audit_store.faulty_sqlite import (
    FakeTiming,
    Faults,
    io_error,
    open_faulty,
)


def test_a_reader_waits_for_a_lock_and_then_gives_up(tmp_path: Path) -> None:
    """STO-4.4: SQLite locks readers out while it recovers a journal."""
    faults, time = Faults(), FakeTiming()
    with open_faulty(
        tmp_path, faults, timing=time.timing(), lock_timeout_s=2.0
    ) as store:
        faults.of("SELECT size")
        faults.make = lambda: io_error("SQLITE_BUSY")
        with pytest.raises(StoreBusyError), store.read():
            pass
        assert time.now_s == pytest.approx(2.0)

        time.meanwhile = faults.none
        with store.read() as tx:
            assert tx.head().size == 0


@pytest.mark.parametrize("start", ["BEGIN", "PRAGMA query_only", "ROLLBACK"])
def test_a_reading_connection_that_fails_is_not_used_again(
    tmp_path: Path, start: str
) -> None:
    """STO-6.1: and nothing is latched."""
    faults = Faults()
    with open_faulty(tmp_path, faults) as store:
        faults.of(start)
        try:
            with store.read():
                pass
        except StoreUnavailableError:
            assert start != "ROLLBACK"
        faults.none()

        assert store.latch is None
        with store.write(authority="exclusive") as tx:
            tx.append("platform", [key_added()])
        with store.read() as tx:
            assert tx.head().size == 1


def test_a_reader_of_a_replaced_file_is_refused(tmp_path: Path) -> None:
    """STO-5.3."""
    path = tmp_path / "ledger.db"
    with open_store(f"sqlite:///{path}") as store:
        path.rename(tmp_path / "moved.db")
        with pytest.raises(StoreUnavailableError, match="gone"), store.read():
            pass
        path.touch()
        with pytest.raises(StoreUnavailableError, match="replaced"), store.read():
            pass


def test_many_readers_see_their_own_state(tmp_path: Path) -> None:
    """STO-1.4: more than the connections that are kept."""
    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        sizes: list[int] = []
        barrier = threading.Barrier(8)

        def read() -> None:
            with store.read() as tx:
                barrier.wait(60)
                sizes.append(tx.head().size)

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sizes == [0] * 8


def test_a_reader_that_outlives_its_store_is_closed_with_its_block(
    tmp_path: Path,
) -> None:
    """STO-5.2."""
    store = open_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    inside, leave = threading.Event(), threading.Event()
    sizes = []

    def read() -> None:
        with store.read() as tx:
            inside.set()
            leave.wait(60)
            sizes.append(tx.head().size)

    thread = threading.Thread(target=read)
    thread.start()
    assert inside.wait(60)
    store.close()
    leave.set()
    thread.join(60)

    assert sizes == [0]


@pytest.mark.parametrize("read", [True, False])
def test_a_clock_that_fails_is_the_callers_error(tmp_path: Path, *, read: bool) -> None:
    """STO-4.5: the lock is free again, and nothing is latched."""
    time: list[object] = [5]
    for url in ("memory:", f"sqlite:///{tmp_path / 'ledger.db'}"):
        with open_store(
            url, clock=lambda: int(str(time[0])), lock_timeout_s=0.0
        ) as store:
            time[0] = "no time"
            with pytest.raises(ValueError, match="no time"):
                (store.read() if read else store.write()).__enter__()
            time[0] = 5
            assert store.latch is None
            with store.write(authority="exclusive") as tx:
                tx.append("platform", [key_added()])
            with store.read() as tx:
                assert tx.now_us == 5


@pytest.mark.parametrize("now_us", [-1, 2**53, 1.5, None])
def test_a_clock_gives_microseconds(now_us: int) -> None:
    with (
        open_store("memory:", clock=lambda: now_us) as store,
        pytest.raises(ValueError, match="time"),
        store.write(),
    ):
        pass


def test_a_block_can_be_left_once(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        for block in (store.write(), store.read()):
            block.__exit__(None, None, None)


@pytest.mark.parametrize("read", [True, False])
def test_a_block_that_is_dropped_without_its_end_frees_the_lock(
    tmp_path: Path, *, read: bool
) -> None:
    """STO-4.5: an interrupt can strike before ``__exit__`` has begun."""
    for url in ("memory:", f"sqlite:///{tmp_path / 'ledger.db'}"):
        with open_store(url, lock_timeout_s=0.0) as store:
            if read:
                reading = store.read()
                reading.__enter__()
                del reading
            else:
                block = store.write(authority="exclusive")
                block.__enter__().append("platform", [key_added()])
                del block

            with store.write(authority="exclusive") as tx:
                assert tx.head().size == 0
                tx.append("platform", [key_added()])
            assert store.latch is None


def test_a_damaged_row_is_told_apart_from_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_store(f"sqlite:///{path}") as store:
        with store.write(authority="exclusive") as tx:
            tx.append("platform", [key_added()])
        with sqlite3.connect(path) as connection:
            connection.execute('DROP TRIGGER "entry.no_update"')
            connection.execute("UPDATE entry SET state = CAST(x'ff' AS TEXT)")
        connection.close()
        with store.read() as tx:
            assert tx.entries()[0].state == "\\xff"
            assert tx.stream_head("platform").state == "\\xff"


def test_a_lock_that_the_system_refuses_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-7.1: not mistaken for a hold, and no descriptor is left open."""

    def refuse(_descriptor: int, _kind: int) -> None:
        raise OSError(37, "No locks available")

    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        store.hold("owner-2")
        (tmp_path / "ledger.db.owner-owner-1").touch()
        monkeypatch.setattr("audit.store.lockfile.fcntl.flock", refuse)
        before = len(lockfile._OPEN)
        for use in (store.hold, store.is_held):
            with pytest.raises(StoreUnavailableError):
                use("owner-1")
        assert len(lockfile._OPEN) == before
        with pytest.raises(StoreUnavailableError), store.write():
            pass
        monkeypatch.undo()
        assert store.latch is None
        assert not store.is_held("owner-1")


def test_an_owner_file_that_cannot_be_removed_is_left_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-7.2."""

    def refuse(_lock: LockFile) -> None:
        raise PermissionError

    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        hold = store.hold("owner-1")
        monkeypatch.setattr(LockFile, "remove_if_current", refuse)
        hold.close()
        monkeypatch.undo()
        assert (tmp_path / "ledger.db.owner-owner-1").exists()
        assert not store.is_held("owner-1")
        assert not (tmp_path / "ledger.db.owner-owner-1").exists()


def test_a_connection_that_cannot_be_closed_is_nobodys_concern() -> None:
    class Stubborn(sqlite3.Connection):
        def close(self) -> None:
            super().close()
            raise sqlite3.OperationalError

    Session(sqlite3.connect(":memory:", factory=Stubborn)).close()


def test_an_insert_that_breaks_another_rule_than_the_key_latches(
    tmp_path: Path,
) -> None:
    """STO-6.1: our checks let nothing through, so the table is not ours."""
    path = tmp_path / "ledger.db"
    with open_store(f"sqlite:///{path}") as store:
        store.declare(FACT)
        with sqlite3.connect(path) as connection:
            connection.execute(
                "CREATE TRIGGER x BEFORE INSERT ON fact"
                " BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        connection.close()
        with pytest.raises(StoreUnavailableError), store.write() as tx:
            tx.insert(FACT, {"subject": "a", "number": 1, "note": None})
        assert store.latch is not None
        store.lift_latch()


def test_a_declaration_that_fails_half_way_leaves_no_table(tmp_path: Path) -> None:
    faults = Faults()
    with open_faulty(tmp_path, faults) as store:
        faults.of("CREATE TRIGGER")
        with pytest.raises(StoreUnavailableError):
            store.declare(FACT)
        faults.none()
        store.lift_latch()
        store.declare(FACT)
        with store.write() as tx:
            tx.insert(FACT, {"subject": "a", "number": 1, "note": None})


def test_two_who_declare_one_collection_agree(tmp_path: Path) -> None:
    """STO-3.9: the table of the other appears between looking and locking."""
    faults, url = Faults(), f"sqlite:///{tmp_path / 'ledger.db'}"
    with open_faulty(tmp_path, faults) as store:
        done: list[bool] = []

        def other_is_faster(sql: str) -> bool:
            if sql == "BEGIN IMMEDIATE" and not done:
                done.append(True)
                with open_store(url) as other:
                    other.declare(FACT)
            return False

        faults.fails = other_is_faster
        store.declare(FACT)
        assert done
        with store.read() as tx:
            assert tx.collection("fact") == FACT


def test_a_failed_opening_of_memory_is_told(tmp_path: Path) -> None:
    faults = Faults()
    faults.of("CREATE")
    with pytest.raises(StoreUnavailableError):
        open_faulty(None, faults)
    faults.of("PRAGMA")
    with pytest.raises(StoreUnavailableError):
        open_faulty(tmp_path, faults)


def test_a_file_that_may_not_be_used_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError

    monkeypatch.setattr("audit.store.opening._make_file", refuse)
    with pytest.raises(StoreUnavailableError, match="PermissionError"):
        open_store(f"sqlite:///{tmp_path / 'ledger.db'}")


def test_an_unknown_head_is_a_format_error(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_store(f"sqlite:///{path}") as store:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE head SET root = 'text'")
        connection.close()
        with store.read() as tx, pytest.raises(LedgerFormatError):
            tx.head()
