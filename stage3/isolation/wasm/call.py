"""One call while it runs: what it may read, and what it reached for.

The functions a program imports are made once and serve every call; they find the call
they belong to by their thread.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stage2_domains.contract import Budget
    from stage3.isolation.wasm.supplies import Supplies

__all__ = ["Call", "CurrentCall"]


@dataclass(slots=True)
class Call:
    """One invocation.

    Attributes:
        method: The method's name.
        parameters: Its canonical parameters.
        budget: What it may use.
        supplies: The clock and the randomness it may read.
        refused: The first import it was refused, by its raw name.
        fuel_used: How much fuel it took, once it has ended.
    """

    method: str
    parameters: bytes
    budget: Budget
    supplies: Supplies
    refused: str | None = None
    fuel_used: int = 0

    def refuse(self, name: str) -> None:
        """Note an attempt; the first one counts."""
        self.refused = self.refused or name


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
