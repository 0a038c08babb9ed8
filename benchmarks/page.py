"""Writes ``docs/performance.md`` from the results: tables, verdicts and plots.

Only what stands between the two markers of the page is replaced; the words around
them are written by people. ``python -m benchmarks.page`` does it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.results import RESULTS, Run, load_lines, load_runs
from benchmarks.svg import Plot, draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.measure import Line

__all__ = ["BEGIN", "END", "PAGE", "figures", "plots", "write_page"]

PAGE: Final = RESULTS.parent.parent / "performance.md"
BEGIN: Final = "<!-- figures: written by `python -m benchmarks --write` -->"
END: Final = "<!-- end of the figures -->"

_TITLES: Final = {
    "W0": "Flushes per plan",
    "W1": "One caller, three steps, SQLite",
    "W2": "Plan length, SQLite",
    "W3": "A plan in the process box",
    "W3c": "What a call costs in each box",
    "W3d": "How late a deadline is",
    "W4": "Many callers, SQLite, this disk",
    "W4s": "Many callers, SQLite, flushes of exactly so long",
    "W5": "PostgreSQL",
    "W6": "A plan on a long ledger",
    "W7": "Verification",
    "W8": "Credentials",
    "W9": "Starting a process",
    "W10": "Memory of the executor",
    "profile": "Where the time of a plan goes",
    "peers": "Peers",
}
_PLOTS: Final = {
    "length": ("Cost against plan length, SQLite", "steps", "milliseconds"),
    "length-postgres": (
        "Cost against plan length, PostgreSQL",
        "steps",
        "milliseconds",
    ),
    "history": ("Cost against history", "entries in the ledger", "milliseconds"),
    "callers": ("Throughput against callers, SQLite", "callers", "plans per second"),
    "callers-0.1ms": (
        "Throughput against callers, each flush 0.1 ms",
        "callers",
        "plans per second",
    ),
    "callers-1ms": (
        "Throughput against callers, each flush 1 ms",
        "callers",
        "plans per second",
    ),
    "callers-5ms": (
        "Throughput against callers, each flush 5 ms",
        "callers",
        "plans per second",
    ),
    "peers-length": ("Cost against plan length, peers", "steps", "milliseconds"),
    "peers-callers": (
        "Throughput against callers, peers",
        "callers",
        "plans per second",
    ),
    "callers-postgres": (
        "Throughput against callers, PostgreSQL",
        "callers",
        "plans per second",
    ),
}
_SAID: Final = {None: "", True: "yes", False: "**no**"}


def write_page() -> None:
    """Bring the page and the plots in line with the results."""
    runs = load_runs(RESULTS)
    for name, text in plots(runs).items():
        RESULTS.with_name(f"{name}.svg").write_text(text, "utf-8")
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{figures(runs)}\n{END}{after}", "utf-8")


def figures(runs: Mapping[str, Run]) -> str:
    """Give the generated part of the page."""
    drawn = plots(runs)
    parts = []
    for name in sorted(runs, key=_place):
        lines = load_lines(runs[name]["lines"])
        parts += [f"### {name}: {_TITLES.get(name, name)}\n", *_table(lines), ""]
        parts += [f"{_facts(runs[name])}\n"]
        seen = {point.plot: None for line in lines for point in line.points}
        parts += [
            f"![{_PLOTS[plot][0]}](performance/{plot}.svg)\n"
            for plot in seen
            if plot in drawn
        ]
    return "\n".join(parts)


def plots(runs: Mapping[str, Run]) -> dict[str, str]:
    """Draw every plot that has points, by name."""
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for run in runs.values():
        for line in load_lines(run["lines"]):
            for point in line.points:
                curve = curves.setdefault(point.plot, {}).setdefault(point.curve, [])
                curve.append((point.x, point.y))
    return {
        name: draw(Plot(*_PLOTS[name], found, log=name != "history"))
        for name, found in curves.items()
        if name in _PLOTS
    }


def _place(name: str) -> tuple[int, str]:
    known = list(_TITLES)
    return (known.index(name) if name in known else len(known), name)


def _table(lines: list[Line]) -> Iterator[str]:
    yield "| | figure | compared with | ratio | target | met |"
    yield "|---|---|---|---|---|---|"
    for line in lines:
        title = line.workload.partition("  ")[2] or line.workload
        floor = "" if line.floor is None else _figure(line.floor)
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        target = line.target.replace("<=", "at most").replace(">=", "at least")
        yield (
            f"| {title} | {_figure(line.figure)} {line.unit} | {floor} | {ratio} "
            f"| {target.replace('= ', '')} | {_SAID[line.met]} |"
        )


def _facts(run: Run) -> str:
    return "; ".join(f"{name}: {value}" for name, value in run["facts"].items()) + "."


def _figure(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


if __name__ == "__main__":
    write_page()
