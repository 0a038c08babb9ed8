"""Run the test suite on every interpreter of this machine.

The newest interpreter comes first and reports most (skipped tests and why, the slowest
tests); the others print one line and their failures. ``ARGS`` in the environment is
handed on to pytest. ``--nightly`` runs only the long campaigns, on the newest
interpreter.
"""

import os
import shlex
import subprocess
import sys
import time
from typing import Final

from environment import ROOT, clean_environ, ensure
from interpreters import SUPPORTED, Interpreter, find_all, find_newest, is_named

__all__ = ["main"]

_ALWAYS: Final = ("-m", "pytest", "-q", "-n", "auto", "--maxprocesses=8")
_SPREAD: Final = ("--dist=worksteal",)
_TALKATIVE: Final = ("-ra", "--durations=10", "--durations-min=2")
_NIGHTLY: Final = ("-m", "nightly", "--hypothesis-profile=nightly")
_NOTHING_COLLECTED: Final = 5


def main() -> int:
    """Return 0 when every suite passed, 1 otherwise."""
    if sys.argv[1:] == ["--nightly"]:
        code = _run_suite(find_newest(), (*_NIGHTLY, *_TALKATIVE))
        return 0 if code == _NOTHING_COLLECTED else code
    found = find_all()
    missing = [f"{major}.{minor}" for major, minor in SUPPORTED]
    missing = [name for name in missing if name not in {one.minor for one in found}]
    for one in found:
        print(f"found      {one}", flush=True)
    absent = "not named" if is_named() else "not found"
    for name in missing:
        print(f"{absent}  Python {name}: its suite is not run", flush=True)
    rows: list[tuple[Interpreter, str, float]] = []
    for one in found:
        started = time.monotonic()
        code = _run_suite(one, () if rows else _TALKATIVE)
        seconds = time.monotonic() - started
        rows.append((one, "passed" if code == 0 else f"FAILED (exit {code})", seconds))
    print()
    for one, verdict, seconds in rows:
        print(f"Python {one.minor:5} {verdict}, {seconds:.0f} s")
    for name in missing:
        print(f"Python {name:5} {absent}, not run")
    return int(any(verdict != "passed" for _, verdict, _ in rows))


def _run_suite(interpreter: Interpreter, extra: tuple[str, ...]) -> int:
    python = ensure("dev", interpreter) / "python"
    given = shlex.split(os.environ.get("ARGS", ""))
    print(f"\n== {interpreter}", flush=True)
    command = [str(python), *_ALWAYS, *_SPREAD, *extra, *given]
    answer = subprocess.run(command, cwd=ROOT, env=clean_environ(), check=False)
    return answer.returncode


if __name__ == "__main__":
    sys.exit(main())
