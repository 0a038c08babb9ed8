"""What can be done inside a block on SQLite: reading, and under the lock, writing.

Values are checked before they reach a statement, so a statement that fails does
so for a reason of the store's, and that ends the block.

Source: docs/spec/store.md, STO-3.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from audit.entry import EntryDraft
from audit.errors import (
    MissingKeyError,
    StoreUnavailableError,
    StreamConflictError,
)
from audit.merkle import Frontier
from audit.records import LedgerHead, Receipt, StreamHead
from audit.store.declarations import Collection, Record, Value, declaration_of
from audit.store.known import UNKNOWN, KnownRecords
from audit.store.protocols import EVERYTHING
from audit.store.reading import Reading, refuse_other
from audit.store.schema import ADD_ENTRY, ADD_META, SET_HEAD, STATEMENTS
from audit.store.session import FAILURES, Session, printable_cause
from audit.store.tables import Row, Table
from audit.store.writing import checked_time, described, encoded, refuse_platform

__all__ = ["Failing", "SqliteReading", "SqliteWriting"]

Failing: TypeAlias = Callable[["SqliteWriting", BaseException], StoreUnavailableError]
"""What a write block does about a failed statement: void everything, and say so."""


class SqliteReading(Reading):
    """See ``audit.store.interface.ReadTransaction``."""

    __slots__ = ("session",)

    def __init__(
        self,
        session: Session,
        tables: dict[str, Table],
        now_us: int,
        began: int | None,
    ) -> None:
        super().__init__(STATEMENTS, tables, now_us, began)
        self.session = session

    def _rows(self, sql: str, values: Row = ()) -> list[Row]:
        self._refuse_ended()
        try:
            return self.session.rows(sql, values)
        except FAILURES as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> StoreUnavailableError:
        cause = printable_cause(error)
        return StoreUnavailableError(f"the store cannot be read: {cause}")


class SqliteWriting(SqliteReading):
    """See ``audit.store.interface.WriteTransaction``."""

    __slots__ = (
        "_base",
        "_exclusive",
        "_failing",
        "_heads",
        "_known",
        "_leaves",
        "_ledger_id",
        "_time_us",
        "failure",
        "written",
    )

    def __init__(
        self,
        session: Session,
        tables: dict[str, Table],
        now_us: int,
        *,
        ledger_id: str,
        exclusive: bool,
        failing: Failing,
    ) -> None:
        super().__init__(session, tables, now_us, None)
        self._exclusive = exclusive
        self._ledger_id = ledger_id
        self._failing = failing
        self._base: Frontier | None = None
        self._heads: dict[str, StreamHead] = {}
        self._known: Final = KnownRecords()
        self._leaves: list[bytes] = []
        self._time_us = 0
        self.written: list[Receipt] = []
        self.failure: StoreUnavailableError | None = None

    def head(self) -> LedgerHead:
        """Compute the head, with the entries of this block."""
        frontier, time_us = self._frontier_and_time()
        return LedgerHead(frontier.size, frontier.root(), time_us)

    def newest_us(self) -> int:
        """Give the time of the newest entry, those of this block included."""
        self._refuse_ended()
        self._grown_from()
        return self._time_us

    def stream_head(self, stream: str) -> StreamHead:
        """Read where a stream stands."""
        self._refuse_ended()
        known = self._heads.get(stream) if type(stream) is str else None
        if known is None:
            known = self._heads[stream] = super().stream_head(stream)
        return known

    def get(self, collection: Collection, *key: Value) -> Record | None:
        """Read one record."""
        table = self._table(collection)
        name = (collection.name, table.key(key))
        known = self._known.get(name)
        if known is UNKNOWN:
            rows = self._rows(table.get, key)
            known = table.record(rows[0]) if rows else None
            self._known.put(name, known)
        return None if known is None else dict(known)

    def scan(
        self,
        collection: Collection,
        where: Mapping[str, Value] = EVERYTHING,
        *,
        after: tuple[Value, ...] | None = None,
        limit: int | None = None,
        descending: bool = False,
    ) -> list[Record]:
        """Read records in key order."""
        self._make_changes()
        return super().scan(
            collection, where, after=after, limit=limit, descending=descending
        )

    def append(
        self,
        stream: str,
        drafts: Sequence[EntryDraft],
        *,
        expected_size: int | None = None,
        time_us: int | None = None,
    ) -> list[Receipt]:
        """Append entries to a stream, all or none."""
        head = self.stream_head(stream)
        refuse_platform(stream, exclusive=self._exclusive)
        if expected_size is not None and expected_size != head.size:
            raise StreamConflictError(f"the stream has {head.size} entries")
        at_us = max(
            self.now_us if time_us is None else checked_time(time_us), head.time_us
        )
        base = self._grown_from()
        entries = encoded(head, drafts, ledger_id=self._ledger_id, at_us=at_us)
        if not entries:
            return []
        first = base.size + len(self._leaves)
        rows = [(first + n, *entry[1:]) for n, entry in enumerate(entries)]
        receipts = [
            Receipt(row[0], stream, entry.index, entry.leaf_hash.hex(), at_us, entry[7])
            for row, entry in zip(rows, entries, strict=True)
        ]
        self.written += receipts
        try:
            self.session.run_many(ADD_ENTRY, rows)
        except FAILURES as error:
            raise self._failure(error) from error
        self._leaves += [entry.leaf_hash for entry in entries]
        last = receipts[-1]
        self._heads[stream] = StreamHead(
            stream, last.index + 1, last.leaf_hash, entries[-1].state, at_us
        )
        self._time_us = max(self._time_us, at_us)
        return receipts

    def insert(
        self, collection: Collection, record: Mapping[str, Value], *, late: bool = False
    ) -> None:
        """Insert a record; a duplicate is always told at once."""
        del late
        table = self._table(collection)
        row = table.row(record)
        try:
            self.session.insert(table.insert, row)
        except FAILURES as error:
            raise self._failure(error) from error
        name = (collection.name, tuple(record[part] for part in collection.key))
        self._known.put(name, dict(record))

    def update(
        self,
        collection: Collection,
        key: tuple[Value, ...],
        changes: Mapping[str, Value],
    ) -> None:
        """Change columns of a record."""
        table = self._table(collection)
        self._refuse_ended()
        sql, values = table.update(changes)
        name = (collection.name, table.key(key))
        known = self._known.get(name)
        if not known:
            self._change(collection.name, sql, values + key)
            self._known.forget(name)
            return
        known.update(changes)
        other = self._known.change(name, (sql, values + key))
        if other is not None:
            self._change(collection.name, *other)

    def create(self, table: Table) -> None:
        """Create the table of a declared collection, unless somebody just did."""
        text = declaration_of(table.collection)
        there = self.declaration(table.collection.name)
        if there is not None:
            refuse_other(there, text)
            return
        try:
            for _, sql in table.schema():
                self.session.run(sql)
            self.session.run(ADD_META, (f"collection:{table.collection.name}", text))
        except FAILURES as error:
            raise self._failure(error) from error

    def seal(self) -> None:
        """Write what waits, and the head row, once, if the block appended anything."""
        self._make_changes()
        if self._base is None or not self._leaves:
            return
        frontier = self._base.extend(self._leaves)
        row = (frontier.size, frontier.to_bytes(), frontier.root(), self._time_us)
        try:
            self.session.run(SET_HEAD, row)
        except FAILURES as error:
            raise self._failure(error) from error

    def lost(self) -> tuple[str, ...]:
        """Describe each entry of the block, for a notice."""
        return tuple(described(receipt) for receipt in self.written)

    def _make_changes(self) -> None:
        for sql, values in self._known.take_changes():
            self._change("of a known record", sql, values)

    def _change(self, name: str, sql: str, values: Row) -> None:
        try:
            changed = self.session.run(sql, values)
        except FAILURES as error:
            raise self._failure(error) from error
        if changed != 1:
            raise MissingKeyError(f"collection {name} has no such record")

    def _grown_from(self) -> Frontier:
        """Give the tree as it was when the block began, read once."""
        if self._base is None:
            self._base, self._time_us = super()._frontier_and_time()
        return self._base

    def _frontier_and_time(self) -> tuple[Frontier, int]:
        self._refuse_ended()
        base = self._grown_from()
        return base.extend(self._leaves), self._time_us

    def _failure(self, error: BaseException) -> StoreUnavailableError:
        self.failure = self._failing(self, error)
        return self.failure

    def _refuse_ended(self) -> None:
        if self.failure is not None:
            raise self.failure
        super()._refuse_ended()
