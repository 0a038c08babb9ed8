"""The store on PostgreSQL: any number of machines on one primary.

A block has a connection of its own while it is open; in between, nothing is held but
the locks of holds. Nothing runs in the background: what has to be done now and then
(giving entries their places) is done inside calls.

Source: docs/spec/postgres.md; docs/spec/store.md.
"""

import os
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from audit.clock import Clock, system_clock_us
from audit.errors import AuditError
from audit.store.blocks import Block, Doors, Ways
from audit.store.declarations import Collection, declaration_of
from audit.store.interface import EXCLUSIVE_DEADLINE_S, Ahead, Authority, Hold, Latch
from audit.store.latch import LatchSwitch
from audit.store.postgres.ahead import looks_of
from audit.store.postgres.connecting import Connector
from audit.store.postgres.creating import declare_missing
from audit.store.postgres.holds import Holds, SessionHold
from audit.store.postgres.pool import MAX_SESSIONS, Pool
from audit.store.postgres.reader import Reader
from audit.store.postgres.statements import STATEMENTS
from audit.store.postgres.transaction import PostgresReading, PostgresWriting
from audit.store.postgres.writer import Asked, Parts, Writer
from audit.store.reading import checked_stream, refuse_other
from audit.store.tables import Table, table_of
from audit.store.terms import Terms, write_terms
from audit.store.timing import SYSTEM_TIMING
from audit.store.turnstile import Ticket
from audit.trust import Trust

__all__ = ["Known", "PostgresStore"]

_GUARD: Final = "stage3.guard"


@dataclass(frozen=True, slots=True)
class Known:
    """A ledger that was found or made, and how blocks of it are to be."""

    connector: Connector
    ledger_id: str
    trust: Trust | None
    clock: Clock | None


class PostgresStore:
    """See ``audit.store.interface.Store``. Made by ``open_store``."""

    def __init__(self, known: Known) -> None:
        connector = known.connector
        self.url: Final = connector.address.shown
        self.path: Final = None
        self.ledger_id: Final = known.ledger_id
        self.trust: Final = known.trust
        self._connector = connector
        self._clock = known.clock
        self._doors = Doors()
        self._tables: dict[str, Table] = {}
        self._latch = LatchSwitch(None, f"{connector.address.shown} {known.ledger_id}")
        self._pool = Pool(connector.session, MAX_SESSIONS)
        self._holds = Holds(known.ledger_id, connector.session, SYSTEM_TIMING)
        parts = Parts(
            ledger_id=known.ledger_id,
            clock=known.clock,
            usual_wait_s=connector.wait_s,
            tables=self._tables,
            latch=self._latch,
            pool=self._pool,
        )
        self._writer = Writer(parts)
        self._reader = Reader(parts)
        self._end = weakref.finalize(
            self, _abandon, self._pool, self._holds, self._doors
        )
        _MINE.add(self)

    def declare(self, *collections: Collection) -> None:
        """Create these collections, or check that they are what they were."""
        tables = [table_of(each, STATEMENTS.dialect) for each in collections]
        with self.read() as tx:
            missing = [table for table in tables if not _is_declared(tx, table)]
        if missing:
            declare_missing(self._connector, [table.collection for table in missing])
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
    ) -> Block[PostgresWriting]:
        """Give a block in which the store can be changed."""
        sys.audit(_GUARD, "store.write")
        asked = Asked(
            terms=write_terms(authority, deadline_s, self._connector.wait_s),
            past_latch=past_latch,
            streams=tuple(checked_stream(stream) for stream in streams),
            fence=self._holds.fence(fence),
            ahead=looks_of(ahead, self._tables),
        )
        writer = self._writer

        def enter(ticket: Ticket) -> PostgresWriting:
            return writer.enter(ticket, asked)

        return Block(self._doors, Ways(enter, writer.leave, writer.abandon))

    def read(
        self, *, settled: bool = False, ahead: Sequence[Ahead] = ()
    ) -> Block[PostgresReading]:
        """Give a block that sees one committed state."""
        sys.audit(_GUARD, "store.read")
        reader, wait_s = self._reader, self._connector.wait_s
        looks = looks_of(ahead, self._tables)

        def enter(ticket: Ticket) -> PostgresReading:
            if not settled:
                terms = Terms(exclusive=False, deadline_s=wait_s)
                return reader.enter(ticket, terms, looks)
            patience_s = max(wait_s, EXCLUSIVE_DEADLINE_S)
            terms = Terms(exclusive=True, deadline_s=patience_s)
            return reader.enter_settled(ticket, terms)

        return Block(self._doors, Ways(enter, reader.leave, reader.abandon))

    @property
    def latch(self) -> Latch | None:
        """Why write blocks are refused; None when they are not."""
        return self._latch.current()

    def raise_latch(self, reason: str, lost: Sequence[str] = ()) -> None:
        """Refuse write blocks of this process from now on."""
        sys.audit(_GUARD, "store.raise_latch")
        self._doors.refuse_forked()
        now_us = (self._clock or system_clock_us)()
        self._latch.latch(str(reason), [str(line) for line in lost], now_us)

    def lift_latch(self) -> None:
        """Lift this process's own latch."""
        sys.audit(_GUARD, "store.lift_latch")
        self._doors.refuse_closed()
        self._latch.lift()

    def hold(self, name: str) -> SessionHold:
        """Show, until the hold is closed or its connection ends, that one lives."""
        sys.audit(_GUARD, "store.hold")
        self._doors.refuse_closed()
        return self._holds.take(name)

    def is_held(self, name: str) -> bool:
        """Tell whether somebody, here or elsewhere, holds this name."""
        sys.audit(_GUARD, "store.is_held")
        self._doors.refuse_closed()
        return self._holds.is_held(name)

    def close(self) -> None:
        """Close connections and holds. In a forked child nothing happens."""
        sys.audit(_GUARD, "store.close")
        if self._doors.is_closed or self._doors.is_inherited:
            return
        self._doors.refuse_inside()
        self._pool.close(wait_s=self._connector.wait_s)
        self._doors.is_closed = True
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


def _is_declared(tx: PostgresReading, table: Table) -> bool:
    there = tx.declaration(table.collection.name)
    if there is None:
        return False
    refuse_other(there, declaration_of(table.collection))
    return True


def _abandon(pool: Pool, holds: Holds, doors: Doors) -> None:
    """Close what a store that nobody closed leaves behind."""
    if not doors.is_inherited:
        try:
            pool.close(wait_s=0.0)
        except AuditError:
            return
        holds.close()


_MINE: Final[weakref.WeakSet[PostgresStore]] = weakref.WeakSet()
_INHERITED: Final[list[PostgresStore]] = []
"""In a forked child: its parent's stores, kept so that nothing ends them there."""


def _keep_in_child() -> None:
    _INHERITED.extend(_MINE)


os.register_at_fork(after_in_child=_keep_in_child)
