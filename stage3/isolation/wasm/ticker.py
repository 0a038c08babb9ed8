"""Counts the time of running calls, so that the engine can end the late ones.

The engine compares an epoch, a number that somebody has to raise, with each call's
deadline. A call blocks its own thread inside the engine, so this takes a second
thread: it lives while calls run, and has ended when the last of them returns.

Spec: ``docs/spec/wasm.md``, WSM-2.3, WSM-2.4.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["TICK_MS", "Ticker", "ticks_for"]

TICK_MS: Final = 2
"""Milliseconds between two ticks: how exactly a deadline is kept."""


def ticks_for(wall_ms: int) -> int:
    """Return how many ticks from now ``wall_ms`` have surely passed."""
    return -(-wall_ms // TICK_MS) + 1


class Ticker:
    """Calls ``tick`` every ``TICK_MS`` while at least one call runs.

    Args:
        tick: Raises the epoch by one; safe from any thread.
    """

    __slots__ = ("_beat", "_lock", "_running", "_thread", "_tick")

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._lock = threading.Lock()
        self._running = 0
        self._beat = _Beat(tick)
        self._thread: threading.Thread | None = None

    @contextmanager
    def running(self, wall_ms: int) -> Iterator[int]:
        """Tick until the block ends. Blocks of several threads may overlap.

        Yields:
            How many ticks from now ``wall_ms`` have surely passed.
        """
        beat = self._enter()
        try:
            yield ticks_for(wall_ms) + beat.late()
        finally:
            self._leave()

    def _enter(self) -> _Beat:
        with self._lock:
            if self._running == 0:
                beat = _Beat(self._tick)
                thread = threading.Thread(target=beat.run, daemon=True)
                thread.start()
                self._beat, self._thread = beat, thread
            self._running += 1
            return self._beat

    def _leave(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0 and self._thread is not None:
                self._beat.stop.set()
                self._thread.join()
                self._thread = None


class _Beat:
    """What one thread counts. Ticks that came too late are made up for."""

    __slots__ = ("_done", "_start", "_tick", "stop")

    def __init__(self, tick: Callable[[], None]) -> None:
        self.stop = threading.Event()
        self._tick = tick
        self._start = time.monotonic()
        self._done = 0

    def run(self) -> None:
        while not self.stop.wait(TICK_MS / 1_000):
            for _ in range(self.late()):
                self._done += 1
                self._tick()

    def late(self) -> int:
        """How many ticks are due and not yet counted."""
        due = int((time.monotonic() - self._start) * 1_000 / TICK_MS)
        return max(0, due - self._done)
