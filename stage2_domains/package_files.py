"""Files of a domain's package: found and read, never executed.

A file is named relative to a folder and read from below it: no absolute name, no
``..`` and no symbolic link on the way, whatever it points to. What is read is bounded,
and is a file: a pipe or a device is refused without waiting for it.

Spec: DOM-9.4, DOM-9.5.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from stage2_domains.errors import RegistrationError
from stage2_domains.sentences import bounded, printable

__all__ = ["MAX_FILE_NAME", "package_folder", "read_below", "shown", "source_of"]

MAX_FILE_NAME: Final = 200
"""The longest name of a file, with its folders, in characters."""

_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK: Final = 65_536


def shown(path: str | Path) -> str:
    """Give a path as a sentence may show it."""
    return printable(str(path), MAX_FILE_NAME)


def read_below(folder: Path, name: str, max_bytes: int) -> bytes:
    """Read a file below a folder.

    Args:
        folder: Where the name begins; it may be a link, the operator named it.
        name: ``a/b.json``: letters, digits, ``_``, ``-`` and ``.``, parts divided by
            slashes, none of which begins with a dot.
        max_bytes: The most it may hold.

    Raises:
        RegistrationError: The name leaves the folder or is no such name, a part of it
            is a symbolic link, or what it names is missing, unreadable, not a file or
            too large. The sentence fits after the name of a key.

    Source:
        DOM-9.4.
    """
    parts = name.split("/")
    if len(name) > MAX_FILE_NAME or not all(map(_PART.fullmatch, parts)):
        raise RegistrationError(
            f"'{printable(name)}' is not a file name below the manifest's folder"
        )
    try:
        descriptor = _open_below(folder, parts)
        try:
            return _read(descriptor, name, max_bytes)
        finally:
            os.close(descriptor)
    except RegistrationError:
        raise
    except (OSError, ValueError) as error:
        raise RegistrationError(
            f"'{printable(name)}' cannot be read{_why(error)}"
        ) from error


def package_folder(name: str) -> Path:
    """Find the folder of a package without importing it or any other code.

    Args:
        name: Its dotted name, ``weather`` or ``acme.domains.weather``.

    Raises:
        RegistrationError: There is no such package on the import path, or it is
            not a folder.
    """
    top, *inner = _parts(name)
    for location in _locations(top):
        folder = Path(location, *inner)
        if folder.is_dir():
            return folder
    raise RegistrationError(f"there is no package '{printable(name)}'")


def source_of(name: str, max_bytes: int) -> tuple[Path, bytes]:
    """Read the source of a module without importing it or any package above it.

    Args:
        name: Its dotted name.
        max_bytes: The most it may hold.

    Returns:
        The file and its bytes.

    Raises:
        RegistrationError: There is no such module, or it has no source file.

    Source:
        DOM-9.2.
    """
    *above, last = _parts(name)
    if above:
        folder = package_folder(".".join(above))
    else:
        spec = _spec(last)
        origin = None if spec is None else getattr(spec, "origin", None)
        if not isinstance(origin, str) or Path(origin).name != f"{last}.py":
            raise RegistrationError(
                f"there is no module '{printable(name)}' with a source file"
            )
        folder = Path(origin).parent
    file = f"{last}.py"
    return folder / file, read_below(folder, file, max_bytes)


def _why(error: OSError | ValueError) -> str:
    """Say why a file was not opened; a missing one is the usual reason by far."""
    number = getattr(error, "errno", None)
    if number in {errno.ELOOP, errno.ENOTDIR}:
        return " without following a link"
    # A folder's name that cannot be one is a ValueError.
    return f": {getattr(error, 'strerror', None) or 'not a possible name'}"


def _open_below(folder: Path, parts: list[str]) -> int:
    """Open step by step, so that no link is followed even if one is just being made."""
    current = os.open(folder, _FOLDER)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=current)
            os.close(current)
            current = deeper
        return os.open(parts[-1], _FILE | os.O_NOFOLLOW, dir_fd=current)
    finally:
        os.close(current)


def _read(descriptor: int, name: str, max_bytes: int) -> bytes:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise RegistrationError(f"'{printable(name)}' is not a file")
    found: list[bytes] = []
    room = max_bytes + 1
    while room and (part := os.read(descriptor, min(room, _CHUNK))):
        found.append(part)
        room -= len(part)
    if not room:
        raise RegistrationError(
            bounded(f"'{printable(name)}' has more than {max_bytes} bytes")
        )
    return b"".join(found)


def _parts(name: str) -> list[str]:
    parts = name.split(".")
    if len(name) > MAX_FILE_NAME or not all(
        part.isascii() and part.isidentifier() for part in parts
    ):
        raise RegistrationError(f"'{printable(name)}' is not the name of a module")
    return parts


def _locations(top: str) -> list[str]:
    spec = _spec(top)
    found = None if spec is None else getattr(spec, "submodule_search_locations", None)
    return [] if found is None else [str(one) for one in found]


def _spec(top: str) -> object:
    """Ask the finders for a top-level name; only a dotted one would import."""
    try:
        return find_spec(top)
    except (ImportError, ValueError):
        return None
