"""The parent's side of ``crash_process``: give a job, learn how the child ended."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["CrashProcess", "Told", "moments_of", "read_notes"]

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a child has left behind in its notes.

    Attributes:
        calls: The steps of the domain calls, in order, noted by the domain itself; in a
            crowd, pairs of execution id and step.
        killed: The name of the moment at which it killed itself.
        told: What it acknowledged, in a list of one; empty when it told nothing.
        moments: The names of all moments, where it lived to the end.
    """

    calls: list[object]
    killed: str | None
    told: list[object]
    moments: list[str]


class CrashProcess:
    """A process of children; leaves none behind when it is closed.

    Args:
        within: A command that runs another one, for example elsewhere.
    """

    def __init__(self, *within: str) -> None:
        self._process = subprocess.Popen(
            [*within, sys.executable, "-m", "tests.crash.crash_process"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate(timeout=_PATIENCE_S)

    def run(self, job: dict[str, object]) -> int:
        """Do a job to its end and give the exit code, -9 for SIGKILL."""
        self.start(job)
        return self.ended()

    def start(self, job: dict[str, object]) -> None:
        """Let a child begin a job."""
        self._write(json.dumps(job).encode() + b"\n")

    def inside(self) -> int:
        """Wait until the child stands still inside its domain; give its process id."""
        return int(self._read()["inside"])

    def go_on(self) -> None:
        """Let the child that stands still go on."""
        self._write(b".")

    def ended(self) -> int:
        """Wait for the end of the child; give its exit code, negative for a signal."""
        return int(self._read()["ended"])

    def _write(self, data: bytes) -> None:
        if self._process.stdin is None:
            raise RuntimeError("no pipe")
        os.write(self._process.stdin.fileno(), data)

    def _read(self) -> dict[str, int]:
        """Read a line; a child that says nothing for long fails the test loudly."""
        if self._process.stdout is None:
            raise RuntimeError("no pipe")
        descriptor = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(_PATIENCE_S):
                    raise TimeoutError("the child said nothing")
                data = os.read(descriptor, 65_536)
                if not data:
                    raise EOFError("the process of children is gone")
                self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        message: dict[str, int] = json.loads(line)
        return message


def read_notes(path: Path) -> Told:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    killed = [line["killed"] for line in lines if "killed" in line]
    moments = [line["moments"] for line in lines if "moments" in line]
    return Told(
        calls=[line["call"] for line in lines if "call" in line],
        killed=killed[0] if killed else None,
        told=[line["told"] for line in lines if "told" in line],
        moments=moments[0] if moments else [],
    )


def moments_of(process: CrashProcess, job: dict[str, object]) -> list[str]:
    """Run a job to its good end and give the names of its moments."""
    if process.run(job) != 0:
        raise RuntimeError(f"the dry run failed: {job}")
    return read_notes(Path(str(job["notes"]))).moments
