"""A process that forks children which end themselves by SIGKILL at a chosen moment.

Started once by ``crash_driver``; it imports everything and then forks one child for
each job, because a fresh interpreter per moment would cost most of a second. It has
one thread and no store of its own open, so a child is a process like any other, with
locks, descriptors and a death of its own.

Jobs come as lines of JSON on standard input; ``{"ended": status}`` goes to standard
output when a child is gone. A child that stands still inside a domain talks to the
driver over the same two pipes.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from tests.crash.crash_scenarios import SCENARIOS, warm_up

_PATIENCE_S = 60


def main() -> None:
    warm_up()
    while line := read_line():
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            perform(job)
        _, status = os.waitpid(child, 0)
        say({"ended": os.waitstatus_to_exitcode(status)})


def perform(job: dict[str, object]) -> None:
    """Do the job and leave without any cleaning up, as a process that dies does."""
    signal.alarm(_PATIENCE_S)
    code = 1
    try:
        SCENARIOS[str(job["scenario"])](job)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        sys.stderr.flush()
        os._exit(code)


def read_line() -> bytes:
    """Read a line byte by byte: what follows may be meant for a child."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return b""
        line += byte
    return line


def say(message: dict[str, object]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
