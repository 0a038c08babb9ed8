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

**Ordering.** An exclusive block is ordered against every other write block: it
comes wholly before or wholly after it. Two shared blocks that name a common stream
are ordered as well. So all blocks about one token, or about one execution, are in
one order with each other and with everything exclusive. On SQLite and in memory
all write blocks are in one total order; on PostgreSQL shared blocks without a
common stream run at the same time.

**Numbering.** Entries are numbered densely in their stream, and the time in a
stream never goes backwards. Each entry also gets a place in the ledger
(``leaf_index``), dense from 0, in an order that agrees with that of the blocks. On
SQLite and in memory it has it at once. On PostgreSQL entries of executions are
*pending* at first, without a place, and are numbered inside later calls; those
of tokens and of the platform are numbered in their own block.

**Isolation.** A write block reads the state left by all blocks ordered before it:
its locks are taken before anything is read, the clock (``now_us``) included. A
``read()`` block sees one committed state, the same until it ends, and does not
wait for writers (a ``memory:`` store has one connection, so there it does). With
``settled`` it sees a state in which nothing is pending.

**Locking.** A ``shared`` block (a start) waits its turn. An ``exclusive`` block (a
revocation, a pause, a key change) waits for those that have begun and for none
that begin later, and has a longer deadline. A lock not obtained in time raises
``StoreBusyError`` and promises nothing. Blocks do not nest: a thread inside a
block of a store that opens another gets ``StoreBusyError`` at once.

**Fencing.** ``append`` with ``expected_size`` compares and appends: a writer whose
view of the stream is stale is refused, and nothing of it stays. A block opened with
a ``fence`` is refused unless that hold is still held while the block has its locks.

**Failing closed.** When input or output fails inside a write block, the block is
rolled back, the store latches itself, and the entries that were lost are named in
a notice beside the database (where it is a file) and on standard error. While a
latch stands, write blocks are refused, except those that pass ``past_latch``. No
argument of a caller, however malformed or large, can latch a store. Constructing a
store never lifts a latch.

**Processes.** A store belongs to the process that opened it. After a fork the
child is refused, and touches nothing of its parent's.

Source:
    docs/spec/store.md.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from audit.records import LedgerHead, Receipt, StoredEntry, StreamHead
from audit.store.declarations import (
    MAX_KEY_BYTES,
    MAX_VALUE_BYTES,
    Collection,
    Column,
    Index,
    Kind,
    Record,
    Value,
)
from audit.store.protocols import (
    EVERYTHING,
    Ahead,
    EntriesOf,
    HeadOf,
    ReadTransaction,
    RecordAt,
    TreeHead,
    WriteTransaction,
)
from audit.trust import Trust

__all__ = [
    "EVERYTHING",
    "EXCLUSIVE_DEADLINE_S",
    "MAX_KEY_BYTES",
    "MAX_VALUE_BYTES",
    "Ahead",
    "Authority",
    "Collection",
    "Column",
    "EntriesOf",
    "HeadOf",
    "Hold",
    "Index",
    "Kind",
    "Latch",
    "LedgerHead",
    "ReadTransaction",
    "Receipt",
    "Record",
    "RecordAt",
    "Store",
    "StoredEntry",
    "StreamHead",
    "TreeHead",
    "Value",
    "WriteTransaction",
]

Authority: TypeAlias = Literal["shared", "exclusive"]

EXCLUSIVE_DEADLINE_S: Final = 30.0
"""How long an exclusive block waits for its lock when not told otherwise."""


@dataclass(frozen=True, slots=True)
class Latch:
    """Why writing is refused, and since when (Unix microseconds, as known)."""

    reason: str
    at_us: int


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
        streams: Sequence[str] = (),
        fence: Hold | None = None,
        ahead: Sequence[Ahead] = (),
    ) -> AbstractContextManager[WriteTransaction]:
        """Give a block in which the store can be changed.

        Entering takes the locks, leaving normally makes the block durable, and an
        exception rolls it back and propagates.

        Args:
            authority: ``exclusive`` for what must never wait behind starts, and
                for what concerns the whole platform.
            past_latch: Try although a latch stands: for stopping and recovery.
            deadline_s: How long to wait for the lock, in seconds, at least 0; the
                store's own limit when ``None`` (exclusive: 30 s).
            streams: The streams the block decides about, by the state of the
                stream or of a record that goes with it (counters, an execution
                row). Nobody else who names one of them is in a block until this
                one ends; an exclusive block need not name any.
            fence: A hold of this store without which the block must not be.
            ahead: What the block is going to read, as far as that is known. It
                changes nothing but, where the database is far, the time it takes.

        Raises:
            EntryRefusedError: The authority, the deadline or the fence is none.
            GrammarError: A stream is of no family.
            HoldLostError: The fence is not held any more (on entering).
            StoreLatchedError: A latch stands (on entering).
            StoreBusyError: The lock was not obtained in time (on entering).
            StoreUnavailableError: Input or output failed (on entering, inside, or
                on leaving; ``uncertain`` when the commit itself failed).
            StoreClosedError: The store is closed or was inherited by a fork.
        """
        ...

    def read(
        self, *, settled: bool = False, ahead: Sequence[Ahead] = ()
    ) -> AbstractContextManager[ReadTransaction]:
        """Give a block that sees one committed state.

        Args:
            settled: See a state in which every entry has its place in the ledger.
                This may wait for the write blocks that have begun.
            ahead: As for ``write``.

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
