"""Reading inside a block: the same on every database but for its statements.

Source: docs/spec/store.md, STO-3.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from audit.errors import EntryRefusedError, LedgerFormatError, StoreClosedError
from audit.merkle import Frontier
from audit.records import LedgerHead, StoredEntry, StreamHead
from audit.store.declarations import (
    Collection,
    Record,
    Value,
    declaration_of,
    declared_collection,
)
from audit.store.protocols import EVERYTHING
from audit.store.tables import Dialect, Row, Table, checked_int, table_of
from audit.trail import START, family_of

__all__ = ["Reading", "Statements", "checked_stream", "refuse_other"]


@dataclass(frozen=True, slots=True)
class Statements:
    """What a database is asked with; their values are the same everywhere.

    ``no_limit`` is the value that stands for no limit.
    """

    dialect: Dialect
    head: str
    frontier: str
    stream_head: str
    stream_entries: str
    entries: str
    meta: str
    no_limit: int | None


class Reading(ABC):
    """See ``audit.store.interface.ReadTransaction``."""

    __slots__ = ("_ended", "_sql", "_tables", "began", "now_us")

    def __init__(
        self,
        sql: Statements,
        tables: dict[str, Table],
        now_us: int,
        began: int | None,
    ) -> None:
        self._sql: Final = sql
        self._tables = tables
        self._ended = False
        self.now_us: Final = now_us
        self.began: Final = began

    def head(self) -> LedgerHead:
        """Read the head."""
        size, root, time_us = self._only_row(self._sql.head)
        if type(size) is int and type(root) is bytes and type(time_us) is int:
            return LedgerHead(size, root, time_us)
        raise LedgerFormatError("the head of the ledger is damaged")

    def newest_us(self) -> int:
        """Read the time of the newest entry."""
        return self.head().time_us

    def frontier(self) -> Frontier:
        """Read the tree's frontier."""
        return self._frontier_and_time()[0]

    def stream_head(self, stream: str) -> StreamHead:
        """Read where a stream stands."""
        rows = self._rows(self._sql.stream_head, (checked_stream(stream),))
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
        most = self._sql.no_limit
        if limit is not None:
            most = checked_int(limit, "a limit", at_least=0)
        values = (checked_stream(stream), first, most)
        rows = self._rows(self._sql.stream_entries, values)
        return [StoredEntry._make(row) for row in rows]

    def entries(self, start: int = 0, limit: int = 1000) -> list[StoredEntry]:
        """Read entries of the ledger in order."""
        first = checked_int(start, "a start")
        most = checked_int(limit, "a limit", at_least=0)
        rows = self._rows(self._sql.entries, (first, most))
        return [StoredEntry._make(row) for row in rows]

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
        rows = self._rows(self._sql.meta, (f"collection:{name}",))
        return str(rows[0][0]) if rows else None

    def end(self) -> None:
        """Refuse every call from now on."""
        self._ended = True

    def _frontier_and_time(self) -> tuple[Frontier, int]:
        frontier, time_us = self._only_row(self._sql.frontier)
        if type(frontier) is not bytes or type(time_us) is not int:
            raise LedgerFormatError("the head of the ledger is damaged")
        return Frontier.from_bytes(frontier), time_us

    def _only_row(self, sql: str) -> Row:
        rows = self._rows(sql)
        if len(rows) != 1:
            raise LedgerFormatError("the head of the ledger is missing")
        return rows[0]

    @abstractmethod
    def _rows(self, sql: str, values: Row = ()) -> list[Row]:
        """Fetch all rows of a statement, unless the block has ended."""

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
        found = table_of(collection, self._sql.dialect)
        if self.declaration(collection.name) != declaration_of(collection):
            raise EntryRefusedError(f"collection {collection.name} was not declared")
        return self._tables.setdefault(collection.name, found)


def checked_stream(stream: object) -> str:
    """Give back the name of a stream.

    Raises:
        EntryRefusedError: It is not a string.
        GrammarError: It is of no family.
    """
    if type(stream) is not str:
        raise EntryRefusedError("a stream is named by a string")
    family_of(stream)
    return stream


def refuse_other(there: str, wanted: str) -> None:
    """Refuse a declaration that differs from the one in the database.

    Raises:
        LedgerFormatError: It does.
    """
    if there != wanted:
        raise LedgerFormatError("a collection of this name has another shape")
