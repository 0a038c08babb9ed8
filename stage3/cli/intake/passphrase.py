"""The passphrase of the key files: from a file, a descriptor or the terminal.

Never from an argument or an environment variable, which other users and processes
can see.

Source: docs/spec/cli.md, CLI-5.2.
"""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Final

from stage3.cli.errors import InputRefusedError
from stage3.cli.intake.files import read_descriptor, read_file

if TYPE_CHECKING:
    from stage3.cli.arguments import Given

__all__ = ["read_new_passphrase", "read_passphrase"]

MAX_BYTES: Final = 1_024
_TERMINAL: Final = "/dev/tty"


def read_passphrase(given: Given) -> bytes:
    """Read the passphrase from where the arguments say, or ask for it.

    Raises:
        InputRefusedError: There is none, or it is empty or longer than 1024 bytes.
    """
    return _checked(_from_arguments(given) or _asked("Passphrase of the keys: "))


def read_new_passphrase(given: Given) -> bytes:
    """Likewise; somebody at a terminal types it twice.

    Raises:
        InputRefusedError: As ``read_passphrase``, or the two differ.
    """
    found = _from_arguments(given)
    if found is None:
        found = _asked("New passphrase for the keys: ")
        if found != _asked("The same again: "):
            raise InputRefusedError("the two passphrases differ")
    return _checked(found)


def _from_arguments(given: Given) -> bytes | None:
    if given.passphrase_file is not None:
        what, most = "the passphrase file", 4 * MAX_BYTES
        return _first_line(read_file(given.passphrase_file, what, most))
    if given.passphrase_fd is not None:
        what = "the passphrase"
        return _first_line(read_descriptor(given.passphrase_fd, what, 4 * MAX_BYTES))
    return None


def _first_line(data: bytes) -> bytes:
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise InputRefusedError("the passphrase is empty")
    return line


def _asked(prompt: str) -> bytes:
    # Looked at first: getpass would otherwise read standard input, with an echo.
    if not os.access(_TERMINAL, os.R_OK | os.W_OK) or not _has_terminal():
        raise InputRefusedError(
            "a passphrase is needed and there is no terminal to ask for it",
            hint="Give --passphrase-file FILE or --passphrase-fd N.",
        )
    try:
        return getpass.getpass(prompt).encode("utf-8", "surrogateescape")
    except (EOFError, OSError) as error:
        raise InputRefusedError("no passphrase was typed") from error


def _has_terminal() -> bool:
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _checked(passphrase: bytes) -> bytes:
    if not passphrase:
        raise InputRefusedError("the passphrase is empty")
    if len(passphrase) > MAX_BYTES:
        raise InputRefusedError(f"the passphrase is longer than {MAX_BYTES} bytes")
    return passphrase
