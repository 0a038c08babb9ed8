"""A folder on a disk in memory, where there is one."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["memory_disk"]

_DISK: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


@contextmanager
def memory_disk(otherwise: Path) -> Iterator[Path]:
    """Give a new folder, on another disk where this machine has none in memory."""
    place = _DISK if _DISK.is_dir() else otherwise
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)
