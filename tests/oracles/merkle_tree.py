"""The Merkle tree hash a second time, copied from the words of RFC 6962 2.1."""

import hashlib


def tree_hash(entries: list[bytes]) -> bytes:
    """MTH({}) = SHA-256(); MTH({d}) = SHA-256(0x00 || d); else split at k."""
    n = len(entries)
    if n == 0:
        return hashlib.sha256(b"").digest()
    if n == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < n:
        k *= 2
    left, right = tree_hash(entries[:k]), tree_hash(entries[k:])
    return hashlib.sha256(b"\x01" + left + right).digest()
