"""Ways to write a start on SQLite: two wrong ones, one that is refused, and ours."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.store.timing import SYSTEM_TIMING, Deadline
from tests.histories.miniature import Variant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.histories.miniature import Moves, Session
    from tests.histories.operations import Subject

__all__ = ["RIGHT", "WRONG", "SqliteBench"]

_TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE token (name TEXT PRIMARY KEY, usr TEXT, revoked INTEGER);
CREATE TABLE entry (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, token TEXT);
"""
_IS_REVOKED = "SELECT revoked FROM token WHERE name = ?"
_STARTED = "INSERT INTO entry (kind, token) VALUES ('STARTED', ?)"


class SqliteSession:
    """A connection; a lock that others have is waited for in turns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._is_waiting = False

    def execute(self, statement: str, *values: str) -> list[tuple[object, ...]]:
        """Run it; only taking the lock is ever tried again."""
        deadline = Deadline(SYSTEM_TIMING, 60.0)
        while deadline.wait_for_next_try():
            try:
                rows = self._connection.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY":
                    raise
                self._is_waiting = True
            else:
                self._is_waiting = False
                return rows
        raise TimeoutError(statement)

    def is_waiting(self) -> bool:
        """Tell whether others have the lock."""
        return self._is_waiting


@dataclass(frozen=True, slots=True)
class SqliteBench:
    """A database in a file."""

    path: Path

    def create(self) -> SqliteBench:
        """Make its tables."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(_TABLES)
        return self

    @contextmanager
    def session(self) -> Iterator[SqliteSession]:
        """Connect, without a transaction and without waiting."""
        made = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False
        )
        with closing(made) as connection:
            yield SqliteSession(connection)


def _is_revoked(session: Session, subject: Subject) -> bool:
    return session.execute(_IS_REVOKED, subject.token) != [(0,)]


def _begin(session: Session, subject: Subject, how: str) -> bool:
    """Begin a transaction and check in it; it is over when the token is revoked."""
    session.execute(f"BEGIN {how}")
    if _is_revoked(session, subject):
        session.execute("ROLLBACK")
        return False
    return True


def _act(session: Session, subject: Subject) -> Moves:
    session.execute(_STARTED, subject.token)
    yield "commit"
    session.execute("COMMIT")
    return True


def _act_unless_stale(session: Session, subject: Subject) -> Moves:
    """Start, or give False: what the transaction has read is old by now."""
    try:
        return (yield from _act(session, subject))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_BUSY_SNAPSHOT":
            raise
        session.execute("ROLLBACK")
        return False


def check_then_act(session: Session, subject: Subject) -> Moves:
    """Check in one transaction, start in another."""
    if _is_revoked(session, subject):
        return False
    yield "checked"
    session.execute("BEGIN IMMEDIATE")
    return (yield from _act(session, subject))


def read_before_the_lock(session: Session, subject: Subject) -> Moves:
    """Read in a deferred transaction; when the write is refused, write again."""
    if not _begin(session, subject, "DEFERRED"):
        return False
    yield "checked"
    if (yield from _act_unless_stale(session, subject)):
        return True
    session.execute("BEGIN IMMEDIATE")
    return (yield from _act(session, subject))


def refused_when_stale(session: Session, subject: Subject) -> Moves:
    """Read in a deferred transaction, and take its refusal for what it is."""
    if not _begin(session, subject, "DEFERRED"):
        return False
    yield "checked"
    return (yield from _act_unless_stale(session, subject))


def ours(session: Session, subject: Subject) -> Moves:
    """Take the lock, then read."""
    if not _begin(session, subject, "IMMEDIATE"):
        return False
    yield "checked"
    return (yield from _act(session, subject))


def revoke(session: Session, subject: Subject) -> Moves:
    """Revoke a token."""
    session.execute("BEGIN IMMEDIATE")
    session.execute("UPDATE token SET revoked = 1 WHERE name = ?", subject.token)
    session.execute(
        "INSERT INTO entry (kind, token) VALUES ('token', ?)", subject.token
    )
    yield "written"
    yield "commit"
    session.execute("COMMIT")
    return True


WRONG = {
    "check then act": Variant(check_then_act, revoke, "token"),
    "read before the lock": Variant(read_before_the_lock, revoke, "token"),
}
RIGHT = {
    "ours": Variant(ours, revoke, "token"),
    "refused when stale": Variant(refused_when_stale, revoke, "token"),
}
