"""How waiting is measured and done, as a port: tests give one that jumps.

This is not the clock of the ledger (``audit.clock``): it only bounds how long a
lock is waited for, and never reaches an entry.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["SYSTEM_TIMING", "Deadline", "Timing"]

_NEVER: Final = threading.Event()
_PAUSES_S: Final = (0.000_1, 0.000_2, 0.000_5)
_LONGEST_PAUSE_S: Final = 0.001


def _pause(seconds: float) -> None:
    """Let other threads and processes go on; nothing can cut this short."""
    _NEVER.wait(seconds)


@dataclass(frozen=True, slots=True)
class Timing:
    """A clock that never goes back, in seconds, and a way to let time pass."""

    monotonic: Callable[[], float]
    pause: Callable[[float], None]


SYSTEM_TIMING: Final = Timing(monotonic=time.monotonic, pause=_pause)


class Deadline:
    """A bounded series of tries: the first at once, the last at the end.

    ``while deadline.wait_for_next_try():`` makes at least one pass; passes are at
    most a millisecond apart, so a lock freed elsewhere is noticed soon.
    """

    __slots__ = ("_end", "_timing", "_tries")

    def __init__(self, timing: Timing, wait_s: float) -> None:
        self._timing = timing
        self._end = timing.monotonic() + wait_s
        self._tries = 0

    def left_s(self) -> float:
        """Give the seconds left, never less than 0."""
        return max(0.0, self._end - self._timing.monotonic())

    def wait_for_next_try(self) -> bool:
        """Pause, except before the first try; False once the time is up."""
        tries = self._tries
        self._tries = tries + 1
        if tries == 0:
            return True
        left_s = self.left_s()
        if left_s <= 0.0:
            return False
        pause_s = _PAUSES_S[tries - 1] if tries <= len(_PAUSES_S) else _LONGEST_PAUSE_S
        self._timing.pause(min(pause_s, left_s))
        return True
