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

TICK_MS: Final = 4
"""Milliseconds between two ticks: how exactly a deadline is kept."""


def ticks_for(wall_ms: int) -> int:
    """Return how many ticks from now ``wall_ms`` have surely passed."""
    return -(-wall_ms // TICK_MS) + 1


class Ticker:
    """Calls ``tick`` every ``TICK_MS`` while at least one call runs.

    Args:
        tick: Raises the epoch by one; safe from any thread.
    """

    __slots__ = ("_lock", "_running", "_stop", "_thread", "_tick")

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._lock = threading.Lock()
        self._running = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Tick until the block ends. Blocks of several threads may overlap."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if self._running == 0:
                stop = threading.Event()
                thread = threading.Thread(
                    target=_count, args=(self._tick, stop), daemon=True
                )
                thread.start()
                self._stop, self._thread = stop, thread
            self._running += 1

    def _leave(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0 and self._thread is not None:
                self._stop.set()
                self._thread.join()
                self._thread = None


def _count(tick: Callable[[], None], stop: threading.Event) -> None:
    """Tick on time; ticks that came too late are made up for."""
    start, done = time.monotonic(), 0
    while not stop.wait(TICK_MS / 1_000):
        due = int((time.monotonic() - start) * 1_000 / TICK_MS)
        for _ in range(due - done):
            tick()
        done = max(due, done)
