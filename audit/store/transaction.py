"""What can be done inside a block: reading, and under the lock, writing.

Values are checked before they reach a statement, so a statement that fails does
so for a reason of the store's, and that ends the block.

Source: docs/spec/store.md, STO-3.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from audit.canonical import MAX_INTEGER
from audit.entry import EntryDraft, decode_entry, encode_entry
from audit.errors import (
    EntryRefusedError,
    LedgerFormatError,
    MissingKeyError,
    StoreClosedError,
    StoreUnavailableError,
    StreamConflictError,
)
from audit.merkle import Frontier, leaf_hash
from audit.records import LedgerHead, Receipt, StoredEntry, StreamHead
from audit.store.declarations import declaration_of, declared_collection
from audit.store.interface import EVERYTHING, Collection, Record, Value
from audit.store.schema import (
    ADD_ENTRY,
    ADD_META,
    ENTRIES,
    FRONTIER,
    HEAD,
    META,
    SET_HEAD,
    STREAM_ENTRIES,
    STREAM_HEAD,
)
from audit.store.session import FAILURES, Session, printable_cause
from audit.store.tables import (
    Row,
    Table,
    checked_int,
    table_of,
)
from audit.trail import START, advance, family_of

__all__ = ["Failing", "SqliteReading", "SqliteWriting", "checked_time"]

Failing: TypeAlias = Callable[["SqliteWriting", BaseException], StoreUnavailableError]
"""What a write block does about a failed statement: void everything, and say so."""

_NO_LIMIT: Final = -1


class SqliteReading:
    """See ``audit.store.interface.ReadTransaction``."""

    __slots__ = ("_ended", "_session", "_tables", "now_us")

    def __init__(self, session: Session, tables: dict[str, Table], now_us: int) -> None:
        self._session = session
        self._tables = tables
        self._ended = False
        self.now_us: Final = now_us

    def head(self) -> LedgerHead:
        """Read the head."""
        size, root, time_us = self._only_row(HEAD)
        if type(size) is int and type(root) is bytes and type(time_us) is int:
            return LedgerHead(size, root, time_us)
        raise LedgerFormatError("the head of the ledger is damaged")

    def frontier(self) -> Frontier:
        """Read the tree's frontier."""
        return self._frontier_and_time()[0]

    def stream_head(self, stream: str) -> StreamHead:
        """Read where a stream stands."""
        rows = self._rows(STREAM_HEAD, (_checked_stream(stream),))
        if not rows:
            return StreamHead(stream, 0, "", START, 0)
        match rows[0]:
            case (int(index), bytes(last), str(state), int(time_us)):
                return StreamHead(stream, index + 1, last.hex(), state, time_us)
            case _:
                raise LedgerFormatError("the newest entry of a stream is damaged")

    def stream_entries(
        self, stream: str, start: int = 0, limit: int | None = None
    ) -> list[StoredEntry]:
        """Read entries of one stream in order."""
        first = checked_int(start, "a start")
        most = _NO_LIMIT if limit is None else checked_int(limit, "a limit", at_least=0)
        rows = self._rows(STREAM_ENTRIES, (_checked_stream(stream), first, most))
        return [StoredEntry._make(row) for row in rows]

    def entries(self, start: int = 0, limit: int = 1000) -> list[StoredEntry]:
        """Read entries of the ledger in order."""
        first = checked_int(start, "a start")
        most = checked_int(limit, "a limit", at_least=0)
        return [StoredEntry._make(row) for row in self._rows(ENTRIES, (first, most))]

    def collection(self, name: str) -> Collection | None:
        """Find a collection by name."""
        if type(name) is not str or not name.isascii():
            raise EntryRefusedError("a collection's name is ASCII")
        text = self.declaration(name)
        return None if text is None else declared_collection(text)

    def get(self, collection: Collection, *key: Value) -> Record | None:
        """Read one record."""
        table = self._table(collection)
        rows = self._rows(table.get, table.key(key))
        return table.record(rows[0]) if rows else None

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
        table = self._table(collection)
        sql, values = table.scan(where, after, limit, descending=descending)
        return [table.record(row) for row in self._rows(sql, values)]

    def declaration(self, name: str) -> str | None:
        """Read how a collection was declared."""
        rows = self._rows(META, (f"collection:{name}",))
        return str(rows[0][0]) if rows else None

    def end(self) -> None:
        """Refuse every call from now on."""
        self._ended = True

    def _frontier_and_time(self) -> tuple[Frontier, int]:
        frontier, time_us = self._only_row(FRONTIER)
        if type(frontier) is not bytes or type(time_us) is not int:
            raise LedgerFormatError("the head of the ledger is damaged")
        return Frontier.from_bytes(frontier), time_us

    def _only_row(self, sql: str) -> Row:
        rows = self._rows(sql)
        if len(rows) != 1:
            raise LedgerFormatError("the head of the ledger is missing")
        return rows[0]

    def _rows(self, sql: str, values: Row = ()) -> list[Row]:
        self._refuse_ended()
        try:
            return self._session.rows(sql, values)
        except FAILURES as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> StoreUnavailableError:
        cause = printable_cause(error)
        return StoreUnavailableError(f"the store cannot be read: {cause}")

    def _refuse_ended(self) -> None:
        if self._ended:
            raise StoreClosedError("the block of this transaction has ended")

    def _table(self, collection: Collection) -> Table:
        """Find the table of a collection that was declared, here or elsewhere."""
        self._refuse_ended()
        if type(collection) is not Collection:
            raise EntryRefusedError("a collection is named by its declaration")
        table = self._tables.get(collection.name)
        if table is not None and (
            table.collection is collection or table.collection == collection
        ):
            return table
        found = table_of(collection)
        if self.declaration(collection.name) != declaration_of(collection):
            raise EntryRefusedError(f"collection {collection.name} was not declared")
        return self._tables.setdefault(collection.name, found)


class SqliteWriting(SqliteReading):
    """See ``audit.store.interface.WriteTransaction``."""

    __slots__ = (
        "_base",
        "_failing",
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
        failing: Failing,
    ) -> None:
        super().__init__(session, tables, now_us)
        self._ledger_id = ledger_id
        self._failing = failing
        self._base: Frontier | None = None
        self._leaves: list[bytes] = []
        self._time_us = 0
        self.written: list[Receipt] = []
        self.failure: StoreUnavailableError | None = None

    def head(self) -> LedgerHead:
        """Compute the head, with the entries of this block."""
        frontier, time_us = self._frontier_and_time()
        return LedgerHead(frontier.size, frontier.root(), time_us)

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
        if expected_size is not None and expected_size != head.size:
            raise StreamConflictError(f"the stream has {head.size} entries")
        at_us = max(
            self.now_us if time_us is None else checked_time(time_us), head.time_us
        )
        if self._base is None:
            self._base, self._time_us = super()._frontier_and_time()
        first = self._base.size + len(self._leaves)
        rows, receipts = self._encoded(head, drafts, first, at_us)
        if not rows:
            return []
        self.written += receipts
        try:
            self._session.run_many(ADD_ENTRY, rows)
        except FAILURES as error:
            raise self._failure(error) from error
        self._leaves += [row[6] for row in rows]
        self._time_us = max(self._time_us, at_us)
        return receipts

    def insert(self, collection: Collection, record: Mapping[str, Value]) -> None:
        """Insert a record."""
        table = self._table(collection)
        row = table.row(record)
        try:
            self._session.insert(table.insert, row)
        except FAILURES as error:
            raise self._failure(error) from error

    def update(
        self,
        collection: Collection,
        key: tuple[Value, ...],
        changes: Mapping[str, Value],
    ) -> None:
        """Change columns of a record."""
        table = self._table(collection)
        sql, values = table.update(changes)
        try:
            changed = self._session.run(sql, values + table.key(key))
        except FAILURES as error:
            raise self._failure(error) from error
        if changed != 1:
            raise MissingKeyError(f"collection {collection.name} has no such record")

    def create(self, table: Table) -> None:
        """Create the table of a declared collection, unless somebody just did."""
        text = declaration_of(table.collection)
        there = self.declaration(table.collection.name)
        if there is not None:
            refuse_other(there, text)
            return
        try:
            for _, sql in table.schema():
                self._session.run(sql)
            self._session.run(ADD_META, (f"collection:{table.collection.name}", text))
        except FAILURES as error:
            raise self._failure(error) from error

    def seal(self) -> None:
        """Rewrite the head row, once, if the block appended anything."""
        if self._base is None or not self._leaves:
            return
        frontier = self._base.extend(self._leaves)
        row = (frontier.size, frontier.to_bytes(), frontier.root(), self._time_us)
        try:
            self._session.run(SET_HEAD, row)
        except FAILURES as error:
            raise self._failure(error) from error

    def lost(self) -> tuple[str, ...]:
        """Describe each entry of the block, for a notice."""
        return tuple(_described(receipt) for receipt in self.written)

    def _encoded(
        self,
        head: StreamHead,
        drafts: Sequence[EntryDraft],
        first: int,
        at_us: int,
    ) -> tuple[list[tuple[int, str, int, int, str, str, bytes, bytes]], list[Receipt]]:
        """Encode every draft before the first one is written."""
        stream, index, prev, state, _ = head
        rows, receipts = [], []
        for leaf_index, draft in enumerate(drafts, first):
            if type(draft) is not EntryDraft:
                raise EntryRefusedError("an entry is appended as a draft")
            state = advance(stream, state, draft.type, draft.status, steps=draft.steps)
            data = encode_entry(
                draft,
                ledger_id=self._ledger_id,
                stream=stream,
                index=index,
                time_us=at_us,
                prev=prev,
            )
            leaf = leaf_hash(data)
            prev = leaf.hex()
            rows.append(
                (leaf_index, stream, index, at_us, draft.type, state, leaf, data)
            )
            receipts.append(Receipt(leaf_index, stream, index, prev, at_us, data))
            index += 1
        return rows, receipts

    def _frontier_and_time(self) -> tuple[Frontier, int]:
        self._refuse_ended()
        if self._base is None:
            return super()._frontier_and_time()
        return self._base.extend(self._leaves), self._time_us

    def _failure(self, error: BaseException) -> StoreUnavailableError:
        self.failure = self._failing(self, error)
        return self.failure

    def _refuse_ended(self) -> None:
        if self.failure is not None:
            raise self.failure
        super()._refuse_ended()


def checked_time(time_us: object) -> int:
    """Give back a time that an entry can carry.

    Raises:
        EntryRefusedError: It is not an integer from 0 to 2**53 - 1.
    """
    if type(time_us) is not int or not 0 <= time_us <= MAX_INTEGER:
        raise EntryRefusedError("a time is in microseconds, from 0 to 2**53 - 1")
    return time_us


def refuse_other(there: str, wanted: str) -> None:
    """Refuse a declaration that differs from the one in the database.

    Raises:
        LedgerFormatError: It does.
    """
    if there != wanted:
        raise LedgerFormatError("a collection of this name has another shape")


def _checked_stream(stream: object) -> str:
    if type(stream) is not str:
        raise EntryRefusedError("a stream is named by a string")
    family_of(stream)
    return stream


def _described(receipt: Receipt) -> str:
    entry = decode_entry(receipt.data)
    code = "-" if entry.reason_code is None else entry.reason_code.value
    kind = entry.event_type.value
    return f"{receipt.stream} {receipt.index} {kind} {entry.status} {code}"
