"""What a write block knows of records, so that it reads and writes each of them once.

Its locks keep others away from what it decides about, so what it has read of a record,
or written itself, is what is there until it ends. Changes of the same columns of a
record become one statement, run when the block ends or before it is asked what depends
on them.

Source: docs/spec/store.md, STO-3.
"""

from typing import Final, TypeAlias

from audit.store.declarations import Record
from audit.store.tables import Row

__all__ = ["UNKNOWN", "KnownRecords", "Name"]

Name: TypeAlias = tuple[str, Row]
"""A record: the name of its collection, and its key."""

UNKNOWN: Final[Record] = {}
"""Stands for a record of which nothing is known, not even that there is none."""


class KnownRecords:
    """The records of one write block; ``None`` is one that is known not to be there."""

    __slots__ = ("_changes", "_records")

    def __init__(self) -> None:
        self._records: dict[Name, Record | None] = {}
        self._changes: dict[Name, tuple[str, Row]] = {}

    def get(self, name: Name) -> Record | None:
        """Give what is known; ``UNKNOWN`` if nothing is."""
        return self._records.get(name, UNKNOWN)

    def put(self, name: Name, record: Record | None) -> None:
        """Note what was read or inserted."""
        self._records[name] = record

    def forget(self, name: Name) -> None:
        """Note that a record was changed that had not been read."""
        self._records.pop(name, None)

    def change(self, name: Name, change: tuple[str, Row]) -> tuple[str, Row] | None:
        """Keep a statement that changes a record, and its values, for later.

        It takes the place of one that sets the same columns of the same record.

        Returns:
            The statement that must be run now, because it sets other columns.
        """
        before = self._changes.pop(name, None)
        self._changes[name] = change
        return None if before is None or before[0] == change[0] else before

    def take_changes(self) -> tuple[tuple[str, Row], ...]:
        """Give the statements that wait, in order; they wait no more."""
        if not self._changes:
            return ()
        changes, self._changes = tuple(self._changes.values()), {}
        return changes
