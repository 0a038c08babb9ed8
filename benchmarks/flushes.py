"""Counting and slowing flushes, by a small C library preloaded into other processes."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BOARD", "Board", "shim", "why_no_shim"]

BOARD: Final = "BENCH_FLUSH_BOARD"
"""The environment variable by which the library finds the board."""

_SOURCE: Final = Path(__file__).with_name("flushes.c")
_FIELDS: Final = struct.Struct("=QQQ")
_SIZE: Final = 4_096


def why_no_shim() -> str | None:
    """Say why flushes can be neither counted nor slowed here; None if they can."""
    if os.uname().sysname != "Linux":
        return "the preloaded library is for Linux"
    return None if _compiler() else "there is no C compiler (cc)"


def _compiler() -> str | None:
    return shutil.which(os.environ.get("CC", "cc"))


@contextmanager
def shim() -> Iterator[tuple[Board, dict[str, str]]]:
    """Compile the library, and give a board and the variables that lead to both.

    Raises:
        RuntimeError: There is no compiler, or it failed.
    """
    # Not in the folder that is measured: a server runs as somebody else, who may not
    # be allowed to look into that one.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        library, path = _compiled(folder), folder / "board"
        path.write_bytes(bytes(_SIZE))
        path.chmod(0o666)
        board = Board(path)
        try:
            yield board, {"LD_PRELOAD": str(library), BOARD: str(path)}
        finally:
            board.close()


def _compiled(folder: Path) -> Path:
    compiler, library = _compiler(), folder / "flushes.so"
    if compiler is None:
        raise RuntimeError("there is no C compiler (cc)")
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)]
    told = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - the machine's own compiler
    if told.returncode != 0:
        raise RuntimeError(f"the preloaded library was not compiled: {told.stderr}")
    return library


class Board:
    """What all preloaded processes share: a delay for each flush, and their numbers."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SIZE)

    @property
    def flushes(self) -> tuple[int, int]:
        """How many flushes there were, of write-ahead logs and of other files."""
        _, logs, others = _FIELDS.unpack_from(self._memory)
        return logs, others

    def set_delay(self, milliseconds: float) -> None:
        """Make each flush longer from now on."""
        struct.pack_into("=Q", self._memory, 0, round(milliseconds * 1e3))

    def close(self) -> None:
        """Let go of the file."""
        self._memory.close()
