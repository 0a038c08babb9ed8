"""What a store of the ledger promises, and the calls by which it is used.

A store keeps two things side by side in one database: the ledger (entries in one
tree, each in one stream) and named collections of records, declared by the
packages that own them. This file has the promises and the types; it has no code
that stores anything.

Guarantees of every implementation, proven by one conformance suite:

**Durability.** When a ``write()`` block ends normally, everything done in it is
on stable storage. Nothing less than that ends a block normally.

**Atomicity.** A block takes effect entirely or not at all. An exception raised
inside it, of whatever kind, rolls back and propagates.

**Ordering.** Write blocks of all threads, handles and processes on one store are
totally ordered. Entries are numbered densely in that order, in the ledger and in
their stream, and the time in a stream never goes backwards.

**Isolation.** A write block reads the state left by the block before it: the lock
is taken before anything is read, the clock (``now_us``) included. A ``read()``
block sees one committed state, the same until it ends, and does not wait for
writers (a ``memory:`` store has one connection, so there it does).

**Locking.** A ``shared`` block (a start) waits its turn, first come first served
within a process. An ``exclusive`` block (a revocation, a pause, a key change)
goes ahead of every waiting shared block, of this process and of others, and has a
longer deadline. A lock not obtained in time raises ``StoreBusyError`` and
promises nothing. Blocks do not nest: a thread inside a block of a store that
opens another gets ``StoreBusyError`` at once.

**Fencing.** ``append`` with ``expected_size`` compares and appends: a writer whose
view of the stream is stale is refused, and nothing of it stays.

**Failing closed.** When input or output fails inside a write block, the block is
rolled back, the store latches itself, and the entries that were lost are named in
a notice beside the database and on standard error. While a latch stands, write
blocks are refused, except those that pass ``past_latch``. No argument of a
caller, however malformed or large, can latch a store. Constructing a store never
lifts a latch.

**Processes.** A store belongs to the process that opened it. After a fork the
child is refused, and touches nothing of its parent's.

Source:
    docs/spec/store.md.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, Protocol, TypeAlias

from audit.entry import EntryDraft
from audit.merkle import Frontier
from audit.records import LedgerHead, Receipt, StoredEntry, StreamHead
from audit.store.declarations import (
    MAX_VALUE_BYTES,
    Collection,
    Column,
    Index,
    Kind,
    Record,
    Value,
)
from audit.trust import Trust

__all__ = [
    "EVERYTHING",
    "EXCLUSIVE_DEADLINE_S",
    "MAX_VALUE_BYTES",
    "Authority",
    "Collection",
    "Column",
    "Hold",
    "Index",
    "Kind",
    "Latch",
    "LedgerHead",
    "ReadTransaction",
    "Receipt",
    "Record",
    "Store",
    "StoredEntry",
    "StreamHead",
    "Value",
    "WriteTransaction",
]

Authority: TypeAlias = Literal["shared", "exclusive"]

EVERYTHING: Final[Mapping[str, Value]] = MappingProxyType({})
"""The filter of a scan that leaves nothing out."""

EXCLUSIVE_DEADLINE_S: Final = 30.0
"""How long an exclusive block waits for its lock when not told otherwise."""


@dataclass(frozen=True, slots=True)
class Latch:
    """Why writing is refused, and since when (Unix microseconds, as known)."""

    reason: str
    at_us: int


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

    def head(self) -> LedgerHead:
        """Read the head; inside a write block, appended entries are included.

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
        """Read entries of the ledger in order, from leaf index ``start`` on."""
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

    When input or output fails, every method raises ``StoreUnavailableError``; the
    block is lost from then on, even if its code catches the error.
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
            stream: ``execution:<uuid>``, ``token:sha256:<hex>`` or ``platform``.
            drafts: The entries, in order.
            expected_size: The size the caller believes the stream to have.
            time_us: The time of the entries instead of ``now_us``; the time of
                the stream's newest entry is used when that is later.

        Returns:
            One receipt per draft. They are worth something once the block ended.

        Raises:
            GrammarError: An entry may not follow the state of the stream.
            StreamConflictError: The stream is not at ``expected_size``.
            EntryRefusedError: An argument cannot be one, or is too large.
            StoreUnavailableError: Input or output failed; the store is latched.
            StoreClosedError: The block has ended.
        """
        ...

    def insert(self, collection: Collection, record: Mapping[str, Value]) -> None:
        """Insert a record, giving every column.

        Raises:
            DuplicateKeyError: There is a record with this key; it is unchanged.
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


class Hold(AbstractContextManager["Hold"], Protocol):
    """A sign that somebody is alive; it ends with ``close()`` or the process."""

    @property
    def name(self) -> str:
        """The name that is held."""
        ...

    def close(self) -> None:
        """Let go. Closing twice is harmless; in a forked child nothing happens."""
        ...


class Store(AbstractContextManager["Store"], Protocol):
    """A ledger and its collections. See the guarantees at the top of this file."""

    @property
    def url(self) -> str:
        """The address the store was opened with."""
        ...

    @property
    def ledger_id(self) -> str:
        """The identity of the ledger, part of every entry."""
        ...

    @property
    def trust(self) -> Trust | None:
        """What was pinned when the store was opened, if anything was."""
        ...

    @property
    def path(self) -> Path | None:
        """The database file; ``None`` when there is none on this machine."""
        ...

    def declare(self, *collections: Collection) -> None:
        """Create these collections, or check that they are what they were.

        Called by the package that owns them. Declaring again is harmless, and a
        latched store can still be declared to.

        Raises:
            EntryRefusedError: A declaration contradicts itself.
            LedgerFormatError: A collection of this name has another shape.
            StoreBusyError: The lock was not obtained in time.
            StoreUnavailableError: Input or output failed.
            StoreClosedError: The store is closed or was inherited by a fork.
        """
        ...

    def write(
        self,
        *,
        authority: Authority = "shared",
        past_latch: bool = False,
        deadline_s: float | None = None,
    ) -> AbstractContextManager[WriteTransaction]:
        """Give a block in which the store can be changed.

        Entering takes the lock, leaving normally makes the block durable, and an
        exception rolls it back and propagates.

        Args:
            authority: ``exclusive`` for what must never wait behind starts.
            past_latch: Try although a latch stands: for stopping and recovery.
            deadline_s: How long to wait for the lock, in seconds, at least 0; the
                store's own limit when ``None`` (exclusive: 30 s).

        Raises:
            StoreLatchedError: A latch stands (on entering).
            StoreBusyError: The lock was not obtained in time (on entering).
            StoreUnavailableError: Input or output failed (on entering, inside, or
                on leaving; ``uncertain`` when the commit itself failed).
            StoreClosedError: The store is closed or was inherited by a fork.
        """
        ...

    def read(self) -> AbstractContextManager[ReadTransaction]:
        """Give a block that sees one committed state.

        Raises:
            StoreBusyError: The lock was not obtained in time (on entering).
            StoreUnavailableError: The database cannot be read (on entering).
            StoreClosedError: The store is closed or was inherited by a fork.
        """
        ...

    @property
    def latch(self) -> Latch | None:
        """Why write blocks are refused; ``None`` when they are not."""
        ...

    def raise_latch(self, reason: str, lost: Sequence[str] = ()) -> None:
        """Refuse write blocks from now on, and leave a notice.

        The notice is escaped and bounded, so any text may be given. That the
        notice cannot be written is not an error: this process is latched then.

        Args:
            reason: Why, in a sentence.
            lost: One line for each thing that could not be recorded.

        Raises:
            StoreClosedError: The store was inherited by a fork.
        """
        ...

    def lift_latch(self) -> None:
        """Remove the notice and this process's own latch. Never done by itself.

        Raises:
            StoreUnavailableError: The notice cannot be removed.
            StoreClosedError: The store is closed or was inherited by a fork.
        """
        ...

    def hold(self, name: str) -> Hold:
        """Show, until the hold is closed or the process dies, that one lives.

        Args:
            name: ``[A-Za-z0-9_-]{1,128}``.

        Raises:
            EntryRefusedError: The name has another form.
            StoreBusyError: Somebody holds this name.
            StoreUnavailableError: The lock cannot be made; nothing is latched.
            StoreClosedError: The store is closed or was inherited by a fork.
        """
        ...

    def is_held(self, name: str) -> bool:
        """Tell whether somebody, here or in another process, holds this name.

        Raises:
            EntryRefusedError: The name has another form.
            StoreUnavailableError: It cannot be found out; nothing is latched.
            StoreClosedError: The store is closed or was inherited by a fork.
        """
        ...

    def close(self) -> None:
        """Close connections and holds. Closing twice is harmless.

        Raises:
            StoreBusyError: A block is still open, in this thread or past the
                deadline in another; nothing was closed.
        """
        ...
