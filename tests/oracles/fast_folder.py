"""A folder in memory where the machine has one, for tests of many small commits.

What is killed here are processes, never machines, so nothing depends on a disk; and a
flush of a disk that others use too would be most of the time such a test takes.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made below it


@contextmanager
def fast_folder() -> Iterator[Path]:
    """Make a fresh folder and remove it afterwards."""
    usable = _IN_MEMORY.is_dir() and os.access(_IN_MEMORY, os.W_OK)
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY if usable else None) as name:
        yield Path(name)
