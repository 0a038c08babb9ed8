"""Collections as tables of PostgreSQL: what is created for a declaration.

Text is compared by code points (collation ``C``), as everywhere. Names of indexes,
checks and triggers have a dot, which no collection's has.

Source: docs/spec/postgres.md, PGS-1 and PGS-3.
"""

from typing import Final

from audit.store.declarations import Collection, Column, Index, Value
from audit.store.postgres.names import literal, quoted, refuse_statement

__all__ = ["create_collection"]

_TYPES: Final = {"text": 'text COLLATE "C"', "integer": "bigint", "blob": "bytea"}


def create_collection(collection: Collection) -> tuple[str, ...]:
    """Write the statements that make a checked collection's table."""
    made = [_create_table(collection)]
    made += [
        _create_index(collection, f"{collection.name}.{number}", index)
        for number, index in enumerate(collection.indexes)
    ]
    if collection.insert_only:
        made.append(refuse_statement(collection.name, "UPDATE"))
    made.append(refuse_statement(collection.name, "DELETE"))
    made.append(refuse_statement(collection.name, "TRUNCATE"))
    if collection.growing:
        less = " OR ".join(
            f"NEW.{quoted(name)} < OLD.{quoted(name)}" for name in collection.growing
        )
        made.append(refuse_statement(collection.name, "UPDATE", when=less))
    return tuple(made)


def _create_table(collection: Collection) -> str:
    columns = [
        _column(column, counted=bool(collection.growing))
        for column in collection.columns
    ]
    key = _listed(collection.key)
    name = quoted(f"{collection.name}.key")
    body = ", ".join((*columns, f"CONSTRAINT {name} PRIMARY KEY ({key})"))
    return f"CREATE TABLE {quoted(collection.name)} ({body})"


def _column(column: Column, *, counted: bool) -> str:
    name = quoted(column.name)
    never_null = "" if column.nullable else " NOT NULL"
    least = f" CHECK ({name} >= 0)" if counted and column.kind == "integer" else ""
    return f"{name} {_TYPES[column.kind]}{never_null}{least}"


def _create_index(collection: Collection, name: str, index: Index) -> str:
    table, columns = quoted(collection.name), _listed(index.columns)
    made = f"CREATE INDEX {quoted(name)} ON {table} ({columns})"
    only = " AND ".join(f"{quoted(n)} = {_constant(v)}" for n, v in index.only)
    return f"{made} WHERE {only}" if only else made


def _constant(value: Value) -> str:
    return literal(value) if isinstance(value, str) else str(value)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(quoted(name) for name in names)
