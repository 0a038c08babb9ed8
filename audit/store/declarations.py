"""Collections as declared: what shape they have, and that it makes sense.

A declaration is written down in the database as canonical text, so that a process
that declared nothing (a verifier) can read the records, and so that two versions
of a package cannot disagree about them unnoticed.

Source: docs/spec/store.md, STO-3.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from audit.canonical import canonical_bytes, parse_canonical
from audit.errors import EntryRefusedError, LedgerFormatError

__all__ = [
    "MAX_KEY_BYTES",
    "MAX_VALUE_BYTES",
    "Collection",
    "Column",
    "Index",
    "Kind",
    "Record",
    "Value",
    "Writer",
    "declaration_of",
    "declared_collection",
    "refuse_contradiction",
]

Value: TypeAlias = str | int | bytes | None
"""What a column holds. Exact types: no booleans, no subclasses."""

Record: TypeAlias = dict[str, Value]
"""One row of a collection, by column name. Reading gives a fresh one."""

Kind: TypeAlias = Literal["text", "integer", "blob"]
Writer: TypeAlias = Literal["executor", "issuer"]
MAX_VALUE_BYTES: Final = 1 << 20
"""The most one text (in UTF-8) or blob may hold."""

MAX_KEY_BYTES: Final = 1_024
"""The same for a column of the key or of an index: no index has room for more."""

_NAME: Final = re.compile("[a-z][a-z0-9_]{0,39}")
_RESERVED: Final = frozenset({"entry", "head", "meta"})
_KINDS: Final = frozenset({"text", "integer", "blob"})
_MAX_WORDS: Final = 64
_EVERY_WRITER: Final[frozenset[Writer]] = frozenset({"executor", "issuer"})


@dataclass(frozen=True, slots=True)
class Column:
    """One column: text is Unicode without NUL, integers have 64 bits, signed."""

    name: str
    kind: Kind
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index, over the rows whose columns equal ``only`` if given."""

    columns: tuple[str, ...]
    only: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Collection:
    """A named table. ``columns`` includes those of ``key``, which are never null.

    Names are lower-case words (``[a-z][a-z0-9_]*``, at most 40 characters). A
    record of an ``insert_only`` collection can never be changed; there is no way
    to remove one from any collection.

    The last two are for a database that knows its users apart: which roles may
    write records, and which columns can never get less. With ``growing`` columns no
    integer of the collection is ever below zero. They are not written down with the
    declaration, and collections that differ only in them are equal.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
    insert_only: bool = False
    writers: frozenset[Writer] = field(default=_EVERY_WRITER, compare=False)
    growing: tuple[str, ...] = field(default=(), compare=False)


def refuse_contradiction(collection: Collection) -> None:
    """Refuse a declaration that no table can be made of.

    Raises:
        EntryRefusedError: It contradicts itself.
    """
    for holds, why in (
        (_names_are_good(collection), "a name is not a lower-case word, or is taken"),
        (_key_is_good(collection), "the key is not some of its columns, never null"),
        (_indexes_are_good(collection), "an index is not over its columns"),
        (_writers_are_good(collection), "its writers or growing columns are none"),
    ):
        if not holds:
            raise EntryRefusedError(f"a collection cannot be declared: {why}")


def declaration_of(collection: Collection) -> str:
    """Write a declaration down, so that another process can read it."""
    return canonical_bytes(
        {
            "columns": [[c.name, c.kind, c.nullable] for c in collection.columns],
            "indexes": [
                [list(index.columns), [[name, value] for name, value in index.only]]
                for index in collection.indexes
            ],
            "insert_only": collection.insert_only,
            "key": list(collection.key),
            "name": collection.name,
        }
    ).decode()


def declared_collection(text: str) -> Collection:
    """Read a declaration that ``declaration_of`` wrote.

    Raises:
        LedgerFormatError: It is not one.
    """
    try:
        collection = _collection(parse_canonical(text.encode()))
        refuse_contradiction(collection)
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerFormatError("a declaration in the store is damaged") from error
    if declaration_of(collection) != text:
        raise LedgerFormatError("a declaration in the store is damaged")
    return collection


def _collection(declared: object) -> Collection:
    match declared:
        case {
            "columns": list(columns),
            "indexes": list(indexes),
            "insert_only": bool(insert_only),
            "key": list(key),
            "name": str(name),
        }:
            return Collection(
                name=name,
                key=tuple(key),
                columns=tuple(Column(*column) for column in columns),
                indexes=tuple(
                    Index(tuple(names), tuple((n, v) for n, v in only))
                    for names, only in indexes
                ),
                insert_only=insert_only,
            )
        case _:
            raise LedgerFormatError("a declaration in the store is damaged")


def _names_are_good(collection: Collection) -> bool:
    names = [column.name for column in collection.columns]
    return (
        collection.name not in _RESERVED
        and all(_is_name(name) for name in (collection.name, *names))
        and not collection.name.startswith("sqlite_")
        and len(set(names)) == len(names) <= _MAX_WORDS
        and all(column.kind in _KINDS for column in collection.columns)
    )


def _key_is_good(collection: Collection) -> bool:
    solid = {column.name for column in collection.columns if not column.nullable}
    key = collection.key
    return bool(key) and len(set(key)) == len(key) and solid.issuperset(key)


def _indexes_are_good(collection: Collection) -> bool:
    kinds = {column.name: column.kind for column in collection.columns}
    fits = {"text": str, "integer": int}
    return len(collection.indexes) <= _MAX_WORDS and all(
        index.columns
        and all(name in kinds for name in index.columns)
        and all(
            name in kinds and type(value) is fits.get(kinds[name])
            for name, value in index.only
        )
        for index in collection.indexes
    )


def _writers_are_good(collection: Collection) -> bool:
    kinds = {column.name: column.kind for column in collection.columns}
    return _EVERY_WRITER.issuperset(collection.writers) and all(
        kinds.get(name) == "integer" and name not in collection.key
        for name in collection.growing
    )


def _is_name(name: object) -> bool:
    return type(name) is str and _NAME.fullmatch(name) is not None
