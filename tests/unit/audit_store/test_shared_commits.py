"""Blocks of several threads in one commit: all durable, or each told otherwise."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.errors import StoreBusyError, StoreLatchedError, StoreUnavailableError
from audit.log import AuditEventLog
from audit.store import writer as writer_module
from audit.store.sqlite import SqliteStore
from audit.store.timing import SYSTEM_TIMING, Timing
from tests.conformance.store_samples import denied, execution
from tests.unit.audit_store.faulty_sqlite import Faults, open_faulty
from tests.unit.audit_store.test_turnstile import PATIENT_S, start_in_order, wait_until

STANDING_STILL = Timing(monotonic=lambda: 0.0, pause=SYSTEM_TIMING.pause)
"""A slow machine must not end the sharing that these tests are about."""


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def store(tmp_path: Path, faults: Faults) -> Iterator[SqliteStore]:
    with open_faulty(
        tmp_path, faults, timing=STANDING_STILL, lock_timeout_s=PATIENT_S
    ) as opened:
        yield opened
        faults.none()
        assert AuditEventLog(opened).verify()


class Worker(threading.Thread):
    """Runs one block and keeps what came of it."""

    def __init__(
        self,
        store: SqliteStore,
        number: int,
        *,
        inside: Callable[[], None] = lambda: None,
        exclusive: bool = False,
    ) -> None:
        super().__init__()
        self.store = store
        self.number = number
        self.inside = inside
        self.exclusive = exclusive
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do the block."""
        try:
            authority = "exclusive" if self.exclusive else "shared"
            with self.store.write(authority=authority) as tx:  # type: ignore[arg-type]  # one of two
                tx.append(execution(self.number), [denied()])
                tx.append(execution(self.number + 1_000), [denied()])
                self.inside()
        except BaseException as error:  # noqa: BLE001  # looked at by the test
            self.error = error


def together(store: SqliteStore, workers: list[Worker]) -> None:
    """Let workers queue up behind a block, in order, and run until all are done."""
    with store.write():
        start_in_order(store._writer.turnstile, workers)
    for worker in workers:
        worker.join(PATIENT_S)
        assert not worker.is_alive()


def commits(faults: Faults) -> int:
    return faults.statements.count("COMMIT")


def streams(store: SqliteStore) -> list[str]:
    with store.read() as tx:
        return [row.stream for row in tx.entries()[::2]]


def test_blocks_that_wait_share_one_commit(store: SqliteStore, faults: Faults) -> None:
    """STO-1.7."""
    faults.none()

    together(store, [Worker(store, number) for number in range(5)])

    assert commits(faults) == 1
    assert streams(store) == [execution(number) for number in range(5)]


def test_nobody_goes_on_before_the_commit(store: SqliteStore, faults: Faults) -> None:
    """STO-1.7, STO-1.1."""
    done_at_commit: list[bool] = []
    workers = [Worker(store, number) for number in range(3)]

    def look(sql: str) -> bool:
        if sql == "COMMIT":
            done_at_commit.extend(not worker.is_alive() for worker in workers)
        return False

    faults.fails = look
    together(store, workers)

    assert done_at_commit == [False, False, False]


def test_a_block_that_fails_takes_nobody_with_it(
    store: SqliteStore, faults: Faults
) -> None:
    """STO-1.7: wherever in the row it stands."""

    def fail() -> None:
        raise KeyError

    for failing in range(4):
        faults.none()
        workers = [
            Worker(
                store,
                10 * failing + place,
                inside=fail if place == failing else lambda: None,
            )
            for place in range(4)
        ]

        together(store, workers)

        assert [type(worker.error) for worker in workers] == [
            KeyError if place == failing else type(None) for place in range(4)
        ]
        # The block that opened the transaction did nothing and is part of it.
        assert commits(faults) == 1
    wanted = [10 * f + p for f in range(4) for p in range(4) if p != f]
    assert streams(store) == [execution(number) for number in wanted]
    assert store.latch is None


def test_a_commit_that_fails_is_told_to_all(
    store: SqliteStore, faults: Faults, tmp_path: Path
) -> None:
    """STO-1.7, STO-6.2, STO-6.4."""
    faults.none()
    faults.of("COMMIT")
    workers = [Worker(store, number) for number in range(3)]

    with pytest.raises(StoreUnavailableError) as caught:
        together(store, workers)
    for worker in workers:
        worker.join(PATIENT_S)

    assert caught.value.uncertain
    for worker in workers:
        assert isinstance(worker.error, StoreUnavailableError)
        assert worker.error.uncertain
    notice = (tmp_path / "ledger.db.notice").read_text(encoding="ascii")
    assert notice.count("lost: execution:") == 6
    faults.none()
    assert streams(store) == []


def test_a_statement_that_fails_is_told_to_all_who_wait(
    store: SqliteStore, faults: Faults
) -> None:
    """STO-1.7: what came before it in the open transaction is lost with it."""
    seen: list[str] = []

    def fifth_append(sql: str) -> bool:
        if sql.startswith("INSERT INTO entry"):
            seen.append(sql)
            return len(seen) == 5
        return False

    faults.fails = fifth_append
    workers = [Worker(store, number) for number in range(4)]

    with pytest.raises(StoreUnavailableError):
        together(store, workers)
    for worker in workers:
        worker.join(PATIENT_S)

    errors = [type(worker.error) for worker in workers]
    # The last one came after the latch.
    assert errors == [StoreUnavailableError] * 3 + [StoreLatchedError]
    faults.none()
    assert streams(store) == []


@pytest.mark.parametrize("start", ["SAVEPOINT", "RELEASE", "ROLLBACK TO"])
def test_a_savepoint_that_fails_is_told_to_all(
    store: SqliteStore, faults: Faults, start: str
) -> None:
    """STO-1.7."""

    def fail() -> None:
        raise KeyError

    faults.of(start)
    workers = [Worker(store, 1), Worker(store, 2, inside=fail), Worker(store, 3)]
    if start == "ROLLBACK TO":
        workers[0].inside = lambda: None

    with pytest.raises(StoreUnavailableError):
        together(store, workers)
    for worker in workers:
        worker.join(PATIENT_S)

    assert all(worker.error is not None for worker in workers)
    assert store.latch is not None
    faults.none()
    assert streams(store) == []
    store.lift_latch()
    with store.write() as tx:
        tx.append(execution(), [denied()])


def test_an_exclusive_block_goes_first_and_alone(
    store: SqliteStore, faults: Faults
) -> None:
    """STO-4.2: it ends the sharing, and shares nothing itself."""
    faults.none()
    workers = [Worker(store, 1), Worker(store, 2), Worker(store, 3, exclusive=True)]

    together(store, workers)

    assert streams(store)[0] == execution(3)
    assert commits(faults) == 3


def test_a_latch_that_comes_in_between_refuses_the_rest_and_keeps_the_done(
    store: SqliteStore,
) -> None:
    """STO-6.6."""
    first = Worker(store, 1, inside=lambda: store.raise_latch("a reason"))
    second = Worker(store, 2)

    together(store, [first, second])

    assert first.error is None
    assert isinstance(second.error, StoreLatchedError)
    assert streams(store) == [execution(1)]


def test_the_number_of_members_is_bounded(
    store: SqliteStore, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-1.7."""
    monkeypatch.setattr(writer_module, "MAX_MEMBERS", 3)
    faults.none()

    together(store, [Worker(store, number) for number in range(5)])

    assert commits(faults) == 2
    assert len(streams(store)) == 5


def test_the_age_of_a_shared_commit_is_bounded(
    store: SqliteStore, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-1.7."""
    monkeypatch.setattr(writer_module, "MAX_SHARING_S", -1.0)
    faults.none()

    together(store, [Worker(store, number) for number in range(5)])

    assert commits(faults) == 6


def test_a_commit_that_never_comes_is_given_up(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-6.2: the member cannot know, and says so."""
    monkeypatch.setattr(writer_module, "_COMMIT_PATIENCE_S", 0.0)
    second = Worker(store, 2)
    turnstile = store._writer.turnstile

    with pytest.raises(StoreUnavailableError) as caught, store.write() as tx:  # noqa: PT012  # the block's end is tested
        tx.append(execution(1), [denied()])
        second.start()
        wait_until(lambda: turnstile.shared_waits)
    second.join(PATIENT_S)

    assert caught.value.uncertain
    assert store.latch is not None
    # It was not lost after all: the record counts, not what was told.
    assert streams(store)[0] == execution(1)


def test_many_threads_number_one_ledger(store: SqliteStore) -> None:
    """STO-3.1, STO-1.7."""
    errors: list[BaseException] = []

    def run(worker: int) -> None:
        try:
            for turn in range(25):
                with store.write() as tx:
                    tx.append(execution(100 * worker + turn), [denied()])
                    tx.append(execution(5_000 + 100 * worker + turn), [denied()])
        except BaseException as error:  # noqa: BLE001  # looked at below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENT_S)

    assert errors == []
    with store.read() as tx:
        assert [row.leaf_index for row in tx.entries()] == list(range(400))


def test_closing_waits_for_the_block_of_another_thread(
    tmp_path: Path, faults: Faults
) -> None:
    """STO-5.2."""
    store = open_faulty(tmp_path, faults, lock_timeout_s=0.0)
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        inside.set()
        leave.wait(PATIENT_S)

    worker = Worker(store, 1, inside=stay)
    worker.start()
    assert inside.wait(PATIENT_S)

    with pytest.raises(StoreBusyError):
        store.close()

    leave.set()
    worker.join(PATIENT_S)
    assert worker.error is None
    store.close()
