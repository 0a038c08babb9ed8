"""Faults on purpose: a ``connect`` port that loses commits, or only says so.

For tests of programs that must survive a failing store. It stands beside the store,
is used by nothing in production, and reaches the store only through the port that
every store has.

::

    store, faults = open_faulty_store("memory:", clock=clock)
    faults.fail(commit=2, mode="lost")

Two kinds of failure, because a program must be right in both: ``lost`` (the statement
did not happen and an error came back) and ``reported-lost`` (it happened, is durable,
and an error came back all the same).

Source: docs/spec/testing.md, TST-4.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final, Literal, TypeAlias, cast

from audit.clock import Clock
from audit.store.opening import open_sqlite
from audit.store.session import Connect, connect_sqlite
from audit.store.sqlite import SqlitePorts, SqliteStore
from audit.store.tables import Row
from audit.store.timing import SYSTEM_TIMING

__all__ = [
    "DISK_FULL",
    "IO_ERROR",
    "LOCKED",
    "READ_ONLY",
    "Faults",
    "Mode",
    "Moment",
    "open_faulty_store",
]

DISK_FULL: Final = sqlite3.SQLITE_FULL
IO_ERROR: Final = sqlite3.SQLITE_IOERR
READ_ONLY: Final = sqlite3.SQLITE_READONLY
LOCKED: Final = sqlite3.SQLITE_BUSY

_NAMES: Final = {
    DISK_FULL: "SQLITE_FULL",
    IO_ERROR: "SQLITE_IOERR",
    READ_ONLY: "SQLITE_READONLY",
    LOCKED: "SQLITE_BUSY",
}

Mode: TypeAlias = Literal["lost", "reported-lost"]

Moment: TypeAlias = tuple[Literal["before", "after"], str, int]
"""When a watcher is called: before or after which statement, and its number.

The statement is its first word in lower case (``insert``, ``commit``, ...), or all of
a ``begin`` (``begin immediate`` takes the write lock); numbers count from 1 per word
over all connections, since the watcher was set.
"""


class Faults:
    """Makes connections and watches what runs on them.

    A watcher is called before and after every statement; what it raises, the
    statement raises; if it ends the process, the statement is where it ended.
    """

    def __init__(self, connect: Connect = connect_sqlite) -> None:
        self._connect = connect
        self._watcher: Callable[[Moment], None] | None = None
        self._counts: dict[str, int] = {}

    def connect(self, target: str) -> sqlite3.Connection:
        """Connect to ``target``; give this method to the store as its port."""
        return cast("sqlite3.Connection", _Watched(self._connect(target), self))

    def watch(self, watcher: Callable[[Moment], None] | None) -> None:
        """Set who is called from now on, counting afresh; None for nobody."""
        self._counts = {}
        self._watcher = watcher

    def fail(
        self,
        *,
        commit: int,
        mode: Mode = "lost",
        code: int = IO_ERROR,
        lasting: bool = False,
    ) -> None:
        """Make the ``commit``-th COMMIT from now fail.

        Args:
            commit: 1 for the next one.
            mode: Whether it happens all the same.
            code: SQLite's error code; one of this module's constants.
            lasting: Fail every later COMMIT too, as a full disk does.
        """
        self.fail_at("commit", commit, mode=mode, code=code, lasting=lasting)

    def fail_at(
        self,
        word: str,
        number: int,
        *,
        mode: Mode = "lost",
        code: int = IO_ERROR,
        lasting: bool = False,
    ) -> None:
        """Make the ``number``-th statement that begins with ``word`` fail."""
        when = "before" if mode == "lost" else "after"

        def watcher(moment: Moment) -> None:
            at, found, count = moment
            due = count == number or (lasting and count > number)
            if at == when and found == word and due:
                raise failure(code)

        self.watch(watcher)

    def heal(self) -> None:
        """Let everything succeed again."""
        self.watch(None)

    @property
    def counts(self) -> dict[str, int]:
        """How often each statement ran since the watcher was set, a copy."""
        return dict(self._counts)

    def before(self, sql: str) -> tuple[str, int]:
        """Count a statement about to run, and tell the watcher."""
        words = sql.lower().split()
        word = " ".join(words) if words[0] == "begin" else words[0]
        number = self._counts[word] = self._counts.get(word, 0) + 1
        if self._watcher is not None:
            self._watcher(("before", word, number))
        return word, number

    def after(self, word: str, number: int) -> None:
        """Tell the watcher that a statement has run."""
        if self._watcher is not None:
            self._watcher(("after", word, number))


class _Watched:
    """A connection whose statements are watched; the rest is the real one's."""

    def __init__(self, connection: sqlite3.Connection, faults: Faults) -> None:
        self._connection = connection
        self._faults = faults

    def execute(self, sql: str, values: Row = ()) -> sqlite3.Cursor:
        word, number = self._faults.before(sql)
        cursor = self._connection.execute(sql, values)
        self._faults.after(word, number)
        return cursor

    def executemany(self, sql: str, rows: Iterable[Row]) -> sqlite3.Cursor:
        word, number = self._faults.before(sql)
        cursor = self._connection.executemany(sql, rows)
        self._faults.after(word, number)
        return cursor

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    @property
    def text_factory(self) -> object:
        return self._connection.text_factory

    @text_factory.setter
    def text_factory(self, factory: object) -> None:
        self._connection.text_factory = factory

    def close(self) -> None:
        self._connection.close()


def open_faulty_store(
    url: str,
    *,
    clock: Clock,
    lock_timeout_s: float = 0.0,
    ledger_id: str | None = None,
) -> tuple[SqliteStore, Faults]:
    """Open a store whose connections can be made to fail; nothing fails yet.

    Raises:
        ValueError: As ``open_store``.
        LedgerFormatError: As ``open_store``.
        AuditWriteError: As ``open_store``.
    """
    faults = Faults()
    ports = SqlitePorts(
        clock=clock,
        connect=faults.connect,
        timing=SYSTEM_TIMING,
        lock_timeout_s=lock_timeout_s,
    )
    return open_sqlite(url, ports=ports, ledger_id=ledger_id), faults


def failure(code: int) -> sqlite3.OperationalError:
    """Make the error that SQLite's driver raises for ``code``."""
    error = sqlite3.OperationalError(f"injected: {_NAMES.get(code, code)}")
    error.sqlite_errorcode = code
    error.sqlite_errorname = _NAMES.get(code, "SQLITE_ERROR")
    return error
