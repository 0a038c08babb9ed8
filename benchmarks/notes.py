"""What is said, rather than measured."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.measure import Line

__all__ = ["skipped"]


def skipped(what: str, reason: str) -> list[Line]:
    """Say on standard error why something was not measured."""
    print(f"... {what} is skipped: {reason}", file=sys.stderr)
    return []
