"""The tables of the ledger itself, and how a database is known to be ours.

``entry`` keeps the exact bytes of each entry, its leaf hash and the columns
derived from it; ``head`` has one row, rewritten once per write block; ``meta``
says what the file is and which collections were declared.

Source: docs/spec/store.md, STO-2.
"""

from typing import Final

from audit.merkle import EMPTY
from audit.store.reading import Statements
from audit.store.tables import create_refusal, with_question_marks

__all__ = [
    "ADD_ENTRY",
    "ADD_META",
    "CREATE",
    "FORMAT",
    "HEAD",
    "IS_EMPTY",
    "IS_OURS",
    "META",
    "SCHEMA_VERSION",
    "SET_HEAD",
    "STATEMENTS",
]

FORMAT: Final = "stage3-ledger"
SCHEMA_VERSION: Final = 1

_EMPTY_FRONTIER: Final = f"x'{EMPTY.to_bytes().hex()}'"
_EMPTY_ROOT: Final = f"x'{EMPTY.root().hex()}'"

CREATE: Final = (
    """CREATE TABLE meta (
        name TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE entry (
        leaf_index INTEGER NOT NULL PRIMARY KEY,
        stream TEXT NOT NULL,
        stream_index INTEGER NOT NULL,
        time_us INTEGER NOT NULL,
        type TEXT NOT NULL,
        state TEXT NOT NULL,
        leaf_hash BLOB NOT NULL,
        data BLOB NOT NULL
    )""",
    "CREATE UNIQUE INDEX entry_stream ON entry (stream, stream_index)",
    create_refusal("entry", "entry.no_update", "update"),
    create_refusal("entry", "entry.no_delete", "delete"),
    """CREATE TABLE head (
        only INTEGER NOT NULL PRIMARY KEY CHECK (only = 0),
        size INTEGER NOT NULL,
        frontier BLOB NOT NULL,
        root BLOB NOT NULL,
        time_us INTEGER NOT NULL
    )""",
    f"INSERT INTO head VALUES (0, 0, {_EMPTY_FRONTIER}, {_EMPTY_ROOT}, 0)",  # noqa: S608  # constants
    f"INSERT INTO meta VALUES ('format', '{FORMAT}')",  # noqa: S608  # a constant
    f"INSERT INTO meta VALUES ('schema', '{SCHEMA_VERSION}')",  # noqa: S608  # same
)
"""In order, inside one transaction; the ledger's id is added by the one who does."""

IS_EMPTY: Final = "SELECT count(*) = 0 FROM sqlite_master"
IS_OURS: Final = (
    "SELECT count(*) = 3 FROM sqlite_master"
    " WHERE type = 'table' AND name IN ('meta', 'entry', 'head')"
)
META: Final = "SELECT value FROM meta WHERE name = ?"
ADD_META: Final = "INSERT INTO meta VALUES (?, ?)"


def _column(name: str, kind: str) -> str:
    """Select a column, or a value that no entry has where it holds another type."""
    instead = {"text": "''", "integer": "-1", "blob": "x''"}[kind]
    return f"CASE typeof({name}) WHEN '{kind}' THEN {name} ELSE {instead} END"


# This changes nothing in what we wrote. In a file that somebody edited it makes
# every row one that the verifier can look at, instead of an error. A cast would do
# that too, but hide a stream's name turned into a blob, which no search finds.
_COLUMNS: Final = (
    "leaf_index",
    _column("stream", "text"),
    _column("stream_index", "integer"),
    _column("time_us", "integer"),
    _column("type", "text"),
    _column("state", "text"),
    _column("leaf_hash", "blob"),
    _column("data", "blob"),
)
_ENTRY: Final = f"SELECT {', '.join(_COLUMNS)} FROM entry"  # noqa: S608  # constants
_ENTRIES: Final = f"{_ENTRY} WHERE leaf_index >= ? ORDER BY leaf_index LIMIT ?"
_STREAM_ENTRIES: Final = (
    f"{_ENTRY} WHERE stream = ? AND stream_index >= ? ORDER BY stream_index LIMIT ?"
)
_STREAM_HEAD: Final = (
    "SELECT CAST(stream_index AS INTEGER), CAST(leaf_hash AS BLOB),"
    " CAST(state AS TEXT), CAST(time_us AS INTEGER) FROM entry"
    " WHERE stream = ? ORDER BY stream_index DESC LIMIT 1"
)
ADD_ENTRY: Final = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

HEAD: Final = "SELECT size, root, time_us FROM head"
SET_HEAD: Final = "UPDATE head SET size = ?, frontier = ?, root = ?, time_us = ?"

STATEMENTS: Final = Statements(
    dialect=with_question_marks,
    head=HEAD,
    frontier="SELECT frontier, time_us FROM head",
    stream_head=_STREAM_HEAD,
    stream_entries=_STREAM_ENTRIES,
    entries=_ENTRIES,
    meta=META,
    no_limit=-1,
)
