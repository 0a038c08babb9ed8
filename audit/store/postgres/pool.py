"""The connections of one store: a bounded number, one for each open block.

Who comes when all are in use waits in line, exclusive blocks before shared ones, and
is handed the place of whoever leaves. Connections are made when first needed and kept
for the next block; nothing watches over them in between.

What is in use belongs to a ticket, so that an interrupt between any two steps leaves
nothing behind: whoever finds a ticket whose block is over drops what it had.

Source: docs/spec/postgres.md, PGS-6.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from audit.errors import StoreBusyError, StoreClosedError
from audit.store.postgres.failures import ServerError
from audit.store.postgres.session import Answer, Session, Statement
from audit.store.terms import Terms
from audit.store.turnstile import Ticket

__all__ = ["MAX_SESSIONS", "Pool"]

MAX_SESSIONS: Final = 16
"""How many blocks of one store can be open at once, holds not counted."""


class Pool:
    """Sessions at rest and in use. Safe across threads."""

    __slots__ = (
        "_connect",
        "_exclusive",
        "_idle",
        "_is_closed",
        "_mutex",
        "_places",
        "_shared",
        "_taken",
    )

    def __init__(self, connect: Callable[[], Session], size: int) -> None:
        self._connect = connect
        self._mutex = threading.Lock()
        self._places = size
        self._idle: deque[Session] = deque()
        self._taken: dict[Ticket, Session | None] = {}
        self._exclusive: deque[Ticket] = deque()
        self._shared: deque[Ticket] = deque()
        self._is_closed = False

    def begin(
        self, ticket: Ticket, batch: Sequence[Statement], *, terms: Terms
    ) -> tuple[Session, list[Answer]]:
        """Give a session on which a batch was carried out that only begins something.

        A session that was cut while it was at rest is replaced by a new one, once:
        nothing was done yet.

        Raises:
            ServerError: The batch failed. The ticket has the session all the same.
            StoreBusyError: All sessions were in use for too long.
            StoreClosedError: The store was closed in the meantime.
            AuditError: As ``connect``.
        """
        self._take_place(ticket, exclusive=terms.exclusive, wait_s=terms.deadline_s)
        if self._is_closed:
            raise StoreClosedError("the store is closed")
        with self._mutex:
            session = self._taken[ticket] = self._idle.pop() if self._idle else None
        wait_s = terms.deadline_s * len(batch)
        if session is not None:
            try:
                return session, session.run(batch, wait_s=wait_s)
            except ServerError as error:
                if not error.lost:
                    raise
            session.close()
        session = self._taken[ticket] = self._connect()
        return session, session.run(batch, wait_s=wait_s)

    def session_of(self, ticket: Ticket) -> Session | None:
        """Give the session that a ticket has, if it has one."""
        return self._taken.get(ticket)

    def give_back(self, ticket: Ticket) -> None:
        """Take a ticket's session back, if it has one: kept if it is fit, or dropped.

        The next in line gets its place.
        """
        with self._mutex:
            if ticket not in self._taken:
                return
            session = self._taken[ticket]
            keep = (
                session is not None
                and session.is_kept
                and not session.in_transaction
                and not self._is_closed
            )
            if keep and session is not None:
                self._idle.append(session)
            del self._taken[ticket]
            self._places += 1
            self._call_next()
        if not keep:
            self._drop(session)

    def close(self, *, wait_s: float) -> None:
        """Close every session, once the last block has ended.

        Raises:
            StoreBusyError: One did not end in time; nothing was closed.
        """
        tickets: list[Ticket] = []
        try:
            with self._mutex:
                count = self._places + len(self._taken)
            for _ in range(count):
                tickets.append(Ticket())
                self._take_place(tickets[-1], exclusive=True, wait_s=wait_s)
            self._is_closed = True
        finally:
            for ticket in tickets:
                self.give_back(ticket)
        while self._idle:
            self._idle.pop().close()

    def _take_place(self, ticket: Ticket, *, exclusive: bool, wait_s: float) -> None:
        with self._mutex:
            if self._places > 0:
                self._places -= 1
                self._taken[ticket] = None
                return
            called = ticket.prepare()
            queue = self._exclusive if exclusive else self._shared
            queue.append(ticket)
        try:
            called.acquire(timeout=min(wait_s, threading.TIMEOUT_MAX))
        finally:
            # The place may have been given in the very moment of giving up.
            with self._mutex:
                if ticket not in self._taken:
                    queue.remove(ticket)
        if ticket not in self._taken:
            raise StoreBusyError(f"no connection became free within {wait_s:g} s")

    def _call_next(self) -> None:
        queue = self._exclusive or self._shared
        if queue and self._places > 0:
            self._places -= 1
            ticket = queue.popleft()
            self._taken[ticket] = None
            ticket.call()

    @staticmethod
    def _drop(session: Session | None) -> None:
        if session is not None:
            session.close()
