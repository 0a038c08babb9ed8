"""A file whose only content is a lock, taken with ``flock``.

Such a lock belongs to an open descriptor: it conflicts with one taken through
any other descriptor, in this process or another, and ends when the last copy of
the descriptor is closed, at the latest with the process. A forked child holds
copies, which would keep its parent alive in the eyes of others: they are closed
in the child at once, and closing does not unlock. Programs that are executed get
no copy (close-on-exec).

Nothing is ever written into these files, and a symbolic link is not followed.

Source: docs/spec/store.md, STO-4, STO-5 and STO-7.
"""

import fcntl
import os
import stat
import weakref
from pathlib import Path
from typing import Final, Self

__all__ = ["LockFile"]

_FLAGS: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class LockFile:
    """An open lock file. Every method may raise ``OSError``."""

    __slots__ = ("__weakref__", "_descriptor", "_path")

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        _OPEN.add(self)

    @classmethod
    def open(cls, path: Path, *, create_mode: int | None) -> Self:
        """Open the file, creating it with these permissions unless ``None``.

        Raises:
            FileNotFoundError: It does not exist and is not to be created.
            OSError: It cannot be opened, or is no regular file.
        """
        flags = _FLAGS if create_mode is None else _FLAGS | os.O_CREAT
        descriptor = os.open(path, flags, create_mode or 0)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{path.name} is not a regular file")
        return cls(path, descriptor)

    @property
    def is_open(self) -> bool:
        """False once closed, and in every child forked while it was open."""
        return self._descriptor >= 0

    def try_shared(self) -> bool:
        """Take the lock shared, if nobody holds it exclusively."""
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Take the lock exclusively, if nobody else holds it."""
        return self._try(fcntl.LOCK_EX)

    def unlock(self) -> None:
        """Give the lock back and keep the file open."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def is_current(self) -> bool:
        """Tell whether the path still leads to this very file."""
        mine = os.fstat(self._descriptor)
        try:
            there = os.lstat(self._path)
        except FileNotFoundError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def remove_if_current(self) -> None:
        """Unlink the path if it leads here; only with the lock held exclusively.

        Whoever unlinks holds the lock of the file the path leads to, so two can
        never unlink one after the other and hit a file made in between.
        """
        if self.is_current():
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file, which ends the lock unless a copy is open elsewhere."""
        descriptor, self._descriptor = self._descriptor, -1
        _OPEN.discard(self)
        if descriptor >= 0:
            os.close(descriptor)

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


_OPEN: Final[weakref.WeakSet[LockFile]] = weakref.WeakSet()


def _close_copies_in_child() -> None:
    for lock in list(_OPEN):
        lock.close()


os.register_at_fork(after_in_child=_close_copies_in_child)
