"""A ``connect`` port whose statements fail when told to, and how to open with it."""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from audit.store.opening import open_sqlite
from audit.store.sqlite import SqlitePorts, SqliteStore
from audit.store.timing import SYSTEM_TIMING, Timing
from tests.conformance.store_samples import FakeClock

Mode = Literal["lost", "done"]


def io_error(name: str = "SQLITE_IOERR_FSYNC") -> sqlite3.OperationalError:
    """Make the error that SQLite's driver raises for a code."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = getattr(sqlite3, name)
    error.sqlite_errorname = name
    return error


@dataclass
class Faults:
    """Which statement fails next, and whether it was carried out before."""

    statements: list[str] = field(default_factory=list)
    fails: Callable[[str], bool] = lambda _sql: False
    mode: Mode = "lost"
    make: Callable[[], BaseException] = io_error

    def at(self, number: int, mode: Mode) -> None:
        """Let the statement of this number from now, and only it, fail."""
        self.statements.clear()
        self.fails = lambda _sql: len(self.statements) == number
        self.mode = mode

    def of(self, start: str, mode: Mode = "lost") -> None:
        """Let every statement that starts like this fail."""
        self.fails = lambda sql: sql.startswith(start)
        self.mode = mode

    def none(self) -> None:
        """Let nothing fail."""
        self.statements.clear()
        self.fails = lambda _sql: False

    def connect(self, target: str) -> sqlite3.Connection:
        """Be the port."""
        faults = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, values: object = (), /) -> sqlite3.Cursor:
                return faults.run(
                    sql, lambda: super(Connection, self).execute(sql, values)
                )  # type: ignore[arg-type]  # passed on

            def executemany(
                self, sql: str, rows: Iterable[object], /
            ) -> sqlite3.Cursor:
                return faults.run(
                    sql,
                    lambda: super(Connection, self).executemany(sql, rows),  # type: ignore[arg-type]  # passed on
                )

        return sqlite3.connect(
            target,
            timeout=0.0,
            isolation_level=None,
            check_same_thread=False,
            factory=Connection,
        )

    def run(self, sql: str, action: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        """Carry a statement out, or not, or carry it out and say it was not."""
        self.statements.append(sql)
        if not self.fails(sql):
            return action()
        if self.mode == "done":
            action()
        raise self.make()


class FakeTiming:
    """Time that passes only by pausing; what happens meanwhile can be said."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def pause(self, seconds: float) -> None:
        """Let the time pass."""
        self.now_s += seconds
        self.pauses += 1
        self.meanwhile()

    def timing(self) -> Timing:
        """Be the port."""
        return Timing(monotonic=lambda: self.now_s, pause=self.pause)


def open_faulty(
    folder: Path | None,
    faults: Faults,
    *,
    clock: FakeClock | None = None,
    timing: Timing = SYSTEM_TIMING,
    lock_timeout_s: float = 0.0,
) -> SqliteStore:
    """Open a file in the folder, or memory, with faults to come."""
    ports = SqlitePorts(
        clock=FakeClock() if clock is None else clock,
        connect=faults.connect,
        timing=timing,
        lock_timeout_s=lock_timeout_s,
    )
    url = "memory:" if folder is None else f"sqlite:///{folder / 'ledger.db'}"
    return open_sqlite(url, ports=ports, ledger_id="test-ledger")
