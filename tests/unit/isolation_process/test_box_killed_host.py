"""Killing the host: whatever it was doing, none of its processes stays.

There is a short form, which always runs, and the one for ``make nightly``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from tests.unit.isolation_process.box_family import (
    HIDES,
    LEVEL,
    LEVELS,
    family,
    gone,
    of_session,
)

pytestmark = [
    pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal)),
    pytest.mark.skipif(HIDES, reason="this /proc hides the processes of a box"),
]

ROOT: Final = Path(__file__).parents[3]
MANY: Final = (0, 0, 1, 1, 2, 2, 5, 9, 20)
BOUND_S: Final = 10
"""How long the processes of a killed host may take to end; some ms when idle."""

HOST: Final = """
import sys
from stage3.isolation.process.level import Level
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.boxed_source import PATIENT, body

level = {level!r}
box = ProcessIsolation(level=level, spares={spares})
quick, endless = body("return DomainResult(True, {{}})"), body({ending!r})
print("here", flush=True)
for n in range({calls}):
    box.invoke(quick, "run", b"{{}}", budget=PATIENT)
    print(n, flush=True)
box.invoke(endless, "run", b"{{}}", budget=PATIENT)
"""
ENDINGS: Final = {
    "loop": "while True: pass",
    "swallow": "while True:\n    try:\n        while True: pass\n"
    "    except BaseException: pass",
    "in C": "sum(range(10**15))",
    "asleep": "import codecs\ncodecs.builtins.__import__('os').read(3, 1)",
}


def killed_after(level: str, ending: str, lines: int) -> tuple[int, list[int]]:
    """Kill a host when it has said so many lines; how many it left, and which stay."""
    code = HOST.format(
        level=LEVELS[level], spares=2, ending=ENDINGS[ending], calls=lines
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        for _ in range(lines + 1):
            assert host.stdout.readline()
        below = family(host.pid)
        os.kill(host.pid, signal.SIGKILL)
        host.wait()
    # A zygote has a session of its own: what it forked meanwhile is found by that.
    below |= {pid: "" for session in below for pid in of_session(session)}
    end = time.monotonic() + BOUND_S
    for pid in below:
        gone(pid, max(0, end - time.monotonic()))
    return len(below), [pid for one in below for pid in of_session(one)]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("level", "moments"),
    [
        ("everything granted", (3,)),
        ("no namespace, no Landlock", (3,)),
        *[pytest.param(level, MANY, marks=pytest.mark.nightly) for level in LEVELS],
    ],
)
def test_a_killed_host_leaves_no_process(
    level: str, ending: str, moments: tuple[int, ...]
) -> None:
    """BOX-5.1, BOX-1.9: whatever its children do, and however soon it dies."""
    for lines in moments:
        before, stay = killed_after(level, ending, lines)
        assert before > 0 or lines == 0  # it may have started nothing by then
        assert stay == []
