"""The store on SQLite: one file for many processes, or memory for one object.

``memory:`` is the same code on a private ``:memory:`` database; it has one
connection, so there reading takes its turn with writing.

Source: docs/spec/store.md.
"""

import os
import sys
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from audit.clock import Clock
from audit.errors import (
    EntryRefusedError,
    StoreBusyError,
    StoreClosedError,
    StoreLatchedError,
    StoreUnavailableError,
)
from audit.store.declarations import declaration_of
from audit.store.holds import Holds, OwnerHold
from audit.store.interface import (
    EXCLUSIVE_DEADLINE_S,
    Authority,
    Collection,
    Latch,
)
from audit.store.latch import LatchSwitch
from audit.store.reader import Reader
from audit.store.session import Connect, Session
from audit.store.tables import Table, table_of
from audit.store.timing import Timing
from audit.store.transaction import SqliteReading, SqliteWriting, refuse_other
from audit.store.turnstile import Ticket
from audit.store.writer import Identity, Writer, WriterParts
from audit.trust import Trust

__all__ = ["SqliteParts", "SqlitePorts", "SqliteStore"]

_GUARD: Final = "stage3.guard"


@dataclass(frozen=True, slots=True)
class SqlitePorts:
    """What the store needs of the world around it.

    ``lock_timeout_s`` is how long a block waits for its lock when not told
    otherwise, in seconds.
    """

    clock: Clock
    connect: Connect
    timing: Timing
    lock_timeout_s: float


@dataclass(frozen=True, slots=True)
class SqliteParts:
    """A database that is open and known to be ours, and what it is."""

    url: str
    path: Path | None
    identity: Identity | None
    ledger_id: str
    trust: Trust | None
    session: Session


class SqliteStore:
    """See ``audit.store.interface.Store``. Made by ``open_store``."""

    def __init__(self, parts: SqliteParts, ports: SqlitePorts) -> None:
        self.url: Final = parts.url
        self.path: Final = parts.path
        self.ledger_id: Final = parts.ledger_id
        self.trust: Final = parts.trust
        self._ports = ports
        self._pid = os.getpid()
        self._is_closed = False
        self._tables: dict[str, Table] = {}
        self._inside: dict[int, Ticket] = {}
        self._latch = LatchSwitch(parts.path)
        self._holds = Holds(parts.path, ports.timing)
        self._reader = Reader(parts.path, parts.identity, ports.connect, ports.timing)
        self._writer = Writer(
            parts.session,
            WriterParts(
                database=parts.path,
                identity=parts.identity,
                ledger_id=parts.ledger_id,
                clock=ports.clock,
                timing=ports.timing,
                tables=self._tables,
                latch=self._latch,
                reconnect=self._reader.reconnected_for_writing,
            ),
        )
        self._end = weakref.finalize(
            self, _abandon, self._writer, self._reader, self._pid
        )
        _MINE.add(self)

    def declare(self, *collections: Collection) -> None:
        """Create these collections, or check that they are what they were."""
        tables = [table_of(collection) for collection in collections]
        with self.read() as tx:
            missing = [table for table in tables if not _is_declared(tx, table)]
        if missing:
            with self.write(past_latch=True) as tx:
                for table in missing:
                    tx.create(table)
        for table in tables:
            self._tables[table.collection.name] = table

    def write(
        self,
        *,
        authority: Authority = "shared",
        past_latch: bool = False,
        deadline_s: float | None = None,
    ) -> "WriteBlock":
        """Give a block in which the store can be changed."""
        sys.audit(_GUARD, "store.write")
        exclusive = authority == "exclusive"
        if not exclusive and authority != "shared":
            raise EntryRefusedError("an authority is shared or exclusive")
        if deadline_s is None:
            usual_s = self._ports.lock_timeout_s
            deadline_s = max(usual_s, EXCLUSIVE_DEADLINE_S) if exclusive else usual_s
        elif not deadline_s >= 0:
            raise EntryRefusedError("a deadline is a number of seconds, at least 0")
        return WriteBlock(self, exclusive, past_latch, deadline_s)

    def read(self) -> "ReadBlock":
        """Give a block that sees one committed state."""
        sys.audit(_GUARD, "store.read")
        return ReadBlock(self)

    @property
    def latch(self) -> Latch | None:
        """Why write blocks are refused; None when they are not."""
        return self._latch.current()

    def raise_latch(self, reason: str, lost: Sequence[str] = ()) -> None:
        """Refuse write blocks from now on, and leave a notice."""
        sys.audit(_GUARD, "store.raise_latch")
        self._refuse_forked()
        lines = [str(line) for line in lost]
        self._latch.latch(str(reason), lines, self._ports.clock())

    def lift_latch(self) -> None:
        """Remove the notice and this process's own latch."""
        sys.audit(_GUARD, "store.lift_latch")
        self._refuse_closed()
        self._latch.lift()

    def hold(self, name: str) -> OwnerHold:
        """Show, until the hold is closed or the process dies, that one lives."""
        sys.audit(_GUARD, "store.hold")
        self._refuse_closed()
        return self._holds.take(name)

    def is_held(self, name: str) -> bool:
        """Tell whether somebody, here or in another process, holds this name."""
        sys.audit(_GUARD, "store.is_held")
        self._refuse_closed()
        return self._holds.is_held(name)

    def close(self) -> None:
        """Close connections and holds. In a forked child nothing happens."""
        sys.audit(_GUARD, "store.close")
        if self._is_closed or os.getpid() != self._pid:
            return
        if threading.get_ident() in self._inside:
            raise StoreBusyError("this thread is inside a block of the store")
        self._writer.close(wait_s=self._ports.lock_timeout_s)
        self._is_closed = True
        self._reader.close()
        self._holds.close()
        self._end.detach()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _come_in(self, ticket: Ticket) -> None:
        """Refuse who may not enter a block, and note that this thread is inside."""
        self._refuse_closed()
        thread = threading.get_ident()
        if self._inside.setdefault(thread, ticket) is not ticket:
            raise StoreBusyError("this thread is inside a block of the store already")

    def _go_out(self, ticket: Ticket) -> None:
        """Note that a block has ended; in most cases in the thread it was in."""
        thread = threading.get_ident()
        if self._inside.get(thread) is ticket:
            del self._inside[thread]

    def _clean_up(self, ticket: Ticket) -> None:
        """End what an interrupt between two steps left open, if it did."""
        if os.getpid() == self._pid:
            self._writer.abandon(ticket)
            self._go_out(ticket)

    def _refuse_closed(self) -> None:
        self._refuse_forked()
        if self._is_closed:
            raise StoreClosedError("the store is closed")

    def _refuse_forked(self) -> None:
        if os.getpid() != self._pid:
            raise StoreClosedError("the store was opened by the parent process")


class WriteBlock:
    """The context manager of ``SqliteStore.write``; it can be entered once."""

    __slots__ = ("_deadline_s", "_exclusive", "_past_latch", "_store", "_ticket", "_tx")

    def __init__(
        self,
        store: SqliteStore,
        exclusive: bool,  # noqa: FBT001  # made by ``SqliteStore.write`` alone
        past_latch: bool,  # noqa: FBT001  # made by ``SqliteStore.write`` alone
        deadline_s: float,
    ) -> None:
        self._store = store
        self._exclusive = exclusive
        self._past_latch = past_latch
        self._deadline_s = deadline_s
        self._ticket = Ticket()
        self._tx: SqliteWriting | None = None

    def __enter__(self) -> SqliteWriting:
        store = self._store
        try:
            store._come_in(self._ticket)  # noqa: SLF001  # the block is the other half of the store
            if not self._past_latch:
                _refuse_latched(store.latch)
            self._tx = store._writer.enter(  # noqa: SLF001  # as above
                self._ticket,
                exclusive=self._exclusive,
                past_latch=self._past_latch,
                wait_s=self._deadline_s,
            )
        except BaseException:
            store._clean_up(self._ticket)  # noqa: SLF001  # as above
            raise
        return self._tx

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        store, tx = self._store, self._tx
        store._refuse_forked()  # noqa: SLF001  # as above
        if tx is None:
            return
        self._tx = None
        try:
            store._writer.leave(self._ticket, tx, failed=kind is not None)  # noqa: SLF001  # as above
        finally:
            store._go_out(self._ticket)  # noqa: SLF001  # as above

    def __del__(self) -> None:
        # An interrupt can strike between the block and its ``__exit__``. The lock
        # must not outlive the block then; in every other case this does nothing.
        self._store._clean_up(self._ticket)  # noqa: SLF001  # as above


class ReadBlock:
    """The context manager of ``SqliteStore.read``; it can be entered once."""

    __slots__ = ("_session", "_store", "_ticket", "_tx")

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._ticket = Ticket()
        self._session: Session | None = None
        self._tx: SqliteReading | None = None

    def __enter__(self) -> SqliteReading:
        store = self._store
        try:
            store._come_in(self._ticket)  # noqa: SLF001  # the block is the other half of the store
            self._tx = self._entered(store)
        except BaseException:
            store._clean_up(self._ticket)  # noqa: SLF001  # as above
            raise
        return self._tx

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        store, tx = self._store, self._tx
        store._refuse_forked()  # noqa: SLF001  # as above
        if tx is None:
            return
        self._tx = None
        try:
            if self._session is None:
                store._writer.leave_reading(self._ticket, tx)  # noqa: SLF001  # as above
            else:
                tx.end()
                store._reader.give_back(self._session)  # noqa: SLF001  # as above
        finally:
            store._go_out(self._ticket)  # noqa: SLF001  # as above

    def __del__(self) -> None:
        # See ``WriteBlock``.
        with suppress(StoreClosedError):
            self.__exit__(None, None, None)
        self._store._clean_up(self._ticket)  # noqa: SLF001  # as above

    def _entered(self, store: SqliteStore) -> SqliteReading:
        ports = store._ports  # noqa: SLF001  # as above
        wait_s = ports.lock_timeout_s
        if store.path is None:
            return store._writer.enter_reading(self._ticket, wait_s=wait_s)  # noqa: SLF001  # as above
        self._session = store._reader.take(wait_s=wait_s)  # noqa: SLF001  # as above
        try:
            now_us = ports.clock()
            return SqliteReading(self._session, store._tables, now_us)  # noqa: SLF001  # as above
        except BaseException:
            store._reader.give_back(self._session)  # noqa: SLF001  # as above
            raise


def _refuse_latched(latch: Latch | None) -> None:
    """Refuse early: a latched store may be one whose lock cannot be had."""
    if latch is not None:
        raise StoreLatchedError(f"the store is latched: {latch.reason}")


def _is_declared(tx: SqliteReading, table: Table) -> bool:
    there = tx.declaration(table.collection.name)
    if there is None:
        return False
    refuse_other(there, declaration_of(table.collection))
    return True


def _abandon(writer: Writer, reader: Reader, pid: int) -> None:
    """Close what a store that nobody closed leaves behind."""
    if os.getpid() == pid:
        try:
            writer.close(wait_s=0.0)
        except (StoreBusyError, StoreUnavailableError):
            return
        reader.close()


_MINE: Final[weakref.WeakSet[SqliteStore]] = weakref.WeakSet()
_INHERITED: Final[list[SqliteStore]] = []
"""In a forked child: its parent's stores, kept so that nothing closes them there.
Closing a connection in a child can harm the database of its parent."""


def _keep_in_child() -> None:
    _INHERITED.extend(_MINE)


os.register_at_fork(after_in_child=_keep_in_child)
