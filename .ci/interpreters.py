"""Find the Python interpreters of this machine, one for each minor version.

A name on the search path is not enough: a shim of a version manager may exist and
refuse to run, and a Python built without SQLite cannot run the product. So every
candidate is started once and asked who it is.

``PYTHON`` (one) or ``PYTHONS`` (several, separated by spaces) in the environment name
the interpreters and end the search.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["SUPPORTED", "Interpreter", "find_all", "find_newest", "is_named"]

SUPPORTED: Final = ((3, 11), (3, 12), (3, 13), (3, 14))
_PROBE: Final = (
    "import json, sys, sqlite3, ssl, venv; print(json.dumps(["
    "sys.implementation.name, list(sys.version_info[:3]),"
    " getattr(sys, '_base_executable', None) or sys.executable]))"
)
_PROBE_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython that was started and answered."""

    version: tuple[int, int, int]
    path: str

    @property
    def minor(self) -> str:
        """The minor version, as in ``3.12``."""
        return f"{self.version[0]}.{self.version[1]}"

    def __str__(self) -> str:
        return f"Python {'.'.join(map(str, self.version))} ({self.path})"


def find_all() -> list[Interpreter]:
    """List the interpreters to use, newest first.

    Raises:
        SystemExit: None was found, or a named one does not run.
    """
    named = _named()
    found: dict[str, Interpreter] = {}
    for candidate in named or _candidates():
        interpreter = _probe(candidate)
        if interpreter is not None:
            found.setdefault(interpreter.minor, interpreter)
        elif named:
            sys.exit(f"{candidate} does not run, or is no CPython of at least 3.11.")
    if not found:
        sys.exit("No usable CPython of at least 3.11 was found.")
    return sorted(found.values(), key=lambda one: one.version, reverse=True)


def find_newest() -> Interpreter:
    """The newest interpreter among those the lock file was made for, if any is."""
    found = find_all()
    supported = [one for one in found if one.version[:2] in SUPPORTED]
    return (supported or found)[0]


def is_named() -> bool:
    """Whether the caller said which interpreters to use."""
    return bool(_named())


def _named() -> list[str]:
    return (os.environ.get("PYTHONS") or os.environ.get("PYTHON") or "").split()


def _candidates() -> Iterator[str]:
    names = [f"python{major}.{minor}" for major, minor in reversed(SUPPORTED)]
    for name in [*names, "python3", "python"]:
        path = shutil.which(name)
        if path:
            yield path
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    versions = sorted(home.glob("versions/3.*/bin/python3"), key=_patch, reverse=True)
    yield from map(str, versions)
    for folder in ("/usr/bin", "/usr/local/bin"):
        for name in names:
            if Path(folder, name).exists():
                yield f"{folder}/{name}"


def _patch(path: Path) -> list[int]:
    words = path.parent.parent.name.split(".")
    return [int(word) if word.isdecimal() else -1 for word in words]


def _probe(candidate: str) -> Interpreter | None:
    try:
        answer = subprocess.run(
            [candidate, "-I", "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    name, version, path = json.loads(answer.stdout)
    if name != "cpython" or tuple(version) < (3, 11):
        return None
    return Interpreter((version[0], version[1], version[2]), path)
