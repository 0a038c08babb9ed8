"""The terms of a write block: checked when it is made, the same on every database.

Source: docs/spec/store.md, STO-4 and STO-6.
"""

from dataclasses import dataclass

from audit.errors import EntryRefusedError, StoreLatchedError
from audit.store.interface import EXCLUSIVE_DEADLINE_S, Authority, Latch

__all__ = ["Terms", "refuse_latched", "write_terms"]


@dataclass(frozen=True, slots=True)
class Terms:
    """Whether a block is exclusive, and how long it waits for its locks."""

    exclusive: bool
    deadline_s: float


def write_terms(
    authority: Authority, deadline_s: float | None, usual_s: float
) -> Terms:
    """Check what a block was asked for with; ``usual_s`` is the store's own limit.

    Raises:
        EntryRefusedError: The authority or the deadline is none.
    """
    exclusive = authority == "exclusive"
    if not exclusive and authority != "shared":
        raise EntryRefusedError("an authority is shared or exclusive")
    if deadline_s is None:
        deadline_s = max(usual_s, EXCLUSIVE_DEADLINE_S) if exclusive else usual_s
    elif not deadline_s >= 0:
        raise EntryRefusedError("a deadline is a number of seconds, at least 0")
    return Terms(exclusive, deadline_s)


def refuse_latched(latch: Latch | None) -> None:
    """Refuse to write past a latch.

    Raises:
        StoreLatchedError: One stands.
    """
    if latch is not None:
        raise StoreLatchedError(f"the store is latched: {latch.reason}")
