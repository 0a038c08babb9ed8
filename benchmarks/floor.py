"""The floor: a durable plan's commits and entries, and nothing else.

A floor makes a plan's 1 + 4N entries of about 350 bytes, encodes each as JSON (with
``orjson`` where it is installed), links them with SHA-256, and hands them to a *sink*
in N + 1 batches, each of which is durable before the next is made.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sqlite3
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = [
    "ENCODER",
    "FileSink",
    "Floor",
    "ListSink",
    "Row",
    "Sink",
    "SqliteSink",
    "batches",
    "create_table",
    "open_raw",
]

Row: TypeAlias = tuple[str, int, bytes, bytes]
"""Stream, place in it, hash and bytes of one entry."""

INSERT: Final = "INSERT INTO entry (stream, place, hash, data) VALUES (?, ?, ?, ?)"
_START: Final = ("AUTHORIZATION_SCOPE_CHECK", "RESOURCE_LIMIT_CHECK", "STARTED")


def _encoder() -> tuple[str, Callable[[object], bytes]]:
    try:
        import orjson  # noqa: PLC0415 - the floor takes the fastest there is
    except ImportError:
        encode = json.JSONEncoder(separators=(",", ":")).encode
        return "json", lambda entry: encode(entry).encode()
    return "orjson", orjson.dumps


ENCODER, _encode = _encoder()


class Sink(Protocol):
    """Where a floor's entries go."""

    def commit(self, rows: Sequence[Row]) -> None:
        """Make a batch durable, as far as this sink does."""
        ...

    def close(self) -> None:
        """Close what was opened."""
        ...


class Floor:
    """Runs plans into a sink; a path is raw SQLite on it."""

    def __init__(self, sink: Sink | Path, name: str = "") -> None:
        self.sink: Sink = SqliteSink(sink) if isinstance(sink, os.PathLike) else sink
        self._name = name
        self._numbers = itertools.count(1)

    def run_plan(self, steps: int, parameters: dict[str, object]) -> None:
        """Record one plan in ``steps`` + 1 commits, and do its trivial work."""
        stream = f"execution:{self._name}{next(self._numbers):032x}"
        for rows in batches(stream, steps, parameters):
            self.sink.commit(rows)

    def close(self) -> None:
        """Close the sink."""
        self.sink.close()


def batches(
    stream: str, steps: int, parameters: dict[str, object]
) -> Iterator[list[Row]]:
    """Make a plan's entries, one batch per commit, working between them."""
    link = _Link(stream)
    yield link.rows("TOKEN_VALIDATION", *_START)
    for step in range(steps):
        sum(len(str(value)) for value in parameters.values())
        following = () if step == steps - 1 else _START
        yield link.rows("COMPLETED", *following)


class _Link:
    """The open end of one stream."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._place = 0
        self._previous = ""

    def rows(self, *kinds: str) -> list[Row]:
        rows = []
        for kind in kinds:
            data = _encode(self._entry(kind))
            digest = hashlib.sha256(data)
            rows.append((self._stream, self._place, digest.digest(), data))
            self._previous = digest.hexdigest()
            self._place += 1
        return rows

    def _entry(self, kind: str) -> dict[str, object]:
        return {
            "stream": self._stream,
            "place": self._place,
            "type": kind,
            "time": 1_800_000_000_000_000,
            "user": "alice",
            "token": "sha256:" + "0" * 64,
            "domain": "probe",
            "method": "answer",
            "status": "success",
            "details": {"step": 0},
            "prev": self._previous,
        }


class ListSink:
    """A list in memory: what the entries alone cost."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def commit(self, rows: Sequence[Row]) -> None:
        """Keep the rows, and forget them before they are too many."""
        self._rows.extend(rows)
        if len(self._rows) > 100_000:
            self._rows.clear()

    def close(self) -> None:
        """Forget them."""
        self._rows.clear()


class FileSink:
    """A file, flushed after each batch: the least that is durable."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def commit(self, rows: Sequence[Row]) -> None:
        """Write the bytes and flush them."""
        os.write(self._file, b"".join(row[3] for row in rows))
        os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class SqliteSink:
    """Raw SQLite with the same durability, as fast as it can be written simply."""

    def __init__(self, path: Path) -> None:
        self._connection = open_raw(path)
        create_table(self._connection)

    def commit(self, rows: Sequence[Row]) -> None:
        """Insert and commit."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        self._connection.executemany(INSERT, rows)
        run("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def open_raw(path: Path) -> sqlite3.Connection:
    """Open a database with the durability of the store, for any thread."""
    found = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=60
    )
    found.execute("PRAGMA journal_mode=WAL")
    found.execute("PRAGMA synchronous=FULL")
    return found


def create_table(connection: sqlite3.Connection) -> None:
    """Make the one table and its one index."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, stream TEXT,"
        " place INTEGER, hash BLOB, data BLOB)"
    )
    connection.execute(
        "CREATE UNIQUE INDEX IF NOT EXISTS by_stream ON entry (stream, place)"
    )
