"""The one place that reads the clock.

Everything that decides takes the time as an argument; a store is given a
``Clock`` when it is opened and reads it under its lock.
"""

import time
from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = ["Clock", "system_clock_us"]

Clock: TypeAlias = Callable[[], int]
"""Gives the time in Unix microseconds."""

_NS_PER_US: Final = 1_000


def system_clock_us() -> int:
    """Read the system's clock, in Unix microseconds."""
    return time.time_ns() // _NS_PER_US  # noqa: TID251  # this is that one place
