"""Start the processes of a history, wait for them, and leave none behind."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["gather_all", "play", "started"]

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 1_200.0

Report = dict[str, object]


@contextmanager
def started(
    folder: Path, part: str, name: str, job: dict[str, object]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start one worker; it is killed on the way out if it still runs."""
    file = folder / f"{name}.job"
    file.write_text(json.dumps(job), "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.histories.worker", part, str(file)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def gather(process: subprocess.Popen[bytes]) -> Report:
    """Wait for a worker's report."""
    out, _ = process.communicate(timeout=_PATIENCE_S)
    if process.returncode != 0:
        raise RuntimeError(f"a worker ended with {process.returncode}")
    report: Report = json.loads(out)
    return report


def play(
    folder: Path,
    part: str,
    jobs: Sequence[dict[str, object]],
    meanwhile: Callable[[], object] = lambda: None,
) -> list[Report]:
    """Run one part in several processes at once and gather the reports in order.

    The first worker that fails ends them all: the others would wait for it in vain.
    """
    with ExitStack() as stack:
        processes = [
            stack.enter_context(started(folder, part, f"{part}-{number}", job))
            for number, job in enumerate(jobs)
        ]
        meanwhile()
        return gather_all(processes)


def gather_all(processes: Sequence[subprocess.Popen[bytes]]) -> list[Report]:
    """Wait for the reports of all, or for the first failure."""
    with ThreadPoolExecutor(len(processes)) as pool:
        reports = [pool.submit(gather, process) for process in processes]
        done, _ = wait(reports, return_when=FIRST_EXCEPTION)
        failed = [each for each in done if each.exception() is not None]
        if failed:
            for process in processes:
                process.kill()
            failed[0].result()
        return [each.result() for each in reports]
