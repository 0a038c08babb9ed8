"""The store on SQLite: one file for many processes, or memory for one object.

``memory:`` is the same code on a private ``:memory:`` database; it has one
connection, so there reading takes its turn with writing.

Source: docs/spec/store.md.
"""

import os
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from audit.clock import Clock
from audit.errors import StoreBusyError, StoreUnavailableError
from audit.store.blocks import Block, Doors, Ways
from audit.store.declarations import declaration_of
from audit.store.holds import Holds, OwnerHold
from audit.store.interface import Ahead, Authority, Collection, Hold, Latch
from audit.store.latch import LatchSwitch
from audit.store.looks import next_look
from audit.store.reader import Reader
from audit.store.reading import checked_stream, refuse_other
from audit.store.schema import STATEMENTS
from audit.store.session import Connect, Session
from audit.store.tables import Table, table_of
from audit.store.terms import refuse_latched, write_terms
from audit.store.timing import Timing
from audit.store.transaction import SqliteReading, SqliteWriting
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
        self._doors = Doors()
        self._tables: dict[str, Table] = {}
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
            self, _abandon, self._writer, self._reader, self._doors
        )
        _MINE.add(self)

    def declare(self, *collections: Collection) -> None:
        """Create these collections, or check that they are what they were."""
        tables = [table_of(each, STATEMENTS.dialect) for each in collections]
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
        streams: Sequence[str] = (),
        fence: Hold | None = None,
        ahead: Sequence[Ahead] = (),
    ) -> Block[SqliteWriting]:
        """Give a block in which the store can be changed."""
        sys.audit(_GUARD, "store.write")
        del ahead  # reading here costs no round trip
        terms = write_terms(authority, deadline_s, self._ports.lock_timeout_s)
        for stream in streams:
            # Blocks are in one order here: it makes no difference which are named.
            checked_stream(stream)
        self._holds.refuse_other(fence)

        def enter(ticket: Ticket) -> SqliteWriting:
            if not past_latch:
                refuse_latched(self.latch)
            tx = self._writer.enter(
                ticket,
                exclusive=terms.exclusive,
                past_latch=past_latch,
                wait_s=terms.deadline_s,
            )
            self._holds.refuse_lost(fence)
            return tx

        writer = self._writer
        return Block(self._doors, Ways(enter, writer.leave, writer.abandon))

    def read(
        self, *, settled: bool = False, ahead: Sequence[Ahead] = ()
    ) -> Block[SqliteReading]:
        """Give a block that sees one committed state; nothing is ever pending."""
        sys.audit(_GUARD, "store.read")
        del settled, ahead
        wait_s, writer, reader = self._ports.lock_timeout_s, self._writer, self._reader
        if self.path is None:

            def enter(ticket: Ticket) -> SqliteReading:
                return writer.enter_reading(ticket, wait_s=wait_s)

            ways = Ways(enter, writer.leave_reading, writer.abandon)
            return Block(self._doors, ways)

        def begin(_ticket: Ticket) -> SqliteReading:
            began = next_look()
            session = reader.take(wait_s=wait_s)
            try:
                return SqliteReading(session, self._tables, self._ports.clock(), began)
            except BaseException:
                reader.give_back(session)
                raise

        return Block(self._doors, Ways(begin, self._end_reading, self._abandon_reading))

    @property
    def latch(self) -> Latch | None:
        """Why write blocks are refused; None when they are not."""
        return self._latch.current()

    def raise_latch(self, reason: str, lost: Sequence[str] = ()) -> None:
        """Refuse write blocks from now on, and leave a notice."""
        sys.audit(_GUARD, "store.raise_latch")
        self._doors.refuse_forked()
        lines = [str(line) for line in lost]
        self._latch.latch(str(reason), lines, self._ports.clock())

    def lift_latch(self) -> None:
        """Remove the notice and this process's own latch."""
        sys.audit(_GUARD, "store.lift_latch")
        self._doors.refuse_closed()
        self._latch.lift()

    def hold(self, name: str) -> OwnerHold:
        """Show, until the hold is closed or the process dies, that one lives."""
        sys.audit(_GUARD, "store.hold")
        self._doors.refuse_closed()
        return self._holds.take(name)

    def is_held(self, name: str) -> bool:
        """Tell whether somebody, here or in another process, holds this name."""
        sys.audit(_GUARD, "store.is_held")
        self._doors.refuse_closed()
        return self._holds.is_held(name)

    def close(self) -> None:
        """Close connections and holds. In a forked child nothing happens."""
        sys.audit(_GUARD, "store.close")
        if self._doors.is_closed or self._doors.is_inherited:
            return
        self._doors.refuse_inside()
        self._writer.close(wait_s=self._ports.lock_timeout_s)
        self._doors.is_closed = True
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

    def _end_reading(self, _ticket: Ticket, tx: SqliteReading, _failed: bool) -> None:  # noqa: FBT001  # as every way out
        tx.end()
        self._reader.give_back(tx.session)

    def _abandon_reading(self, ticket: Ticket, tx: SqliteReading | None) -> None:
        if tx is not None:
            self._end_reading(ticket, tx, True)  # noqa: FBT003  # as above


def _is_declared(tx: SqliteReading, table: Table) -> bool:
    there = tx.declaration(table.collection.name)
    if there is None:
        return False
    refuse_other(there, declaration_of(table.collection))
    return True


def _abandon(writer: Writer, reader: Reader, doors: Doors) -> None:
    """Close what a store that nobody closed leaves behind."""
    if not doors.is_inherited:
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
