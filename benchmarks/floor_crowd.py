"""Floors for many callers on one SQLite file: four ways to share its commits."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Final

from benchmarks.floor import INSERT, Row, SqliteSink, batches, create_table, open_raw
from benchmarks.measure import Burst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.floor import Sink

__all__ = [
    "HandedSink",
    "LeaderSink",
    "OwnSink",
    "PooledSink",
    "WriterThreadSink",
    "one_thread_burst",
]

_END: Final = None


class PooledSink:
    """Every caller its own connection, and its own transactions."""

    def __init__(self, make: Callable[[], Sink]) -> None:
        self._make = make
        self._idle = [make()]

    def commit(self, rows: Sequence[Row]) -> None:
        """Commit on a connection that nobody else uses meanwhile."""
        try:
            sink = self._idle.pop()
        except IndexError:
            sink = self._make()
        sink.commit(rows)
        self._idle.append(sink)

    def close(self) -> None:
        """Close the connections of all callers."""
        for sink in self._idle:
            sink.close()


class OwnSink(PooledSink):
    """The same on one SQLite file."""

    def __init__(self, path: Path) -> None:
        super().__init__(lambda: SqliteSink(path))


class _Ticket:
    """A batch whose caller sleeps on a lock of its own."""

    __slots__ = ("called", "done", "party", "rows")

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.called = threading.Lock()
        self.called.acquire()
        self.done = False
        self.party: list[_Ticket] = []


class _Shared:
    """One connection, several batches per commit."""

    def __init__(self, path: Path) -> None:
        self._connection = open_raw(path)
        create_table(self._connection)
        self._mutex = threading.Lock()
        self._waiting: list[_Ticket] = []

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _commit_all(self, party: list[_Ticket]) -> None:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        for ticket in party:
            self._connection.executemany(INSERT, ticket.rows)
        run("COMMIT")


class LeaderSink(_Shared):
    """The caller that holds the turn commits for all those waiting for it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._turn = threading.Lock()

    def commit(self, rows: Sequence[Row]) -> None:
        """Commit for all, unless somebody has."""
        mine = _Ticket(rows)
        with self._mutex:
            self._waiting.append(mine)
        with self._turn:
            if mine.done:
                return
            with self._mutex:
                party, self._waiting = self._waiting, []
            self._commit_all(party)
            for ticket in party:
                ticket.done = True


class HandedSink(_Shared):
    """The turn is handed on; a waiter wakes done, or as the next to commit."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._busy = False

    def commit(self, rows: Sequence[Row]) -> None:
        """Wait for the turn or for the commit, whichever comes first."""
        mine = _Ticket(rows)
        with self._mutex:
            waits, self._busy = self._busy, True
            if waits:
                self._waiting.append(mine)
            else:
                mine.party = [mine]
        if waits:
            mine.called.acquire()
            if mine.done:
                return
        self._commit_all(mine.party)
        for ticket in mine.party[1:]:
            ticket.done = True
            ticket.called.release()
        self._hand_on()

    def _hand_on(self) -> None:
        with self._mutex:
            party, self._waiting = self._waiting, []
            self._busy = bool(party)
        if party:
            party[0].party = party
            party[0].called.release()


class WriterThreadSink(_Shared):
    """One thread commits for everybody: what the product does not do."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._queue: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write)
        self._writer.start()

    def commit(self, rows: Sequence[Row]) -> None:
        """Hand the batch over and wait."""
        mine = _Ticket(rows)
        self._queue.put(mine)
        mine.called.acquire()

    def close(self) -> None:
        """End the thread."""
        self._queue.put(_END)
        self._writer.join()
        super().close()

    def _write(self) -> None:
        for first in iter(self._queue.get, _END):
            party = [first, *self._rest()]
            self._commit_all(party)
            for ticket in party:
                ticket.called.release()

    def _rest(self) -> Iterator[_Ticket]:
        for _ in range(self._queue.qsize()):
            ticket = self._queue.get()
            if ticket is _END:
                self._queue.put(_END)
                return
            yield ticket


def one_thread_burst(
    plans: int, seconds: float, sink: Sink, work: tuple[int, dict[str, object]]
) -> Burst:
    """Interleave so many plans on one thread, with one commit for all their batches."""
    waits: list[float] = []
    begin = time.perf_counter()
    count = 0
    open_plans: list[tuple[float, Iterator[list[Row]]]] = []
    while time.perf_counter() < begin + seconds or open_plans:
        while len(open_plans) < plans and time.perf_counter() < begin + seconds:
            count += 1
            stream = f"execution:{begin:.6f}/{count}"
            open_plans.append((time.perf_counter(), batches(stream, *work)))
        rows: list[Row] = []
        going_on = []
        for started, plan in open_plans:
            batch = next(plan, None)
            if batch is None:
                waits.append((time.perf_counter() - started) * 1e3)
            else:
                rows += batch
                going_on.append((started, plan))
        open_plans = going_on
        if rows:
            sink.commit(rows)
    return Burst(time.perf_counter() - begin, waits)
