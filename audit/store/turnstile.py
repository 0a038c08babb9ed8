"""Whose turn it is among the threads of one process: the inner half of the lock.

Shared writers go first come, first served; an exclusive one goes before every
shared one that waits. A turn is handed from thread to thread, each waiting on a
lock of its own, so that nobody who came later can snatch it.

A turn belongs to a ticket, and only that ticket can hand it on. So an interrupt
(``KeyboardInterrupt`` may arrive between any two steps) can make a caller try to
give a turn it has given already, and nothing happens.

It is not aware of other processes: that is ``audit.store.gate``.

Source: docs/spec/store.md, STO-4.
"""

import threading
from collections import deque
from typing import Final

from audit.errors import StoreBusyError

__all__ = ["Ticket", "Turnstile"]

_LONGEST_WAIT_S: Final = threading.TIMEOUT_MAX


class Ticket:
    """One caller's claim to a turn. Its lock exists only while it waits."""

    __slots__ = ("_called",)

    def __init__(self) -> None:
        self._called: threading.Lock | None = None

    def prepare(self) -> threading.Lock:
        """Make the lock on which the holder of the ticket waits."""
        self._called = threading.Lock()
        self._called.acquire()
        return self._called

    def call(self) -> None:
        """Wake the holder of the ticket."""
        if self._called is not None:
            self._called.release()


class Turnstile:
    """One turn at a time, handed on in order."""

    __slots__ = ("_exclusive", "_mutex", "_owner", "_shared")

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._owner: Ticket | None = None
        self._exclusive: deque[Ticket] = deque()
        self._shared: deque[Ticket] = deque()

    @property
    def shared_waits(self) -> bool:
        """Whether a shared ticket waits, as far as one can see without a lock."""
        return bool(self._shared)

    @property
    def exclusive_waits(self) -> bool:
        """Whether an exclusive ticket waits, as far as one can see without a lock."""
        return bool(self._exclusive)

    def take(self, ticket: Ticket, *, exclusive: bool, wait_s: float) -> None:
        """Wait for the turn, at most ``wait_s`` seconds.

        Raises:
            StoreBusyError: The turn did not come in time.
        """
        with self._mutex:
            if self._owner is None:
                self._owner = ticket
                return
            called = ticket.prepare()
            queue = self._exclusive if exclusive else self._shared
            queue.append(ticket)
        try:
            called.acquire(timeout=min(wait_s, _LONGEST_WAIT_S))
        finally:
            # The turn may have been given in the very moment of giving up.
            with self._mutex:
                if self._owner is not ticket:
                    queue.remove(ticket)
        if self._owner is not ticket:
            raise StoreBusyError(f"no turn came within {wait_s:g} s")

    def owns(self, ticket: Ticket) -> bool:
        """Tell whether the turn is this ticket's."""
        return self._owner is ticket

    def give(self, ticket: Ticket) -> None:
        """Hand the turn to whoever waits first, exclusive ones before shared.

        Nothing happens if the turn is not this ticket's.
        """
        with self._mutex:
            if self._owner is not ticket:
                return
            queue = self._exclusive or self._shared
            self._owner = queue.popleft() if queue else None
            if self._owner is not None:
                self._owner.call()

    def give_to_waiting_shared(self, ticket: Ticket) -> bool:
        """Hand the turn to a shared waiter, unless none waits or exclusive ones do.

        Returns:
            Whether the turn was handed on; if not, it is where it was.
        """
        with self._mutex:
            if self._owner is not ticket or self._exclusive or not self._shared:
                return False
            self._owner = self._shared.popleft()
            self._owner.call()
            return True
