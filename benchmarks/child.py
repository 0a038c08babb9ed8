"""The entry of ``benchmarks.children``: settings in, lines out, both as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from benchmarks.children import read_settings
from benchmarks.crowd import slow_disk_child
from benchmarks.flush_count import sqlite_child
from benchmarks.memory import executor_child, verifier_child
from benchmarks.results import dump_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Line, Settings

_CHILDREN: Final[dict[str, Callable[[Settings], list[Line]]]] = {
    "executor": executor_child,
    "flush count": sqlite_child,
    "slow disk": slow_disk_child,
    "verifier": verifier_child,
}


def main() -> None:
    """Run the workload that the first argument names."""
    lines = _CHILDREN[sys.argv[1]](read_settings(sys.stdin.read()))
    print(json.dumps(dump_lines(lines)))


if __name__ == "__main__":
    main()
