"""Registries that are wrong on purpose, so that the checkers are seen to fail.

They are what somebody writes who has not heard of check-then-act: what the decision is
made on is read before the lock and not in the transaction that records the start.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.races.race_board import STOPPED
from tokens.registry import TokenRegistry
from tokens.state.accounting import Reservation
from tokens.state.collections import USAGE, USE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audit.store.interface import ReadTransaction, Store, WriteTransaction
    from tests.races.race_board import Board
    from tests.races.race_world import Round, World
    from tokens.state.snapshot import TokenSnapshot

__all__ = ["StaleAuthority", "StaleCounters", "make_registry"]

_WARM = 4
"""Plans a thread has had under a token before it is led astray."""


class StaleAuthority(TokenRegistry):
    """Believes what a read transaction before the lock said of revocation and pause.

    It waits in between until the stop has returned: the interleaving that would
    otherwise be a matter of luck.
    """

    def __init__(self, store: Store, board: Board, rounds: Sequence[Round]) -> None:
        super().__init__(store)
        self._board = board
        self._rounds = {played.token: played.number for played in rounds}
        self._seen = threading.local()

    def prepare(self, token_hash: str) -> None:
        """Check now, and act later."""
        super().prepare(token_hash)
        with self.store.read() as tx:
            stale = super().snapshot(tx, token_hash)
        number = self._rounds[token_hash]
        plans = self._seen.__dict__.setdefault("plans", {})
        plans[number] = plans.get(number, 0) + 1
        if plans[number] > _WARM and stale.revoked_by is None and not stale.paused:
            self._board.wait(
                f"round {number} is stopped",
                lambda: self._board.state(number) == STOPPED,
            )
        self._seen.stale = stale

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
        amount = snapshot.believed_claims().token.limits.max_tokens_per_response
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
            raise AssertionError("this mutant plays plans of one step")
        return Reservation(amount, fresh, after)


def make_registry(name: str, world: World, rounds: Sequence[Round]) -> TokenRegistry:
    """Make the right registry, or the wrong one of this name."""
    if name == "stale authority":
        return StaleAuthority(world.store, world.board, rounds)
    return TokenRegistry(world.store)
