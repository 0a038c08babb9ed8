"""Ledgers at the end of a wire, faults at its moments, and what was left by them."""

from __future__ import annotations

import itertools
import time
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from audit.errors import AuditWriteError
from audit.store.opening import open_store
from stage3.pytest_plugin.harness import make_token
from tests.crash.crash_scenarios import LIMITS, SCOPE, authority_on, executor_on
from tests.crash.wire import Deed, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from audit.store.interface import Store
    from tests.crash.wire import Moment
    from tests.postgres_server import PostgresServer

__all__ = [
    "BLOCKING",
    "FAILURES",
    "Fault",
    "Tally",
    "WiredScene",
    "faults_at",
    "fresh_id",
    "refusal_of",
    "suffer",
    "unlike",
    "wired_scene",
]

BLOCKING = frozenset({Deed.DEADLOCK})
"""After these the store is as fit as before, and must not latch."""

FAILURES = (Deed.CUT, Deed.FULL, Deed.DEADLOCK, Deed.TERMINATE)
_ONLY_BEFORE = frozenset({Deed.FULL, Deed.DEADLOCK})
_POINTS_PER_LEDGER = 30
_PATIENCE_S = 60.0


@dataclass(slots=True)
class Fault:
    """A watcher that does one deed, at one moment."""

    place: int
    deed: Deed
    hit: str | None = None
    _count: int = 0

    def __call__(self, moment: Moment) -> Deed | None:
        """Count, and do it when it is time."""
        self._count += 1
        if self._count - 1 != self.place:
            return None
        self.hit = moment.name
        return self.deed


def faults_at(
    moments: list[str], places: Iterable[int], deeds: Iterable[Deed] = FAILURES
) -> list[tuple[int, Deed]]:
    """Every deed at each of these moments; what a server refuses it refuses before."""
    return [
        (place, deed)
        for place in places
        for deed in deeds
        if deed not in _ONLY_BEFORE or moments[place].startswith("before")
    ]


def unlike(moments: list[str]) -> list[int]:
    """Give all moments, but of a row of settings the first and the last."""
    return [
        place
        for place, name in enumerate(moments)
        if "set_config" not in name
        or not all("set_config" in each for each in moments[place - 2 : place + 3])
    ]


def suffer(
    moments: list[str],
    faults: Iterable[tuple[int, Deed]],
    attempt: Callable[[Fault, int], str],
) -> Tally:
    """Meet every fault, in an attempt that says what came of it."""
    tally = Tally()
    for number, (place, deed) in enumerate(faults):
        fault = Fault(place, deed)
        try:
            result = attempt(fault, number)
            assert fault.hit == moments[place]
        except BaseException as error:
            error.add_note(f"{deed} at {place}, {moments[place]}")
            raise
        tally.add(deed, result)
    return tally


@dataclass(slots=True)
class Tally:
    """How often what came of it."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, deed: Deed, result: str) -> None:
        """Count one."""
        self.counts[f"{deed.name.lower()}: {result}"] += 1

    def __str__(self) -> str:
        total = sum(self.counts.values())
        each = ", ".join(f"{name} {n}" for name, n in sorted(self.counts.items()))
        return f"{total} ({each})"


@dataclass(slots=True)
class WiredScene:
    """A database with one ledger after the other, reached directly or by the wire."""

    server: PostgresServer
    wire: Wire
    database: str
    _schemas: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _points: Iterator[int] = field(default_factory=itertools.count)
    _schema: str = ""
    _store: Store | None = None

    @property
    def store(self) -> Store:
        """The ledger, open for who judges; with a connection of its own."""
        assert self._store is not None
        return self._store

    @property
    def direct(self) -> str:
        """The ledger's address for who judges."""
        return f"{self.server.url(self.database)}&schema={self._schema}"

    @property
    def wired(self) -> str:
        """The ledger's address for who is in for trouble."""
        return f"{self.wire.url(self.database)}&schema={self._schema}"

    def next_schema(self) -> None:
        """Go on with a schema in which nothing is."""
        self.close()
        self._schema = f"ledger{next(self._schemas)}"

    def next_point(self, *, is_first: bool = False) -> str:
        """Give a seed that was not used, on a ledger that is not too long."""
        number = next(self._points)
        if is_first or self._store is None or number % _POINTS_PER_LEDGER == 0:
            self.next_schema()
            self._store = self.open()
            executor_on(self.store, f"first {number}", lambda _step: None).close()
        return f"point {number}"

    def open(self) -> Store:
        """Open the ledger directly."""
        return open_store(self.direct, lock_timeout_s=_PATIENCE_S)

    def close(self) -> None:
        """Close what is open for who judges."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def token(self, seed: str, user: str = "alice") -> str:
        """Issue a token that nobody has used."""
        token = make_token(user, SCOPE, resource_limits=LIMITS)
        authority = authority_on(self.store, f"issuer {seed}")
        return authority.issue_token(token).token_hash

    def settle(self) -> None:
        """Wait until every session on the wire has ended, however it ended."""
        self.wire.wait()
        give_up = time.monotonic() + _PATIENCE_S
        while set(self.sessions()) & self.wire.backends:
            assert time.monotonic() < give_up, "a session does not end"
        # The system will give their numbers to others.
        self.wire.backends.clear()

    def sessions(self, what: str = "true") -> list[int]:
        """The server's processes for stores of this database."""
        rows = self.server.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'stage3'"
            f" AND datname = '{self.database}' AND {what}"
        )
        return [int(str(row[0])) for row in rows]

    def terminate(self, what: str = "true") -> int:
        """End sessions of stores, and return when they are gone."""
        found = self.sessions(what)
        for pid in found:
            self.server.execute(f"SELECT pg_terminate_backend({pid}, 10000)")
        return len(found)


@contextmanager
def wired_scene(server: PostgresServer) -> Iterator[WiredScene]:
    """Make a wire and a database that is nobody else's."""
    database = server.fresh_database()
    try:
        with Wire(server) as wire:
            scene = WiredScene(server, wire, database)
            try:
                yield scene
            finally:
                scene.close()
    finally:
        server.drop_database(database)


def fresh_id() -> str:
    return str(uuid.uuid4())


def refusal_of(act: Callable[[], object]) -> AuditWriteError | None:
    """Do something; the only error there may be is that the store is unavailable."""
    try:
        act()
    except AuditWriteError as error:
        return error
    return None
