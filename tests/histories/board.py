"""Numbers in memory that the processes of a history share.

They tell them when it is whose turn, and nothing is judged by them. The ledger's clock
is word 0, so that all processes share one time, moved by hand.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Self

from audit.store.timing import SYSTEM_TIMING, Deadline
from stage3.pytest_plugin.harness import START_US

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Board"]

_WORDS = 8_192
_OTHERS_AT = 64
_PATIENCE_S = 120.0


class Board:
    """Words in a file in memory.

    Word 0 is the clock, 1 to 63 are counters, the rest are free for other numbers.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, _WORDS * 8)
            self._memory = mmap.mmap(descriptor, _WORDS * 8)
        finally:
            os.close(descriptor)
        self._words = memoryview(self._memory).cast("q")
        if self._words[0] == 0:
            self._words[0] = START_US

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._words.release()
        self._memory.close()

    def clock(self) -> int:
        """Tell the time, in Unix microseconds."""
        return self._words[0]

    def advance(self, microseconds: int) -> None:
        """Move the time; only ever done by one at a time."""
        self._words[0] += microseconds

    def counter(self, number: int) -> int:
        """Read a counter, 0 to 62."""
        return self._words[1 + number]

    def count(self, number: int, value: int) -> None:
        """Set a counter; each has one writer."""
        self._words[1 + number] = value

    def progress(self) -> int:
        """Tell how many cues of a script both of two processes have done."""
        return min(self.counter(0), self.counter(1))

    def state(self, number: int) -> int:
        """Read one of the other words."""
        return self._words[_OTHERS_AT + number]

    def set_state(self, number: int, state: int) -> None:
        """Set one of the other words; each has one writer."""
        self._words[_OTHERS_AT + number] = state

    def wait(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait until something is so; fail loudly if it never is."""
        deadline = Deadline(SYSTEM_TIMING, _PATIENCE_S)
        while deadline.wait_for_next_try():
            if is_so():
                return
        raise TimeoutError(f"waited in vain: {what}")
