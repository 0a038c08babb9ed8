"""Write blocks on PostgreSQL: which locks they take, and the commit that ends them.

A block begins with one batch, in this order; each statement begins when the one
before it has ended, so nothing is read before the locks are had:

(1) ``BEGIN`` in ``READ COMMITTED``: each statement sees what was committed before it;
(2) the authority lock, shared by starts, exclusive for what must stop them;
(3) the streams' locks, in ascending order, so that no two blocks wait for each other;
(4) the fence: whether the hold's own session still has it; and the database's clock,
    unless the store was given another;
(5) what the block said it is going to read.

The locks are advisory and belong to the transaction: the database gives them back
when it ends, however it ends. Who waits is served in the order of arrival, so that an
exclusive block is not overtaken by shared ones that come after it.

Source: docs/spec/postgres.md, PGS-5 and PGS-7; docs/adr/0013.
"""

import math
from dataclasses import dataclass
from typing import Final

from audit.clock import Clock
from audit.errors import (
    AuditError,
    DuplicateKeyError,
    HoldLostError,
    StoreBusyError,
    StoreUnavailableError,
    StreamConflictError,
)
from audit.store.latch import LatchSwitch
from audit.store.postgres.failures import ServerError
from audit.store.postgres.holds import SessionHold
from audit.store.postgres.lock_keys import AUTHORITY, lock_key
from audit.store.postgres.pool import Pool
from audit.store.postgres.session import Answer, Session, Statement
from audit.store.postgres.statements import (
    ADD_ENTRY,
    BEGIN_WRITING,
    CLOCK,
    COMMIT,
    IS_HELD,
    IS_HELD_AND_CLOCK,
    LOCK_EXCLUSIVE,
    LOCK_SHARED,
    LOCK_STREAMS,
    NUMBER_IF_FREE,
    ROLL_BACK,
    SET_LOCK_TIMEOUT,
)
from audit.store.postgres.transaction import Failure, PostgresWriting, Rules
from audit.store.postgres.tree import MAX_BATCH
from audit.store.tables import Table
from audit.store.terms import Terms, refuse_latched
from audit.store.turnstile import Ticket
from audit.store.writing import checked_time

__all__ = ["Asked", "Parts", "Writer", "now_of", "roll_back", "timeout_text"]

MANY_PENDING: Final = 256
"""After how many entries of its own a store sees to it that they are numbered."""

_MS_PER_S: Final = 1_000
_FOR_EVER: Final = 2**31 - 1
_HELD: Final = 1


@dataclass(frozen=True, slots=True)
class Parts:
    """What blocks work with; without a ``clock``, the database's is used."""

    ledger_id: str
    clock: Clock | None
    usual_wait_s: float
    tables: dict[str, Table]
    latch: LatchSwitch
    pool: Pool


@dataclass(frozen=True, slots=True)
class Asked:
    """What a block was asked for with.

    ``ahead`` is what it is going to read.
    """

    terms: Terms
    past_latch: bool
    streams: tuple[str, ...]
    fence: SessionHold | None
    ahead: tuple[Statement, ...]


class Writer:
    """Begins and ends write blocks. Safe across threads."""

    __slots__ = ("_authority", "_parts", "_pending")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._authority = lock_key(parts.ledger_id, AUTHORITY)
        self._pending = 0

    def enter(self, ticket: Ticket, asked: Asked) -> PostgresWriting:
        """Take the locks and give a transaction; ``leave`` must follow.

        Raises:
            StoreBusyError: A connection or lock was not obtained in time.
            StoreLatchedError: A latch stands, and is not to be passed.
            HoldLostError: The fence is not held any more.
            StoreUnavailableError: The server cannot be reached, or failed.
            StoreClosedError: The store was closed in the meantime.
        """
        parts = self._parts
        if not asked.past_latch:
            refuse_latched(parts.latch.current())
        try:
            batch = self._beginning(asked)
            session, answers = parts.pool.begin(
                ticket, (*batch, *asked.ahead), terms=asked.terms
            )
            begun, seen = answers[: len(batch)], answers[len(batch) :]
            self._refuse(asked, begun)
        except ServerError as error:
            roll_back(parts.pool.session_of(ticket))
            raise error.refusal("no block could be begun") from error
        except AuditError:
            roll_back(parts.pool.session_of(ticket))
            raise
        now_us = now_of(parts.clock, begun)
        rules = Rules(parts.ledger_id, asked.terms.exclusive, self._failing)
        tx = PostgresWriting(session, parts.tables, now_us, rules)
        tx.remember(asked.ahead, seen)
        return tx

    def leave(self, ticket: Ticket, tx: PostgresWriting, failed: bool) -> None:  # noqa: FBT001  # a way out of a block
        """End a block: make it durable, or undo it if it ``failed``.

        Raises:
            StoreUnavailableError: It did not become durable, or may not have
                (``uncertain``). Only if not ``failed``: else its error goes on.
            StoreBusyError: The database gave it up for others; nothing of it stays.
            StreamConflictError: Somebody appended to a stream it did not name.
            DuplicateKeyError: Somebody inserted a key it had not found.
        """
        try:
            if failed or tx.failure is not None:
                roll_back(tx.session)
                if tx.failure is not None and not failed:
                    raise tx.failure
                return
            try:
                tx.commit()
            except AuditError:
                roll_back(tx.session)
                raise
            self._number_some(tx)
        finally:
            tx.end()
            self._parts.pool.give_back(ticket)

    def abandon(self, ticket: Ticket, tx: PostgresWriting | None) -> None:
        """Undo a block whose end was never told."""
        if tx is not None:
            tx.end()
        self._parts.pool.give_back(ticket)

    def _beginning(self, asked: Asked) -> list[Statement]:
        """Give what begins a block."""
        parts, terms = self._parts, asked.terms
        lock = LOCK_EXCLUSIVE if terms.exclusive else LOCK_SHARED
        batch: list[Statement] = [(BEGIN_WRITING, ())]
        if terms.deadline_s != parts.usual_wait_s:
            batch.append((SET_LOCK_TIMEOUT, (timeout_text(terms.deadline_s),)))
        batch.append((lock, (self._authority,)))
        if asked.streams:
            keys = {lock_key(parts.ledger_id, stream) for stream in asked.streams}
            listed = ",".join(map(str, sorted(keys)))
            batch.append((LOCK_STREAMS, (f"{{{listed}}}",)))
        if asked.fence is not None:
            look = IS_HELD_AND_CLOCK if parts.clock is None else IS_HELD
            batch.append((look, (asked.fence.key,)))
        elif parts.clock is None:
            batch.append((CLOCK, ()))
        return batch

    def _refuse(self, asked: Asked, answers: list[Answer]) -> None:
        """Refuse a block that has its locks, but must not be.

        Raises:
            HoldLostError: Its fence is not held.
            StoreLatchedError: A latch stands by now.
        """
        fence = asked.fence
        if fence is not None and (fence.is_closed or answers[-1].rows[0][0] != _HELD):
            raise HoldLostError("the hold that this block depends on has ended")
        if not asked.past_latch:
            refuse_latched(self._parts.latch.current())

    def _number_some(self, tx: PostgresWriting) -> None:
        """Now and then, have pending entries numbered, if nobody else is at it."""
        self._pending += tx.pending
        if self._pending < MANY_PENDING:
            return
        self._pending = 0
        numbering: tuple[Statement, ...] = (
            (BEGIN_WRITING, ()),
            (NUMBER_IF_FREE, (MAX_BATCH,)),
            (COMMIT, ()),
        )
        try:
            tx.session.run(numbering)
        except ServerError:
            # The block is durable; its entries are numbered another time.
            roll_back(tx.session)

    def _failing(self, tx: PostgresWriting, failure: Failure) -> AuditError:
        """Say what became of a block, and latch if input or output failed."""
        error = failure.error
        if error.is_duplicate and not error.lost:
            if failure.sql.startswith(ADD_ENTRY):
                return StreamConflictError("others appended to a stream of this block")
            return DuplicateKeyError("a record with this key exists")
        reason = f"the store failed: {error.cause}"
        if error.is_busy and not (failure.uncertain and error.lost):
            return StoreBusyError(reason)
        if error.latches or failure.uncertain:
            self._parts.latch.latch(reason, tx.lost(), tx.now_us)
        return StoreUnavailableError(reason, uncertain=failure.uncertain)


def roll_back(session: Session | None) -> None:
    """Undo what is open on a session; one that cannot be used is left as it is."""
    if session is None or session.is_broken or not session.in_transaction:
        return
    try:
        session.one(ROLL_BACK)
    except ServerError:
        # It is dropped when it is given back, and that undoes it too.
        return


def now_of(clock: Clock | None, answers: list[Answer]) -> int:
    """Give the time: of the clock, or what the database said last.

    Raises:
        EntryRefusedError: No entry could carry it.
    """
    return checked_time(answers[-1].rows[0][-1] if clock is None else clock())


def timeout_text(seconds: float) -> str:
    """Write a time for PostgreSQL; 0 would mean for ever there."""
    milliseconds = min(seconds * _MS_PER_S, _FOR_EVER)
    return f"{max(1, math.ceil(milliseconds))}ms"
