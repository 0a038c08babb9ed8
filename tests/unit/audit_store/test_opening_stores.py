"""Opening a store: addresses, new files, and everything that is not our ledger."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from audit.errors import LedgerFormatError, StoreBusyError, StoreUnavailableError
from audit.store.opening import network_type, open_store
from audit.store.schema import SCHEMA_VERSION
from audit.store.sqlite import SqliteStore
from audit.trust import Trust, write_trust
from tests.conformance.store_samples import FACT, key_added
from tests.unit.audit_store.faulty_sqlite import (
    FakeTiming,
    Faults,
    io_error,
    open_faulty,
)

ROOT_X = "A" * 43


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "memory:x",
        ":memory:",
        "ledger.db",
        "sqlite:ledger.db",
        "sqlite://ledger.db",
        "sqlite:///",
        "sqlite:///folder/",
        "sqlite:///:memory:",
        "sqlite:///x?mode=ro",
        "sqlite:///x#y",
        "sqlite:///a\0b",
        "sqlite:///a\nb",
        "file:x",
        "mysql://host/x",
        "sqlite:///" + "x" * 5_000,
        5,
        None,
    ],
)
def test_an_address_of_another_form_is_refused(url: str) -> None:
    """STO-2.1."""
    with pytest.raises(ValueError, match="memory:, sqlite:///relative"):
        open_store(url)


def test_a_relative_address_is_of_the_working_directory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-2.1: and stays what it was when the directory changes."""
    monkeypatch.chdir(path.parent)
    with open_store("sqlite:///ledger.db") as store:
        monkeypatch.chdir("/")
        assert store.path == path
        with store.write(authority="exclusive") as tx:
            tx.append("platform", [key_added()])
        store.hold("a").close()
    assert path.exists()


def test_a_new_file_is_private_and_has_its_own_id(path: Path) -> None:
    """STO-2.2."""
    with open_store(f"sqlite:///{path}") as store:
        first = store.ledger_id
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(first) == 32
        int(first, 16)
    with open_store(f"sqlite:///{path}") as store:
        assert store.ledger_id == first
        assert store.url == f"sqlite:///{path}"
    with open_store("memory:") as one, open_store("memory:") as two:
        assert len({first, one.ledger_id, two.ledger_id}) == 3
        assert one.path is None


def test_the_journal_is_durable(path: Path) -> None:
    """STO-1.1."""
    store = open_store(f"sqlite:///{path}")
    assert isinstance(store, SqliteStore)
    session = store._writer._session
    assert session is not None

    assert session.rows("PRAGMA journal_mode") == [("wal",)]
    assert session.rows("PRAGMA synchronous") == [(2,)]
    store.close()


@pytest.mark.parametrize(
    ("setting", "instead"),
    [
        ("PRAGMA journal_mode = WAL", "PRAGMA journal_mode = DELETE"),
        ("PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"),
    ],
)
def test_a_journal_that_does_not_become_durable_is_refused(
    path: Path, setting: str, instead: str
) -> None:
    """STO-1.1: the settings are read back, not believed."""

    class Deaf(sqlite3.Connection):
        def execute(self, sql: str, values: object = (), /) -> sqlite3.Cursor:
            return super().execute(instead if sql == setting else sql, values)  # type: ignore[arg-type]  # passed on

    faults = Faults()
    faults.connect = lambda target: sqlite3.connect(  # type: ignore[method-assign]  # another port
        target, isolation_level=None, check_same_thread=False, factory=Deaf
    )
    with pytest.raises(LedgerFormatError, match=setting.split()[1]):
        open_faulty(path.parent, faults)


def test_a_given_id_is_for_new_ledgers_and_checked_for_others(path: Path) -> None:
    url = f"sqlite:///{path}"
    with open_store(url, ledger_id="ours-1") as store:
        assert store.ledger_id == "ours-1"
    open_store(url, ledger_id="ours-1").close()

    with pytest.raises(LedgerFormatError):
        open_store(url, ledger_id="ours-2")
    for wrong in ("", "a b", "x" * 65, "é"):
        with pytest.raises(ValueError, match="ledger id"):
            open_store("memory:", ledger_id=wrong)


@pytest.mark.parametrize("lock_timeout_s", [-1.0, float("nan")])
def test_a_timeout_is_not_negative(lock_timeout_s: float) -> None:
    with pytest.raises(ValueError, match="lock_timeout_s"):
        open_store("memory:", lock_timeout_s=lock_timeout_s)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()


def newer(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    rewrite(path, "schema", str(SCHEMA_VERSION + 1))


def nameless(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    rewrite(path, "ledger", "not an id")


def other_format(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    rewrite(path, "format", "something else")


def rewrite(path: Path, name: str, value: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = ?", (value, name))
    connection.close()


def no_database(path: Path) -> None:
    path.write_bytes(b"these are not the bytes of a database" * 100)


@pytest.mark.parametrize("make", [foreign, newer, nameless, other_format, no_database])
def test_what_is_not_our_ledger_is_refused_and_stays_as_it_is(
    path: Path, make: object
) -> None:
    """STO-2.3."""
    assert callable(make)
    make(path)
    before = path.read_bytes()

    for _ in range(2):
        with pytest.raises(LedgerFormatError):
            open_store(f"sqlite:///{path}")

    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_ledger(path: Path) -> None:
    """STO-2.2: a process may have died between making the file and its tables."""
    path.touch()

    with open_store(f"sqlite:///{path}") as store, store.read() as tx:
        assert tx.head().size == 0


def test_a_trust_names_a_ledger_that_exists(path: Path) -> None:
    """STO-2.4."""
    url, trust = f"sqlite:///{path}", Trust("ours-1", ROOT_X)
    with pytest.raises(LedgerFormatError):
        open_store(url, trust=trust)
    assert not path.exists()
    path.touch()
    with pytest.raises(LedgerFormatError):
        open_store(url, trust=trust)
    assert path.stat().st_size == 0
    path.unlink()
    open_store(url, ledger_id="ours-2").close()
    with pytest.raises(LedgerFormatError):
        open_store(url, trust=trust)
    with pytest.raises(LedgerFormatError):
        open_store(url, trust=trust, ledger_id="ours-2")

    with open_store(url, trust=Trust("ours-2", ROOT_X)) as store:
        assert store.trust == Trust("ours-2", ROOT_X)


def test_a_trust_can_be_given_as_a_file(path: Path) -> None:
    """STO-2.4."""
    file = path.with_name("trust.json")
    write_trust(file, Trust("ours-1", ROOT_X))
    open_store(f"sqlite:///{path}", ledger_id="ours-1").close()

    for given in (file, str(file)):
        with open_store(f"sqlite:///{path}", trust=given) as store:
            assert store.trust == Trust("ours-1", ROOT_X)
    with open_store("memory:", trust=file) as store:
        assert store.ledger_id == "ours-1"
    with pytest.raises(LedgerFormatError):
        open_store("memory:", trust=path.with_name("missing.json"))


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    """STO-2.1."""
    for trust in (None, Trust("ours-1", ROOT_X)):
        with pytest.raises(StoreUnavailableError, match="folder"):
            open_store(f"sqlite:///{tmp_path / 'missing' / 'ledger.db'}", trust=trust)
    assert not (tmp_path / "missing").exists()


def test_only_regular_files_with_one_name_are_opened(tmp_path: Path) -> None:
    """STO-2.5."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    open_store(f"sqlite:///{tmp_path / 'one.db'}").close()
    os.link(tmp_path / "one.db", tmp_path / "two.db")

    for name in ("folder", "pipe", "one.db", "two.db"):
        with pytest.raises(StoreUnavailableError):
            open_store(f"sqlite:///{tmp_path / name}")


def test_a_link_leads_to_the_same_gate_and_notice(tmp_path: Path, path: Path) -> None:
    """STO-2.5."""
    with open_store(f"sqlite:///{path}") as store:
        (tmp_path / "elsewhere").mkdir()
        link = tmp_path / "elsewhere" / "link.db"
        link.symlink_to(path)
        with open_store(f"sqlite:///{link}") as other:
            assert other.path == store.path
            other.raise_latch("a reason")
            assert store.latch is not None
            store.lift_latch()
    assert list((tmp_path / "elsewhere").iterdir()) == [link]


MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:40 / /srv rw shared:5 - nfs4 server:/srv rw
31 30 8:2 / /srv/local rw - xfs /dev/sdb rw
32 21 0:41 / /with\\040space rw master:1 - cifs //server/share rw
short line
33 21 0:42 / /srvs rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/ledger.db", None),
        ("/srv/a/ledger.db", "nfs4"),
        ("/srv", "nfs4"),
        ("/srvs/a.db", None),
        ("/srv/local/ledger.db", None),
        ("/with space/ledger.db", "cifs"),
    ],
)
def test_a_network_file_system_is_recognized(path: str, kind: str | None) -> None:
    """STO-2.5."""
    assert network_type(Path(path), MOUNTS) == kind


def test_a_file_on_a_network_file_system_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-2.5."""
    mounts = path.with_name("mountinfo")
    mounts.write_text("21 1 8:1 / / rw - nfs server:/ rw\n", encoding="ascii")
    monkeypatch.setattr("audit.store.opening._MOUNTS", mounts)
    with pytest.raises(StoreUnavailableError, match="nfs"):
        open_store(f"sqlite:///{path}")
    assert not path.exists()

    mounts.unlink()
    open_store(f"sqlite:///{path}").close()


def test_opening_needs_no_write_lock(path: Path) -> None:
    """STO-2.6."""
    with (
        open_store(f"sqlite:///{path}") as store,
        store.write(authority="exclusive") as tx,
        open_store(f"sqlite:///{path}", lock_timeout_s=0.0) as other,
    ):
        tx.append("platform", [key_added()])
        with other.read() as reading:
            assert reading.head().size == 0


def test_opening_waits_for_who_is_making_the_tables(path: Path) -> None:
    """STO-4.4."""
    time, faults = FakeTiming(), Faults()
    path.touch()
    busy = sqlite3.connect(path, isolation_level=None)
    busy.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreBusyError):
        open_faulty(path.parent, faults, timing=time.timing(), lock_timeout_s=2.0)
    assert time.now_s == pytest.approx(2.0)
    time.meanwhile = busy.close

    open_faulty(path.parent, faults, timing=time.timing(), lock_timeout_s=2.0).close()


def test_two_who_make_one_ledger_agree(path: Path) -> None:
    """STO-2.2: the tables of the other appear between looking and locking."""
    faults = Faults()

    def other_is_faster(sql: str) -> bool:
        if sql == "BEGIN IMMEDIATE" and not made:
            made.append(True)
            open_store(f"sqlite:///{path}", ledger_id="test-ledger").close()
        return False

    made: list[bool] = []
    faults.fails = other_is_faster

    with open_faulty(path.parent, faults) as store:
        assert store.ledger_id == "test-ledger"
    assert made


@pytest.mark.parametrize("number", range(1, 22))
def test_an_error_while_opening_leaves_a_file_that_can_be_opened(
    path: Path, number: int
) -> None:
    """STO-2.2."""
    faults = Faults()
    faults.at(number, "lost")

    with pytest.raises(StoreUnavailableError):
        open_faulty(path.parent, faults).close()
    assert not path.with_name("ledger.db.notice").exists()
    faults.none()

    with open_faulty(path.parent, faults) as store, store.read() as tx:
        assert tx.head().size == 0


def test_a_file_that_cannot_be_connected_to_is_unavailable(path: Path) -> None:
    faults = Faults()

    def fail(_target: str) -> sqlite3.Connection:
        raise io_error("SQLITE_CANTOPEN")

    faults.connect = fail  # type: ignore[method-assign]  # another port
    with pytest.raises(StoreUnavailableError, match="SQLITE_CANTOPEN"):
        open_faulty(path.parent, faults)


def test_entries_and_facts_are_guarded_in_the_database(path: Path) -> None:
    """STO-3.5."""
    with open_store(f"sqlite:///{path}") as store:
        store.declare(FACT)
        with store.write(authority="exclusive") as tx:
            tx.append("platform", [key_added()])
            tx.insert(FACT, {"subject": "a", "number": 1, "note": None})
    connection = sqlite3.connect(path)
    for sql in (
        "UPDATE entry SET data = x'00'",
        "DELETE FROM entry",
        "UPDATE fact SET note = 'another'",
        "DELETE FROM fact",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="refuses"):
            connection.execute(sql)
    connection.close()
