"""The entries of one write session, each linked to the one before.

Source: docs/spec/postgres.md, PGS-1.
"""

import uuid
from typing import Final, Self

from audit.records import StoredEntry
from audit.store.tables import Row

__all__ = ["Chain"]


class Chain:
    """Where the entries of one write session stand."""

    __slots__ = ("_last", "_number", "_writer_id")

    def __init__(self, writer_id: str, number: int, last: bytes) -> None:
        self._writer_id: Final = writer_id
        self._number = number
        self._last = last

    @classmethod
    def begin(cls) -> Self:
        """Give the chain of a new writer."""
        return cls(str(uuid.uuid4()), 0, b"")

    def copy(self) -> "Chain":
        """Give a chain that goes on from here, for a block that may come to nothing."""
        return Chain(self._writer_id, self._number, self._last)

    def linked(self, entry: StoredEntry) -> Row:
        """Give the row of an entry, which becomes the newest of the chain."""
        number, last = self._number, self._last
        self._number, self._last = number + 1, entry.leaf_hash
        return (*entry[1:], self._writer_id, number, last)
