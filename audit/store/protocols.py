"""What can be called inside a block of a store: the two transactions.

The promises they are part of stand in ``audit.store.interface``.

Source: docs/spec/store.md, STO-3.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, TypeAlias

from audit.entry import EntryDraft
from audit.merkle import Frontier
from audit.records import LedgerHead, Receipt, StoredEntry, StreamHead
from audit.store.declarations import Collection, Record, Value

__all__ = [
    "EVERYTHING",
    "Ahead",
    "EntriesOf",
    "HeadOf",
    "ReadTransaction",
    "RecordAt",
    "TreeHead",
    "WriteTransaction",
]

EVERYTHING: Final[Mapping[str, Value]] = MappingProxyType({})
"""The filter of a scan that leaves nothing out."""


class RecordAt(NamedTuple):
    """The record of a collection with this key, as ``get`` reads it."""

    collection: Collection
    key: tuple[Value, ...]


class HeadOf(NamedTuple):
    """The head of a stream, as ``stream_head`` reads it."""

    stream: str


class EntriesOf(NamedTuple):
    """Entries of a stream, as ``stream_entries`` reads them with these arguments."""

    stream: str
    start: int
    limit: int | None


class TreeHead(NamedTuple):
    """The head of the ledger, as ``head`` reads it."""


Ahead: TypeAlias = RecordAt | HeadOf | EntriesOf | TreeHead
"""Something a block is going to read; a store may read it with taking the lock."""


class ReadTransaction(Protocol):
    """One committed state of the store, valid until its block ends.

    Every method raises ``EntryRefusedError`` for an argument that no entry or
    column could hold, ``StoreClosedError`` after the block has ended and
    ``StoreUnavailableError`` when the database cannot be read.
    """

    @property
    def now_us(self) -> int:
        """The store's clock in Unix microseconds, read after the lock was taken."""
        ...

    @property
    def began(self) -> int | None:
        """In a read block, a number of ``next_look`` drawn before its view was opened.

        ``None`` in a write block, which sees what no other look is ahead of.
        """
        ...

    def head(self) -> LedgerHead:
        """Read where the tree stands; its time is the latest of any entry.

        Inside a write block, entries that were appended and numbered are included.

        Raises:
            LedgerFormatError: The head row is missing or damaged.
        """
        ...

    def newest_us(self) -> int:
        """Read the time of the newest entry; cheaper than the whole head.

        Raises:
            LedgerFormatError: The head row is missing or damaged.
        """
        ...

    def frontier(self) -> Frontier:
        """Read the tree's frontier: what the next root is computed from.

        Raises:
            LedgerFormatError: The head row is missing or damaged.
        """
        ...

    def stream_head(self, stream: str) -> StreamHead:
        """Read where a stream stands; an unknown stream is an empty one."""
        ...

    def stream_entries(
        self, stream: str, start: int = 0, limit: int | None = None
    ) -> list[StoredEntry]:
        """Read entries of one stream in order, from stream index ``start`` on."""
        ...

    def entries(self, start: int = 0, limit: int = 1000) -> list[StoredEntry]:
        """Read numbered entries of the ledger in order, from leaf index ``start`` on.

        Entries that are still pending have no place yet and are not among them.
        """
        ...

    def collection(self, name: str) -> Collection | None:
        """Find a collection by name as it was declared, by whatever process.

        Raises:
            LedgerFormatError: What the database says of it cannot be understood.
        """
        ...

    def get(self, collection: Collection, *key: Value) -> Record | None:
        """Read the record with this key; ``None`` when there is none."""
        ...

    def scan(
        self,
        collection: Collection,
        where: Mapping[str, Value] = EVERYTHING,
        *,
        after: tuple[Value, ...] | None = None,
        limit: int | None = None,
        descending: bool = False,
    ) -> list[Record]:
        """Read the records whose columns equal ``where``, in key order.

        Args:
            collection: Where to look.
            where: Column values that must be equal; ``None`` matches null.
            after: The whole key after which to begin, for paging.
            limit: The most records to give back, at least 0; all when ``None``.
            descending: Give the greatest key first; ``after`` then means below.
        """
        ...


class WriteTransaction(ReadTransaction, Protocol):
    """The right to change the store, held under its lock until the block ends.

    When input or output fails, every method raises ``StoreUnavailableError``, and
    ``StoreBusyError`` where the database gave the block up for others (a deadlock, a
    limit of time); the block is lost from then on, even if its code catches that.
    """

    def append(
        self,
        stream: str,
        drafts: Sequence[EntryDraft],
        *,
        expected_size: int | None = None,
        time_us: int | None = None,
    ) -> list[Receipt]:
        """Append entries to a stream, all or none.

        Args:
            stream: ``execution:<uuid>``, ``token:sha256:<hex>``, or, in an exclusive
                block only, ``platform``.
            drafts: The entries, in order.
            expected_size: The size the caller believes the stream to have.
            time_us: The time of the entries instead of ``now_us``; the time of
                the stream's newest entry is used when that is later.

        Returns:
            One receipt per draft. They are worth something once the block ended.

        Raises:
            GrammarError: An entry may not follow the state of the stream.
            StreamConflictError: The stream is not at ``expected_size``. Where blocks
                run at once, and only for a stream the block did not name, this may
                also be raised when the block ends, of which nothing stays then.
            EntryRefusedError: An argument cannot be one, or is too large.
            StoreUnavailableError: Input or output failed; the store is latched.
            StoreClosedError: The block has ended.
        """
        ...

    def insert(
        self, collection: Collection, record: Mapping[str, Value], *, late: bool = False
    ) -> None:
        """Insert a record, giving every column.

        Args:
            collection: Where.
            record: What.
            late: Be content to be told of a duplicate when the block ends, of which
                nothing stays then. Where the database is far this saves time.

        Raises:
            DuplicateKeyError: There is a record with this key; it is unchanged. With
                ``late``, or if the block had looked the key up and found nothing,
                this may also be raised when the block ends.
            EntryRefusedError: A column is missing, unknown or of the wrong kind.
            StoreUnavailableError: Input or output failed; the store is latched.
            StoreClosedError: The block has ended.
        """
        ...

    def update(
        self,
        collection: Collection,
        key: tuple[Value, ...],
        changes: Mapping[str, Value],
    ) -> None:
        """Change columns of the record with this key.

        Raises:
            MissingKeyError: There is no such record.
            EntryRefusedError: The collection is insert-only, or a change names
                no column, a key column or a value of the wrong kind.
            StoreUnavailableError: Input or output failed; the store is latched.
            StoreClosedError: The block has ended.
        """
        ...
