"""Run the workloads and print their ratios: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.box_deadlines import deadlines
from benchmarks.box_plans import boxed_plans
from benchmarks.boxes import boxes
from benchmarks.page import write_page
from benchmarks.results import (
    RESULTS,
    Run,
    dump_lines,
    facts_now,
    merge_runs,
)
from benchmarks.workloads import WORKLOADS as BASE
from benchmarks.workloads import Line, Settings

WORKLOADS = {**BASE, "W3": boxed_plans, "W3c": boxes, "W3d": deadlines}
_QUICK = Settings(
    Path(),
    rounds=60,
    history=20_000,
    callers=(1, 8, 32),
    burst_s=0.3,
    bursts=2,
    plans=2_000,
)
_USUAL = Settings(Path(), rounds=300, history=100_000)
_FULL = Settings(
    Path(), rounds=1_000, history=1_000_000, burst_s=1.5, bursts=5, plans=100_000
)


def main() -> None:
    """Parse the arguments, run, print and write."""
    parser = _parser()
    given = parser.parse_args()
    chosen = given.workloads or sorted(WORKLOADS)
    unknown = [name for name in chosen if name not in WORKLOADS]
    if unknown:
        parser.error(f"no such workload: {', '.join(unknown)}")
    if not given.json:
        print(f"{'workload':<58}{'figure':>12}{'floor':>12}{'ratio':>8}  target")
    runs = {name: _run(name, given) for name in chosen}
    if given.json:
        print(json.dumps(runs, indent=1))
    if given.write:
        merge_runs(RESULTS, runs)
        write_page()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)}; all")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a minute, rough figures")
    size.add_argument("--full", action="store_true", help="the figures to publish")
    parser.add_argument("--rounds", type=int, help="timed runs of a plan of three")
    parser.add_argument("--history", type=int, help="entries of the longest ledger")
    parser.add_argument("--folder", type=Path, help="where the files go; a temporary")
    parser.add_argument("--history-folder", type=Path, help="where ledgers are kept")
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    parser.add_argument(
        "--write", action="store_true", help="put the results into docs/performance.md"
    )
    return parser


def _settings(given: argparse.Namespace, folder: Path) -> Settings:
    base = _QUICK if given.quick else _FULL if given.full else _USUAL
    return Settings(
        folder=folder,
        rounds=given.rounds or base.rounds,
        history=given.history or base.history,
        callers=base.callers,
        burst_s=base.burst_s,
        bursts=base.bursts,
        plans=base.plans,
        history_folder=given.history_folder,
    )


def _run(name: str, given: argparse.Namespace) -> Run:
    """Run one workload in a new folder on the chosen disk."""
    print(f"... {name} is running", file=sys.stderr)
    place = given.folder or Path.cwd()
    facts = facts_now(place)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        lines = WORKLOADS[name](_settings(given, Path(folder).resolve()))
    if not given.json:
        for line in lines:
            print(shown(line), flush=True)
    data = dump_lines(lines)
    return {"facts": facts, "lines": data}


def shown(line: Line) -> str:
    """Give one row of the table."""
    floor = "" if line.floor is None else _figure(line.floor)
    ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
    met = {None: "", True: "met", False: "MISSED"}[line.met]
    return (
        f"{line.workload:<58}{_figure(line.figure):>12}{floor:>12}{ratio:>8}  "
        f"{line.unit} {line.target} {met}"
    )


def _figure(value: float) -> str:
    return f"{value:,.3f}" if value < 1_000 else f"{value:,.0f}"


if __name__ == "__main__":
    main()
