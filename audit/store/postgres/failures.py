"""What a failure of PostgreSQL means, by its SQLSTATE and nothing else of its text.

| what happened | what becomes of it |
|---|---|
| the connection was lost, the server stops or starts | input or output failed: latch |
| disk full, damaged data, internal errors | input or output failed: latch |
| deadlock, serialization, lock or statement timeout | given up for others: busy |
| too many connections, out of memory | busy |
| a rule of the database refuses what was asked (rights, triggers) | refused, no latch |

Source: docs/spec/postgres.md, PGS-7; PostgreSQL 16 documentation, appendix A.
"""

from typing import Final

from psycopg import errors

from audit.errors import StoreBusyError, StoreUnavailableError

__all__ = ["ServerError"]

_BUSY: Final = frozenset({"55P03", "57014", "57P03", "25P03", "25P04"})
_BUSY_CLASSES: Final = frozenset({"40", "53"})
_IO: Final = frozenset({"53100", "57P01", "57P02", "57P05"})
_IO_CLASSES: Final = frozenset({"08", "58", "F0", "XX"})
_DUPLICATE: Final = "23505"
_STATE_LENGTH: Final = 5


class ServerError(Exception):
    """A batch of statements that did not end well. It never leaves the store.

    Attributes:
        sqlstate: The five characters that say why; None when nothing was said.
        place: Which statement of the batch, from 0, if that is known.
        lost: Whether the connection is gone, and with it all that was open.
    """

    def __init__(
        self, sqlstate: str | None, *, place: int | None = None, lost: bool = True
    ) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate
        self.place = place
        self.lost = lost

    @property
    def cause(self) -> str:
        """Name the failure, without any words of the server's or of callers."""
        state = self.sqlstate
        if state is None:
            return "the connection to the database was lost"
        if len(state) != _STATE_LENGTH or not (state.isascii() and state.isalnum()):
            return "the database failed"
        try:
            return f"{errors.lookup(state).__name__} ({state})"
        except KeyError:
            return f"SQLSTATE {state}"

    @property
    def is_busy(self) -> bool:
        """Whether the database gave up for others, or for want of room."""
        state = self.sqlstate
        return state is not None and (
            state in _BUSY or (state[:2] in _BUSY_CLASSES and state not in _IO)
        )

    @property
    def latches(self) -> bool:
        """Whether input or output failed."""
        state = self.sqlstate
        if self.is_busy:
            return False
        return self.lost or state is None or state in _IO or state[:2] in _IO_CLASSES

    @property
    def is_duplicate(self) -> bool:
        """Whether something unique was there already."""
        return self.sqlstate == _DUPLICATE

    def refusal(self, what: str) -> StoreBusyError | StoreUnavailableError:
        """Give the error that a caller is told, where nothing could be lost."""
        text = f"{what}: {self.cause}"
        return StoreBusyError(text) if self.is_busy else StoreUnavailableError(text)
