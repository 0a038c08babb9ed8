"""The same work by other systems, each in its own environment: ``make bench-peers``.

All contestants take turns, so that each meets the machine in every mood; the figure
is the median of their medians.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.__main__ import shown
from benchmarks.measure import Line, Point, percentile
from benchmarks.notes import skipped
from benchmarks.page import write_page
from benchmarks.postgres import has_store, postgres, why_no_postgres
from benchmarks.results import RESULTS, dump_lines, facts_now, merge_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ROOT: Final = Path(__file__).parents[2]
_ENVIRONMENTS: Final = _ROOT / ".venvs"
_PACKAGES: Final = {
    "dbos": ("dbos==3.4.0", "psycopg[binary]"),
    "langgraph": ("langgraph==1.2.22", "langgraph-checkpoint-sqlite==3.1.2"),
    "burr": ("burr==0.42.0",),
}


@dataclass(frozen=True)
class Contestant:
    """A program, how it is called, and what Stage-3 owes it (times faster)."""

    name: str
    program: str
    variant: str = ""
    target: float | None = None


_OURS: Final = Contestant("Stage-3, SQLite", "stage3")
_OURS_POSTGRES: Final = Contestant("Stage-3, PostgreSQL", "stage3", "postgres")
_PEERS: Final = (
    Contestant("DBOS 3.4, SQLite as shipped", "dbos", "shipped", 15),
    Contestant("DBOS 3.4, SQLite with WAL", "dbos", "wal", 7),
    Contestant("DBOS 3.4, PostgreSQL", "dbos", "postgres"),
    Contestant("LangGraph 1.2, SqliteSaver, sync", "langgraph", "sync", 5),
    Contestant("Burr 0.42, SQLite as shipped", "burr", "shipped"),
    Contestant("Burr 0.42, SQLite with WAL", "burr", "wal"),
)


def main() -> None:
    """Install what can be installed, run, print and write."""
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="rough figures")
    size.add_argument("--full", action="store_true", help="the figures to publish")
    parser.add_argument("--folder", type=Path, help="where the files go; a temporary")
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    parser.add_argument(
        "--write", action="store_true", help="put the results into docs/performance.md"
    )
    given = parser.parse_args()
    place = given.folder or Path.cwd()
    facts = facts_now(place)
    facts["packages"] = ", ".join(
        name for all_of in _PACKAGES.values() for name in all_of
    )
    with contextlib.ExitStack() as stack:
        url = None
        if why_no_postgres() is None:
            url = stack.enter_context(postgres("max_connections = 200"))
        lines = _compete(_Match(given, place, url))
    if given.json:
        print(json.dumps(dump_lines(lines), indent=1))
    else:
        for line in lines:
            print(shown(line))
    if given.write:
        merge_runs(RESULTS, {"peers": {"facts": facts, "lines": dump_lines(lines)}})
        write_page()


class _Match:
    """Who competes, where, and for how long."""

    def __init__(self, given: argparse.Namespace, place: Path, url: str | None) -> None:
        self.rounds = 1 if given.quick else 3
        self.seconds = 3.0 if given.full else 1.0
        self.lengths = (1, 3, 10, 100) if given.full else (1, 3, 10)
        self.callers = (8, 32) if given.full else (8,)
        self._place = place
        self._url = url

    def contestants(self) -> Iterator[Contestant]:
        """Those whose environment can be made."""
        missing = {name for name in _PACKAGES if not _installed(name)}
        yield _OURS
        if self._url is not None and has_store(self._url):
            yield _OURS_POSTGRES
        for peer in _PEERS:
            if peer.program not in missing and self._has_place(peer):
                yield peer

    def waits(self, one: Contestant, steps: int, callers: int) -> dict[str, float]:
        """Run one contestant once, in a process and a folder of its own.

        Raises:
            RuntimeError: It failed.
        """
        with tempfile.TemporaryDirectory(dir=self._place) as folder:
            place = self._url if one.variant == "postgres" else Path(folder).resolve()
            command = [
                _python(one.program),
                "-m",
                f"benchmarks.peers.{one.program}_peer",
            ]
            order = [one.variant, str(place), str(steps), str(callers)]
            told = subprocess.run(  # noqa: S603 - programs of ours
                [*command, *order, str(self.seconds)],
                capture_output=True,
                text=True,
                check=False,
                cwd=_ROOT,
            )
        if told.returncode != 0:
            raise RuntimeError(told.stderr.strip()[-300:])
        found = json.loads(told.stdout.splitlines()[-1])
        waits = found["waits_ms"]
        return {
            "p50": statistics.median(waits),
            "p99": percentile(waits, 0.99),
            "rate": len(waits) / found["seconds"],
        }

    def _has_place(self, peer: Contestant) -> bool:
        return peer.variant != "postgres" or self._url is not None


def _python(program: str) -> str:
    if program == "stage3":
        return sys.executable
    return str(_ENVIRONMENTS / f"peer-{program}" / "bin" / "python")


def _installed(program: str) -> bool:
    """Make the environment of a peer, unless it is there; say why if it cannot be."""
    home = _ENVIRONMENTS / f"peer-{program}"
    stamp = home / ".complete"
    wanted = "\n".join(_PACKAGES[program])
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return True
    print(f"... making .venvs/{home.name}", file=sys.stderr)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(home)],
        [_python(program), "-m", "pip", "install", "-q", *_PACKAGES[program]],
    ):
        told = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - pip, as the machine has it
        if told.returncode != 0:
            skipped(program, told.stderr.strip().splitlines()[-1])
            return False
    stamp.write_text(wanted, "utf-8")
    return True


def _compete(match: _Match) -> list[Line]:
    contestants = list(match.contestants())
    shapes = [(steps, 1) for steps in match.lengths]
    shapes += [(3, callers) for callers in match.callers]
    lines: list[Line] = []
    for steps, callers in shapes:
        print(f"... {steps} steps, {callers} callers", file=sys.stderr)
        found: dict[Contestant, list[dict[str, float]]] = {}
        for _ in range(match.rounds):
            for one in list(contestants):
                try:
                    took = match.waits(one, steps, callers)
                except RuntimeError as error:
                    skipped(f"{one.name} with {callers} callers", str(error))
                    continue
                found.setdefault(one, []).append(took)
        lines += _lines(steps, callers, found)
    return lines


def _lines(
    steps: int, callers: int, found: dict[Contestant, list[dict[str, float]]]
) -> Iterator[Line]:
    """Compare each with Stage-3 on the same kind of store."""
    for one, took in found.items():
        is_postgres = one.variant == "postgres"
        ours = _OURS_POSTGRES if is_postgres and _OURS_POSTGRES in found else _OURS
        if callers > 1:
            rate, base = _middle(took, "rate"), _middle(found[ours], "rate")
            label = f"peers  {callers} callers, {one.name} / {ours.name}"
            point = Point("peers-callers", one.name, callers, rate)
            yield Line(label, rate, "plans/s", base, "", (point,))
            continue
        cost, base = _middle(took, "p50"), _middle(found[ours], "p50")
        due = one.target if steps == 3 else None
        target = "" if due is None else f">= {due:g} x"
        label = f"peers  N = {steps}, {one.name} / {ours.name}"
        point = Point("peers-length", one.name, steps, cost)
        yield Line(label, cost, "ms", base, target, (point,))


def _middle(took: Sequence[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in took)


if __name__ == "__main__":
    main()
