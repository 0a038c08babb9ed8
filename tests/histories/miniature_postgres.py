"""Ways to write a start on PostgreSQL: those measured to fail, and those that do not.

All run at READ COMMITTED. Why each of them fails is said with it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from tests.histories.miniature import Variant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.histories.miniature import Moves, Session
    from tests.histories.operations import Subject

__all__ = ["RIGHT", "WRONG", "PostgresBench"]

_TABLES = (
    "DROP TABLE IF EXISTS token, stop, entry",
    "CREATE TABLE token (name text PRIMARY KEY, usr text, revoked int)",
    "CREATE TABLE stop (kind text, name text)",
    """CREATE TABLE entry
    (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text, token text)""",
)
_IS_FREE = "SELECT revoked FROM token WHERE name = %s AND revoked = 0"
_IS_STOPPED = "SELECT 1 FROM stop WHERE (kind, name) IN (('token', %s), ('user', %s))"
_STARTED = "INSERT INTO entry (kind, token) VALUES ('STARTED', %s)"
_ONE_STATEMENT = """
WITH lock AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(1)),
     free AS (
        SELECT name FROM token, lock WHERE name = %s AND revoked = 0
        AND NOT EXISTS (
            SELECT FROM stop WHERE (kind, stop.name) IN (('token', %s), ('user', %s))))
INSERT INTO entry (kind, token) SELECT 'STARTED', name FROM free RETURNING id
"""
_AUTHORITY = "SELECT pg_advisory_xact_lock(1)"
_AUTHORITY_SHARED = "SELECT pg_advisory_xact_lock_shared(1)"


class PostgresSession:
    """A connection, and another one that sees whether it waits."""

    def __init__(
        self,
        connection: psycopg.Connection[tuple[object, ...]],
        watching: psycopg.Connection[tuple[object, ...]],
    ) -> None:
        self._connection = connection
        self._watching = watching
        self._pid = str(connection.info.backend_pid)

    def execute(self, statement: str, *values: str) -> list[tuple[object, ...]]:
        """Run it, and wait for locks."""
        cursor = self._connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def is_waiting(self) -> bool:
        """Ask the server whether others block it."""
        query = "SELECT cardinality(pg_blocking_pids(%s::int)) > 0"
        return self._watching.execute(query, [self._pid]).fetchall() == [(True,)]


@dataclass(frozen=True, slots=True)
class PostgresBench:
    """A database of one's own."""

    url: str

    def create(self) -> PostgresBench:
        """Make its tables anew."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in _TABLES:
                connection.execute(statement.encode())
        return self

    @contextmanager
    def session(self) -> Iterator[PostgresSession]:
        """Connect."""
        with (
            psycopg.connect(self.url, autocommit=True) as connection,
            psycopg.connect(self.url, autocommit=True) as watching,
        ):
            yield PostgresSession(connection, watching)


# Starts -------------------------------------------------------------------------------


def checking_with(lock: str, session: Session, subject: Subject) -> Moves:
    """Check the token's row under some row lock, then its stops, then start."""
    session.execute("BEGIN")
    is_free = session.execute(_IS_FREE + lock, subject.token) != []
    if not is_free or session.execute(_IS_STOPPED, subject.token, subject.user):
        session.execute("ROLLBACK")
        return False
    yield "checked"
    return (yield from _act(session, subject))


def _act(session: Session, subject: Subject) -> Moves:
    session.execute(_STARTED, subject.token)
    yield "commit"
    session.execute("COMMIT")
    return True


def check_then_act(session: Session, subject: Subject) -> Moves:
    """Check in one transaction, start in another."""
    if session.execute(_IS_FREE, subject.token) == []:
        return False
    yield "checked"
    session.execute("BEGIN")
    return (yield from _act(session, subject))


def in_one_statement(session: Session, subject: Subject) -> Moves:
    """Take the lock, check and start at once: its snapshot is older than its lock."""
    session.execute("BEGIN")
    done = session.execute(_ONE_STATEMENT, subject.token, subject.token, subject.user)
    yield "checked"
    yield "commit"
    session.execute("COMMIT")
    return done != []


def ours(session: Session, subject: Subject) -> Moves:
    """Take the lock as a statement of its own; the next one has a new snapshot."""
    session.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    session.execute(_AUTHORITY_SHARED)
    is_free = session.execute(_IS_FREE, subject.token) != []
    if not is_free or session.execute(_IS_STOPPED, subject.token, subject.user):
        session.execute("ROLLBACK")
        return False
    yield "checked"
    return (yield from _act(session, subject))


# Stops --------------------------------------------------------------------------------


def by_token(session: Session, subject: Subject) -> Moves:
    """Revoke a token by its row."""
    session.execute("BEGIN")
    session.execute("UPDATE token SET revoked = 1 WHERE name = %s", subject.token)
    return (yield from _write(session, "token", subject.token))


def by_user(session: Session, subject: Subject) -> Moves:
    """Revoke a user: an entry in another table than the token's."""
    session.execute("BEGIN")
    session.execute("INSERT INTO stop VALUES ('user', %s)", subject.user)
    return (yield from _write(session, "user", subject.user))


def by_user_under_the_lock(session: Session, subject: Subject) -> Moves:
    """Revoke a user, alone among all who hold the authority lock."""
    session.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    session.execute(_AUTHORITY)
    session.execute("INSERT INTO stop VALUES ('user', %s)", subject.user)
    return (yield from _write(session, "user", subject.user))


def _write(session: Session, kind: str, name: str) -> Moves:
    session.execute("INSERT INTO entry (kind, token) VALUES (%s, %s)", kind, name)
    yield "written"
    yield "commit"
    session.execute("COMMIT")
    return True


WRONG = {
    "check then act": Variant(check_then_act, by_token, "token"),
    # Nothing is locked at all.
    "plain SELECT": Variant(partial(checking_with, ""), by_token, "token"),
    # Does not conflict with an UPDATE that changes no key.
    "FOR KEY SHARE": Variant(
        partial(checking_with, " FOR KEY SHARE"), by_token, "token"
    ),
    # Both lock, but not the same row.
    "token row, revoked by user": Variant(
        partial(checking_with, " FOR SHARE"), by_user, "user"
    ),
    # Waits for the lock with the snapshot of before.
    "one statement": Variant(in_one_statement, by_user_under_the_lock, "user"),
}
RIGHT = {
    "ours": Variant(ours, by_user_under_the_lock, "user"),
    # Right for one token, but it can starve the stop.
    "FOR SHARE": Variant(partial(checking_with, " FOR SHARE"), by_token, "token"),
    "FOR NO KEY UPDATE": Variant(
        partial(checking_with, " FOR NO KEY UPDATE"), by_token, "token"
    ),
}
