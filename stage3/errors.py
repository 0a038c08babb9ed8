"""What the executor raises; a refused plan is a ``PlanOutcome``, never one of these.

::

    Stage3Error
    ├── FencedError            inside only: this owner was judged dead
    └── RecoveryRefusedError   the ledger is not whole, so nothing was repaired

Wrong argument types and values are ``TypeError`` and ``ValueError``: the caller's
program is wrong, and nothing was recorded.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["FencedError", "RecoveryRefusedError", "Stage3Error"]


class Stage3Error(Exception):
    """The root of what this package raises."""

    code: ClassVar[str] = "STAGE3_ERROR"


class FencedError(Stage3Error):
    """The execution was closed or taken over; this owner may append nothing."""

    code: ClassVar[str] = "INTERRUPTED"


class RecoveryRefusedError(Stage3Error):
    """The ledger disagrees with itself; recovery closes nothing in such a ledger."""

    code: ClassVar[str] = "RECOVERY_REFUSED"
