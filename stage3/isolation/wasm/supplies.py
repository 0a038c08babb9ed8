"""The clock and the randomness of one call, both computed from the request.

They exist because runtimes ask for them, not to tell a domain anything: the same call
reads the same times and the same bytes on every machine, and nothing about this one.

Spec: ``docs/spec/wasm.md``, WSM-4.
"""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Final

__all__ = ["EPOCH_NS", "MAX_RANDOM_BYTES", "STEP_NS", "Supplies"]

EPOCH_NS: Final = 946_684_800 * 10**9
"""The first instant a domain reads: 2000-01-01T00:00:00Z, in Unix nanoseconds."""

STEP_NS: Final = 1_000_000
"""How far the clock goes on with each reading, in nanoseconds."""

MAX_RANDOM_BYTES: Final = 65_536
"""The most bytes one request for randomness gives."""


class Supplies:
    """What one call may read beside its parameters.

    Args:
        digest: Names the domain's code.
        method: The method called.
        parameters: Its canonical parameters.
    """

    __slots__ = ("_block", "_now_ns", "_rest", "_seed")

    def __init__(self, digest: str, method: str, parameters: bytes) -> None:
        seed = hashlib.sha256(b"stage3.wasm.supplies.1")
        for part in (digest.encode(), method.encode(), parameters):
            seed.update(len(part).to_bytes(8))
            seed.update(part)
        self._seed = seed.digest()
        self._block = count()
        self._rest = b""
        self._now_ns = EPOCH_NS

    def now_ns(self) -> int:
        """Read the clock: Unix nanoseconds, later with each reading."""
        now = self._now_ns
        self._now_ns += STEP_NS
        return now

    def random(self, size: int) -> bytes:
        """Return the next ``size`` bytes, which are no secret.

        Raises:
            ValueError: More than ``MAX_RANDOM_BYTES`` at once.
        """
        if not 0 <= size <= MAX_RANDOM_BYTES:
            raise ValueError(f"at most {MAX_RANDOM_BYTES} random bytes at once")
        while len(self._rest) < size:
            number = next(self._block).to_bytes(8)
            self._rest += hashlib.sha256(self._seed + number).digest()
        given, self._rest = self._rest[:size], self._rest[size:]
        return given

    def random_u64(self) -> int:
        """Return the next eight bytes as a number."""
        return int.from_bytes(self.random(8), "little")
