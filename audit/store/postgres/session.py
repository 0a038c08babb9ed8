"""Connections to PostgreSQL: batches of statements, each batch one round trip.

A batch is sent as a whole (libpq's pipeline mode) and answered as a whole; the
server carries its statements out one after the other, each in ``READ COMMITTED``
with a view of its own. Statements are prepared when first used. Values go and come
as the exact types that collections have, without any adaptation.

What cannot be answered in time is given up: the connection is cancelled and closed,
so that a network that swallows everything never hangs a caller.

Source: docs/spec/postgres.md, PGS-6.
"""

import selectors
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

from psycopg import Connection, Error, OperationalError
from psycopg.errors import Diagnostic
from psycopg.pq import (
    ConnStatus,
    DiagnosticField,
    ExecStatus,
    Format,
    TransactionStatus,
)
from psycopg.pq.abc import PGresult
from psycopg.rows import TupleRow

from audit.store.declarations import Value
from audit.store.postgres.chain import Chain
from audit.store.postgres.failures import ServerError
from audit.store.tables import Row

__all__ = ["Answer", "Session", "Statement"]

Statement: TypeAlias = tuple[str, Row]
"""A statement with places ``$1``, ``$2``... and its values."""

_CANCEL_S: Final = 2.0
_MOST_GAPS: Final = 2
_WARNING: Final = "WARNING"
_GOOD: Final = frozenset(
    {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY}
)
_BINARY: Final = Format.BINARY
_TEXT: Final = Format.TEXT
_Selector: Final = getattr(selectors, "PollSelector", selectors.SelectSelector)

_LOADERS: Final[Mapping[int, Callable[[bytes], Value]]] = {
    16: lambda data: int(data == b"\x01"),  # bool
    17: bytes,  # bytea
    20: lambda data: int.from_bytes(data, "big", signed=True),  # int8
    21: lambda data: int.from_bytes(data, "big", signed=True),  # int2
    23: lambda data: int.from_bytes(data, "big", signed=True),  # int4
}


_Loaders: TypeAlias = tuple[Callable[[bytes], Value], ...]


class Answer(NamedTuple):
    """What a statement gave: rows, how many it changed, and its command tag."""

    rows: list[Row]
    changed: int
    tag: str


class Session:
    """One connection, for one thread at a time. Failures raise ``ServerError``.

    Attributes:
        chain: Where the entries that it has written stand.
        is_kept: False while it has what must not outlast its block.
        is_broken: True while an answer is awaited, and for good once one was not
            received whole: such a session is only good for being dropped.
        warned: Whether the server has warned of anything during the last batch.
    """

    __slots__ = (
        "_connection",
        "_events",
        "_limit_s",
        "_loaders",
        "_names",
        "_pgconn",
        "_said",
        "_selector",
        "chain",
        "is_broken",
        "is_kept",
        "warned",
    )

    def __init__(self, connection: Connection[TupleRow], limit_s: float) -> None:
        """Take a connection over.

        Args:
            connection: One without an open transaction.
            limit_s: How long a batch may remain unanswered beyond the time that
                its caller lets it wait for locks, in seconds.
        """
        self._connection = connection
        self._pgconn = connection.pgconn
        self._limit_s = limit_s
        self._names: dict[str, bytes] = {}
        # By statement: what a prepared statement gives never changes its type.
        self._loaders: dict[str, _Loaders] = {}
        self._said: str | None = None
        self._events = selectors.EVENT_READ
        self._selector = _Selector()
        self._selector.register(self._pgconn.socket, selectors.EVENT_READ)
        self._pgconn.enter_pipeline_mode()
        self.chain = Chain.begin()
        self.is_broken = False
        self.is_kept = True
        self.warned = False
        connection.add_notice_handler(self._note)

    @property
    def backend_pid(self) -> int:
        """The server's process, as the server said when it was connected to."""
        return self._pgconn.backend_pid

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, or it is not known."""
        status = self._pgconn.transaction_status
        return self.is_broken or status != TransactionStatus.IDLE

    def run(
        self, statements: Sequence[Statement], *, wait_s: float = 0.0
    ) -> list[Answer]:
        """Carry out statements, one after the other, as far as they go well.

        Args:
            statements: What to do; nothing after the first that fails is done.
            wait_s: How long they may wait for locks.

        Raises:
            ServerError: One of them failed; ``place`` says which, if it is known.
        """
        self.is_broken = True
        self.warned = False
        deadline = time.monotonic() + wait_s + self._limit_s
        try:
            expected = self._send(statements)
            results = self._collect(deadline)
        except (Error, OSError) as error:
            raise ServerError(self._last_words()) from error
        self.is_broken = False
        return self._answers(expected, results)

    def one(self, sql: str, *values: Value) -> Answer:
        """Carry out one statement."""
        return self.run(((sql, values),))[0]

    def close(self) -> None:
        """End the connection; what it was doing is cancelled, as far as possible."""
        self._selector.close()
        with suppress(Error, OSError):
            if self.is_broken and not self._connection.closed:
                self._connection.cancel_safe(timeout=_CANCEL_S)
        self._connection.close()

    def _note(self, diagnostic: Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == _WARNING:
            self.warned = True

    def _send(self, statements: Sequence[Statement]) -> list[tuple[str, bool]]:
        """Queue statements; gives for each result to come whose it is.

        That is a statement, and whether the result is that of preparing it.
        """
        pgconn, names = self._pgconn, dict(self._names)
        expected: list[tuple[str, bool]] = []
        for sql, values in statements:
            name = names.get(sql)
            if name is None:
                name = names[sql] = b"s%d" % len(names)
                pgconn.send_prepare(name, sql.encode())
                expected.append((sql, True))
            data, formats = _packed(values)
            pgconn.send_query_prepared(name, data, formats, _BINARY)
            expected.append((sql, False))
        pgconn.pipeline_sync()
        return expected

    def _collect(self, deadline: float) -> list[PGresult]:
        """Receive the results up to the end of the batch.

        Raises:
            OperationalError: The connection was lost, or was silent for too long.
        """
        pgconn, results = self._pgconn, list[PGresult]()
        is_done = False
        while not is_done:
            self._wait(deadline, unsent=pgconn.flush() != 0)
            pgconn.consume_input()
            gaps = 0
            while not is_done and gaps < _MOST_GAPS and not pgconn.is_busy():
                result = pgconn.get_result()
                # Between the results of two statements comes one that is none.
                gaps = gaps + 1 if result is None else 0
                if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
                    is_done = True
                elif result is not None:
                    results.append(result)
            if pgconn.status == ConnStatus.BAD:
                self._said = next(filter(None, map(_state_of, results)), None)
                raise OperationalError("the connection is gone")
        return results

    def _wait(self, deadline: float, *, unsent: bool) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0)
        if events != self._events:
            self._selector.modify(self._pgconn.socket, events)
            self._events = events
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not self._selector.select(left_s):
            raise OperationalError("the server did not answer in time")

    def _last_words(self) -> str | None:
        """Find out what a server said before it closed the connection, if anything."""
        said, self._said = self._said, None
        gaps = 0
        with suppress(Error):
            while said is None and gaps < _MOST_GAPS and not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                gaps = gaps + 1 if result is None else 0
                said = None if result is None else _state_of(result)
        return said

    def _answers(
        self, expected: Sequence[tuple[str, bool]], results: Sequence[PGresult]
    ) -> list[Answer]:
        answers: list[Answer] = []
        for (sql, prepares), result in zip(expected, results, strict=False):
            if result.status not in _GOOD:
                raise ServerError(_state_of(result), place=len(answers), lost=False)
            if prepares:
                self._names[sql] = b"s%d" % len(self._names)
            else:
                answers.append(self._answer(sql, result))
        return answers

    def _answer(self, sql: str, result: PGresult) -> Answer:
        rows: list[Row] = []
        count = result.ntuples
        if count:
            loaders = self._loaders.get(sql)
            if loaders is None:
                loaders = self._loaders[sql] = _loaders_of(result)
            value_at = result.get_value
            rows = [
                tuple(
                    None if (data := value_at(row, column)) is None else load(data)
                    for column, load in enumerate(loaders)
                )
                for row in range(count)
            ]
        tag = (result.command_status or b"").decode("ascii", "replace")
        return Answer(rows, result.command_tuples or 0, tag)


def _packed(values: Row) -> tuple[list[bytes | None], list[Format]]:
    """Give values as they are sent, and how each of them is to be read."""
    data: list[bytes | None] = []
    formats = []
    for value in values:
        is_bytes = type(value) is bytes
        formats.append(_BINARY if is_bytes else _TEXT)
        data.append(value if is_bytes or value is None else str(value).encode())  # type: ignore[arg-type]  # exactly bytes
    return data, formats


def _loaders_of(result: PGresult) -> _Loaders:
    return tuple(
        _LOADERS.get(result.ftype(column), bytes.decode)
        for column in range(result.nfields)
    )


def _state_of(result: PGresult) -> str | None:
    state = result.error_field(DiagnosticField.SQLSTATE)
    return None if state is None else state.decode("ascii", "replace")
