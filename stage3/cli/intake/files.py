"""Files given to a command, read whole and bounded, and files it makes.

What is read may be a pipe; what is written is new, private, and there completely or
not at all.

Source: docs/spec/cli.md, CLI-4.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audit.entry import printable
from stage3.cli.errors import InputRefusedError, OutputFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NewFile", "new_file", "read_descriptor", "read_file", "shown", "text_of"]

_PRIVATE: Final = 0o600
_PUBLIC: Final = 0o644
_CHUNK: Final = 65_536


def shown(path: str | Path) -> str:
    """Give a path as a sentence may show it."""
    return printable(str(path), 200)


def read_file(path: str, what: str, max_bytes: int) -> bytes:
    """Read a file given on the command line, or what a pipe of that name gives.

    Args:
        path: Its name.
        what: What it is, as a sentence calls it: ``the plan file``.
        max_bytes: The most it may hold.

    Raises:
        InputRefusedError: It is missing, a folder, not readable or too large.

    Source:
        CLI-4.1.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise InputRefusedError(
            f"{what} {shown(path)} cannot be read: {_why(error)}"
        ) from error
    try:
        return _read(descriptor, f"{what} {shown(path)}", max_bytes)
    finally:
        os.close(descriptor)


def read_descriptor(descriptor: int, what: str, max_bytes: int) -> bytes:
    """Read an open descriptor to its end; it stays open.

    Raises:
        InputRefusedError: It is not open for reading, or gives too much.
    """
    return _read(descriptor, f"{what} of descriptor {descriptor}", max_bytes)


def text_of(data: bytes, what: str) -> str:
    """Decode UTF-8.

    Raises:
        InputRefusedError: It is not.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputRefusedError(
            f"{what} is not UTF-8 text (byte {error.start})"
        ) from None


class NewFile:
    """A file that exists under its name, empty, until ``write`` fills it."""

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path: Final = path
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write everything and force it to the disk.

        Raises:
            OutputFailedError: It could not be written.
        """
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise OutputFailedError(
                f"{shown(self.path)} cannot be written: {_why(error)}"
            ) from error


@contextmanager
def new_file(path: str, *, private: bool) -> Iterator[NewFile]:
    """Claim a new file; if the block raises, the file is gone again.

    Args:
        path: Its name; nothing may have it yet.
        private: Whether only its owner may read it (mode 0600).

    Raises:
        OutputFailedError: The name is taken or the file cannot be made.

    Source:
        CLI-4.3.
    """
    mode = _PRIVATE if private else _PUBLIC
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, mode)
    except FileExistsError as error:
        raise OutputFailedError(
            f"{shown(path)} exists; a file is never replaced"
        ) from error
    except (OSError, ValueError) as error:
        raise OutputFailedError(
            f"{shown(path)} cannot be made: {_why(error)}"
        ) from error
    try:
        yield NewFile(Path(path), descriptor)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _read(descriptor: int, what: str, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    room = max_bytes + 1
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise InputRefusedError(f"{what} cannot be read: it is a folder")
        while room and (part := os.read(descriptor, min(room, _CHUNK))):
            parts.append(part)
            room -= len(part)
    except (OSError, OverflowError) as error:
        raise InputRefusedError(f"{what} cannot be read: {_why(error)}") from error
    if not room:
        raise InputRefusedError(f"{what} is too large: at most {max_bytes} bytes")
    return b"".join(parts)


def _why(error: Exception) -> str:
    # The system's own words; the exception's text repeats the path.
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not a possible name"
