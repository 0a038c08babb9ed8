"""The Merkle tree over the entries, as a frontier that only grows.

A leaf is ``SHA-256(0x00 || bytes)``, a node ``SHA-256(0x01 || left || right)``.
The frontier holds the roots of the perfect subtrees of the tree, the largest
first: as many as the size has bits set, so at most 53.

Source: docs/spec/ledger.md, AUD-5; RFC 6962 section 2.1, RFC 9162 section 2.1.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from audit.errors import LedgerFormatError

__all__ = [
    "EMPTY",
    "HASH_BYTES",
    "MAX_SIZE",
    "Frontier",
    "leaf_hash",
    "node_hash",
    "root_of",
]

HASH_BYTES: Final = 32
MAX_SIZE: Final = 2**53 - 1
_SIZE_BYTES: Final = 8


def leaf_hash(data: bytes) -> bytes:
    """Hash the bytes of one entry (RFC 6962 section 2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbouring subtrees (RFC 6962 section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of ``size`` leaves, reduced to what growing it needs.

    ``hashes`` has one 32-byte root per bit set in ``size``, from the highest
    bit (the largest and leftmost subtree) to the lowest.
    """

    size: int
    hashes: tuple[bytes, ...]

    def append(self, leaf: bytes) -> "Frontier":
        """Give the tree with one more leaf *hash* at its right."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> "Frontier":
        """Give the tree with these leaf *hashes* at its right, in order."""
        stack = list(self.hashes)
        size = self.size
        for leaf in leaves:
            node = leaf
            bits = size
            while bits & 1:
                # The lowest subtree is as large as the node: they become one.
                node = sha256(b"\x01" + stack.pop() + node).digest()
                bits >>= 1
            stack.append(node)
            size += 1
        return Frontier(size, tuple(stack))

    def root(self) -> bytes:
        """Give the root hash; of an empty tree, the hash of nothing."""
        if not self.hashes:
            return sha256(b"").digest()
        node = self.hashes[-1]
        for left in self.hashes[-2::-1]:
            node = node_hash(left, node)
        return node

    def to_bytes(self) -> bytes:
        """Give the size as 8 bytes, big end first, then the hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @staticmethod
    def from_bytes(data: bytes) -> "Frontier":
        """Read what ``to_bytes`` wrote.

        Raises:
            LedgerFormatError: The size is 2**53 or more, or the number of
                hashes is not the one the size calls for.

        Source:
            AUD-5.4.
        """
        size = int.from_bytes(data[:_SIZE_BYTES], "big")
        wanted = _SIZE_BYTES + HASH_BYTES * size.bit_count()
        if size > MAX_SIZE or len(data) != wanted:
            raise LedgerFormatError(f"{len(data)} bytes are not a frontier")
        return Frontier(
            size,
            tuple(
                data[start : start + HASH_BYTES]
                for start in range(_SIZE_BYTES, wanted, HASH_BYTES)
            ),
        )


EMPTY: Final = Frontier(0, ())
"""The tree without leaves."""


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Give the root of the tree over these leaf *hashes*, in order."""
    return EMPTY.extend(leaves).root()
