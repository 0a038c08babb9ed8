"""Registries that are wrong on purpose, so that the checker is seen to fail.

They are what somebody writes who has not heard of check-then-act: what the decision is
made on is read before the lock, and not in the transaction that records the start.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from tokens.registry import TokenRegistry
from tokens.state.accounting import Reservation
from tokens.state.collections import USAGE, USE

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.store.interface import ReadTransaction, Store, WriteTransaction
    from tests.histories.board import Board
    from tokens.state.snapshot import TokenSnapshot

__all__ = ["REGISTRIES", "StaleAuthority", "StaleCounters"]


class StaleAuthority(TokenRegistry):
    """Believes what a read transaction before the lock said of revocation and pause.

    One thread of each process waits in between until something has been stopped: the
    interleaving that would otherwise be a matter of luck. The others go on.
    """

    def __init__(self, store: Store, board: Board, cues: int) -> None:
        super().__init__(store)
        self._board = board
        self._cues = cues
        self._seen = threading.local()
        self._is_taken = threading.Lock()

    def prepare(self, token_hash: str) -> None:
        """Check now, and act later."""
        super().prepare(token_hash)
        done = min(self._board.progress(), self._cues - 1)
        with self.store.read() as tx:
            self._seen.stale = stale = super().snapshot(tx, token_hash)
        is_good = stale.revoked_by is None and not stale.paused
        if is_good and stale.key_refusal is None and self._is_led_astray():
            self._board.wait(
                "something is stopped", lambda: self._board.progress() > done
            )

    def _is_led_astray(self) -> bool:
        """Whether this is the first thread that came here."""
        if "first" not in self._seen.__dict__:
            self._seen.first = self._is_taken.acquire(blocking=False)
        return bool(self._seen.first)

    def snapshot(self, tx: ReadTransaction, token_hash: str) -> TokenSnapshot:
        """Give the counters of now, and the authority of then."""
        stale: TokenSnapshot = self._seen.stale
        return replace(
            super().snapshot(tx, token_hash),
            key_refusal=stale.key_refusal,
            revoked_by=stale.revoked_by,
            paused=stale.paused,
        )


class StaleCounters(TokenRegistry):
    """Decides on counters that all threads have read before any of them wrote."""

    def __init__(self, store: Store, threads: int) -> None:
        super().__init__(store)
        self._all_have_read = threading.Barrier(threads, timeout=60)
        self._seen = threading.local()

    def prepare(self, token_hash: str) -> None:
        """Check now, and act later."""
        super().prepare(token_hash)
        with self.store.read() as tx:
            self._seen.stale = super().snapshot(tx, token_hash)
        self._all_have_read.wait()

    def snapshot(self, tx: ReadTransaction, token_hash: str) -> TokenSnapshot:
        """Give the counters of then."""
        stale: TokenSnapshot = self._seen.stale
        fresh = super().snapshot(tx, token_hash)
        return replace(fresh, usage=stale.usage, bounding_use_us=stale.bounding_use_us)

    def reserve(
        self,
        tx: WriteTransaction,
        snapshot: TokenSnapshot,
        *,
        execution_id: str,
        step: int,
        time_us: int,
    ) -> Reservation:
        """Count without asking again: the real one would refuse."""
        token = snapshot.believed_claims().token_hash
        fresh = super().snapshot(tx, token).usage
        limits = snapshot.believed_claims().token.limits
        seen = snapshot.usage
        left = limits.max_total_tokens - seen.units - seen.reserved
        amount = min(limits.max_tokens_per_response, left)
        after = replace(
            fresh,
            invocations=fresh.invocations + 1,
            reserved=fresh.reserved + amount,
            executions=fresh.executions + 1,
        )
        row = {
            "invocations": after.invocations,
            "units": after.units,
            "reserved": after.reserved,
            "executions": after.executions,
        }
        if tx.get(USAGE, token) is None:
            tx.insert(USAGE, {"token_hash": token, **row})
        else:
            tx.update(USAGE, (token,), row)
        use = {"number": after.executions, "time_us": time_us}
        tx.insert(USE, {"token_hash": token, "execution_id": execution_id, **use})
        if step != 0:
            raise AssertionError("this one plays plans of one step")
        return Reservation(amount, fresh, after)


REGISTRIES: dict[str, Callable[[Store, Board, int], TokenRegistry]] = {
    "right": lambda store, _board, _cues: TokenRegistry(store),
    "stale authority": StaleAuthority,
}
"""By name; made of a store, the board, and how many cues there are."""
