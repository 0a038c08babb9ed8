"""What a store hands out: rows and heads, with no behaviour of their own.

They live apart from the store so that the verifier runs without one. They are
named tuples because a ledger is read by the million: one of them is made for
every row.
"""

from typing import NamedTuple

from audit.errors import LedgerFormatError

__all__ = ["LedgerHead", "Receipt", "StoredEntry", "StreamHead"]


class StoredEntry(NamedTuple):
    """One entry as stored: the exact bytes, and the columns derived from them.

    ``state`` is the state of the stream after this entry, ``index`` its place in
    its stream and ``leaf_index`` its place in the ledger, both from 0, the latter
    None while it is pending (never on SQLite); ``leaf_hash`` has 32 bytes;
    ``time_us`` is in Unix microseconds. Everything but ``data`` is unbelieved until
    verified.
    """

    leaf_index: int | None
    stream: str
    index: int  # type: ignore[assignment]  # hides tuple.index on purpose
    time_us: int
    type: str
    state: str
    leaf_hash: bytes
    data: bytes

    @property
    def place(self) -> int:
        """The place in the ledger of an entry that has one.

        Raises:
            LedgerFormatError: It has none.
        """
        return _placed(self.leaf_index)


class StreamHead(NamedTuple):
    """Where a stream stands.

    ``last_hash`` is the leaf hash of the newest entry in hexadecimal, empty for
    an empty stream, whose ``state`` is ``start`` and whose ``time_us`` is 0.
    """

    stream: str
    size: int
    last_hash: str
    state: str
    time_us: int


class LedgerHead(NamedTuple):
    """Where the ledger stands: tree size, 32-byte root, latest time of any entry."""

    size: int
    root: bytes
    time_us: int


class Receipt(NamedTuple):
    """What an append gives back for one entry; ``leaf_hash`` is hexadecimal.

    ``leaf_index`` is None while the entry is pending (never on SQLite).
    """

    leaf_index: int | None
    stream: str
    index: int  # type: ignore[assignment]  # hides tuple.index on purpose
    leaf_hash: str
    time_us: int
    data: bytes

    @property
    def place(self) -> int:
        """The place in the ledger of an entry that has one.

        Raises:
            LedgerFormatError: It has none.
        """
        return _placed(self.leaf_index)


def _placed(leaf_index: int | None) -> int:
    if leaf_index is None:
        raise LedgerFormatError("an entry has no place in the ledger")
    return leaf_index
