"""The floors do what they are compared for: every entry, linked, and durable."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.floor import FileSink, Floor, ListSink, Row, Sink, SqliteSink, batches
from benchmarks.floor_crowd import (
    HandedSink,
    LeaderSink,
    OwnSink,
    WriterThreadSink,
    one_thread_burst,
)
from benchmarks.measure import burst

PARAMETERS: dict[str, object] = {"key": 1}
CALLERS = 4


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_a_plan_is_as_many_commits_and_entries_as_ours(steps: int) -> None:
    made = list(batches("execution:1", steps, PARAMETERS))
    rows = [row for batch in made for row in batch]

    assert len(made) == steps + 1
    assert len(rows) == 1 + 4 * steps
    assert [place for _, place, _, _ in rows] == list(range(len(rows)))


def test_entries_are_linked_and_of_the_size_that_was_agreed() -> None:
    rows = [row for batch in batches("execution:1", 3, PARAMETERS) for row in batch]

    previous = ""
    for _, _, digest, data in rows:
        assert json.loads(data)["prev"] == previous
        assert hashlib.sha256(data).digest() == digest
        previous = digest.hex()
    assert 300 <= sum(len(data) for *_, data in rows) / len(rows) <= 400


@pytest.mark.parametrize(
    "make", [OwnSink, LeaderSink, HandedSink, WriterThreadSink, SqliteSink]
)
def test_no_entry_is_lost_however_commits_are_shared(
    make: Callable[[Path], Sink], tmp_path: Path
) -> None:
    floor = Floor(make(tmp_path / "floor.db"))
    callers = 1 if make is SqliteSink else CALLERS

    took = burst(callers, 0.1, lambda _: floor.run_plan(2, PARAMETERS))
    floor.close()

    with closing(sqlite3.connect(tmp_path / "floor.db")) as connection:
        query = "SELECT count(*), count(DISTINCT stream) FROM entry"
        (found,) = connection.execute(query)
    assert took.waits_ms
    assert found == (9 * len(took.waits_ms), len(took.waits_ms))


def test_plans_on_one_thread_share_their_commits() -> None:
    class Counting(ListSink):
        commits = 0

        def commit(self, rows: Sequence[Row]) -> None:
            self.commits += 1
            super().commit(rows)

    sink = Counting()

    took = one_thread_burst(5, 0.05, sink, (2, PARAMETERS))

    assert sink.commits * 4 < len(took.waits_ms) * 3


def test_the_file_has_every_byte(tmp_path: Path) -> None:
    floor = Floor(FileSink(tmp_path / "floor"))

    floor.run_plan(1, PARAMETERS)
    floor.close()

    assert (tmp_path / "floor").read_bytes().count(b'"stream"') == 5
