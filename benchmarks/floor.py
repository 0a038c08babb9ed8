"""The floor: a durable plan's commits and entries, and nothing else."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Floor"]

_KINDS = (
    "AUTHORIZATION_SCOPE_CHECK",
    "RESOURCE_LIMIT_CHECK",
    "EXECUTION_STARTED",
    "EXECUTION_COMPLETED",
)
_PADDING = "x" * 60


class Floor:
    """Raw SQLite with the same durability, as fast as it can be written simply."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        run = self._connection.execute
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=FULL")
        run(
            "CREATE TABLE entry (id INTEGER PRIMARY KEY, stream TEXT, place INTEGER,"
            " hash BLOB, data BLOB)"
        )
        run("CREATE UNIQUE INDEX by_stream ON entry (stream, place)")
        self._plans = 0

    def run_plan(self, steps: int, parameters: dict[str, object]) -> None:
        """Record one plan in ``steps`` + 1 transactions, and do its trivial work."""
        self._plans += 1
        stream = f"execution:{self._plans:032x}"
        place, previous = 0, ""
        place, previous = self._commit(
            stream, place, previous, ("TOKEN_VALIDATION", *_KINDS[:3])
        )
        for step in range(steps):
            sum(len(str(value)) for value in parameters.values())
            last = step == steps - 1
            kinds = _KINDS[3:] if last else (*_KINDS[3:], *_KINDS[:3])
            place, previous = self._commit(stream, place, previous, kinds)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _commit(
        self, stream: str, place: int, previous: str, kinds: tuple[str, ...]
    ) -> tuple[int, str]:
        rows = []
        for kind in kinds:
            entry = {
                "stream": stream,
                "place": place,
                "type": kind,
                "time": 1_800_000_000_000_000,
                "user": "alice",
                "token": "sha256:" + "0" * 64,
                "domain": "probe",
                "method": "answer",
                "status": "success",
                "details": {"step": 0, "padding": _PADDING},
                "prev": previous,
            }
            data = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
            digest = hashlib.sha256(data)
            rows.append((stream, place, digest.digest(), data))
            previous = digest.hexdigest()
            place += 1
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO entry (stream, place, hash, data) VALUES (?, ?, ?, ?)", rows
        )
        run("COMMIT")
        return place, previous
