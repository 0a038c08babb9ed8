"""Checks of the program, its libraries and the home folder.

Source: docs/spec/cli.md, CLI-9.
"""

from __future__ import annotations

import platform
import shutil
import stat
import sys
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from stage3.cli.checkup.check import Check, fail, ok, warn
from stage3.cli.intake.files import shown
from stage3.cli.versions import installed_version
from stage3.isolation.process.level import probe
from stage3.isolation.wasm.tier import WasmIsolation, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stage3.cli.home import Home

__all__ = ["home_checks", "installation_checks"]

_LIBRARIES: Final = ("pydantic", "cryptography", "jsonschema", "psycopg")
_OLDEST_PYTHON: Final = (3, 11)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_LITTLE_SPACE: Final = 64 * 1024 * 1024


def installation_checks() -> Iterator[Check]:
    """Check Python, the libraries and what the keystore needs."""
    version = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON or sys.implementation.name != "cpython":
        yield fail("python", version, "Use CPython 3.11 or newer.")
    else:
        yield ok("python", f"{version} on {platform.system()}")
    versions = {name: installed_version(name) for name in _LIBRARIES}
    yield ok(
        "libraries", ", ".join(f"{name} {what}" for name, what in versions.items())
    )
    yield _keystore()
    yield ok(
        "in_process box",
        "a tripwire for domains the operator trusts; no other domain runs in it",
    )
    yield _process_box()
    yield _wasm_box()


def home_checks(home: Home) -> Iterator[Check]:
    """Check that the home is there, private, and has room."""
    if not home.folder.is_dir():
        todo = "Make it with `stage3 init`, or name it with --home."
        yield fail("home", f"there is no folder {shown(home.folder)}", todo)
        return
    yield ok("home", shown(home.folder.absolute()))
    yield _modes(home)
    yield _space(home.folder)


def _process_box() -> Check:
    level = probe()
    if level.refusal is not None:
        todo = "Domains of the tier process are refused here; see docs/containers.md."
        return warn("process box", level.refusal, todo)
    landlock = f"Landlock {level.landlock_abi}" if level.landlock_abi else "no Landlock"
    spaces = " ".join(level.namespaces) or "none"
    walls = f"seccomp, no_new_privs, {landlock}; namespaces: {spaces}"
    return ok("process box", walls)


def _wasm_box() -> Check:
    box = WasmIsolation.available()
    if box is None:
        return ok("wasm box", f"{why_not()}; domains of the tier wasm are refused")
    return ok("wasm box", str(box.attained["engine"]))


def _keystore() -> Check:
    try:
        Argon2id(salt=b"0" * 16, length=32, iterations=1, lanes=1, memory_cost=8)
    except UnsupportedAlgorithm:
        todo = "Install a cryptography built on OpenSSL 3.2 or newer."
        return fail("keystore", "Argon2id is not available", todo)
    return ok("keystore", "Argon2id and AES-256-GCM are available")


def _modes(home: Home) -> Check:
    private = [home.keys, *sorted(home.keys.glob("*.key"))]
    too_open = [path for path in private if _mode(path) & _OTHERS]
    too_open += [
        path
        for path in (home.folder, home.database, home.trust_file)
        if _mode(path) & _OTHERS_WRITE
    ]
    if too_open:
        names = ", ".join(shown(path) for path in too_open[:3])
        more = f" and {len(too_open) - 3} more" if len(too_open) > 3 else ""  # noqa: PLR2004
        todo = "Take the rights of others away: `chmod go-rwx FILE`."
        return fail("file modes", f"open to others: {names}{more}", todo)
    return ok("file modes", "keys are private, and nothing is writable by others")


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _space(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    finding = f"{free // (1024 * 1024)} MiB free"
    if free < _LITTLE_SPACE:
        todo = "Make room: a full disk latches the store."
        return warn("disk", finding, todo)
    return ok("disk", finding)
