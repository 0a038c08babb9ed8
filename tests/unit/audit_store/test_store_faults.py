"""Every statement of a block fails in turn: lost, and done but reported lost."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.errors import StoreLatchedError, StoreUnavailableError
from audit.log import AuditEventLog
from audit.store.interface import Store, WriteTransaction
from audit.store.opening import open_store
from audit.store.sqlite import SqliteStore
from tests.conformance.store_samples import (
    FACT,
    RUN,
    denied,
    execution,
    key_added,
    scoped,
    validated,
)
from tests.unit.audit_store.faulty_sqlite import Faults, Mode, io_error, open_faulty

STATEMENTS = 10
"""How many statements the block below takes; a test counts them."""


def work(store: Store) -> None:
    """A block that does everything a block can do."""
    with store.write() as tx:
        do(tx)


def do(tx: WriteTransaction) -> None:
    tx.append(execution(7), [validated(), scoped()], expected_size=0)
    tx.insert(FACT, {"subject": "new", "number": 1, "note": None})
    tx.update(RUN, ("old",), {"count": 2})
    tx.get(RUN, "old")
    tx.scan(FACT)


@pytest.fixture(params=["file", "memory"])
def faults_and_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Faults, SqliteStore]]:
    faults = Faults()
    with open_faulty(tmp_path if request.param == "file" else None, faults) as store:
        store.declare(FACT, RUN)
        with store.write(authority="exclusive") as tx:
            tx.append("platform", [key_added()])
            tx.insert(RUN, {"run_id": "old", "state": "open", "count": 1, "salt": None})
        yield faults, store
        faults.none()


def state(store: Store) -> tuple[int, int, object]:
    with store.read() as tx:
        run = tx.get(RUN, "old")
        assert run is not None
        return tx.head().size, len(tx.scan(FACT)), run["count"]


BEFORE, AFTER = (1, 0, 1), (3, 1, 2)


def test_the_block_takes_as_many_statements_as_are_made_to_fail(
    faults_and_store: tuple[Faults, SqliteStore],
) -> None:
    faults, store = faults_and_store
    faults.none()

    work(store)

    assert len(faults.statements) == STATEMENTS
    assert (faults.statements[0], faults.statements[-1]) == (
        "BEGIN IMMEDIATE",
        "COMMIT",
    )
    assert state(store) == AFTER


@pytest.mark.parametrize("number", range(1, STATEMENTS + 1))
@pytest.mark.parametrize("mode", ["lost", "done"])
def test_a_failing_statement_undoes_the_block_and_latches(
    faults_and_store: tuple[Faults, SqliteStore], number: int, mode: Mode
) -> None:
    """STO-6.1, STO-6.2, STO-6.7."""
    faults, store = faults_and_store
    faults.at(number, mode)

    with pytest.raises(StoreUnavailableError) as caught:
        work(store)

    is_commit = number == STATEMENTS
    assert caught.value.uncertain is is_commit
    assert store.latch is not None
    with pytest.raises(StoreLatchedError):
        work(store)
    # Whatever was reported, the record is whole, and it is the record that counts.
    there = is_commit and mode == "done"
    assert state(store) == (AFTER if there else BEFORE)
    assert AuditEventLog(store).verify()
    store.lift_latch()
    if not there:
        work(store)
    assert state(store) == AFTER


@pytest.mark.parametrize(
    "name",
    [
        "SQLITE_FULL",
        "SQLITE_IOERR",
        "SQLITE_READONLY",
        "SQLITE_CORRUPT",
        "SQLITE_NOTADB",
        "SQLITE_CANTOPEN",
        "SQLITE_BUSY",
        "SQLITE_INTERRUPT",
        "SQLITE_ERROR",
    ],
)
@pytest.mark.parametrize("start", ["INSERT INTO entry", "COMMIT"])
def test_every_code_latches_once_the_lock_is_had(
    faults_and_store: tuple[Faults, SqliteStore], name: str, start: str
) -> None:
    """STO-6.1."""
    faults, store = faults_and_store
    faults.of(start)
    faults.make = lambda: io_error(name)

    with pytest.raises(StoreUnavailableError, match=name):
        work(store)

    assert store.latch is not None
    assert state(store) == BEFORE


@pytest.mark.parametrize("error", [MemoryError, sqlite3.InterfaceError])
def test_errors_without_a_code_latch_too(
    faults_and_store: tuple[Faults, SqliteStore], error: type[Exception]
) -> None:
    """STO-6.1: running out of memory is not an error of SQLite's in Python."""
    faults, store = faults_and_store
    faults.of("INSERT INTO entry")
    faults.make = error

    with pytest.raises(StoreUnavailableError, match=error.__name__):
        work(store)

    assert store.latch is not None


def test_a_failure_that_is_caught_inside_still_ends_the_block(
    faults_and_store: tuple[Faults, SqliteStore],
) -> None:
    """STO-6.1."""
    faults, store = faults_and_store
    faults.of("INSERT INTO entry")

    with pytest.raises(StoreUnavailableError), store.write() as tx:  # noqa: PT012  # the block's end is tested
        with pytest.raises(StoreUnavailableError):
            do(tx)
        faults.none()
        with pytest.raises(StoreUnavailableError):
            tx.insert(FACT, {"subject": "new", "number": 1, "note": None})

    assert state(store) == BEFORE


def test_the_callers_own_exception_goes_before_a_failure(
    faults_and_store: tuple[Faults, SqliteStore],
) -> None:
    """STO-1.2."""
    faults, store = faults_and_store
    faults.of("INSERT INTO entry")

    with pytest.raises(KeyError), store.write() as tx:  # noqa: PT012  # the block's end is tested
        with pytest.raises(StoreUnavailableError):
            do(tx)
        raise KeyError

    assert store.latch is not None
    assert state(store) == BEFORE


@pytest.mark.parametrize("mode", ["lost", "done"])
def test_a_rollback_that_fails_leaves_nothing_either(
    faults_and_store: tuple[Faults, SqliteStore], mode: Mode
) -> None:
    """STO-1.2, STO-6.1: it is the caller's exception, so nothing is latched."""
    faults, store = faults_and_store
    faults.of("ROLLBACK", mode)

    with pytest.raises(KeyError), store.write() as tx:  # noqa: PT012  # the block's end is tested
        do(tx)
        raise KeyError
    faults.none()

    assert store.latch is None
    work(store)
    assert state(store) == AFTER
    assert AuditEventLog(store).verify()


def test_a_rollback_that_fails_after_a_failure_leaves_nothing_either(
    faults_and_store: tuple[Faults, SqliteStore],
) -> None:
    """STO-6.1, STO-6.7."""
    faults, store = faults_and_store
    faults.fails = lambda sql: sql.startswith(("INSERT INTO entry", "ROLLBACK"))

    with pytest.raises(StoreUnavailableError):
        work(store)
    faults.none()
    store.lift_latch()

    work(store)
    assert state(store) == AFTER


@pytest.mark.parametrize("number", range(1, STATEMENTS + 1))
@pytest.mark.parametrize("mode", ["lost", "done"])
def test_an_interrupt_at_a_statement_leaves_the_lock_free(
    faults_and_store: tuple[Faults, SqliteStore], number: int, mode: Mode
) -> None:
    """STO-4.5, STO-1.2."""
    faults, store = faults_and_store
    faults.at(number, mode)
    faults.make = KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(store)
    faults.none()

    assert store.latch is None
    there = number == STATEMENTS and mode == "done"
    assert state(store) == (AFTER if there else BEFORE)
    if not there:
        work(store)
    assert state(store) == AFTER


def test_a_lock_of_others_does_not_latch(
    faults_and_store: tuple[Faults, SqliteStore],
) -> None:
    """STO-6.1."""
    faults, store = faults_and_store
    faults.at(1, "lost")
    faults.make = lambda: io_error("SQLITE_BUSY")

    with pytest.raises(Exception, match="locked"):
        work(store)

    assert store.latch is None
    work(store)


def test_a_reader_that_fails_does_not_latch(tmp_path: Path) -> None:
    """STO-6.1: nothing was lost."""
    faults = Faults()
    with open_faulty(tmp_path, faults) as store:
        faults.of("SELECT")
        with pytest.raises(StoreUnavailableError), store.read():
            pass
        faults.none()
        with pytest.raises(StoreUnavailableError), store.read() as tx:  # noqa: PT012  # two steps
            faults.of("SELECT")
            tx.entries()
        faults.none()
        assert store.latch is None
        with store.read() as tx:
            assert tx.entries() == []


def test_the_notice_names_what_was_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """STO-6.4."""
    faults = Faults()
    with open_faulty(tmp_path, faults) as store:
        faults.of("COMMIT")
        block = store.write(authority="exclusive")
        with pytest.raises(StoreUnavailableError), block as tx:  # noqa: PT012  # one block
            tx.append(execution(1), [denied()])
            tx.append("platform", [key_added()])
        faults.none()
        notice = tmp_path / "ledger.db.notice"
        text = notice.read_text(encoding="ascii")

        assert text.splitlines() == [
            "at 1000000 us: the store failed: SQLITE_IOERR_FSYNC",
            f"  lost: {execution(1)} 0 EXECUTION_DENIED denied DOMAIN_FAILED",
            "  lost: platform 0 KEY_ADDED success -",
        ]
        assert stat.S_IMODE(notice.stat().st_mode) == 0o600
        reason = "the store failed: SQLITE_IOERR_FSYNC"
        said = capsys.readouterr().err
        assert said == f"stage3: the store is latched: {reason}; 2 lost\n"


def test_the_latch_stands_before_the_lock_is_free(tmp_path: Path) -> None:
    """STO-6.3: at the moment of undoing, the notice is there already."""
    faults, found = Faults(), []
    with open_faulty(tmp_path, faults) as store:

        def fails(sql: str) -> bool:
            if sql == "ROLLBACK":
                found.append((tmp_path / "ledger.db.notice").exists())
            return sql.startswith("INSERT INTO entry")

        faults.fails = fails
        with pytest.raises(StoreUnavailableError), store.write() as tx:
            tx.append(execution(), [denied()])

    assert found == [True]


def test_a_full_disk_ends_the_block_and_latches(tmp_path: Path) -> None:
    """STO-6.1, with SQLite's own SQLITE_FULL: the file may grow no further."""
    faults = Faults()
    with open_faulty(tmp_path, faults) as store:
        session = store._writer._session
        assert session is not None
        pages = session.rows("PRAGMA page_count")[0][0]
        session.run(f"PRAGMA max_page_count = {pages}")

        with pytest.raises(StoreUnavailableError, match="SQLITE_FULL"):
            fill(store)

        latch = store.latch
        assert latch is not None
        assert "SQLITE_FULL" in latch.reason
        with store.read() as tx:
            size = tx.head().size
        session.run(f"PRAGMA max_page_count = {2**20}")
        store.lift_latch()
        with store.write(authority="exclusive") as tx:
            tx.append("platform", [key_added()])
            assert tx.head().size == size + 1
        assert AuditEventLog(store).verify()


def fill(store: Store) -> None:
    for _ in range(1_000):
        with store.write(authority="exclusive") as tx:
            tx.append("platform", [key_added()] * 10)


def test_a_database_that_turned_read_only_latches(tmp_path: Path) -> None:
    """STO-6.1."""
    faults = Faults()
    with open_faulty(tmp_path, faults) as store:
        session = store._writer._session
        assert session is not None
        session.run("PRAGMA query_only = ON")

        with (
            pytest.raises(StoreUnavailableError, match="READONLY"),
            store.write() as tx,
        ):
            tx.append(execution(), [denied()])

        assert store.latch is not None


@pytest.mark.parametrize("what", ["removed", "replaced"])
def test_a_file_that_is_no_longer_the_one_opened_latches(
    tmp_path: Path, what: str
) -> None:
    """STO-5.3: others would not see what is written into the old one."""
    path = tmp_path / "ledger.db"
    store = open_store(f"sqlite:///{path}", lock_timeout_s=0.0)
    path.rename(tmp_path / "moved.db")
    if what == "replaced":
        open_store(f"sqlite:///{path}").close()

    with pytest.raises(StoreUnavailableError, match="database file"), store.write():
        pass

    assert store.latch is not None
    assert what == "replaced" or not path.exists()
    store.close()
    (tmp_path / "ledger.db.notice").unlink()


def test_a_lost_connection_is_not_replaced_by_an_empty_file(tmp_path: Path) -> None:
    """STO-5.3."""
    faults, path = Faults(), tmp_path / "ledger.db"
    with open_faulty(tmp_path, faults) as store:
        faults.of("ROLLBACK")
        with pytest.raises(KeyError), store.write():
            raise KeyError
        faults.none()
        path.rename(tmp_path / "moved.db")

        with pytest.raises(StoreUnavailableError, match="gone"), store.write():
            pass

        assert not path.exists()


def test_a_closed_standard_error_does_not_hide_the_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-6.5."""
    faults = Faults()
    with open_faulty(tmp_path, faults) as store:
        for stream in (None, open(os.devnull, encoding="utf-8")):  # noqa: SIM115, PTH123  # read-only on purpose
            monkeypatch.setattr("sys.stderr", stream)
            faults.of("COMMIT")
            with pytest.raises(StoreUnavailableError), store.write(past_latch=True):
                pass
            faults.none()
        assert store.latch is not None
        monkeypatch.undo()
        assert stream is not None
        stream.close()
