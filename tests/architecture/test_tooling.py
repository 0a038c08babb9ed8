"""The tooling finds interpreters that run, and names what it cannot use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT

BOOTSTRAP = ROOT / ".ci" / "python"
LIST = (
    "import sys; sys.path.insert(0, sys.argv[1]); import interpreters\n"
    "for one in interpreters.find_all(): print(one.minor, one.path)"
)


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """A search path with one interpreter, and shims that exist and refuse to run."""
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        shim = tmp_path / name
        text = f'exec "{sys.executable}" "$@"' if name == minor else "exit 127"
        shim.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        shim.chmod(0o755)
    return {"PATH": str(tmp_path), "HOME": str(tmp_path)}


def _run(*command: str | Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_shim_that_refuses_to_run_is_passed_over(machine: dict[str, str]) -> None:
    answer = _run(BOOTSTRAP, "-c", "print('ran')", env=machine)

    assert (answer.returncode, answer.stdout) == (0, "ran\n")


def test_every_interpreter_that_runs_is_listed_once(machine: dict[str, str]) -> None:
    answer = _run(sys.executable, "-c", LIST, ROOT / ".ci", env=machine)

    minors = [line.split()[0] for line in answer.stdout.splitlines()]
    assert answer.returncode == 0, answer.stderr
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in minors
    assert len(minors) == len(set(minors))
    assert machine["PATH"] not in answer.stdout


@pytest.mark.parametrize("name", ["PYTHON", "PYTHONS"])
def test_a_named_interpreter_that_does_not_run_is_an_error(
    name: str, machine: dict[str, str]
) -> None:
    bad = machine | {name: f"{machine['PATH']}/absent"}

    answer = _run(sys.executable, "-c", LIST, ROOT / ".ci", env=bad)

    assert answer.returncode == 1
    assert "absent does not run" in answer.stderr


def test_help_lists_every_target() -> None:
    make = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = [line for line in make.splitlines() if line.startswith(".PHONY")]

    for target in phony.split()[1:]:
        assert f"\n{target}: ##" in make


@pytest.mark.parametrize("target", ["run", "test", "check", "lock", "dist", "bench"])
def test_a_target_without_an_interpreter_fails(target: str) -> None:
    env = {"PATH": os.defpath, "PYTHON": "/absent/python3"}

    answer = _run("make", "-C", ROOT, target, env=env)

    assert answer.returncode == 2
    assert "PYTHON=/absent/python3 does not run" in answer.stderr
    assert "passed" not in answer.stdout
