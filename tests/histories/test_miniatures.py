"""The checker catches every way of writing a start that was measured to fail (P4).

Each way is run in both interleavings of one start and one stop, made by stopping one of
two sessions at the telling point, and, in the nightly campaign, under load. What is
wrong must be found late in at least one of them, what is right in none.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.histories import miniature_sqlite
from tests.histories.miniature import interleave, under_load
from tests.histories.miniature_sqlite import SqliteBench
from tests.oracles.fast_folder import fast_folder
from tests.postgres_server import postgres_server, why_no_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.histories.miniature import Bench, Variant

    Note = Callable[[str, object], None]

WRONG: dict[tuple[str, str], Variant] = {
    ("sqlite", name): variant for name, variant in miniature_sqlite.WRONG.items()
}
RIGHT: dict[tuple[str, str], Variant] = {
    ("sqlite", name): variant for name, variant in miniature_sqlite.RIGHT.items()
}
if why_no_postgres() is None:
    from tests.histories import miniature_postgres

    WRONG |= {("postgresql", k): v for k, v in miniature_postgres.WRONG.items()}
    RIGHT |= {("postgresql", k): v for k, v in miniature_postgres.RIGHT.items()}


@contextmanager
def bench_of(kind: str) -> Iterator[Bench]:
    """Give a database with the tables of a miniature, all of them empty."""
    if kind == "sqlite":
        with fast_folder() as folder:
            yield SqliteBench(folder / "miniature.db").create()
        return
    yield miniature_postgres.PostgresBench(_database()).create()


@cache
def _database() -> str:
    """Make a database for all of them; it goes with its server."""
    server = postgres_server()
    return server.url(server.fresh_database())


def named(variants: dict[tuple[str, str], Variant]) -> list[object]:
    return [pytest.param(*key, id=": ".join(key)) for key in variants]


def test_there_is_a_postgresql_to_try_them_on() -> None:
    """So that a run without one says what it left out."""
    reason = why_no_postgres()
    if reason is not None:
        pytest.skip(f"the ways to write a start on PostgreSQL: {reason}")


@pytest.mark.parametrize(("kind", "name"), named(WRONG))
def test_what_is_wrong_is_caught(kind: str, name: str) -> None:
    late = []
    for stop_comes_in in (True, False):
        with bench_of(kind) as bench:
            late.append(
                interleave(bench, WRONG[kind, name], stop_comes_in=stop_comes_in)
            )

    inside_start, inside_stop = late
    if name == "one statement":
        assert (inside_start.by_ledger, inside_stop.by_ledger) == (0, 1)
    else:
        assert (inside_start.by_ledger, inside_start.in_real_time) == (1, 1)


@pytest.mark.parametrize("stop_comes_in", [True, False])
@pytest.mark.parametrize(("kind", "name"), named(RIGHT))
def test_what_is_right_is_not(kind: str, name: str, *, stop_comes_in: bool) -> None:
    with bench_of(kind) as bench:
        late = interleave(bench, RIGHT[kind, name], stop_comes_in=stop_comes_in)

    assert (late.by_ledger, late.in_real_time) == (0, 0)
    assert late.starts + late.refused == 1


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in RIGHT}))
def test_ours_is_never_late_under_load(kind: str, figure: Note) -> None:
    with bench_of(kind) as bench:
        late = under_load(bench, RIGHT[kind, "ours"], rounds=40)

    figure(f"ours on {kind}", str(late))
    assert (late.by_ledger, late.in_real_time) == (0, 0)
    assert late.starts > 40


@pytest.mark.nightly
@pytest.mark.parametrize(("kind", "name"), named(WRONG | RIGHT))
def test_each_way_under_load(kind: str, name: str, figure: Note) -> None:
    with bench_of(kind) as bench:
        late = under_load(bench, (WRONG | RIGHT)[kind, name], rounds=100)

    figure(f"{name} on {kind}", str(late))
    assert (late.by_ledger > 0) == ((kind, name) in WRONG)
