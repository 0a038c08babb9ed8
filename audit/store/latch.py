"""The latch: what stands between a failed write and the next one.

It has two halves, and either is enough. The process's own half is a table by
database, so that every handle of this process on it is latched. The other is a
notice, a file beside a database that is a file, whose mere existence latches every
process. The notice says what was lost, for people; nothing ever parses it.

The notice is at most 64 KiB in all, printable ASCII, with mode 0600, never
reached through a symbolic link, and forced to the disk with its folder. On a full
disk an empty file can usually still be made, and that is enough.

Source: docs/spec/store.md, STO-6.
"""

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audit.entry import printable
from audit.errors import StoreUnavailableError
from audit.store.interface import Latch

__all__ = ["MAX_NOTICE_BYTES", "LatchSwitch"]

MAX_NOTICE_BYTES: Final = 65_536
_MAX_REASON: Final = 400
_MAX_LINE: Final = 300
_MAX_LINES: Final = 400
_FLAGS: Final = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_APPEND
    | os.O_NOFOLLOW
    | os.O_NONBLOCK
    | os.O_CLOEXEC
)
_NS_PER_US: Final = 1_000

_standing: Final[dict[str, Latch]] = {}
"""The latches of this process, by database. A forked child keeps them."""


class LatchSwitch:
    """The latch of one store.

    Args:
        database: The database, where it is a file.
        name: What tells the database from others, where it is none; without a
            file and a name, the latch is this object's own.
    """

    __slots__ = ("_name", "_notice", "_own")

    def __init__(self, database: Path | None, name: str | None = None) -> None:
        self._name = name if database is None else str(database)
        self._notice = (
            None
            if database is None
            else str(database.with_name(f"{database.name}.notice"))
        )
        self._own: Latch | None = None

    def current(self) -> Latch | None:
        """Give the latch that stands, this process's own first."""
        own = self._own if self._name is None else _standing.get(self._name)
        if own is not None or self._notice is None:
            return own
        return _standing_notice(self._notice)

    def latch(self, reason: str, lost: Sequence[str], at_us: int) -> None:
        """Latch, leave the notice and say so on standard error; never raises.

        Args:
            reason: Why, in a sentence.
            lost: One line for each thing that could not be recorded.
            at_us: The time, as well as it is known.
        """
        latch = Latch(printable(reason, _MAX_REASON), at_us)
        if self._name is None:
            self._own = self._own or latch
        else:
            _standing.setdefault(self._name, latch)
        if self._notice is not None:
            _leave(self._notice, _text(latch, lost))
        _say(f"stage3: the store is latched: {latch.reason}; {len(lost)} lost\n")

    def lift(self) -> None:
        """Remove the notice, then this process's own latch.

        Raises:
            StoreUnavailableError: The notice cannot be removed.
        """
        self._own = None
        try:
            if self._notice is not None:
                Path(self._notice).unlink(missing_ok=True)
                _sync_folder(self._notice)
        except OSError as error:
            raise StoreUnavailableError("the notice cannot be removed") from error
        if self._name is not None:
            _standing.pop(self._name, None)


def _standing_notice(notice: str) -> Latch | None:
    try:
        found = os.lstat(notice)
    except FileNotFoundError:
        return None
    except OSError:
        # Not knowing is no reason to go on.
        return Latch("it cannot be seen whether a notice stands", 0)
    reason = "a notice stands beside the database"
    return Latch(reason, found.st_mtime_ns // _NS_PER_US)


def _text(latch: Latch, lost: Sequence[str]) -> bytes:
    lines = [f"at {latch.at_us} us: {latch.reason}"]
    lines += [f"  lost: {printable(line, _MAX_LINE)}" for line in lost[:_MAX_LINES]]
    if len(lost) > _MAX_LINES:
        lines.append(f"  lost: {len(lost) - _MAX_LINES} more")
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _leave(notice: str, text: bytes) -> None:
    """Write the notice as far as that is possible; its existence counts most."""
    try:
        descriptor = os.open(notice, _FLAGS, 0o600)
    except OSError:
        return
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            room = max(0, MAX_NOTICE_BYTES - found.st_size)
            os.write(descriptor, text[:room])
            os.fsync(descriptor)
            _sync_folder(notice)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _sync_folder(path: str) -> None:
    folder = os.open(Path(path).parent, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _say(line: str) -> None:
    """Write to standard error, which may be closed, missing or full."""
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        return
