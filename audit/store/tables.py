"""Collections as SQL: their statements, and the check of every value.

All text that becomes part of a statement is a name from a checked declaration, a
constant of that declaration, or fixed here; values of callers are only ever
bound. A value that passes these checks is one SQLite stores and gives back as it
is, so that no caller can make a statement fail for a reason of its own.

Source: docs/spec/store.md, STO-3.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from audit.errors import EntryRefusedError
from audit.store.declarations import (
    MAX_KEY_BYTES,
    MAX_VALUE_BYTES,
    Collection,
    Column,
    Index,
    Record,
    Value,
    refuse_contradiction,
)

__all__ = [
    "Dialect",
    "Row",
    "Table",
    "checked_int",
    "create_refusal",
    "table_of",
    "with_numbers",
    "with_question_marks",
]

Row = tuple[Value, ...]

_PLACE: Final = re.compile(r"('(?:[^']|'')*'|\?)")
"""A constant in quotes, or a place for a value outside of one."""

_MIN_INT: Final = -(2**63)
_MAX_INT: Final = 2**63 - 1


Dialect: TypeAlias = Callable[[str], str]
"""Makes of a statement written with ``?`` for values what a database wants."""

_TYPES: Final = {"text": "TEXT", "integer": "INTEGER", "blob": "BLOB"}


class Table:
    """A checked collection and the statements that work on it."""

    __slots__ = (
        "_columns",
        "_dialect",
        "_indexed",
        "_literals",
        "_scans",
        "collection",
        "get",
        "insert",
    )

    def __init__(self, collection: Collection, dialect: Dialect) -> None:
        self.collection = collection
        self._dialect = dialect
        self._columns = {column.name: column for column in collection.columns}
        self._literals = frozenset(
            pair for index in collection.indexes for pair in index.only
        )
        self._indexed = frozenset(collection.key).union(
            *(index.columns for index in collection.indexes)
        )
        self._scans: dict[tuple[object, ...], str] = {}
        marks = ", ".join("?" * len(collection.columns))
        table = _quoted(collection.name)
        insert = f"INSERT INTO {table} ({self._names()}) VALUES ({marks})"  # noqa: S608  # checked names only
        self.insert: Final = dialect(insert)
        self.get: Final = dialect(f"{self._select()} WHERE {_equal(collection.key)}")

    def schema(self) -> tuple[tuple[str, str], ...]:
        """Name what the table consists of, each with the statement that makes it.

        Names of indexes and triggers have a dot, which no collection's has.
        """
        collection = self.collection
        made = [(collection.name, _create_table(collection))]
        for number, index in enumerate(collection.indexes):
            name = f"{collection.name}.{number}"
            made.append((name, _create_index(collection, name, index)))
        for moment in ("update", "delete") if collection.insert_only else ():
            name = f"{collection.name}.no_{moment}"
            made.append((name, create_refusal(collection.name, name, moment)))
        return tuple(made)

    def row(self, record: Mapping[str, Value]) -> Row:
        """Check a whole record and give its values in the order of the columns.

        Raises:
            EntryRefusedError: A column is missing, unknown or of the wrong kind.
        """
        columns = self.collection.columns
        try:
            values = tuple(record[column.name] for column in columns)
        except KeyError as error:
            raise self._refusal("a column is missing") from error
        if len(record) != len(columns):
            raise self._refusal("there are columns that were not declared")
        for column, value in zip(columns, values, strict=True):
            self._check(column, value)
            self._check_room(column, value)
        return values

    def record(self, row: Row) -> Record:
        """Name the values of a row."""
        return dict(zip(self._columns, row, strict=True))

    def key(self, key: tuple[Value, ...]) -> Row:
        """Check a whole key.

        Raises:
            EntryRefusedError: It has too few or too many values, or wrong ones.
        """
        names = self.collection.key
        if type(key) is not tuple or len(key) != len(names):
            raise self._refusal(f"the key has {len(names)} values")
        for name, value in zip(names, key, strict=True):
            self._check(self._columns[name], value)
        return key

    def update(self, changes: Mapping[str, Value]) -> tuple[str, Row]:
        """Check changes and give the statement that makes them, and its values.

        The values of the key follow those of the changes.

        Raises:
            EntryRefusedError: The collection is insert-only, or a change names no
                column, a key column or a value of the wrong kind.
        """
        if self.collection.insert_only:
            raise self._refusal("it is insert-only")
        names = tuple(changes)
        self._check_values(changes)
        if not names or any(name in self.collection.key for name in names):
            raise self._refusal("a change names at least one column, and none of a key")
        for name in names:
            self._check_room(self._columns[name], changes[name])
        sql = self._scans.get(("update", *names))
        if sql is None:
            settings = ", ".join(f"{_quoted(name)} = ?" for name in names)
            table = _quoted(self.collection.name)
            sql = f"UPDATE {table} SET {settings} WHERE {_equal(self.collection.key)}"  # noqa: S608  # checked names only
            sql = self._dialect(sql)
            self._scans["update", *names] = sql
        return sql, tuple(changes[name] for name in names)

    def scan(
        self,
        where: Mapping[str, Value],
        after: tuple[Value, ...] | None,
        limit: int | None,
        *,
        descending: bool,
    ) -> tuple[str, Row]:
        """Check the arguments of a scan and give its statement and its values.

        Raises:
            EntryRefusedError: One of them names no column or has a wrong value.
        """
        self._check_values(where, null_matches=True)
        parts = tuple((name, self._how(name, where[name])) for name in where)
        values = [where[name] for name, how in parts if how == "= ?"]
        if after is not None:
            values.extend(self.key(after))
        if limit is not None:
            values.append(checked_int(limit, "a limit", at_least=0))
        shape = (parts, after is None, limit is None, descending)
        sql = self._scans.get(shape)
        if sql is None:
            text = self._scan_sql(
                parts,
                paged=after is not None,
                limited=limit is not None,
                down=descending,
            )
            sql = self._scans[shape] = self._dialect(text)
        return sql, tuple(values)

    def _scan_sql(
        self,
        parts: tuple[tuple[str, str], ...],
        *,
        paged: bool,
        limited: bool,
        down: bool,
    ) -> str:
        key = self.collection.key
        conditions = [f"{_quoted(name)} {how}" for name, how in parts]
        if paged:
            marks = ", ".join("?" * len(key))
            conditions.append(f"({_listed(key)}) {'<' if down else '>'} ({marks})")
        clause = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        direction = " DESC" if down else ""
        order = ", ".join(f"{_quoted(name)}{direction}" for name in key)
        page = " LIMIT ?" if limited else ""
        return f"{self._select()}{clause} ORDER BY {order}{page}"

    def _how(self, name: str, value: Value) -> str:
        """Say how a column is compared.

        A constant of a partial index is written out: SQLite uses such an index
        only when it can see that the condition implies it.
        """
        if value is None:
            return "IS NULL"
        if (name, value) in self._literals:
            return f"= {_literal(value)}"
        return "= ?"

    def _check_values(
        self, values: Mapping[str, Value], *, null_matches: bool = False
    ) -> None:
        for name, value in values.items():
            column = self._columns.get(name) if type(name) is str else None
            if column is None:
                raise self._refusal("a column was named that was not declared")
            if value is not None or not null_matches:
                self._check(column, value)

    def _check(self, column: Column, value: Value) -> None:
        if value is None:
            fits = column.nullable
        elif column.kind == "integer":
            fits = type(value) is int and _MIN_INT <= value <= _MAX_INT
        elif column.kind == "text":
            fits = type(value) is str and _is_storable(value)
        else:
            fits = type(value) is bytes and len(value) <= MAX_VALUE_BYTES
        if not fits:
            raise self._refusal(f"{column.name} is no {column.kind} of allowed size")

    def _check_room(self, column: Column, value: Value) -> None:
        """Refuse to store what an index has no room for."""
        if column.name not in self._indexed or not isinstance(value, str | bytes):
            return
        size = len(value) if isinstance(value, bytes) else len(value.encode())
        if size > MAX_KEY_BYTES:
            raise self._refusal(f"{column.name} is too large for an index")

    def _refusal(self, why: str) -> EntryRefusedError:
        return EntryRefusedError(f"collection {self.collection.name}: {why}")

    def _names(self) -> str:
        return _listed(tuple(self._columns))

    def _select(self) -> str:
        return f"SELECT {self._names()} FROM {_quoted(self.collection.name)}"  # noqa: S608  # checked names only


def table_of(collection: Collection, dialect: Dialect) -> Table:
    """Check a declaration and give its table.

    Raises:
        EntryRefusedError: The declaration contradicts itself.
    """
    refuse_contradiction(collection)
    return Table(collection, dialect)


def with_question_marks(sql: str) -> str:
    """Leave a statement as it was written: the dialect of SQLite."""
    return sql


def with_numbers(sql: str) -> str:
    """Number the places for values, ``$1`` and on: the dialect of PostgreSQL."""
    pieces, number = [], 0
    for piece in _PLACE.split(sql):
        number += piece == "?"
        pieces.append(f"${number}" if piece == "?" else piece)
    return "".join(pieces)


def checked_int(value: object, what: str, *, at_least: int = _MIN_INT) -> int:
    """Give back an integer of at most 64 bits that is not too small.

    Raises:
        EntryRefusedError: It is something else.
    """
    if type(value) is not int or not at_least <= value <= _MAX_INT:
        raise EntryRefusedError(f"{what} is not an integer of allowed size")
    return value


def _is_storable(text: str) -> bool:
    if "\0" in text or len(text) > MAX_VALUE_BYTES:
        return False
    if text.isascii():
        return True
    try:
        return len(text.encode()) <= MAX_VALUE_BYTES
    except UnicodeEncodeError:
        return False


def _quoted(name: str) -> str:
    return f'"{name}"'


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(_quoted(name) for name in names)


def _equal(names: tuple[str, ...]) -> str:
    return " AND ".join(f"{_quoted(name)} = ?" for name in names)


def _literal(value: Value) -> str:
    if isinstance(value, str):
        text = value.replace("'", "''")
        return f"'{text}'"
    return str(value)


def _create_table(collection: Collection) -> str:
    columns = ", ".join(
        f"{_quoted(c.name)} {_TYPES[c.kind]}{'' if c.nullable else ' NOT NULL'}"
        for c in collection.columns
    )
    key = _listed(collection.key)
    return (
        f"CREATE TABLE {_quoted(collection.name)} ({columns}, PRIMARY KEY ({key}))"
        " WITHOUT ROWID"
    )


def _create_index(collection: Collection, name: str, index: Index) -> str:
    table, columns = _quoted(collection.name), _listed(index.columns)
    made = f"CREATE INDEX {_quoted(name)} ON {table} ({columns})"
    if not index.only:
        return made
    only = " AND ".join(f"{_quoted(n)} = {_literal(v)}" for n, v in index.only)
    return f"{made} WHERE {only}"


def create_refusal(table: str, name: str, moment: str) -> str:
    """Write the trigger that refuses to update or delete rows of a table.

    It is a guard against mistakes of ours, not against who owns the file.
    """
    return (
        f"CREATE TRIGGER {_quoted(name)} BEFORE {moment.upper()} ON {_quoted(table)}"
        f" BEGIN SELECT RAISE(ABORT, '{table} refuses {moment}'); END"
    )
