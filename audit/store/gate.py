"""The gate between processes: the outer half of the lock.

SQLite's own lock is not fair: a crowd of starters can keep a revocation waiting.
So every shared writer first passes a gate, a lock file beside the database, and
an exclusive writer closes that gate while it waits and works. Those already past
it finish their one transaction; nobody follows them.

Source: docs/spec/store.md, STO-4.
"""

from pathlib import Path
from typing import Final

from audit.errors import StoreUnavailableError
from audit.store.lockfile import LockFile

__all__ = ["Gate"]

_PERMISSIONS: Final = 0o666
"""The most a gate file may allow: as much as its database, so that whoever may
write the one may pass the other."""
_PRIVATE: Final = 0o600


class Gate:
    """The gate of one store; ``None`` as path is a gate that is always open."""

    __slots__ = ("_closed_by_us", "_database", "_lock")

    def __init__(self, database: Path | None) -> None:
        self._database = database
        self._lock: LockFile | None = None
        self._closed_by_us = False

    def try_enter(self, *, exclusive: bool) -> bool:
        """Pass the gate, or close it behind the one who calls, if it is open now.

        Returns:
            False when another process keeps the gate closed.

        Raises:
            StoreUnavailableError: The gate file cannot be used.
        """
        if self._database is None or self._closed_by_us:
            return True
        try:
            return self._try_enter(self._opened(self._database), exclusive=exclusive)
        except OSError as error:
            raise StoreUnavailableError("the gate file cannot be used") from error

    def leave(self) -> None:
        """Open the gate again if it was closed by us; cheap if it was not."""
        if self._closed_by_us:
            self._closed_by_us = False
            self._discard()

    def close(self) -> None:
        """Close the file. Others decide by its lock, so it stays where it is."""
        self._closed_by_us = False
        self._discard()

    def _try_enter(self, lock: LockFile, *, exclusive: bool) -> bool:
        if exclusive:
            self._closed_by_us = lock.try_exclusive()
            return self._closed_by_us
        if not lock.try_shared():
            return False
        lock.unlock()
        return True

    def _opened(self, database: Path) -> LockFile:
        if self._lock is None:
            mode = _permissions(database)
            path = database.with_name(f"{database.name}.gate")
            self._lock = LockFile.open(path, create_mode=mode)
        return self._lock

    def _discard(self) -> None:
        """Close the descriptor; unlike unlocking, closing has no way to fail."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()


def _permissions(database: Path) -> int:
    """Give the permissions of the gate; that the database is gone shows later."""
    try:
        return database.stat().st_mode & _PERMISSIONS
    except FileNotFoundError:
        return _PRIVATE
