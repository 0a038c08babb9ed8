"""Executions this process had to leave half way, until it can close them.

A plan is abandoned when the store could not be written in its middle. Its owner is
alive, so recovery leaves it alone; its own process closes it with ABORTED at its next
call.

Source: docs/spec/execution.md, EXE-7.2; design section 5 "When a write fails".
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from audit.errors import AuditError
from stage3.journal import Journal, abort_row
from stage3.records import EXECUTION, OPEN

if TYPE_CHECKING:
    from audit.store.interface import Hold, Store
    from stage3.journal import Claim
    from tokens.registry import TokenRegistry

__all__ = ["Abandoned"]


class Abandoned:
    """The abandoned executions of one owner; safe to use from several threads."""

    def __init__(self, hold: Hold, store: Store, registry: TokenRegistry) -> None:
        self._hold = hold
        self._store = store
        self._registry = registry
        self._claims: dict[str, Claim] = {}
        self._lock = threading.Lock()

    def add(self, claim: Claim) -> None:
        """Remember an execution that may still be open.

        By its salt as well as its id: the same id may meanwhile be, or have been all
        along, an execution that goes on, on another thread.
        """
        with self._lock:
            self._claims[claim.execution_id] = claim

    def close_all(self) -> None:
        """Close every one of them, each in a commit of its own.

        Raises:
            HoldLostError: This owner is taken for dead: recovery closes them.
            AuditError: The store cannot be written, or a row and its stream
                disagree; what is not closed yet stays remembered.
        """
        with self._lock:
            waiting = tuple(self._claims.values())
        for claim in waiting:
            self._close(claim)
            with self._lock:
                if self._claims.get(claim.execution_id) is claim:
                    del self._claims[claim.execution_id]

    def try_to_close_all(self) -> None:
        """Close what can be closed now; the rest waits for the next call."""
        try:
            self.close_all()
        except AuditError:
            return

    def _close(self, claim: Claim) -> None:
        streams = Journal(claim).streams
        with self._store.write(streams=streams, fence=self._hold) as tx:
            row = tx.get(EXECUTION, claim.execution_id)
            # Absent: its first commit was lost. Not ours or closed: nothing to do.
            if row is None or row["state"] != OPEN:
                return
            if row["owner_id"] == claim.owner_id and row["salt"] == claim.salt:
                abort_row(tx, self._registry, row)
