"""A miniature of the authority: tables of tokens, stops and entries, a start, a stop.

It exists to show that the checker tells a right way of writing a start from the wrong
ones that people write. An operation is a generator over its statements: it yields
``checked`` (a start) or ``written`` (a stop) where another session may come in between,
``commit`` immediately before its commit is sent, and gives back whether it was allowed.
So two sessions are interleaved at exactly that point, and nothing is a matter of luck.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from audit.store.timing import SYSTEM_TIMING, Deadline
from tests.histories.check_stops import late_by_ledger, late_in_real_time
from tests.histories.ledger_lines import Line
from tests.histories.operations import Attempt, History, Stop, Subject
from tests.histories.recorder import moment

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["Bench", "Late", "Moves", "Session", "Variant", "interleave", "under_load"]

Moves = Generator[str, None, bool]
Rows = list[tuple[object, ...]]

_PATIENCE_S = 60.0
_HELD_OPEN = 8
"""Statements by which a start is held open under load, to widen the window."""


class Session(Protocol):
    """One connection, used by one thread at a time."""

    def execute(self, statement: str, *values: str) -> Rows:
        """Run a statement, waiting for locks."""
        ...

    def is_waiting(self) -> bool:
        """Tell, from another thread, whether it waits for a lock."""
        ...


class Bench(Protocol):
    """A database in which miniatures run."""

    def session(self) -> AbstractContextManager[Session]:
        """Connect."""
        ...


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to write a start, and the stop that goes with it.

    Attributes:
        start: Makes a start.
        stop: Makes a stop.
        stops_by: ``token`` or ``user``.
    """

    start: Callable[[Session, Subject], Moves]
    stop: Callable[[Session, Subject], Moves]
    stops_by: str


@dataclass(frozen=True, slots=True)
class Late:
    """What the checker found: late starts by either order, of how many starts."""

    by_ledger: int
    in_real_time: int
    starts: int
    refused: int
    longest_stop_ms: float


@dataclass(slots=True)
class Watch:
    """What is noted of miniatures, by all threads."""

    subjects: dict[str, Subject]
    attempts: list[Attempt] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)

    def judge(self, session: Session) -> Late:
        """Read the entries, and let the checker judge what was noted."""
        rows = session.execute("SELECT kind, token FROM entry ORDER BY id")
        places = {
            str(name): leaf
            for leaf, (kind, name) in enumerate(rows)
            if kind != "STARTED"
        }
        lines = [
            _line(leaf, str(kind), str(name)) for leaf, (kind, name) in enumerate(rows)
        ]
        stops = [
            Stop(s.caller, s.kind, s.name, s.called, s.returned, places[s.name])
            for s in self.stops
        ]
        history = History(self.subjects, self.attempts, stops)
        starts = history.starts()
        waits = [stop.returned - stop.called for stop in stops]
        return Late(
            len(late_by_ledger(lines, stops, self.subjects)),
            sum(
                "had returned" in fault
                for fault in late_in_real_time(starts, stops, self.subjects)
            ),
            sum(not start.code for start in starts),
            sum(start.code != "" for start in starts),
            round(max(waits) / 1e6, 3),
        )


def _line(leaf: int, kind: str, name: str) -> Line:
    if kind == "STARTED":
        return Line(leaf, "execution:x", "EXECUTION_STARTED", name, "", 0, {})
    kinds = {"token": "TOKEN_REVOKED", "user": "SELECTOR_REVOKED"}
    return Line(leaf, "platform", kinds[kind], "", "", 0, {})


class Actor:
    """One operation on a thread of its own, which stops at a point if it is told to."""

    def __init__(self, session: Session, moves: Moves, pause_at: str = "") -> None:
        self._session = session
        self._moves = moves
        self._pause_at = pause_at
        self._is_at_point = threading.Event()
        self._go_on = threading.Event()
        self.called = self.asked = self.returned = 0
        self.is_allowed = False

    def act(self) -> None:
        """Run through; called on the actor's thread."""
        self.called = moment()
        while True:
            try:
                point = next(self._moves)
            except StopIteration as end:
                self.returned = moment()
                self.is_allowed = end.value
                return
            if point == "commit":
                self.asked = moment()
            elif point == self._pause_at:
                self._is_at_point.set()
                self._go_on.wait(_PATIENCE_S)

    def settle(self) -> None:
        """Wait until it is at its point, has ended, or waits for a lock."""
        deadline = Deadline(SYSTEM_TIMING, _PATIENCE_S)
        while deadline.wait_for_next_try():
            if (
                self.returned
                or self._is_at_point.is_set()
                or self._session.is_waiting()
            ):
                return
        raise TimeoutError("neither at its point, nor over, nor waiting")

    def go_on(self) -> None:
        """Let it go on from its point."""
        self._go_on.set()

    def as_attempt(self, caller: str, token: str) -> Attempt:
        """Give it as an attempt of one step."""
        entered = (
            [[self.asked, self.returned, self.returned]] if self.is_allowed else []
        )
        code = "" if self.is_allowed else "TOKEN_REVOKED"
        return Attempt(
            *(caller, token, token, "", self.called, self.returned, caller, code),
            *(-1, False, entered),
        )

    def as_stop(self, kind: str, name: str) -> Stop:
        """Give it as a stop, whose place in the ledger is not known yet."""
        return Stop("stopper", kind, name, self.called, self.returned, -1)


SUBJECT = Subject("t", "u", "i", "k")


def interleave(bench: Bench, variant: Variant, *, stop_comes_in: bool) -> Late:
    """Run a start and a stop, one coming in between the other's statements.

    Args:
        bench: An empty database.
        variant: How they are written.
        stop_comes_in: Whether the stop comes in between the check of the start and
            its entry; otherwise the start between the stop's entry and its commit.
    """
    watch = Watch({"t": SUBJECT})
    name = {"token": "t", "user": "u"}[variant.stops_by]
    with (
        bench.session() as mine,
        bench.session() as other,
        ThreadPoolExecutor(2) as pool,
    ):
        mine.execute("INSERT INTO token VALUES ('t', 'u', 0)")
        start = Actor(mine, variant.start(mine, SUBJECT), "checked" * stop_comes_in)
        stop = Actor(
            other, variant.stop(other, SUBJECT), "written" * (not stop_comes_in)
        )
        first, second = (start, stop) if stop_comes_in else (stop, start)
        ends = [pool.submit(first.act)]
        first.settle()
        ends.append(pool.submit(second.act))
        second.settle()
        first.go_on()
        for end in ends:
            end.result(_PATIENCE_S)
        watch.attempts.append(start.as_attempt("starter", "t"))
        watch.stops.append(stop.as_stop(variant.stops_by, name))
        return watch.judge(mine)


def under_load(
    bench: Bench, variant: Variant, *, rounds: int, starters: int = 4
) -> Late:
    """Let several sessions start under each token until it is stopped."""
    subjects = [Subject(f"t{n}", f"u{n}", "i", "k") for n in range(rounds)]
    watch = Watch({each.token: each for each in subjects})
    counts = [0] * starters
    over = [threading.Event() for _ in subjects]

    def start_on(number: int) -> None:
        with bench.session() as session:
            for subject, is_over in zip(subjects, over, strict=True):
                is_allowed = True
                # One that is refused for something else goes on until the stop is done.
                while is_allowed or not is_over.is_set():
                    actor = Actor(session, _held_open(session, variant.start, subject))
                    actor.act()
                    caller = f"{number} {subject.token} {counts[number]}"
                    watch.attempts.append(actor.as_attempt(caller, subject.token))
                    is_allowed = actor.is_allowed
                    counts[number] += 1

    def stop_each() -> None:
        with bench.session() as session:
            for number, subject in enumerate(subjects):
                _wait_for_all(counts, number % 3 + 1)
                stop = Actor(session, variant.stop(session, subject))
                stop.act()
                name = subject.token if variant.stops_by == "token" else subject.user
                watch.stops.append(stop.as_stop(variant.stops_by, name))
                over[number].set()

    with bench.session() as session:
        for each in subjects:
            session.execute(
                f"INSERT INTO token VALUES ('{each.token}', '{each.user}', 0)"
            )
        with ThreadPoolExecutor(starters + 1) as pool:
            tasks = [pool.submit(start_on, number) for number in range(starters)]
            tasks.append(pool.submit(stop_each))
            for task in tasks:
                task.result(20 * _PATIENCE_S)
        return watch.judge(session)


def _held_open(
    session: Session, start: Callable[[Session, Subject], Moves], subject: Subject
) -> Moves:
    """Start, with a few statements more between the check and the entry."""
    moves = start(session, subject)
    while True:
        try:
            point = next(moves)
        except StopIteration as end:
            return bool(end.value)
        if point == "checked":
            for _ in range(_HELD_OPEN):
                session.execute("SELECT 1")
        yield point


def _wait_for_all(counts: list[int], more: int) -> None:
    before = list(counts)
    deadline = Deadline(SYSTEM_TIMING, _PATIENCE_S)
    while deadline.wait_for_next_try():
        if all(now >= then + more for now, then in zip(counts, before, strict=True)):
            return
    raise TimeoutError("the starters stand still")
