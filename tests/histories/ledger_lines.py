"""The ledger as the checker reads it: JSON, and nothing that the executor computed.

The order of the lines is the order of the ledger's leaves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from audit.store.interface import Store

__all__ = ["Line", "charged_to", "overtakers", "read_lines"]

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One ledger entry."""

    leaf: int
    stream: str
    kind: str
    token: str
    code: str
    time_us: int
    details: dict[str, int]

    @property
    def execution(self) -> str:
        """The execution it belongs to."""
        return self.stream.removeprefix("execution:")


def read_lines(store: Store) -> list[Line]:
    """Read the whole ledger, once every entry has its place in it."""
    lines = []
    with store.read(settled=True) as tx:
        size = tx.head().size
        for start in range(0, size, _PAGE):
            for entry in tx.entries(start, min(_PAGE, size - start)):
                if entry.leaf_index is None:
                    raise AssertionError(f"pending in a settled state: {entry}")
                data = json.loads(entry.data)
                lines.append(
                    Line(
                        entry.leaf_index,
                        data["stream"],
                        data["type"],
                        data["token"],
                        data["reason_code"],
                        data["time"],
                        data["details"],
                    )
                )
    return lines


def overtakers(lines: Sequence[Line], asked_at: int, done_at: int) -> int:
    """Count the starts between two places of the ledger."""
    between = lines[asked_at:done_at]
    return sum(line.kind == "EXECUTION_STARTED" for line in between)


def charged_to(lines: Iterable[Line], token: str) -> int:
    """Add up the output units that a token was charged."""
    return sum(
        line.details.get("charged", 0)
        for line in lines
        if line.token == token
        and line.kind in {"EXECUTION_COMPLETED", "OPERATION_ABORTED"}
    )
