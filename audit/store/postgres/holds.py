"""Signs of life on PostgreSQL: an advisory lock, each on a connection of its own.

The database ends such a lock with its connection, and the connection with the process
(or, when the machine is gone, when it no longer answers the server's probes). So
nobody needs a timer to find out who is gone. A hold whose connection was cut is lost
for good, whatever its owner believes: a block that is fenced with it is refused.

Source: docs/spec/postgres.md, PGS-8; docs/spec/store.md, STO-7.
"""

import os
import re
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from audit.errors import EntryRefusedError, StoreBusyError
from audit.store.interface import Hold
from audit.store.postgres.failures import ServerError
from audit.store.postgres.lock_keys import lock_key
from audit.store.postgres.session import Session
from audit.store.postgres.statements import HOLD, IS_HELD, UNLOCK
from audit.store.timing import Deadline, Timing

__all__ = ["Holds", "SessionHold"]

_NAME: Final = re.compile("[A-Za-z0-9_-]{1,128}")
_PROBE_PATIENCE_S: Final = 0.25
"""How long an acquirer bears with those who only look: they hold for moments."""

_GIVEN: Final = [(1,)]


class SessionHold:
    """A name held by this process. See ``audit.store.interface.Hold``."""

    __slots__ = ("_holds", "_name", "_pid", "_session", "key")

    def __init__(self, holds: "Holds", name: str, key: int, session: Session) -> None:
        self._holds = holds
        self._name = name
        self._session = session
        self._pid = os.getpid()
        self.key: Final = key

    @property
    def name(self) -> str:
        """The name that is held."""
        return self._name

    def is_of(self, holds: "Holds") -> bool:
        """Tell whether it is one of these."""
        return self._holds is holds

    @property
    def is_closed(self) -> bool:
        """Whether it was closed here; its connection may have ended all the same."""
        return not self._holds.has(self)

    def close(self) -> None:
        """Let go. Closing twice is harmless; in a forked child nothing happens."""
        if os.getpid() != self._pid or not self._holds.forget(self):
            return
        try:
            # Closing alone would do, but only a moment later.
            self._session.one(UNLOCK, self.key)
        except ServerError:
            return
        finally:
            self._session.close()

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

    __slots__ = ("_connect", "_ledger_id", "_live", "_looking", "_timing", "_watch")

    def __init__(
        self, ledger_id: str, connect: Callable[[], Session], timing: Timing
    ) -> None:
        self._ledger_id = ledger_id
        self._connect = connect
        self._timing = timing
        self._live: dict[str, SessionHold] = {}
        self._looking = threading.Lock()
        self._watch: Session | None = None

    def take(self, name: str) -> SessionHold:
        """Hold a name.

        Raises:
            EntryRefusedError: The name has another form.
            StoreBusyError: Somebody holds it.
            StoreUnavailableError: The server cannot be reached, or failed.
        """
        key = self.key(name)
        if name in self._live:
            raise StoreBusyError("this name is held")
        session = self._connect()
        try:
            self._lock(session, key)
            return self._recorded(SessionHold(self, name, key, session))
        except ServerError as error:
            session.close()
            raise error.refusal("a hold cannot be made") from error
        except BaseException:
            session.close()
            raise

    def is_held(self, name: str) -> bool:
        """Tell whether somebody holds a name.

        Raises:
            EntryRefusedError: The name has another form.
            StoreUnavailableError: It cannot be found out.
        """
        key = self.key(name)
        with self._looking:
            try:
                return self._looked(key)
            except ServerError as error:
                raise error.refusal("a hold cannot be looked at") from error

    def key(self, name: str) -> int:
        """Give the number of the lock that stands for a name.

        Raises:
            EntryRefusedError: The name has another form.
        """
        if type(name) is not str or _NAME.fullmatch(name) is None:
            raise EntryRefusedError("a hold's name is [A-Za-z0-9_-]{1,128}")
        return lock_key(self._ledger_id, f"hold:{name}")

    def fence(self, fence: Hold | None) -> SessionHold | None:
        """Give the hold that a block is fenced with.

        Raises:
            EntryRefusedError: It is not a hold of this store.
        """
        if fence is None:
            return None
        if not isinstance(fence, SessionHold) or not fence.is_of(self):
            raise EntryRefusedError("a fence is a hold of the same store")
        return fence

    def has(self, hold: SessionHold) -> bool:
        """Tell whether a hold is on the table."""
        return self._live.get(hold.name) is hold

    def forget(self, hold: SessionHold) -> bool:
        """Take a hold off the table; False when it was not on it."""
        if not self.has(hold):
            return False
        del self._live[hold.name]
        return True

    def close(self) -> None:
        """Close every hold."""
        for hold in list(self._live.values()):
            hold.close()
        with self._looking:
            self._drop_watch()

    def _looked(self, key: int) -> bool:
        """Ask on a connection that is kept for this, made anew if it was cut."""
        if self._watch is not None:
            try:
                return self._watch.one(IS_HELD, key).rows == _GIVEN
            except ServerError as error:
                self._drop_watch()
                if not error.lost:
                    raise
        self._watch = self._connect()
        return self._watch.one(IS_HELD, key).rows == _GIVEN

    def _drop_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    def _recorded(self, hold: SessionHold) -> SessionHold:
        if self._live.setdefault(hold.name, hold) is not hold:
            raise StoreBusyError("this name is held")
        return hold

    def _lock(self, session: Session, key: int) -> None:
        deadline = Deadline(self._timing, _PROBE_PATIENCE_S)
        while deadline.wait_for_next_try():
            if session.one(HOLD, key).rows == _GIVEN:
                return
        raise StoreBusyError("this name is held")
