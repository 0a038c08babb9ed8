"""Summary numbers the built-in domains share, rounded the same way everywhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["mean", "median", "ratio", "rounded"]


def rounded(value: float, digits: int = 2) -> float:
    """Round half to even at ``digits`` decimals; never negative zero."""
    return round(value, digits) + 0.0


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean of at least one number, exactly summed."""
    return math.fsum(values) / len(values)


def median(values: Sequence[float]) -> float:
    """Return the middle of at least one number, or the mean of the middle two."""
    ordered = sorted(values)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2


def ratio(part: float, whole: float, digits: int = 3) -> float:
    """Return ``part / whole`` rounded, and 0 where there is no whole."""
    return rounded(part / whole, digits) if whole else 0.0
