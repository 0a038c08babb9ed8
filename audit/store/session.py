"""Connections to one database, and what their errors mean.

The ``connect`` port makes connections; everything else goes through ``execute``,
``executemany``, ``in_transaction`` and ``close`` of what it made, so that faults
can be injected from outside at every statement.

Source: docs/spec/store.md, STO-6.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from audit.errors import DuplicateKeyError, LedgerFormatError, StoreUnavailableError
from audit.store.interface import Value
from audit.store.tables import Row

__all__ = [
    "FAILURES",
    "Connect",
    "Session",
    "connect_sqlite",
    "is_busy",
    "make_durable",
    "open_session",
    "printable_cause",
]

Connect: TypeAlias = Callable[[str], sqlite3.Connection]
"""Connects to a file by its absolute path, or to ``:memory:``.

The connection must begin no transactions by itself (``isolation_level=None``) and
must be usable from every thread (``check_same_thread=False``).
"""

FAILURES: Final = (sqlite3.Error, MemoryError, OSError)
"""What a failing statement raises; arguments were checked, so none is a caller's."""

_BUSY: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
)
_DUPLICATE: Final = frozenset(
    {sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE}
)
_PRIMARY_CODE: Final = 0xFF
_FULL: Final = 2
_DURABLE: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
)


def connect_sqlite(target: str) -> sqlite3.Connection:
    """Connect as a store wants it; the default of the ``connect`` port."""
    return sqlite3.connect(
        target,
        timeout=0.0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )


class Session:
    """One connection, whose failing statements raise the ledger's errors."""

    __slots__ = ("connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open on the connection."""
        return self.connection.in_transaction

    def rows(self, sql: str, values: Row = ()) -> list[Row]:
        """Fetch all rows; text that is not UTF-8 is given with escapes."""
        try:
            return self.connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            # Without a code of SQLite's, the driver failed to decode a text.
            if getattr(error, "sqlite_errorcode", None) is not None:
                raise
        self.connection.text_factory = _decoded
        try:
            return self.connection.execute(sql, values).fetchall()
        finally:
            self.connection.text_factory = str

    def run(self, sql: str, values: Row = ()) -> int:
        """Run a statement and give the number of rows it changed."""
        return self.connection.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Iterable[Row]) -> None:
        """Run a statement once for each row of values."""
        self.connection.executemany(sql, rows)

    def insert(self, sql: str, values: Row) -> None:
        """Insert a row.

        Raises:
            DuplicateKeyError: There is one with this key. The statement did
                nothing, and the transaction goes on.
        """
        try:
            self.connection.execute(sql, values)
        except sqlite3.IntegrityError as error:
            if getattr(error, "sqlite_errorcode", None) not in _DUPLICATE:
                raise
            raise DuplicateKeyError("a record with this key exists") from error

    def close(self) -> None:
        """Close the connection; that it cannot be is nobody's concern any more."""
        try:
            self.connection.close()
        except FAILURES:
            return


def is_busy(error: BaseException) -> bool:
    """Tell whether a statement failed because others hold a lock."""
    code: object = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & _PRIMARY_CODE in _BUSY


def printable_cause(error: BaseException) -> str:
    """Name an input or output error without quoting bytes from outside."""
    name: object = getattr(error, "sqlite_errorname", None)
    if isinstance(name, str):
        return name
    return type(error).__name__


def open_session(connect: Connect, target: str, *, query_only: bool) -> Session:
    """Connect; nothing of the database is read or changed yet.

    Raises:
        StoreUnavailableError: The database cannot be connected to.
    """
    try:
        session = Session(connect(target))
    except FAILURES as error:
        cause = printable_cause(error)
        raise StoreUnavailableError(f"cannot open the database: {cause}") from error
    try:
        session.run("PRAGMA trusted_schema = OFF")
        if query_only:
            session.run("PRAGMA query_only = ON")
    except FAILURES as error:
        session.close()
        cause = printable_cause(error)
        raise StoreUnavailableError(f"cannot open the database: {cause}") from error
    return session


def make_durable(session: Session) -> None:
    """See to it that commits on this connection to a file of ours are durable.

    The settings are read back: some file systems and builds do not take them.

    Raises:
        LedgerFormatError: They were not taken.
        sqlite3.Error: The file cannot be read or written, or others lock it.

    Source:
        STO-1.1.
    """
    for setting in _DURABLE:
        session.rows(setting)
    if _pragma(session, "journal_mode") != "wal":
        raise LedgerFormatError("the database does not accept journal_mode=WAL")
    if _pragma(session, "synchronous") != _FULL:
        raise LedgerFormatError("the database does not accept synchronous=FULL")


def _pragma(session: Session, name: str) -> Value:
    rows = session.rows(f"PRAGMA {name}")
    return rows[0][0]


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
