"""A PostgreSQL to measure on, its floor, and W5: plans on it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from audit.store.opening import open_store
from benchmarks.floor import Floor
from benchmarks.floor_crowd import PooledSink, one_thread_burst
from benchmarks.measure import Burst, Line, Point, burst, bursts, interleaved
from benchmarks.notes import skipped
from benchmarks.world import PARAMETERS, World
from tests.postgres_server import PostgresServer, why_no_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.floor import Row
    from benchmarks.measure import Settings

with suppress(ImportError):  # then why_no_postgres says so
    import psycopg

__all__ = [
    "CallersSink",
    "PostgresSink",
    "has_store",
    "on_postgres",
    "postgres",
    "why_no_postgres",
]

_STEPS: Final = 3
_INSERT: Final = (
    "INSERT INTO bench_entry (stream, place, hash, data)"
    " SELECT * FROM unnest(%b::text[], %b::int[], %b::bytea[], %b::bytea[])"
)
_CREATE: Final = """
CREATE TABLE IF NOT EXISTS bench_entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text, place int, hash bytea, data bytea
);
CREATE UNIQUE INDEX IF NOT EXISTS by_stream ON bench_entry (stream, place)
"""


@contextmanager
def postgres(*settings: str) -> Iterator[str]:
    """Run a server with these settings, and give the address of a new database."""
    server = PostgresServer.create()
    try:
        with (server.data / "postgresql.conf").open("a") as file:
            file.write("".join(f"{line}\n" for line in settings))
        server.start()
        yield server.url(server.fresh_database())
    finally:
        server.dispose()


def has_store(url: str) -> bool:
    """Whether there is a store for such an address."""
    try:
        open_store(url).close()
    except ValueError:
        return False
    return True


class PostgresSink:
    """Raw psycopg: one insert of a batch per transaction, one round trip."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(_CREATE)
        self._cursor = self._connection.cursor(binary=True)

    def commit(self, rows: Sequence[Row]) -> None:
        """Insert; the end of the statement is the commit."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        self._cursor.execute(_INSERT, columns, prepare=True)

    def version(self) -> str:
        """The server's version."""
        number = self._connection.info.server_version
        return f"{number // 10_000}.{number % 10_000}"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class CallersSink(PooledSink):
    """Every caller its own connection."""

    def __init__(self, url: str) -> None:
        super().__init__(lambda: PostgresSink(url))


def on_postgres(settings: Settings) -> list[Line]:
    """W5: plans on PostgreSQL, by one caller and by many."""
    reason = why_no_postgres()
    if reason is not None:
        return skipped("W5", reason)
    with postgres() as url:
        world = World(url, max(settings.callers)) if has_store(url) else None
        if world is None:
            skipped("W5 of Stage-3", "there is no store for PostgreSQL")
        floor, alone = Floor(CallersSink(url), "callers"), PostgresSink(url)
        contest = _Contest(settings, world, floor, alone)
        lines = contest.one_caller() + contest.many_callers()
        floor.close()
        alone.close()
        if world is not None:
            world.close()
    return lines


class _Contest:
    """Stage-3, if it has such a store, and the floors, on one server."""

    def __init__(
        self, settings: Settings, world: World | None, floor: Floor, alone: PostgresSink
    ) -> None:
        self._settings = settings
        self._world = world
        self._floor = floor
        self._alone = alone
        self._server = f"PostgreSQL {alone.version()}"

    def one_caller(self) -> list[Line]:
        """The median of a plan against its floor."""
        if self._world is None:
            return []
        run, lines = self._world.run, []
        for steps in (1, 3, 10):
            rounds = max(10, self._settings.rounds * 3 // (steps + 2))
            mine, least = interleaved(
                rounds,
                partial(run, steps),
                partial(self._floor.run_plan, steps, PARAMETERS),
            )
            points = (
                Point("length-postgres", "Stage-3", steps, mine),
                Point("length-postgres", "PostgreSQL floor", steps, least),
            )
            label = f"W5  {self._server}, N = {steps}"
            lines.append(Line(label, mine, "ms", least, "<= 2.0 x", points))
        return lines

    def many_callers(self) -> list[Line]:
        """Throughput against the floor's, by number of callers."""
        works: dict[tuple[str, int], Callable[[], Burst]] = {}
        for callers in self._settings.callers:
            if self._world is not None:
                works["Stage-3", callers] = self._threads(callers, self._ours)
            works["floor", callers] = self._threads(callers, self._least)
            works["interleaved", callers] = self._one_thread(callers)
        found = dict(
            zip(works, bursts(self._settings.bursts, *works.values()), strict=True)
        )
        return [
            line
            for callers in self._settings.callers
            for line in self._of(callers, found)
        ]

    def _of(self, callers: int, found: dict[tuple[str, int], Burst]) -> list[Line]:
        title = f"W5  {callers} callers"
        plan, least = found["floor", callers], found["interleaved", callers]
        points = tuple(
            Point("callers-postgres", name, callers, found[name, callers].per_second)
            for name in ("Stage-3", "floor", "interleaved")
            if (name, callers) in found
        )
        lines = [
            Line(
                f"{title}, floor / interleaved on one thread",
                plan.per_second,
                "plans/s",
                least.per_second,
                "",
                points,
            )
        ]
        ours = found.get(("Stage-3", callers))
        if ours is not None:
            target = ">= 0.5 x" if callers > 2 else ""
            lines += [
                Line(
                    f"{title} / floor",
                    ours.per_second,
                    "plans/s",
                    plan.per_second,
                    target,
                ),
                Line(
                    f"{title}, p99 / floor's",
                    ours.waited(0.99),
                    "ms",
                    plan.waited(0.99),
                ),
            ]
        return lines

    def _ours(self, caller: int) -> None:
        if self._world is not None:
            self._world.run(_STEPS, caller)

    def _least(self, _caller: int) -> None:
        self._floor.run_plan(_STEPS, PARAMETERS)

    def _threads(
        self, callers: int, work: Callable[[int], object]
    ) -> Callable[[], Burst]:
        return lambda: burst(callers, self._settings.burst_s, work)

    def _one_thread(self, plans: int) -> Callable[[], Burst]:
        seconds, work = self._settings.burst_s, (_STEPS, PARAMETERS)
        return lambda: one_thread_burst(plans, seconds, self._alone, work)
