"""Make, or refresh, an environment below ``.venvs`` and print its ``bin`` folder.

``environment.py run`` installs what a user needs; ``dev`` adds what the tests and the
checks need; ``lock`` holds only the tool that writes the lock files. Every third-party
package comes from a lock file of this folder: exact version, checked hash, no build
step. The project itself is installed from the tree, editable, with a build backend
that is locked too.

Where packages come from is the machine's own pip configuration (environment or
``pip.conf``); nothing here names an index. An environment is complete once its stamp is
written, so an interrupted run starts over, and a stamp whose lock, interpreter or place
changed is not believed.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from interpreters import Interpreter, find_newest

__all__ = ["KINDS", "ROOT", "clean_environ", "ensure"]

ROOT: Final = Path(__file__).resolve().parent.parent
KINDS: Final = ("run", "dev", "lock")
_OLDEST_PIP_THAT_SERVES_OTHERS: Final = (22, 3)
_MISLEADING: Final = (
    "PIP_CONSTRAINT",
    "PIP_PREFIX",
    "PIP_REQUIRE_HASHES",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "VIRTUAL_ENV",
    "__PYVENV_LAUNCHER__",
)


def ensure(kind: str, interpreter: Interpreter) -> Path:
    """Return the ``bin`` folder of a complete environment, making it if needed.

    Raises:
        SystemExit: It cannot be made; the message says why.
    """
    home = ROOT / ".venvs" / f"{kind}-{interpreter.minor}"
    lock = ROOT / ".ci" / f"requirements-{kind}.txt"
    stamp = home / ".complete"
    packages = _digest(str(home), interpreter.path, interpreter.version, lock)
    project = _digest(packages, ROOT / "pyproject.toml") if kind != "lock" else ""
    known = _read(stamp)
    if known.get("packages") != packages:
        stamp.unlink(missing_ok=True)
        _install_packages(home, lock, interpreter)
        known = {}
    if known.get("project") != project:
        stamp.unlink(missing_ok=True)
        if project:
            _pip(home, interpreter, "--no-deps", "--no-build-isolation", "-e", ROOT)
        stamp.write_text(json.dumps({"packages": packages, "project": project}))
    return home / "bin"


def clean_environ() -> dict[str, str]:
    """The caller's environment without what would lead pip or Python astray."""
    kept = {name: text for name, text in os.environ.items() if name not in _MISLEADING}
    return kept | {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }


def _install_packages(home: Path, lock: Path, interpreter: Interpreter) -> None:
    count = sum(line[:1].isalnum() for line in lock.read_text().splitlines())
    _say(f"{interpreter}: making .venvs/{home.name}, {count} locked packages")
    started = time.monotonic()
    venv = [interpreter.path, "-m", "venv", "--clear", str(home)]
    if _run(venv).returncode:
        # Some systems ship Python without ensurepip. Their own pip can serve instead.
        answer = _run([*venv, "--without-pip"])
        if answer.returncode:
            sys.exit(f"{interpreter}: no environment could be made\n{answer.stdout}")
    _pip(home, interpreter, "--require-hashes", "--only-binary=:all:", "-r", lock)
    _say(f"  ready after {time.monotonic() - started:.0f} s")


def _pip(home: Path, interpreter: Interpreter, *arguments: str | Path) -> None:
    inside = str(home / "bin" / "python")
    pip = [inside, "-m", "pip"]
    if _run([*pip, "--version"]).returncode:
        pip = [interpreter.path, "-m", "pip", "--python", inside]
        if _version_of_pip(interpreter) < _OLDEST_PIP_THAT_SERVES_OTHERS:
            sys.exit(
                f"{interpreter} has neither ensurepip nor a pip of at least 22.3. "
                "Install its venv or pip package (Debian: python3-venv)."
            )
    answer = _run([*pip, "install", "-q", "--no-user", "--no-compile", *arguments])
    if answer.returncode:
        sys.exit(f"{interpreter}: pip failed\n{answer.stdout}")


def _version_of_pip(interpreter: Interpreter) -> tuple[int, ...]:
    answer = _run([interpreter.path, "-m", "pip", "--version"])
    words = answer.stdout.split()
    if answer.returncode or len(words) < 2:  # noqa: PLR2004 - "pip 23.0.1 from ..."
        return ()
    return tuple(int(part) for part in words[1].split(".")[:2] if part.isdecimal())


def _run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env=clean_environ(),
        check=False,
    )


def _digest(*parts: object) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else str(part).encode()
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


def _read(stamp: Path) -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return {}
    return known


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in KINDS:  # noqa: PLR2004 - one argument
        sys.exit(f"usage: environment.py {'|'.join(KINDS)}")
    print(ensure(sys.argv[1], find_newest()))
