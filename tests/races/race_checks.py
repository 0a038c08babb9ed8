"""Judges of a race: they read entries as JSON and know nothing of the executor.

The order of the ledger is the order of the transactions: the store appends under one
lock and leaf indexes are dense. So a start is late exactly when its EXECUTION_STARTED
has a higher leaf index than the entry that stopped it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from audit.store.interface import Store

__all__ = ["Line", "Spent", "late_starts", "overtakers", "read_lines", "spent_by"]


@dataclass(frozen=True, slots=True)
class Line:
    """One ledger entry."""

    leaf: int
    stream: str
    kind: str
    token: str
    time_us: int
    details: dict[str, int]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a token was spent on, counted from entries alone.

    Attributes:
        invocations: Steps started.
        executions: Plans of which a step started.
        charged: Output units charged.
        highest: The most units ever charged or reserved at once.
        densest: The most plans begun within any window asked for.
    """

    invocations: int
    executions: int
    charged: int
    highest: int
    densest: int


def read_lines(store: Store) -> list[Line]:
    lines = []
    with store.read() as tx:
        size = tx.head().size
        for start in range(0, size, 1000):
            for entry in tx.entries(start, min(1000, size - start)):
                data = json.loads(entry.data)
                lines.append(
                    Line(
                        entry.leaf_index,
                        data["stream"],
                        data["type"],
                        data["token"],
                        data["time"],
                        data["details"],
                    )
                )
    return lines


def late_starts(lines: Iterable[Line], stops: dict[str, int]) -> list[Line]:
    """Find starts after the entry that stopped their token; ``stops``: its leaf."""
    return [
        line
        for line in lines
        if line.kind == "EXECUTION_STARTED"
        and line.token in stops
        and line.leaf > stops[line.token]
    ]


def overtakers(lines: Sequence[Line], asked_at: int, done_at: int) -> int:
    """Count the starts between two places of the ledger."""
    between = lines[asked_at:done_at]
    return sum(line.kind == "EXECUTION_STARTED" for line in between)


def spent_by(lines: Iterable[Line], token: str, window_us: int) -> Spent:
    mine = [line for line in lines if line.token == token]
    started = [line for line in mine if line.kind == "EXECUTION_STARTED"]
    ended = ("EXECUTION_COMPLETED", "OPERATION_ABORTED")
    begun = [line.time_us for line in started if line.details["step"] == 0]
    held, charged, highest = Counter[str](), 0, 0
    for line in mine:
        if line.kind == "EXECUTION_STARTED":
            held[line.stream] = line.details["reserved"]
        elif line.kind in ended and "charged" in line.details:
            held[line.stream] = 0
            charged += line.details["charged"]
        highest = max(highest, charged + held.total())
    densest = max(
        (sum(0 <= each - first < window_us for each in begun) for first in begun),
        default=0,
    )
    return Spent(len(started), len(begun), charged, highest, densest)
