"""The history recorder: notes when each operation was asked for and when it returned.

Every thread of every process notes moments of one clock that all of them share; what
was noted is written to a file at the end and put together by whoever judges it. So
nothing is sent, and nothing waits, while it is watched.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from stage3.isolation.in_process import InProcessIsolation
from tests.histories.operations import NEVER, Attempt, History, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audit.records import Receipt
    from audit.store.interface import Store, WriteTransaction
    from stage3.isolation.interface import Isolation
    from stage3.outcome import PlanOutcome

__all__ = ["Recorder", "WatchedIsolation", "WatchedStore", "moment"]

moment = time.monotonic_ns
"""CLOCK_MONOTONIC: the same for all processes of a machine, and never back."""


class Recorder:
    """What one process has seen so far; its threads share it."""

    def __init__(self) -> None:
        self.history = History({})
        self._mine = threading.local()

    def left_block(self) -> None:
        """Note that this thread asks for the commit of a block."""
        self._mine.asked = moment()

    @contextmanager
    def in_domain(self) -> Iterator[None]:
        """Note that this thread is inside a domain meanwhile."""
        entry = [self._mine.asked, moment()]
        yield
        entry.append(moment())
        self._mine.entered.append(entry)

    def attempt(
        self,
        caller: str,
        asked: tuple[str, str, str],
        ask: Callable[[], PlanOutcome],
    ) -> Attempt:
        """Ask for a plan; ``asked``: token, request and execution id or ""."""
        entered: list[list[int]] = []
        self._mine.entered = entered
        called = moment()
        outcome = ask()
        returned = moment()
        error = outcome.error
        token, request, execution_id = asked
        attempt = Attempt(
            caller,
            token,
            request,
            execution_id,
            called,
            returned,
            outcome.execution_id,
            "" if error is None else error.code.value,
            -1 if error is None or error.step is None else error.step,
            outcome.replayed,
            entered,
        )
        self.history.attempts.append(attempt)
        return attempt

    def stop(
        self, caller: str, what: tuple[str, str], ask: Callable[[], Receipt]
    ) -> Stop:
        """Stop something; ``what``: its kind and its name."""
        called, returned, leaf = moment(), NEVER, -1
        try:
            receipt = ask()
            returned = moment()
            leaf = -1 if receipt.leaf_index is None else receipt.leaf_index
        finally:
            stop = Stop(caller, *what, called, returned, leaf)
            self.history.stops.append(stop)
        return stop


class WatchedStore:
    """A store that tells its recorder when a write block is left: its commit follows.

    It hands everything else to the real one, whatever kind that is.
    """

    def __init__(self, real: Store, recorder: Recorder) -> None:
        self._real = real
        self._recorder = recorder

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    @contextmanager
    def write(self, **how: object) -> Iterator[WriteTransaction]:
        """Give a block of the real store."""
        with self._real.write(**how) as tx:  # type: ignore[arg-type]  # handed on
            yield tx
            self._recorder.left_block()

    def as_store(self) -> Store:
        """Be taken for one."""
        return cast("Store", self)


class WatchedIsolation:
    """The in-process tier, noting when a domain is entered and left."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._real = InProcessIsolation()
        self.tier = self._real.tier
        self.attained = self._real.attained

    def invoke(
        self, domain: object, method: str, parameters: bytes, **more: object
    ) -> object:
        """Note, and call."""
        with self._recorder.in_domain():
            return self._real.invoke(domain, method, parameters, **more)  # type: ignore[arg-type]  # handed on

    def close(self) -> None:
        """Close the real tier."""
        self._real.close()

    def as_isolation(self) -> Isolation:
        """Be taken for one."""
        return cast("Isolation", self)
