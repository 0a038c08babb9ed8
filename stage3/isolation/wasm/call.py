"""One call while it runs: what it may read, and what it reached for.

The functions a program imports are made once and serve every call; they find the call
they belong to by their thread.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stage3.isolation.wasm.endings import StoppedError, import_refused, time_is_up

if TYPE_CHECKING:
    from stage2_domains.contract import Budget
    from stage3.isolation.wasm.supplies import Supplies

__all__ = ["Call", "CurrentCall", "OverdueError"]


class OverdueError(Exception):
    """The call's time is up."""


@dataclass(slots=True)
class Call:
    """One invocation.

    Attributes:
        method: The method's name.
        parameters: Its canonical parameters.
        budget: What it may use.
        supplies: The clock and the randomness it may read.
        ends_at: When its time is up, in seconds of the monotonic clock.
        refused: The first import it was refused, by its raw name.
        late: Whether its time was up before it had answered.
        interrupted: Whether a ``KeyboardInterrupt`` arrived inside an import.
        fuel_used: How much fuel it took, once it has ended.
    """

    method: str
    parameters: bytes
    budget: Budget
    supplies: Supplies
    ends_at: float = math.inf
    refused: str | None = None
    late: bool = False
    interrupted: bool = False
    fuel_used: int = 0

    def start(self) -> None:
        """Let its time begin."""
        self.ends_at = time.monotonic() + self.budget.wall_ms / 1_000

    def now(self) -> float:
        """Read the monotonic clock, in seconds.

        Raises:
            OverdueError: Its time is up.
        """
        now = time.monotonic()
        if now >= self.ends_at:
            self.late = True
            raise OverdueError
        return now

    def refuse(self, name: str) -> None:
        """Note an attempt; the first one counts."""
        self.refused = self.refused or name

    def raise_ending(self) -> None:
        """Raise why the host ended it, the weightiest reason first, if it did.

        Raises:
            KeyboardInterrupt: One arrived inside an import.
            StoppedError: It was refused an import, or its time was up.
        """
        if self.interrupted:
            raise KeyboardInterrupt
        if self.refused is not None:
            raise StoppedError(import_refused(self.refused))
        if self.late:
            raise StoppedError(time_is_up())


class CurrentCall(threading.local):
    """The call that runs on this thread, if one does."""

    call: Call | None = None

    def get(self) -> Call:
        """Return the call.

        Raises:
            RuntimeError: None runs here.
        """
        if self.call is None:
            raise RuntimeError("no call is running on this thread")
        return self.call
