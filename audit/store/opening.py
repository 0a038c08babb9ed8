"""Opening a store by its address: where the ports of the real world are chosen.

```
memory:                 a private database in memory, new with each call
sqlite:///ledger.db     a file, relative to the working directory
sqlite:////var/l.db     a file, by its absolute path
postgresql://...        a schema of a database, see ``audit.store.postgres``
```

Source: docs/spec/store.md, STO-2.
"""

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from audit.clock import Clock, system_clock_us
from audit.entry import is_ledger_id
from audit.errors import (
    LedgerFormatError,
    StoreBusyError,
    StoreUnavailableError,
)
from audit.store.interface import Store
from audit.store.schema import (
    ADD_META,
    CREATE,
    FORMAT,
    IS_EMPTY,
    IS_OURS,
    META,
    SCHEMA_VERSION,
)
from audit.store.session import (
    FAILURES,
    Session,
    connect_sqlite,
    is_busy,
    make_durable,
    open_session,
    printable_cause,
)
from audit.store.sqlite import SqliteParts, SqlitePorts, SqliteStore
from audit.store.timing import SYSTEM_TIMING, Deadline
from audit.store.writer import Identity
from audit.trust import Trust, load_trust

__all__ = ["LOCK_TIMEOUT_S", "network_type", "open_sqlite", "open_store"]

LOCK_TIMEOUT_S: Final = 5.0

_MEMORY: Final = "memory:"
_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")
_MAX_URL: Final = 4_096
_ID_BYTES: Final = 16
_ACCEPTED: Final = (
    "memory:, sqlite:///relative.db, sqlite:////absolute.db or"
    " postgresql://user@host/database"
)
_MOUNTS: Final = Path("/proc/self/mountinfo")
_REMOTE: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs"}
)
_MOUNT_POINT: Final = 4
_MAX_MOUNTS_BYTES: Final = 1 << 20


def open_store(
    url: str,
    *,
    trust: Trust | str | os.PathLike[str] | None = None,
    clock: Clock | None = None,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    ledger_id: str | None = None,
) -> Store:
    """Open a store, creating it where there is none.

    Args:
        url: ``memory:``, ``sqlite:///relative.db``, ``sqlite:////absolute.db``
            (folders are not created) or ``postgresql://user@host/database``, as
            libpq has them, with ``?schema=name`` for another than ``stage3``.
        trust: A trust, or the path of a trust file. The store must then exist and
            be the ledger it names; one in memory is made with that id.
        clock: Gives the time in Unix microseconds; the system's if not given, or
            the database's own on PostgreSQL.
        lock_timeout_s: How long a block waits for its lock unless told otherwise,
            in seconds, at least 0.
        ledger_id: The id of the ledger, ``[A-Za-z0-9._-]{1,64}``. A new one gets
            it (128 random bits if not given); an existing one must have it.

    Returns:
        The store. It, and nothing else of this call, must be closed.

    Raises:
        ValueError: The address, the timeout or the id is not of these forms.
        LedgerFormatError: The file is not a ledger, is one of another version, is
            not the ledger asked for, is missing although a trust was given, or
            the trust file is not one.
        StoreUnavailableError: The file cannot be opened or created: its folder is
            missing, it is on a network file system, it may not be read... Nothing
            is latched.
        StoreBusyError: Others kept the database locked for longer than the timeout.

    Source:
        STO-2.1 to STO-2.6.
    """
    pinned = trust if trust is None or isinstance(trust, Trust) else load_trust(trust)
    if type(url) is str and url.startswith(_POSTGRES):
        return _open_postgres(
            url,
            trust=pinned,
            clock=clock,
            lock_timeout_s=lock_timeout_s,
            ledger_id=_wanted_id(ledger_id, pinned, lock_timeout_s),
        )
    ports = SqlitePorts(
        clock=system_clock_us if clock is None else clock,
        connect=connect_sqlite,
        timing=SYSTEM_TIMING,
        lock_timeout_s=lock_timeout_s,
    )
    return open_sqlite(url, trust=pinned, ledger_id=ledger_id, ports=ports)


def open_sqlite(
    url: str,
    *,
    ports: SqlitePorts,
    trust: Trust | None = None,
    ledger_id: str | None = None,
) -> SqliteStore:
    """Open a store on SQLite with ports of one's own. As ``open_store`` otherwise."""
    path = _path_of(url)
    wanted = _wanted_id(ledger_id, trust, ports.lock_timeout_s)
    if path is None:
        return _open_memory(url, wanted, trust, ports)
    return _open_file(url, path, wanted, trust, ports)


def _wanted_id(
    ledger_id: str | None, trust: Trust | None, lock_timeout_s: float
) -> str | None:
    """Check what a store is opened with, and say which ledger it must be."""
    if not lock_timeout_s >= 0:
        raise ValueError("lock_timeout_s is a number of seconds, at least 0")
    if ledger_id is not None and not is_ledger_id(ledger_id):
        raise ValueError("a ledger id is [A-Za-z0-9._-]{1,64}")
    wanted = ledger_id if trust is None else trust.ledger_id
    if ledger_id not in (None, wanted):
        raise LedgerFormatError("the ledger id is not the one of the trust")
    return wanted


def _open_postgres(
    url: str,
    *,
    trust: Trust | None,
    clock: Clock | None,
    lock_timeout_s: float,
    ledger_id: str | None,
) -> Store:
    """Open a store on a server, if the driver for it is installed."""
    try:
        from audit.store.postgres.opening import open_postgres  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise StoreUnavailableError(
            "the driver for PostgreSQL is not installed: pip install 'stage3[postgres]'"
        ) from error
    return open_postgres(
        url,
        trust=trust,
        clock=clock,
        lock_timeout_s=lock_timeout_s,
        ledger_id=ledger_id,
    )


def network_type(path: Path, mounts: str) -> str | None:
    """Name the network file system a path is on; None when it is on none.

    Args:
        path: An absolute path without symbolic links.
        mounts: What Linux tells in ``/proc/self/mountinfo`` (proc(5)).
    """
    best, found = "", ""
    for line in mounts.splitlines():
        fields, _, source = line.partition(" - ")
        words, kind = fields.split(" "), source.partition(" ")[0]
        if len(words) > _MOUNT_POINT and len(words[_MOUNT_POINT]) >= len(best):
            point = words[_MOUNT_POINT].replace("\\040", " ")
            if path.is_relative_to(point):
                best, found = words[_MOUNT_POINT], kind
    return found if found in _REMOTE else None


def _path_of(url: object) -> Path | None:
    """Read an address; None is memory."""
    if type(url) is not str or len(url) > _MAX_URL or not url.isprintable():
        raise ValueError(f"a store is opened by {_ACCEPTED}")
    if url == _MEMORY:
        return None
    name = url.removeprefix(_SQLITE)
    # Options are not known, and a name that SQLite reads as memory is a mistake.
    if name == url or not name or name[-1] == "/" or set("?#") & set(name):
        raise ValueError(f"a store is opened by {_ACCEPTED}")
    if name.startswith(":"):
        raise ValueError(f"a store is opened by {_ACCEPTED}")
    # Gate, notice and owner files lie beside the file itself, not beside a link.
    return Path(os.path.realpath(name))


def _open_memory(
    url: str, wanted: str | None, trust: Trust | None, ports: SqlitePorts
) -> SqliteStore:
    session = open_session(ports.connect, ":memory:", query_only=False)
    try:
        found = _patiently(ports, lambda: _created(session, wanted))
    except BaseException:
        session.close()
        raise
    return SqliteStore(SqliteParts(url, None, None, found, trust, session), ports)


def _open_file(
    url: str, path: Path, wanted: str | None, trust: Trust | None, ports: SqlitePorts
) -> SqliteStore:
    may_create = trust is None
    try:
        _refuse_network(path)
        if may_create:
            _make_file(path)
        identity = _identity(path)
    except FileNotFoundError as error:
        if may_create or not path.parent.is_dir():
            raise StoreUnavailableError("the store's folder is missing") from error
        raise LedgerFormatError("the ledger of the trust is not there") from error
    except OSError as error:
        cause = type(error).__name__
        raise StoreUnavailableError(f"the file cannot be used: {cause}") from error
    session = open_session(ports.connect, str(path), query_only=False)
    try:
        found = _patiently(
            ports, lambda: _identified(session, wanted, may_create=may_create)
        )
    except BaseException:
        session.close()
        raise
    return SqliteStore(SqliteParts(url, path, identity, found, trust, session), ports)


def _refuse_network(path: Path) -> None:
    """Refuse where locks and shared memory cannot be relied on, if it shows."""
    try:
        with _MOUNTS.open(encoding="utf-8", errors="replace") as file:
            mounts = file.read(_MAX_MOUNTS_BYTES)
    except OSError:
        return
    kind = network_type(path, mounts)
    if kind is not None:
        raise StoreUnavailableError(f"a store cannot be on a network: {kind}")


def _make_file(path: Path) -> None:
    """Create the file for its owner alone, unless something is there already."""
    # With O_EXCL a symbolic link is not followed either.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _identity(path: Path) -> Identity:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise StoreUnavailableError("a store is a regular file")
    if found.st_nlink != 1:
        # SQLite's journal lies beside the name it was opened by: two names of one
        # file would have two journals.
        raise StoreUnavailableError("the file has more than one name (hard links)")
    return found.st_dev, found.st_ino


def _patiently(ports: SqlitePorts, action: Callable[[], str]) -> str:
    """Do something with a database that others may be using."""
    deadline = Deadline(ports.timing, ports.lock_timeout_s)
    while deadline.wait_for_next_try():
        try:
            return action()
        except FAILURES as error:
            if is_busy(error):
                continue
            cause = printable_cause(error)
            if cause == "SQLITE_NOTADB":
                raise LedgerFormatError("the file is not a database") from error
            raise StoreUnavailableError(f"cannot open the store: {cause}") from error
    raise StoreBusyError("others kept the database locked")


def _identified(session: Session, wanted: str | None, *, may_create: bool) -> str:
    """Find out which ledger a file holds, and make it one if it is empty.

    Nothing is changed in a file before it is known to be ours or empty.
    """
    is_empty = session.rows(IS_EMPTY)[0][0] == 1
    if is_empty and not may_create:
        raise LedgerFormatError("the file is empty, not the ledger of the trust")
    if not is_empty:
        found = _known_id(session, wanted)
        make_durable(session)
        return found
    make_durable(session)
    return _created(session, wanted)


def _created(session: Session, wanted: str | None) -> str:
    """Make an empty database a ledger, unless somebody else just has."""
    try:
        session.run("BEGIN IMMEDIATE")
        if session.rows(IS_EMPTY)[0][0] != 1:
            return _known_id(session, wanted)
        new = secrets.token_hex(_ID_BYTES) if wanted is None else wanted
        for sql in CREATE:
            session.run(sql)
        session.run(ADD_META, ("ledger", new))
        session.run("COMMIT")
    finally:
        if session.in_transaction:
            session.run("ROLLBACK")
    return new


def _known_id(session: Session, wanted: str | None) -> str:
    if session.rows(IS_OURS)[0][0] != 1:
        raise LedgerFormatError("the file is a database, but not a ledger")
    says = {
        name: session.rows(META, (name,)) for name in ("format", "schema", "ledger")
    }
    if says["format"] != [(FORMAT,)]:
        raise LedgerFormatError("the file is a database, but not a ledger")
    if says["schema"] != [(str(SCHEMA_VERSION),)]:
        raise LedgerFormatError(
            f"the ledger has another schema than version {SCHEMA_VERSION}"
        )
    match says["ledger"]:
        case [(str(found),)] if is_ledger_id(found):
            pass
        case _:
            raise LedgerFormatError("the ledger does not say which one it is")
    if wanted not in (None, found):
        raise LedgerFormatError("the file is another ledger than the one asked for")
    return found
