"""Read blocks on PostgreSQL: one view of what is committed, on the primary.

A settled block sees a view in which every entry has its place in the tree. For that
it holds the authority lock for a moment, so that no write block is open: it numbers
what is pending, opens its view, and gives the lock back.

Source: docs/spec/postgres.md, PGS-5.
"""

from audit.errors import AuditError
from audit.store.looks import next_look
from audit.store.postgres.failures import ServerError
from audit.store.postgres.lock_keys import AUTHORITY, lock_key
from audit.store.postgres.session import Answer, Session, Statement
from audit.store.postgres.statements import (
    BEGIN_READING,
    BEGIN_WRITING,
    CLOCK,
    COMMIT,
    LOCK_FOR_SESSION,
    NUMBER_NOW,
    UNLOCK,
)
from audit.store.postgres.transaction import PostgresReading
from audit.store.postgres.tree import MAX_BATCH
from audit.store.postgres.writer import Parts, now_of, roll_back, timeout_text
from audit.store.terms import Terms
from audit.store.turnstile import Ticket

__all__ = ["Reader"]

_NUMBERING: tuple[Statement, ...] = (
    (BEGIN_WRITING, ()),
    (NUMBER_NOW, (MAX_BATCH,)),
    (COMMIT, ()),
)
_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', $1, false)"


class Reader:
    """Begins and ends read blocks. Safe across threads."""

    __slots__ = ("_authority", "_parts")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._authority = lock_key(parts.ledger_id, AUTHORITY)

    def enter(
        self, ticket: Ticket, terms: Terms, ahead: tuple[Statement, ...]
    ) -> PostgresReading:
        """Open a view of what is committed.

        Raises:
            StoreBusyError: No connection became free in time.
            StoreUnavailableError: The server cannot be reached, or failed.
            StoreClosedError: The store was closed in the meantime.
        """
        batch: list[Statement] = [(BEGIN_READING, ()), (CLOCK, ()), *ahead]
        pool, began = self._parts.pool, next_look()
        try:
            session, answers = pool.begin(ticket, batch, terms=terms)
        except ServerError as error:
            roll_back(pool.session_of(ticket))
            raise error.refusal("the store cannot be read") from error
        tx = self._reading(session, answers[:2], began)
        tx.remember(ahead, answers[2:])
        return tx

    def enter_settled(self, ticket: Ticket, terms: Terms) -> PostgresReading:
        """Open a view in which nothing is pending.

        Raises:
            StoreBusyError: A connection or lock was not obtained in time.
            StoreUnavailableError: The server cannot be reached, or failed.
            StoreClosedError: The store was closed in the meantime.
        """
        pool, key, began = self._parts.pool, self._authority, next_look()
        usual = timeout_text(self._parts.usual_wait_s)
        patient: list[Statement] = [(_LOCK_TIMEOUT, (timeout_text(terms.deadline_s),))]
        try:
            session, _ = pool.begin(ticket, patient, terms=terms)
            # Until the lock is given back, it must not be kept by anything.
            session.is_kept = False
            # Most of the work before the lock, so that nobody waits for that.
            _number_all(session)
            lock: list[Statement] = [
                (LOCK_FOR_SESSION, (key,)),
                (_LOCK_TIMEOUT, (usual,)),
            ]
            session.run(lock, wait_s=terms.deadline_s)
            _number_all(session)
            view: list[Statement] = [(BEGIN_READING, ()), (CLOCK, ()), (UNLOCK, (key,))]
            answers = session.run(view)
            session.is_kept = True
        except ServerError as error:
            roll_back(pool.session_of(ticket))
            raise error.refusal("the store cannot be read") from error
        return self._reading(session, answers[:2], began)

    def leave(self, ticket: Ticket, tx: PostgresReading, _failed: bool) -> None:  # noqa: FBT001  # a way out of a block
        """Close the view."""
        tx.end()
        try:
            roll_back(tx.session)
        finally:
            self._parts.pool.give_back(ticket)

    def abandon(self, ticket: Ticket, tx: PostgresReading | None) -> None:
        """Close the view of a block whose end was never told."""
        if tx is not None:
            tx.end()
        self._parts.pool.give_back(ticket)

    def _reading(
        self, session: Session, answers: list[Answer], began: int
    ) -> PostgresReading:
        try:
            now_us = now_of(self._parts.clock, answers)
        except AuditError:
            roll_back(session)
            raise
        return PostgresReading(session, self._parts.tables, now_us, began)


def _number_all(session: Session) -> None:
    """Give everything that is committed and pending its place."""
    numbered = MAX_BATCH
    while numbered == MAX_BATCH:
        given = session.run(_NUMBERING)[1].rows[0][0]
        numbered = given if type(given) is int else 0
