"""Run the workloads and print their ratios: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import platform
import sqlite3
import sys
import tempfile
from pathlib import Path

from benchmarks.box_deadlines import deadlines
from benchmarks.box_plans import boxed_plans
from benchmarks.boxes import boxes
from benchmarks.workloads import WORKLOADS as BASE
from benchmarks.workloads import Line, Settings

WORKLOADS = {**BASE, "W3": boxed_plans, "W10": boxes, "W10d": deadlines}


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)}; all")
    parser.add_argument("--rounds", type=int, default=200, help="timed runs of W1")
    parser.add_argument("--history", type=int, default=100_000, help="entries for W6")
    parser.add_argument("--folder", type=Path, help="where the files go; a temporary")
    given = parser.parse_args()
    chosen = given.workloads or list(WORKLOADS)
    unknown = [name for name in chosen if name not in WORKLOADS]
    if unknown:
        parser.error(f"no such workload: {', '.join(unknown)}")
    print(
        f"CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{platform.machine()}; medians, floors interleaved in the same run\n"
    )
    print(f"{'workload':<32}{'figure':>12}{'floor':>12}{'ratio':>8}   target")
    for name in chosen:
        print(f"... {name} is running", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=given.folder or Path.cwd()) as folder:
            settings = Settings(Path(folder), given.rounds, given.history)
            for line in WORKLOADS[name](settings):
                print(shown(line), flush=True)


def shown(line: Line) -> str:
    """Give one row of the table."""
    figure = f"{line.figure:,.3f}" if line.figure < 1_000 else f"{line.figure:,.0f}"
    floor = "" if line.floor is None else f"{line.floor:,.3f}"
    ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
    return (
        f"{line.workload:<32}{figure:>12}{floor:>12}{ratio:>8}   "
        f"{line.target} {line.unit}"
    )


if __name__ == "__main__":
    main()
