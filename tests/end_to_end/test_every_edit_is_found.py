"""Any edit of a stored ledger is reported by ``verify()``, with its place (P5).

The file is edited as its owner would: by SQL, with the guards dropped. What somebody
who rewrites everything consistently can do is in docs/limitations.md.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from audit.log import AuditEventLog
from audit.store.opening import open_store
from stage3.pytest_plugin.harness import Harness
from tests.unit.stage3.probe_domains import Probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from audit.verification import VerificationReport

COLUMNS = ["stream", "stream_index", "time_us", "type", "state", "leaf_hash", "data"]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with two tokens, successes, refusals, a violation and a pause."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    with Harness(f"sqlite:///{path}", domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ["answer", "misbehave", "fail"]})
        other = harness.issue(scope={"probe": ["answer"]})
        step = ("probe", "answer", {"x": 1})
        assert harness.run(token, step, step).success
        assert harness.run(other, step).success
        harness.run(token, step, ("probe", "misbehave", {}))
        harness.run(token, ("probe", "fail", {}))
        harness.run(other, ("hermes", "x", {}))
        harness.authority.pause("drill", "admin")
        harness.run(token, step)
        harness.authority.resume("over", "admin")
        harness.authority.revoke_token(other.token_hash, "lost", "admin")
        assert harness.log.verify().findings == ()
    return path


def edited(
    ledger: Path, folder: Path, edit: Callable[[sqlite3.Connection], object]
) -> VerificationReport:
    """Edit a copy and verify it."""
    path = folder / "copy.db"
    shutil.copy(ledger, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        guards = raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in guards.fetchall():
            raw.execute(f'DROP TRIGGER "{name}"')
        edit(raw)
    with open_store(f"sqlite:///{path}") as store:
        return AuditEventLog(store).verify()


def size_of(ledger: Path) -> int:
    with closing(sqlite3.connect(ledger)) as raw:
        return raw.execute("SELECT count(*) FROM entry").fetchone()[0]


def test_the_untouched_copy_is_whole(ledger: Path, tmp_path: Path) -> None:
    assert edited(ledger, tmp_path, lambda _: None).findings == ()


@pytest.mark.parametrize("column", COLUMNS)
def test_an_edit_of_any_column_of_any_entry_is_found_at_its_place(
    ledger: Path, tmp_path: Path, column: str
) -> None:
    for leaf in range(0, size_of(ledger), 3):

        def edit(raw: sqlite3.Connection, leaf: int = leaf) -> None:
            value = raw.execute(
                f"SELECT {column} FROM entry WHERE leaf_index = ?",
                (leaf,),
            ).fetchone()[0]
            raw.execute(
                f"UPDATE entry SET {column} = ? WHERE leaf_index = ?",
                (changed(value), leaf),
            )

        report = edited(ledger, tmp_path, edit)

        assert leaf in {finding.position for finding in report.findings}, leaf


def changed(value: object) -> object:
    """Give a value of the same type that differs as little as possible."""
    if isinstance(value, int):
        return value + 1_000
    if isinstance(value, bytes):
        middle = len(value) // 2
        return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
    return str(value) + "x"


def test_every_deletion_is_found(ledger: Path, tmp_path: Path) -> None:
    for leaf in range(size_of(ledger)):
        report = edited(
            ledger,
            tmp_path,
            lambda raw, leaf=leaf: raw.execute(
                "DELETE FROM entry WHERE leaf_index = ?", (leaf,)
            ),
        )
        assert not report, leaf
        assert report.findings[0].message


@pytest.mark.parametrize("kept", [0, 1, 5, -2, -1])
def test_every_truncation_is_found(ledger: Path, tmp_path: Path, kept: int) -> None:
    size = size_of(ledger)

    report = edited(
        ledger,
        tmp_path,
        lambda raw: raw.execute(
            "DELETE FROM entry WHERE leaf_index >= ?", (kept % size,)
        ),
    )

    assert not report


def test_a_swap_of_any_two_neighbours_is_found(ledger: Path, tmp_path: Path) -> None:
    for leaf in range(0, size_of(ledger) - 1, 2):

        def swap(raw: sqlite3.Connection, leaf: int = leaf) -> None:
            move = "UPDATE entry SET leaf_index = ? WHERE leaf_index = ?"
            for new, old in ((-1, leaf), (leaf, leaf + 1), (leaf + 1, -1)):
                raw.execute(move, (new, old))

        report = edited(ledger, tmp_path, swap)

        # Neighbours of two streams fit each in its own; the tree bounds the place.
        first = report.findings[0]
        assert first.position is not None
        assert first.position <= leaf + 1, leaf
        if first.kind == "head":
            last = int(first.message.rpartition(" ")[2])
            assert leaf <= last < size_of(ledger)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE head SET size = size - 1",
        "UPDATE head SET root = zeroblob(32)",
        "UPDATE head SET time_us = time_us + 1",
        "DELETE FROM head",
        "UPDATE c_execution SET state = 'open'",
        "UPDATE c_execution SET events = events + 1",
        "UPDATE c_execution SET last_hash = 'x'",
        "UPDATE c_execution SET trail_state = 'start'",
        "DELETE FROM c_execution",
        "UPDATE c_usage SET invocations = invocations - 1",
        "UPDATE c_usage SET units = 0",
        "UPDATE c_usage SET reserved = reserved + 1",
        "UPDATE c_usage SET executions = 0",
        "DELETE FROM c_usage",
        'UPDATE "c_use" SET time_us = time_us + 1',
        'DELETE FROM "c_use"',
    ],
)
def test_an_edit_of_a_derived_row_is_found(
    ledger: Path, tmp_path: Path, sql: str
) -> None:
    with closing(sqlite3.connect(ledger)) as raw:
        tables = {
            name
            for (name,) in raw.execute("SELECT name FROM sqlite_master")
            if name is not None
        }
    prefix = "c_" if "c_usage" in tables else ""

    report = edited(
        ledger, tmp_path, lambda raw: raw.execute(sql.replace("c_", prefix))
    )

    assert not report
