"""Signs of life: names that are held until closed, or until the process is gone.

With a database file a hold is the lock of a file ``<database>.owner-<name>``, so
that the kernel ends it whatever happens to the process. A table of the live holds
of this process answers for them without touching the files; it is also all there
is to a hold of a ``memory:`` store. Files that nobody holds are removed by whoever
finds them.

Source: docs/spec/store.md, STO-7.
"""

import os
import re
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from audit.errors import (
    EntryRefusedError,
    HoldLostError,
    StoreBusyError,
    StoreUnavailableError,
)
from audit.store.interface import Hold
from audit.store.lockfile import LockFile
from audit.store.timing import Deadline, Timing

__all__ = ["Holds", "OwnerHold"]

_NAME: Final = re.compile("[A-Za-z0-9_-]{1,128}")
_PROBE_PATIENCE_S: Final = 0.25
"""How long an acquirer bears with those who only look: they hold for moments."""


class OwnerHold:
    """A name held by this process. See ``audit.store.interface.Hold``."""

    __slots__ = ("_holds", "_lock", "_name", "_pid")

    def __init__(self, holds: "Holds", name: str, lock: LockFile | None) -> None:
        self._holds = holds
        self._name = name
        self._lock = lock
        self._pid = os.getpid()

    @property
    def name(self) -> str:
        """The name that is held."""
        return self._name

    def is_of(self, holds: "Holds") -> bool:
        """Tell whether it is one of these."""
        return self._holds is holds

    def close(self) -> None:
        """Let go. Closing twice is harmless; in a forked child nothing happens."""
        if os.getpid() != self._pid or not self._holds.forget(self):
            return
        if self._lock is None:
            return
        try:
            self._lock.remove_if_current()
        except OSError:
            # A file left behind is removed by whoever finds that nobody holds it.
            return
        finally:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Holds:
    """The holds of one store."""

    __slots__ = ("_database", "_live", "_timing")

    def __init__(self, database: Path | None, timing: Timing) -> None:
        self._database = database
        self._timing = timing
        self._live: dict[str, OwnerHold] = {}

    def take(self, name: str) -> OwnerHold:
        """Hold a name.

        Raises:
            EntryRefusedError: The name has another form.
            StoreBusyError: Somebody holds it.
            StoreUnavailableError: The lock cannot be made.
        """
        path = self._path(name)
        if path is None:
            return self._record(OwnerHold(self, name, None))
        try:
            lock = self._locked(path)
        except OSError as error:
            raise StoreUnavailableError("a hold cannot be made") from error
        try:
            return self._record(OwnerHold(self, name, lock))
        except BaseException:
            lock.close()
            raise

    def is_held(self, name: str) -> bool:
        """Tell whether somebody holds a name, removing what nobody holds.

        Raises:
            EntryRefusedError: The name has another form.
            StoreUnavailableError: It cannot be found out.
        """
        path = self._path(name)
        if path is None or name in self._live:
            return name in self._live
        try:
            lock = LockFile.open(path, create_mode=None)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreUnavailableError("a hold cannot be looked at") from error
        return _is_locked(lock)

    def refuse_other(self, fence: Hold | None) -> None:
        """Refuse to be fenced with what is not a hold of this store.

        Raises:
            EntryRefusedError: It is not.
        """
        if fence is None:
            return
        if not isinstance(fence, OwnerHold) or not fence.is_of(self):
            raise EntryRefusedError("a fence is a hold of the same store")

    def refuse_lost(self, fence: Hold | None) -> None:
        """Refuse to go on without a hold.

        Raises:
            HoldLostError: It was closed.
        """
        if fence is not None and self._live.get(fence.name) is not fence:
            raise HoldLostError("the hold that this block depends on has ended")

    def forget(self, hold: OwnerHold) -> bool:
        """Take a hold off the table; False when it was not on it."""
        if self._live.get(hold.name) is not hold:
            return False
        del self._live[hold.name]
        return True

    def close(self) -> None:
        """Close every hold."""
        for hold in list(self._live.values()):
            hold.close()

    def _record(self, hold: OwnerHold) -> OwnerHold:
        if self._live.setdefault(hold.name, hold) is not hold:
            raise StoreBusyError("this name is held")
        return hold

    def _locked(self, path: Path) -> LockFile:
        deadline = Deadline(self._timing, _PROBE_PATIENCE_S)
        while deadline.wait_for_next_try():
            lock = LockFile.open(path, create_mode=0o600)
            # Whoever found the file unheld may have removed it by now: what is
            # locked must be what the path leads to.
            is_ours = False
            try:
                is_ours = lock.try_exclusive() and lock.is_current()
            finally:
                if not is_ours:
                    lock.close()
            if is_ours:
                return lock
        raise StoreBusyError("this name is held")

    def _path(self, name: str) -> Path | None:
        if type(name) is not str or _NAME.fullmatch(name) is None:
            raise EntryRefusedError("a hold's name is [A-Za-z0-9_-]{1,128}")
        if self._database is None:
            return None
        return self._database.with_name(f"{self._database.name}.owner-{name}")


def _is_locked(lock: LockFile) -> bool:
    """Look with a shared lock, so that two who look do not see each other."""
    try:
        if not lock.try_shared():
            return True
        if lock.try_exclusive():
            lock.remove_if_current()
    except OSError as error:
        raise StoreUnavailableError("a hold cannot be looked at") from error
    finally:
        lock.close()
    return False
