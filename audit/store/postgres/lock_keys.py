"""Advisory locks by name: the number that stands for a name in one ledger.

PostgreSQL's advisory locks are 64-bit numbers, shared by a whole database. Two
names on one number would only make their users wait for each other.

Source: docs/spec/postgres.md, PGS-1.
"""

from hashlib import sha256
from typing import Final

__all__ = ["AUTHORITY", "MIGRATION", "TREE", "lock_key"]

AUTHORITY: Final = "authority"
"""Held shared by every start, exclusive by every revocation, pause and key change."""

TREE: Final = "tree"
"""Held by the one who gives entries their places in the tree."""

MIGRATION: Final = "migration"
"""Held by the one who changes tables."""

_KEY_BYTES: Final = 8


def lock_key(ledger_id: str, name: str) -> int:
    """Give the number of a lock: 64 bits, signed.

    Args:
        ledger_id: The ledger it belongs to.
        name: One of the names above, or the name of a stream (which has a colon or
            is ``platform``) or hold (by a prefix of its own).
    """
    digest = sha256(f"{ledger_id}\n{name}".encode()).digest()
    return int.from_bytes(digest[:_KEY_BYTES], "big", signed=True)
