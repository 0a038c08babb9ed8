"""Blocks of a store, and who may enter one: the same on every database.

A thread is inside at most one block of a store. An interrupt can strike between any
two steps, also between a block and its ``__exit__``; whatever a block has taken by
then is given back when it is collected, by its ticket.

Source: docs/spec/store.md, STO-1, STO-4.5 and STO-5.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Generic, TypeVar

from audit.errors import StoreBusyError, StoreClosedError
from audit.store.reading import Reading
from audit.store.turnstile import Ticket

__all__ = ["Block", "Doors", "Ways"]

Tx = TypeVar("Tx", bound=Reading)


class Doors:
    """Who is inside the blocks of one store, and whether anybody may go in."""

    __slots__ = ("_inside", "_pid", "is_closed")

    def __init__(self) -> None:
        self._pid: Final = os.getpid()
        self._inside: dict[int, Ticket] = {}
        self.is_closed = False

    @property
    def is_inherited(self) -> bool:
        """Whether this is a forked child of the process that opened the store."""
        return os.getpid() != self._pid

    def come_in(self, ticket: Ticket) -> None:
        """Note that this thread is inside.

        Raises:
            StoreClosedError: The store is closed or was inherited by a fork.
            StoreBusyError: This thread is inside a block already.
        """
        self.refuse_closed()
        thread = threading.get_ident()
        if self._inside.setdefault(thread, ticket) is not ticket:
            raise StoreBusyError("this thread is inside a block of the store already")

    def go_out(self, ticket: Ticket) -> None:
        """Note that a block has ended; in most cases in the thread it was in."""
        thread = threading.get_ident()
        if self._inside.get(thread) is ticket:
            del self._inside[thread]

    def refuse_inside(self) -> None:
        """Refuse a thread that is inside a block.

        Raises:
            StoreBusyError: It is.
        """
        if threading.get_ident() in self._inside:
            raise StoreBusyError("this thread is inside a block of the store")

    def refuse_closed(self) -> None:
        """Refuse everybody, if the store is closed.

        Raises:
            StoreClosedError: It is, or it was inherited by a fork.
        """
        self.refuse_forked()
        if self.is_closed:
            raise StoreClosedError("the store is closed")

    def refuse_forked(self) -> None:
        """Refuse a forked child.

        Raises:
            StoreClosedError: This is one.
        """
        if self.is_inherited:
            raise StoreClosedError("the store was opened by the parent process")


@dataclass(frozen=True, slots=True)
class Ways(Generic[Tx]):
    """How a block is begun and ended.

    Attributes:
        enter: Takes what the block needs and gives its transaction.
        leave: Ends it, undoing it if ``failed``; raises if it did not become durable.
        abandon: Ends what ``enter`` took for a ticket, if there is anything; the
            transaction is None where none was given yet. Called in doubt.
    """

    enter: Callable[[Ticket], Tx]
    leave: Callable[[Ticket, Tx, bool], None]
    abandon: Callable[[Ticket, Tx | None], None]


class Block(Generic[Tx]):
    """A context manager of a store; it can be entered once."""

    __slots__ = ("_doors", "_ticket", "_tx", "_ways")

    def __init__(self, doors: Doors, ways: Ways[Tx]) -> None:
        self._doors = doors
        self._ways = ways
        self._ticket = Ticket()
        self._tx: Tx | None = None

    def __enter__(self) -> Tx:
        try:
            self._doors.come_in(self._ticket)
            self._tx = self._ways.enter(self._ticket)
        except BaseException:
            self._clean_up()
            raise
        return self._tx

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._doors.refuse_forked()
        tx, self._tx = self._tx, None
        if tx is None:
            return
        try:
            self._ways.leave(self._ticket, tx, kind is not None)
        finally:
            self._doors.go_out(self._ticket)

    def __del__(self) -> None:
        # An interrupt can strike between the block and its ``__exit__``. What it
        # took must not outlive it then; in every other case this does nothing.
        self._clean_up()

    def _clean_up(self) -> None:
        """End what an interrupt between two steps left open, if it did."""
        if not self._doors.is_inherited:
            tx, self._tx = self._tx, None
            self._ways.abandon(self._ticket, tx)
            self._doors.go_out(self._ticket)
