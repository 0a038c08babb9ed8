"""The one figure that no other load disturbs: a plan of N steps flushes N + 1 times.

Counted below SQLite and below PostgreSQL, by a library preloaded over ``fsync`` and
``fdatasync``. Design section 5; docs/performance.md, W0.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.children import run_child
from benchmarks.flush_count import on_postgres
from benchmarks.flushes import shim, why_no_shim
from benchmarks.measure import Line, Settings
from tests.postgres_server import why_no_postgres

LENGTHS = (1, 3, 10)

pytestmark = pytest.mark.skipif(why_no_shim() is not None, reason=str(why_no_shim()))


def counts(lines: list[Line], name: str) -> list[float]:
    titles = [f"W0  {name}, N = {steps}" for steps in LENGTHS]
    found = {line.workload: line.figure for line in lines}
    return [found[title] for title in titles if title in found]


def test_a_plan_on_sqlite_flushes_once_more_than_it_has_steps(tmp_path: Path) -> None:
    with shim() as (_, variables):
        lines = run_child("flush count", Settings(tmp_path, 1, 1), variables)

    assert counts(lines, "SQLite") == [2, 4, 11]
    assert counts(lines, "SQLite floor") == [2, 4, 11]


@pytest.mark.skipif(why_no_postgres() is not None, reason=str(why_no_postgres()))
def test_a_plan_on_postgres_flushes_once_more_than_it_has_steps() -> None:
    with shim() as (board, variables):
        lines = on_postgres(board, variables)

    assert counts(lines, "PostgreSQL floor") == [2, 4, 11]
    if not counts(lines, "PostgreSQL"):
        pytest.skip("there is no store on PostgreSQL to count")
    assert counts(lines, "PostgreSQL") == [2, 4, 11]


def test_flushes_can_be_made_longer(tmp_path: Path) -> None:
    """Without this, W4s would praise shared commits on a disk that is not slow."""
    program = (
        "import os, sys, time\n"
        "file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)\n"
        "begin = time.perf_counter()\n"
        "os.fsync(file), os.fdatasync(file)\n"
        "print(time.perf_counter() - begin)\n"
    )
    seconds = []
    with shim() as (board, variables):
        for delay_ms in (0, 100):
            board.set_delay(delay_ms)
            command = [sys.executable, "-c", program, str(tmp_path / "some-wal")]
            told = subprocess.run(
                command, check=True, capture_output=True, env=os.environ | variables
            )
            seconds.append(float(told.stdout))
        assert board.flushes == (4, 0)

    assert seconds[1] > 0.2
