"""Results as JSON: what was measured, on what, and when."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, TypedDict, cast

from benchmarks.floor import ENCODER
from benchmarks.measure import Line, Point

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "RESULTS",
    "Facts",
    "Run",
    "dump_lines",
    "facts_now",
    "load_lines",
    "load_runs",
    "merge_runs",
]

RESULTS: Final = Path(__file__).parent.parent / "docs" / "performance" / "results.json"

Facts: TypeAlias = dict[str, str]
_Json: TypeAlias = "str | float | list[_Json] | dict[str, _Json] | None"


class Run(TypedDict):
    """One workload's lines, and the circumstances they were measured in."""

    facts: Facts
    lines: list[dict[str, _Json]]


def dump_lines(lines: Iterable[Line]) -> list[dict[str, _Json]]:
    """Give lines as plain data; a floor's ratio and the verdict are written too."""
    return [
        {
            "workload": line.workload,
            "figure": _short(line.figure),
            "unit": line.unit,
            "floor": None if line.floor is None else _short(line.floor),
            "ratio": None if line.ratio is None else _short(line.ratio),
            "target": line.target,
            "met": line.met,
            "points": [[p.plot, p.curve, p.x, _short(p.y)] for p in line.points],
        }
        for line in lines
    ]


def load_lines(data: Iterable[Mapping[str, _Json]]) -> list[Line]:
    """Read what ``dump_lines`` gave."""
    lines = []
    for row in data:
        points = [
            Point(str(plot), str(curve), _number(x), _number(y))
            for plot, curve, x, y in cast("list[list[_Json]]", row["points"])
        ]
        floor = row["floor"]
        lines.append(
            Line(
                str(row["workload"]),
                _number(row["figure"]),
                str(row["unit"]),
                None if floor is None else _number(floor),
                str(row["target"]),
                tuple(points),
            )
        )
    return lines


def load_runs(path: Path) -> dict[str, Run]:
    """Read a results file; one that is not there has no runs."""
    if not path.exists():
        return {}
    return cast("dict[str, Run]", json.loads(path.read_text("utf-8")))


def merge_runs(path: Path, runs: Mapping[str, Run]) -> dict[str, Run]:
    """Put runs into a results file, in place of older ones of the same workloads."""
    merged = {**load_runs(path), **runs}
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [f"{json.dumps(name)}: {_text(merged[name])}" for name in sorted(merged)]
    path.write_text("{\n" + ",\n".join(texts) + "\n}\n", "utf-8")
    return merged


def _text(run: Run) -> str:
    """Write a run with one line of the table to a line, so that changes can be read."""
    lines = ",\n".join(f"  {json.dumps(line)}" for line in run["lines"])
    return f'{{"facts": {json.dumps(run["facts"])},\n "lines": [\n{lines}\n ]}}'


def facts_now(folder: Path) -> Facts:
    """Say what is measured on."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}, {_file_system(folder)}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "SQLite": sqlite3.sqlite_version,
        "psycopg": _version("psycopg"),
        "floor's encoder": ENCODER,
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def _short(value: float) -> float:
    """Four digits are more than a shared machine can repeat."""
    return float(f"{value:.4g}") if abs(value) < 1_000 else round(value)


def _number(value: _Json) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise TypeError("a figure is a number")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.machine()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """Name the file system a folder is on, as Linux tells it."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8").splitlines()
    except OSError:
        return "unknown file system"
    best, kind = "", "unknown file system"
    for line in mounts:
        _, point, found, *_ = line.split(" ")
        if folder.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind
