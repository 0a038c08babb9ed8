"""Connections for reading a database file: one for each reader, kept for the next.

Each read block has a connection of its own, so a long one (a verification) keeps
nobody waiting, and each sees the state at which it began.

Source: docs/spec/store.md, STO-1.
"""

from collections import deque
from pathlib import Path
from typing import Final

from audit.errors import StoreBusyError, StoreUnavailableError
from audit.store.schema import HEAD
from audit.store.session import (
    FAILURES,
    Connect,
    Session,
    is_busy,
    make_durable,
    open_session,
    printable_cause,
)
from audit.store.timing import Deadline, Timing
from audit.store.writer import Identity

__all__ = ["Reader"]

_MAX_IDLE: Final = 4


class Reader:
    """The connections of one store; there are none for a store in memory."""

    __slots__ = ("_connect", "_database", "_identity", "_idle", "_is_closed", "_timing")

    def __init__(
        self,
        database: Path | None,
        identity: Identity | None,
        connect: Connect,
        timing: Timing,
    ) -> None:
        self._database = database
        self._identity = identity
        self._connect = connect
        self._timing = timing
        self._idle: deque[Session] = deque()
        self._is_closed = False

    def take(self, *, wait_s: float) -> Session:
        """Give a connection that sees one state from now on.

        Raises:
            StoreBusyError: A lock stood in the way for too long.
            StoreUnavailableError: The database cannot be read.
        """
        session = self._idle.popleft() if self._idle else self._opened(query_only=True)
        try:
            deadline = Deadline(self._timing, wait_s)
            while deadline.wait_for_next_try():
                if _begins(session):
                    return session
        except BaseException:
            session.close()
            raise
        session.close()
        raise StoreBusyError("the store could not be read in time")

    def give_back(self, session: Session) -> None:
        """Take a connection back and keep it, if it is good for another block."""
        try:
            if session.in_transaction:
                session.run("ROLLBACK")
        except FAILURES:
            session.close()
            return
        except BaseException:
            # An interrupt: nobody is left who would close it.
            session.close()
            raise
        if self._is_closed or len(self._idle) >= _MAX_IDLE:
            session.close()
        else:
            self._idle.append(session)

    def reconnected_for_writing(self) -> Session:
        """Make the connection for writing anew, after it had to be dropped.

        Raises:
            StoreUnavailableError: The file is not there, or cannot be opened.
            StoreBusyError: Others keep it locked.
        """
        session = self._opened(query_only=False)
        try:
            make_durable(session)
        except FAILURES as error:
            session.close()
            cause = printable_cause(error)
            if is_busy(error):
                raise StoreBusyError("others keep the database locked") from error
            raise StoreUnavailableError(f"cannot open the store: {cause}") from error
        return session

    def close(self) -> None:
        """Close the idle connections; the others are closed when given back."""
        self._is_closed = True
        while self._idle:
            self._idle.popleft().close()

    def _opened(self, *, query_only: bool) -> Session:
        database = self._database
        if database is None:
            raise StoreUnavailableError("the connection to memory was lost")
        try:
            found = database.stat()
        except OSError as error:
            raise StoreUnavailableError("the database file is gone") from error
        if (found.st_dev, found.st_ino) != self._identity:
            # Connecting would even create a file that is not there.
            raise StoreUnavailableError("the database file was replaced")
        return open_session(self._connect, str(database), query_only=query_only)


def _begins(session: Session) -> bool:
    try:
        session.run("BEGIN")
        # A transaction sees the state of its first reading.
        session.rows(HEAD)
    except FAILURES as error:
        if not is_busy(error):
            cause = printable_cause(error)
            raise StoreUnavailableError(f"the store cannot be read: {cause}") from error
        if session.in_transaction:
            session.run("ROLLBACK")
        return False
    return True
