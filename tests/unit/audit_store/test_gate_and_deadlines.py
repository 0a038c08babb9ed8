"""The lock between handles and processes: the gate, priority, deadlines."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from audit.errors import StoreBusyError, StoreUnavailableError
from audit.store.gate import Gate
from audit.store.interface import WriteTransaction
from audit.store.sqlite import SqliteStore
from audit.store.timing import Deadline
from tests.conformance.store_samples import denied, execution
from tests.unit.audit_store.faulty_sqlite import FakeTiming, Faults, open_faulty


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[SqliteStore]:
    """A handle of somebody else, as good as another process: locks are by file."""
    with open_faulty(tmp_path, Faults()) as opened:
        yield opened


@pytest.fixture
def time() -> FakeTiming:
    return FakeTiming()


@pytest.fixture
def store(tmp_path: Path, time: FakeTiming) -> Iterator[SqliteStore]:
    with open_faulty(
        tmp_path, Faults(), timing=time.timing(), lock_timeout_s=5.0
    ) as opened:
        time.pauses = 0
        yield opened


@pytest.fixture
def gate(path: Path) -> Iterator[Gate]:
    """The gate as yet another process sees it."""
    found = Gate(path)
    yield found
    found.close()


def is_open(gate: Gate) -> bool:
    return gate.try_enter(exclusive=False)


def test_shared_writers_pass_and_an_exclusive_one_closes(path: Path) -> None:
    """STO-4.3."""
    first, second = Gate(path), Gate(path)
    assert first.try_enter(exclusive=False)
    assert second.try_enter(exclusive=False)
    assert first.try_enter(exclusive=True)
    assert first.try_enter(exclusive=True)

    for exclusive in (True, False):
        assert not second.try_enter(exclusive=exclusive)
    first.leave()

    assert second.try_enter(exclusive=True)
    first.close()
    second.close()


def test_a_store_in_memory_has_no_gate() -> None:
    gate = Gate(None)

    assert gate.try_enter(exclusive=True)
    assert gate.try_enter(exclusive=False)
    gate.leave()
    gate.close()


def test_a_closed_gate_keeps_everybody_out(
    store: SqliteStore, gate: Gate, time: FakeTiming
) -> None:
    """STO-4.3, STO-4.4: although SQLite's own lock is free."""
    assert gate.try_enter(exclusive=True)

    for authority, waited_s in (("shared", 5.0), ("exclusive", 30.0)):
        start_s = time.now_s
        with pytest.raises(StoreBusyError), store.write(authority=authority):  # type: ignore[arg-type]  # one of two
            pass
        assert time.now_s - start_s == pytest.approx(waited_s)

    gate.leave()
    with store.write() as tx:
        tx.append(execution(), [denied()])
    assert store.latch is None


def test_the_gate_is_closed_while_an_exclusive_block_works(
    store: SqliteStore, gate: Gate
) -> None:
    """STO-4.3."""
    with store.write(authority="exclusive"):
        assert not is_open(gate)
    assert is_open(gate)
    with pytest.raises(KeyError), store.write(authority="exclusive"):
        raise KeyError
    assert is_open(gate)
    with store.write():
        assert is_open(gate)


@pytest.mark.parametrize(
    ("authority", "open_meanwhile"), [("exclusive", False), ("shared", True)]
)
def test_the_gate_is_closed_while_an_exclusive_block_waits(
    store: SqliteStore,
    other: SqliteStore,
    gate: Gate,
    time: FakeTiming,
    authority: str,
    *,
    open_meanwhile: bool,
) -> None:
    """STO-4.3: who comes now waits behind it, who is inside may finish."""
    block = other.write()
    tx = block.__enter__()
    seen: list[bool] = []

    def meanwhile() -> None:
        seen.append(is_open(gate))
        if len(seen) == 5:
            tx.append(execution(), [denied()])
            block.__exit__(None, None, None)

    time.meanwhile = meanwhile
    with store.write(authority=authority) as mine:  # type: ignore[arg-type]  # one of two
        assert mine.stream_head(execution()).size == 1

    assert seen == [open_meanwhile] * 5
    assert is_open(gate)


def test_a_lock_that_is_never_freed_is_waited_for_until_the_deadline(
    store: SqliteStore, other: SqliteStore, time: FakeTiming
) -> None:
    """STO-4.4."""

    def waited(action: Callable[[], object]) -> float:
        start_s = time.now_s
        with pytest.raises(StoreBusyError):
            action()
        return time.now_s - start_s

    def enter(**how: object) -> WriteTransaction:
        return store.write(**how).__enter__()  # type: ignore[arg-type]  # passed on

    with other.write():
        assert waited(enter) == pytest.approx(5.0)
        assert waited(lambda: enter(authority="exclusive")) == pytest.approx(30.0)
        assert waited(lambda: enter(deadline_s=0.5)) == pytest.approx(0.5)
        assert waited(lambda: enter(deadline_s=0)) == 0.0
    assert store.latch is None
    with store.write() as tx:
        tx.append(execution(), [denied()])


def test_a_lock_freed_meanwhile_is_noticed_within_a_millisecond(
    time: FakeTiming,
) -> None:
    deadline = Deadline(time.timing(), 1.0)
    moments = []
    for _ in range(20):
        assert deadline.wait_for_next_try()
        moments.append(time.now_s)

    gaps = [after - before for before, after in pairwise(moments)]
    assert moments[0] == 0.0
    assert 0 < min(gaps) <= max(gaps) <= 0.001 + 1e-9


def test_the_last_try_is_at_the_deadline(time: FakeTiming) -> None:
    deadline = Deadline(time.timing(), 0.000_25)

    tries = [time.now_s for _ in range(10) if deadline.wait_for_next_try()]

    assert tries == pytest.approx([0.0, 0.000_1, 0.000_25])
    assert deadline.left_s() == 0.0


def test_a_gate_that_cannot_be_used_refuses_without_latching(
    store: SqliteStore, path: Path
) -> None:
    """STO-6.1: nothing was lost; a link or a pipe in its place is not followed."""
    target = path.with_name("elsewhere")
    path.with_name("ledger.db.gate").symlink_to(target)

    with pytest.raises(StoreUnavailableError), store.write():
        pass

    assert store.latch is None
    assert not target.exists()
    path.with_name("ledger.db.gate").unlink()
    path.with_name("ledger.db.gate").mkdir()
    with pytest.raises(StoreUnavailableError), store.write():
        pass
    path.with_name("ledger.db.gate").rmdir()


def test_the_gate_is_as_private_as_its_database(store: SqliteStore, path: Path) -> None:
    with store.write():
        pass

    assert path.with_name("ledger.db.gate").stat().st_mode & 0o777 == 0o600
