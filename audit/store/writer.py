"""The write lock of one store, and the commit that ends a block.

A block begins in this order, and nothing is read before the last step:

(1) the turn among this process's threads (``turnstile``);
(2) the gate between processes (``gate``);
(3) ``BEGIN IMMEDIATE``, SQLite's own lock;
(4) the latch, and that the file is still the one that was opened;
(5) the clock.

**Shared commits.** A block that ends while other shared ones wait leaves its work
in the open transaction, hands the turn on and waits; the next block works under a
savepoint, and the last one commits for all. So one flush serves many callers, and
still nobody goes on before its own work is durable. A block that fails rolls back
to its own savepoint; a failed statement or commit fails them all. An exclusive
waiter, the number of members or their age ends the sharing.

Source: docs/spec/store.md, STO-1, STO-4 and STO-6.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from audit.clock import Clock
from audit.errors import (
    StoreBusyError,
    StoreClosedError,
    StoreUnavailableError,
)
from audit.store.gate import Gate
from audit.store.latch import LatchSwitch
from audit.store.looks import next_look
from audit.store.session import FAILURES, Session, is_busy, printable_cause
from audit.store.tables import Table
from audit.store.terms import refuse_latched
from audit.store.timing import Deadline, Timing
from audit.store.transaction import SqliteReading, SqliteWriting
from audit.store.turnstile import Ticket, Turnstile
from audit.store.writing import checked_time

__all__ = ["Identity", "Writer", "WriterParts"]

MAX_MEMBERS: Final = 64
"""How many blocks may share one commit."""

MAX_SHARING_S: Final = 0.02
"""How long the first of them may be kept waiting for others to join."""

_COMMIT_PATIENCE_S: Final = 60.0
"""How long a member waits for a commit before it gives the store up for lost."""

Identity: TypeAlias = tuple[int, int]
"""Device and inode of the database file."""


@dataclass(frozen=True, slots=True)
class WriterParts:
    """What a writer works with; ``database`` is None for a store in memory."""

    database: Path | None
    identity: Identity | None
    ledger_id: str
    clock: Clock
    timing: Timing
    tables: dict[str, Table]
    latch: LatchSwitch
    reconnect: Callable[[], Session]


class _Member:
    """A block whose work waits in the open transaction for its commit."""

    __slots__ = ("done", "error", "tx")

    def __init__(self, tx: SqliteWriting) -> None:
        self.done = threading.Lock()
        self.done.acquire()
        self.error: StoreUnavailableError | None = None
        self.tx = tx


class Writer:
    """Takes and gives the write lock. Only the one whose turn it is gets in."""

    __slots__ = (
        "_alone",
        "_gate",
        "_is_closed",
        "_members",
        "_now_us",
        "_parts",
        "_saved",
        "_session",
        "_sharing_ends",
        "turnstile",
    )

    def __init__(self, session: Session, parts: WriterParts) -> None:
        self._parts = parts
        self._session: Session | None = session
        self._gate = Gate(parts.database)
        self._members: list[_Member] = []
        self._alone = False
        self._saved = False
        self._is_closed = False
        self._sharing_ends = 0.0
        self._now_us = 0
        self.turnstile = Turnstile()

    def enter(
        self, ticket: Ticket, *, exclusive: bool, past_latch: bool, wait_s: float
    ) -> SqliteWriting:
        """Take the lock and give a transaction; ``leave`` must follow.

        Raises:
            StoreBusyError: The lock was not obtained in time.
            StoreLatchedError: A latch stands, and is not to be passed.
            StoreUnavailableError: Input or output failed.
            StoreClosedError: The store was closed in the meantime.
        """
        parts = self._parts
        deadline = Deadline(parts.timing, wait_s)
        try:
            self.turnstile.take(ticket, exclusive=exclusive, wait_s=wait_s)
            self._alone = exclusive or parts.database is None
            session = self._begin(deadline, exclusive=exclusive)
            if not past_latch:
                refuse_latched(parts.latch.current())
            self._now_us = checked_time(parts.clock())
            return SqliteWriting(
                session,
                parts.tables,
                self._now_us,
                ledger_id=parts.ledger_id,
                exclusive=exclusive,
                failing=self._failing,
            )
        except BaseException:
            self._withdraw(ticket)
            raise

    def leave(self, ticket: Ticket, tx: SqliteWriting, failed: bool) -> None:  # noqa: FBT001  # a way out of a block
        """End a block: make it durable, or undo it if it ``failed``.

        Raises:
            StoreUnavailableError: It did not become durable, or may not have
                (``uncertain``). Only if not ``failed``: else its error goes on.
        """
        tx.end()
        if tx.failure is not None:
            self._pass_on(ticket)
            if not failed:
                raise tx.failure
        elif failed:
            self._withdraw(ticket)
        else:
            self._finish(ticket, tx)

    def enter_reading(self, ticket: Ticket, *, wait_s: float) -> SqliteReading:
        """Take the turn for reading, where there is only one connection.

        Raises:
            StoreBusyError: The turn did not come in time.
            StoreClosedError: The store was closed in the meantime.
        """
        began = next_look()
        try:
            self.turnstile.take(ticket, exclusive=False, wait_s=wait_s)
            session = self._connected()
            now_us = checked_time(self._parts.clock())
            return SqliteReading(session, self._parts.tables, now_us, began)
        except BaseException:
            self.turnstile.give(ticket)
            raise

    def leave_reading(self, ticket: Ticket, tx: SqliteReading, _failed: bool) -> None:  # noqa: FBT001  # as above
        """Give the turn back."""
        tx.end()
        self.turnstile.give(ticket)

    def abandon(self, ticket: Ticket, _tx: SqliteReading | None) -> None:
        """Undo a block whose end was never told, if the turn is this ticket's."""
        self._withdraw(ticket)

    def close(self, *, wait_s: float) -> None:
        """Close the connection and the gate, once the last block has ended.

        Raises:
            StoreBusyError: One did not end in time; nothing was closed.
        """
        ticket = Ticket()
        try:
            self.turnstile.take(ticket, exclusive=True, wait_s=wait_s)
            self._is_closed = True
            self._gate.close()
            self._discard()
        finally:
            self.turnstile.give(ticket)

    def _begin(self, deadline: Deadline, *, exclusive: bool) -> Session:
        session = self._connected()
        if self._members:
            # The transaction of those who wait for their commit is open.
            self._run(session, "SAVEPOINT member")
            self._saved = True
            return session
        while deadline.wait_for_next_try():
            # A shared block that waits here for another process closes the gate for
            # an exclusive one that waits behind it: else nobody would.
            closing = exclusive or self.turnstile.exclusive_waits
            if self._gate.try_enter(exclusive=closing) and self._try_begin(session):
                self._refuse_replaced()
                return session
        raise StoreBusyError("another process kept the store locked")

    def _try_begin(self, session: Session) -> bool:
        try:
            if session.in_transaction:
                # A rollback failed here, where the connection could not be dropped.
                session.run("ROLLBACK")
            session.run("BEGIN IMMEDIATE")
        except FAILURES as error:
            if is_busy(error):
                return False
            raise self._void(None, printable_cause(error)) from error
        return True

    def _refuse_replaced(self) -> None:
        """Refuse to write where no other process reads."""
        database = self._parts.database
        if database is None:
            return
        try:
            found = database.stat()
        except OSError as error:
            raise self._void(None, "the database file is gone") from error
        if (found.st_dev, found.st_ino) != self._parts.identity:
            raise self._void(None, "the database file was replaced")

    def _finish(self, ticket: Ticket, tx: SqliteWriting) -> None:
        try:
            tx.seal()
            if self._saved:
                # From here on the work shares the fate of the transaction.
                self._saved = False
                self._run(self._connected(), "RELEASE member", tx)
            member = self._share(ticket, tx)
            if member is None:
                self._commit(tx)
        except BaseException:
            self._withdraw(ticket)
            raise
        if member is None:
            self._pass_on(ticket)
        else:
            self._await_commit(member)

    def _share(self, ticket: Ticket, tx: SqliteWriting) -> _Member | None:
        """Leave the commit to the next in turn, if there is one who may do it."""
        if self._alone or not self.turnstile.shared_waits:
            return None
        if not self._members:
            self._sharing_ends = self._parts.timing.monotonic() + MAX_SHARING_S
        member = _Member(tx)
        self._members.append(member)
        if self._may_grow() and self.turnstile.give_to_waiting_shared(ticket):
            return member
        self._members.remove(member)
        return None

    def _may_grow(self) -> bool:
        return (
            len(self._members) < MAX_MEMBERS
            and self._parts.timing.monotonic() < self._sharing_ends
        )

    def _await_commit(self, member: _Member) -> None:
        if not member.done.acquire(timeout=_COMMIT_PATIENCE_S):
            reason = "a shared commit did not come"
            self._parts.latch.latch(reason, member.tx.lost(), self._now_us)
            raise StoreUnavailableError(reason, uncertain=True)
        if member.error is not None:
            raise member.error

    def _commit(self, tx: SqliteWriting | None) -> None:
        session = self._connected()
        try:
            session.run("COMMIT")
        except FAILURES as error:
            cause = printable_cause(error)
            raise self._void(tx, cause, uncertain=True) from error
        finally:
            if not session.in_transaction:
                self._release_members(None)

    def _withdraw(self, ticket: Ticket) -> None:
        """Undo a block and pass the turn on, if the turn is this ticket's."""
        if self.turnstile.owns(ticket):
            self._undo()
            self._pass_on(ticket)

    def _pass_on(self, ticket: Ticket) -> None:
        """Give the turn to the next, seeing to it that those who wait are served."""
        if self._members:
            if self._may_grow() and self.turnstile.give_to_waiting_shared(ticket):
                return
            # Whom a failure concerns is told by it; here it is nobody's.
            with suppress(StoreUnavailableError):
                self._commit(None)
        self._gate.leave()
        self.turnstile.give(ticket)

    def _failing(
        self, tx: SqliteWriting, error: BaseException
    ) -> StoreUnavailableError:
        return self._void(tx, printable_cause(error))

    def _void(
        self, tx: SqliteWriting | None, cause: str, *, uncertain: bool = False
    ) -> StoreUnavailableError:
        """Latch, name what is lost, undo the whole transaction, tell its members.

        The latch comes first: while the lock is held nobody can slip between.
        """
        reason = f"the store failed: {cause}"
        lost = [line for member in self._members for line in member.tx.lost()]
        lost += tx.lost() if tx is not None else ()
        self._parts.latch.latch(reason, lost, self._now_us)
        self._saved = False
        self._roll_back()
        self._release_members((reason, uncertain))
        return StoreUnavailableError(reason, uncertain=uncertain)

    def _release_members(self, failure: tuple[str, bool] | None) -> None:
        members, self._members = self._members, []
        for member in members:
            if failure is not None:
                reason, uncertain = failure
                member.error = StoreUnavailableError(reason, uncertain=uncertain)
            member.done.release()

    def _undo(self) -> None:
        """Undo one block: to its savepoint if others wait for their commit."""
        saved, self._saved = self._saved, False
        if self._session is None:
            return
        if not self._members:
            self._roll_back()
        elif saved:
            try:
                self._session.run("ROLLBACK TO member")
                self._session.run("RELEASE member")
            except FAILURES as error:
                self._void(None, printable_cause(error))

    def _roll_back(self) -> None:
        session = self._session
        if session is None:
            return
        try:
            if session.in_transaction:
                session.run("ROLLBACK")
        except FAILURES:
            # Closing undoes it too. Memory must be kept; the next block tries.
            if self._parts.database is not None:
                self._discard()

    def _run(self, session: Session, sql: str, tx: SqliteWriting | None = None) -> None:
        try:
            session.run(sql)
        except FAILURES as error:
            raise self._void(tx, printable_cause(error)) from error

    def _connected(self) -> Session:
        if self._is_closed:
            raise StoreClosedError("the store is closed")
        if self._session is None:
            self._session = self._parts.reconnect()
        return self._session

    def _discard(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
