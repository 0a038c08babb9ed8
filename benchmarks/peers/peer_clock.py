"""What every contestant does with its plan: run it for a while, and print the waits.

The standard library only: each contestant has an environment of its own.

Arguments: variant, place (a folder or a server's address), steps, callers, seconds.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PARAMETERS", "Order", "drive", "order", "trivial"]

PARAMETERS = {f"key{i}": i for i in range(10)}
_WARM_UP = 3


@dataclass(frozen=True)
class Order:
    """What this process is asked to do."""

    variant: str
    place: str
    steps: int
    callers: int
    seconds: float


def order() -> Order:
    """Read the arguments."""
    variant, place, steps, callers, seconds = sys.argv[1:]
    return Order(variant, place, int(steps), int(callers), float(seconds))


def trivial(parameters: dict[str, int]) -> dict[str, int]:
    """The work of a step: a pure function over a ten-key dictionary."""
    return {"total": sum(len(str(value)) for value in parameters.values())}


def drive(asked: Order, run: Callable[[int], object]) -> None:
    """Call ``run`` with the number of its caller until the time is over."""
    for caller in range(asked.callers):
        for _ in range(_WARM_UP):
            run(caller)
    waits: list[float] = []
    begin = time.perf_counter()
    end = begin + asked.seconds
    with ThreadPoolExecutor(asked.callers) as pool:
        callers = range(asked.callers)
        for mine in pool.map(lambda caller: _waits(caller, end, run), callers):
            waits += mine
    print(json.dumps({"seconds": time.perf_counter() - begin, "waits_ms": waits}))


def _waits(caller: int, end: float, run: Callable[[int], object]) -> list[float]:
    waits = []
    last = time.perf_counter()
    while last < end:
        run(caller)
        now = time.perf_counter()
        waits.append((now - last) * 1e3)
        last = now
    return waits
