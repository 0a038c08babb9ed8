"""The platform's state at hand: folded once, continued with what is new.

What is remembered is a state and the exact head it belongs to, never a
decision: each use reads the head again inside its own transaction. A stream
that is shorter than it was, or tells its past differently, stops every start.

A write transaction may see entries of its neighbours that are not durable yet
(they share a commit) or its own that are rolled back later. So what was folded
there is kept apart, as *ahead*, and is never held against the store; only what
a read transaction saw, which is committed, is *settled*.

A view may be older than what another thread has settled since it was opened. It is
held against what was settled before that; a write transaction, which sees the
newest state, against everything.

Spec: docs/spec/authority.md, AUT-5.
"""

from collections import deque
from threading import Lock
from typing import Final

from audit.records import StoredEntry, StreamHead
from audit.store.interface import ReadTransaction, Record
from audit.store.looks import next_look
from audit.trail import PLATFORM_STREAM
from tokens.errors import RegistryIntegrityError
from tokens.keys import VerificationKey
from tokens.state.collections import KEY, STATEMENT
from tokens.state.platform_fold import (
    KEY_EVENTS,
    STATEMENT_EVENTS,
    PlatformItem,
    fold_platform,
)
from tokens.state.platform_state import EMPTY_PLATFORM, PlatformState

__all__ = ["PlatformReader"]

_KEY_NAMES = frozenset(event.value for event in KEY_EVENTS)
_STATEMENT_NAMES = frozenset(event.value for event in STATEMENT_EVENTS)

SETTLED_KEPT: Final = 16
"""How many settled states are kept, for the views that are older than the newest."""


class PlatformReader:
    """Gives the state of the platform inside a transaction. Safe across threads."""

    def __init__(self, ledger_id: str, root: VerificationKey | None) -> None:
        self._ledger_id = ledger_id
        self._root = root
        self._settled = EMPTY_PLATFORM
        # Each with a number that was drawn once its view was open.
        self._history = deque([(0, EMPTY_PLATFORM)], SETTLED_KEPT)
        self._ahead = (EMPTY_PLATFORM, EMPTY_PLATFORM)
        self._lock = Lock()

    @property
    def has_news(self) -> bool:
        """Whether a transaction has seen more than is known to be committed."""
        grown_from, ahead = self._ahead
        return grown_from is self._settled and ahead is not grown_from

    def settle(self, tx: ReadTransaction) -> PlatformState:
        """Take in what is committed, outside the write lock, however much it is.

        Says nothing of a damaged stream: ``current`` does, where it matters.

        Args:
            tx: A ``read()`` block of the store; never a ``write()`` block.

        Returns:
            The newest state that is known to be committed.
        """
        head = tx.stream_head(PLATFORM_STREAM)
        settled = self._settled
        if head.size <= settled.size:
            # Nothing new, or an older view than that of another thread.
            return settled
        try:
            state = self._folded(tx, head, self._bases())
        except RegistryIntegrityError:
            return settled
        with self._lock:
            if state.size > self._settled.size:
                self._history.append((next_look(), state))
                self._settled = state
            return self._settled

    def current(self, tx: ReadTransaction, head: StreamHead) -> PlatformState:
        """Return the state of the platform as this transaction sees it.

        Args:
            tx: The transaction to read in.
            head: The head of the platform stream, read in it.

        Raises:
            RegistryIntegrityError: The stream is not a continuation of what was
                seen, or it or its records cannot be believed.

        Source:
            AUT-5.1 to AUT-5.4.
        """
        bases = self._bases()
        for base in bases:
            if _is_at(base, head):
                return base
        settled = bases[-1]
        if head.size <= settled.size and tx.began is not None:
            settled = self._settled_before(tx.began)
            bases = (settled,)
            if _is_at(settled, head):
                return settled
        if head.size <= settled.size:
            raise RegistryIntegrityError(
                f"the platform stream has {head.size} entries that are not the"
                f" {settled.size} seen before"
            )
        state = self._folded(tx, head, bases)
        if settled is self._settled:
            self._ahead = (settled, state)
        return state

    def _settled_before(self, began: int) -> PlatformState:
        """Return what was settled before a view was opened: it cannot see less."""
        with self._lock:
            history = tuple(self._history)
        older = [state for number, state in history if number < began]
        return older[-1] if older else history[0][1]

    def _bases(self) -> tuple[PlatformState, ...]:
        """Return the states to continue from, the most advanced first."""
        settled = self._settled
        grown_from, ahead = self._ahead
        # What grew from an older settled state may have been rolled back since.
        return (ahead, settled) if grown_from is settled else (settled,)

    def _folded(
        self, tx: ReadTransaction, head: StreamHead, bases: tuple[PlatformState, ...]
    ) -> PlatformState:
        for base in bases[:-1]:
            if _is_at(base, head):
                return base
            if base.size < head.size:
                try:
                    return self._continued(tx, head, base)
                except RegistryIntegrityError:
                    # Grown from entries that were rolled back, perhaps. Whether
                    # the stream is sound is said by the settled state alone.
                    continue
        return self._continued(tx, head, bases[-1])

    def _continued(
        self, tx: ReadTransaction, head: StreamHead, base: PlatformState
    ) -> PlatformState:
        entries = tx.stream_entries(PLATFORM_STREAM, base.size)
        items = [PlatformItem(stored, _record_of(tx, stored)) for stored in entries]
        state = fold_platform(base, items, ledger_id=self._ledger_id, root=self._root)
        if not _is_at(state, head):
            raise RegistryIntegrityError("the platform stream has no end")
        return state


def _is_at(state: PlatformState, head: StreamHead) -> bool:
    return state.size == head.size and state.last_hash == head.last_hash


def _record_of(tx: ReadTransaction, stored: StoredEntry) -> Record | None:
    """Read the record beside an entry.

    The type is the unbelieved column; where it lies, the fold finds a record
    missing or superfluous and stops.
    """
    if stored.type in _KEY_NAMES:
        return tx.get(KEY, stored.index)
    return tx.get(STATEMENT, stored.index) if stored.type in _STATEMENT_NAMES else None
