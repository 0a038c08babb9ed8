"""Every store: atomicity, isolation, ordering, and what a block refuses."""

from collections.abc import Callable

import pytest

from audit.errors import (
    AuditError,
    DuplicateKeyError,
    EntryRefusedError,
    GrammarError,
    StoreBusyError,
    StoreClosedError,
    StreamConflictError,
)
from audit.events import PlatformEventType
from audit.merkle import EMPTY, root_of
from audit.records import StreamHead
from audit.store.interface import Store
from tests.conformance.store_samples import (
    FACT,
    RUN,
    START_US,
    FakeClock,
    Kind,
    denied,
    draft,
    execution,
    key_added,
    limited,
    scoped,
    started,
    validated,
)


class OutOfTheBlue(BaseException):
    """An exception no code of ours knows."""


def test_an_empty_store_has_the_head_of_an_empty_tree(store: Store) -> None:
    with store.read() as tx:
        head, frontier, stream = tx.head(), tx.frontier(), tx.stream_head("platform")

    assert (head.size, head.root, head.time_us) == (0, EMPTY.root(), 0)
    assert frontier == EMPTY
    assert stream == StreamHead("platform", 0, "", "start", 0)


def test_a_block_is_there_after_it_ended(store: Store) -> None:
    """STO-1.1."""
    with store.write() as tx:
        tx.append(execution(), [validated(), scoped()])
        tx.insert(FACT, {"subject": "a", "number": 1, "note": None})

    with store.read(settled=True) as tx:
        assert [row.type for row in tx.entries()] == [
            "TOKEN_VALIDATION",
            "AUTHORIZATION_SCOPE_CHECK",
        ]
        assert tx.get(FACT, "a", 1) == {"subject": "a", "number": 1, "note": None}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OutOfTheBlue])
def test_an_exception_leaves_nothing_and_goes_on(
    store: Store, error: type[BaseException]
) -> None:
    """STO-1.2."""
    with pytest.raises(error), store.write() as tx:  # noqa: PT012  # it is the block that is tested
        tx.append(execution(), [denied()])
        tx.insert(FACT, {"subject": "a", "number": 1, "note": None})
        raise error

    with store.read() as tx:
        assert tx.head().size == 0
        assert tx.entries() == []
        assert tx.scan(FACT) == []
    assert store.latch is None


def test_a_block_sees_its_own_work(store: Store) -> None:
    with store.write(authority="exclusive") as tx:
        receipts = tx.append(execution(), [validated(), scoped()])
        tx.append(execution(), [limited()])
        key = tx.append("platform", [key_added()])[0]
        head, stream = tx.head(), tx.stream_head(execution())
        leaves = [row.leaf_hash for row in tx.entries()]
        own = [row.leaf_hash for row in tx.stream_entries(execution())]

    assert [receipt.leaf_hash for receipt in receipts] == [
        leaf.hex() for leaf in own[:2]
    ]
    # What is ordered against other streams has its place at once, in every store.
    assert (key.leaf_index, leaves) == (3, [*own, bytes.fromhex(key.leaf_hash)])
    assert (head.size, head.root) == (4, root_of(leaves))
    assert (stream.size, stream.state) == (3, "limited 0/1")
    assert stream.last_hash == own[2].hex()


def test_an_entry_of_an_execution_may_be_pending(store: Store, kind: Kind) -> None:
    """STO-3.11: it has its place at once where blocks are in one order."""
    with store.write(streams=(execution(),)) as tx:
        receipt = tx.append(execution(), [denied()])[0]
    with store.read() as tx:
        stored = tx.stream_entries(execution())[0]
        pending = tx.entries()

    assert receipt.leaf_index == stored.leaf_index == (0 if kind.is_ordered else None)
    assert len(pending) == (1 if kind.is_ordered else 0)
    with store.read(settled=True) as tx:
        assert [row.leaf_index for row in tx.entries()] == [0]
        assert tx.head().size == 1


def test_the_head_agrees_with_the_entries_after_every_block(store: Store) -> None:
    """STO-3.4."""
    for number in range(1, 9):
        with store.write(authority="exclusive") as tx:
            tx.append(execution(number), [denied()])
            tx.append("platform", [key_added()] * (number % 3))

        with store.read() as tx:
            leaves = [row.leaf_hash for row in tx.entries()]
            assert tx.head().root == root_of(leaves) == tx.frontier().root()
            assert tx.head().size == tx.frontier().size == len(leaves)


def test_entries_are_numbered_and_linked_in_their_stream(store: Store) -> None:
    """STO-3.1."""
    with store.write() as tx:
        first = tx.append(execution(1), [validated()])[0]
        tx.append(execution(2), [denied()])
        second = tx.append(execution(1), [scoped()])[0]

    assert (first.index, second.index) == (0, 1)
    with store.read(settled=True) as tx:
        rows = tx.stream_entries(execution(1))
    assert [row.leaf_index for row in rows] == [0, 2]
    assert [row.index for row in rows] == [0, 1]
    assert f'"prev":"{rows[0].leaf_hash.hex()}"'.encode() in rows[1].data
    assert [row.data for row in rows] == [first.data, second.data]


def test_what_the_grammar_forbids_leaves_nothing_though_the_block_goes_on(
    store: Store,
) -> None:
    """STO-3.1."""
    with store.write() as tx:
        with pytest.raises(GrammarError):
            tx.append(execution(), [validated(), scoped(), started()])
        tx.append(execution(2), [denied()])

    with store.read(settled=True) as tx:
        assert [row.stream for row in tx.entries()] == [execution(2)]


@pytest.mark.parametrize(
    "stream", ["", "elsewhere", "execution:X", "token:" + "5" * 64]
)
def test_a_stream_of_no_family_is_refused(store: Store, stream: str) -> None:
    with store.write() as tx, pytest.raises(GrammarError):
        tx.append(stream, [denied()])


def test_a_writer_with_a_stale_view_is_fenced(store: Store) -> None:
    """STO-3.3."""
    with store.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()], expected_size=0)

    with store.write(authority="exclusive") as tx:
        for stale in (0, 2):
            with pytest.raises(StreamConflictError):
                tx.append("platform", [key_added()], expected_size=stale)
        tx.append("platform", [key_added()], expected_size=1)

    with store.read() as tx:
        assert tx.stream_head("platform").size == 2


def test_time_never_goes_back_in_a_stream(store: Store, clock: FakeClock) -> None:
    """STO-3.2."""
    with store.write(authority="exclusive") as tx:
        assert tx.now_us == START_US
        tx.append("platform", [key_added()])
    clock.now_us = START_US - 1
    with store.write(authority="exclusive") as tx:
        assert tx.now_us == START_US - 1
        held = tx.append("platform", [key_added()])[0]
        free = tx.append(execution(), [denied()])[0]
        given = tx.append("platform", [key_added()], time_us=START_US + 1)[0]
        early = tx.append("platform", [key_added()], time_us=0)[0]

    times = [receipt.time_us for receipt in (held, free, given, early)]
    assert times == [START_US, START_US - 1, START_US + 1, START_US + 1]


def test_the_clock_is_read_under_the_lock(store: Store, clock: FakeClock) -> None:
    """STO-1.3: not when the block is made, and not before its turn."""
    block = store.write()
    clock.now_us = START_US + 7

    with block as tx:
        assert tx.now_us == START_US + 7


@pytest.mark.parametrize("time_us", [-1, 2**53, 1.5, True, "1"])
def test_a_time_no_entry_can_carry_is_refused(store: Store, time_us: int) -> None:
    with store.write(authority="exclusive") as tx, pytest.raises(EntryRefusedError):
        tx.append("platform", [key_added()], time_us=time_us)


def test_only_drafts_are_appended(store: Store) -> None:
    not_a_draft: tuple[object, ...] = ("an entry", None, {}, key_added().type)

    with store.write(authority="exclusive") as tx:
        for wrong in not_a_draft:
            with pytest.raises(EntryRefusedError):
                tx.append("platform", [key_added(), wrong])  # type: ignore[list-item]  # wrong on purpose
        assert tx.append("platform", []) == []

    with store.read() as tx:
        assert tx.head().size == 0


def test_a_transaction_is_dead_after_its_block(store: Store) -> None:
    """STO-1.5."""
    with store.write(authority="exclusive") as writing:
        writing.append("platform", [key_added()])
    with store.read() as reading:
        reading.head()

    for tx in (writing, reading):
        for use in (tx.head, tx.frontier, tx.entries):
            with pytest.raises(StoreClosedError):
                use()
        with pytest.raises(StoreClosedError):
            tx.stream_head("platform")
        with pytest.raises(StoreClosedError):
            tx.get(RUN, "a")
        with pytest.raises(StoreClosedError):
            tx.scan(FACT)
        with pytest.raises(StoreClosedError):
            tx.collection("run")
    with pytest.raises(StoreClosedError):
        writing.append("platform", [key_added()])
    with pytest.raises(StoreClosedError):
        writing.insert(FACT, {"subject": "a", "number": 1, "note": None})


def test_blocks_do_not_nest(store: Store) -> None:
    """STO-1.6."""
    for outer in (store.write, store.read):
        with outer():
            with pytest.raises(StoreBusyError), store.write():
                pass
            with pytest.raises(StoreBusyError), store.read():
                pass
            with pytest.raises(StoreBusyError):
                store.close()
    with store.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()])


def test_entries_are_read_by_the_page(store: Store) -> None:
    with store.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()] * 5)
        tx.append(execution(), [denied()])

    with store.read(settled=True) as tx:
        assert [row.leaf_index for row in tx.entries(2, 2)] == [2, 3]
        assert [row.leaf_index for row in tx.entries(-5)] == [0, 1, 2, 3, 4, 5]
        assert tx.entries(6) == tx.entries(0, 0) == []
        assert [row.index for row in tx.stream_entries("platform", 3)] == [3, 4]
        assert [row.index for row in tx.stream_entries("platform", 1, 2)] == [1, 2]
        for wrong in (2**63, -(2**63) - 1, True, "0"):
            with pytest.raises(EntryRefusedError):
                tx.entries(wrong)  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(EntryRefusedError):
            tx.entries(0, -1)


def test_the_platform_grammar_is_kept_across_blocks(store: Store) -> None:
    pause, resume = (
        draft(PlatformEventType.PLATFORM_PAUSED),
        draft(PlatformEventType.PLATFORM_RESUMED),
    )
    with store.write(authority="exclusive") as tx:
        tx.append("platform", [pause])
    with store.write(authority="exclusive") as tx:
        with pytest.raises(GrammarError):
            tx.append("platform", [pause])
        tx.append("platform", [resume])

    with store.read() as tx:
        assert tx.stream_head("platform").state == "running"


def test_an_authority_or_deadline_of_another_kind_is_refused(store: Store) -> None:
    with pytest.raises(EntryRefusedError):
        store.write(authority="root")  # type: ignore[arg-type]  # wrong on purpose
    for deadline_s in (-0.001, float("nan")):
        with pytest.raises(EntryRefusedError):
            store.write(deadline_s=deadline_s)


def test_a_closed_store_refuses_everything(store: Store) -> None:
    """STO-5.2."""
    store.close()
    store.close()

    for use in (
        lambda: store.write().__enter__(),
        lambda: store.read().__enter__(),
        lambda: store.declare(RUN),
        lambda: store.hold("a"),
        lambda: store.is_held("a"),
        store.lift_latch,
    ):
        with pytest.raises(StoreClosedError):
            use()
    store.raise_latch("so that the end of this test does not read the store")


def test_a_handle_sees_what_another_committed(
    store: Store, reopen: Callable[[], Store]
) -> None:
    other = reopen()
    with store.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()])
    with other.write(authority="exclusive") as tx:
        assert tx.stream_head("platform").size == 1
        tx.append("platform", [key_added()], expected_size=1)

    with store.read() as tx:
        assert tx.stream_head("platform").size == 2
    assert other.ledger_id == store.ledger_id


def test_a_reader_sees_one_state_while_others_write(
    store: Store, reopen: Callable[[], Store]
) -> None:
    """STO-1.4."""
    other = reopen()

    with other.read() as reading:
        before = reading.head()
        with store.write(authority="exclusive") as tx:
            tx.append("platform", [key_added()])
            tx.insert(FACT, {"subject": "a", "number": 1, "note": None})
            with pytest.raises(StoreBusyError), other.write():
                pass
        assert reading.head() == before
        assert reading.entries() == []
        assert reading.scan(FACT) == []

    with other.read() as reading:
        assert reading.head().size == 1


def test_uncommitted_work_is_seen_by_nobody(
    store: Store, reopen: Callable[[], Store]
) -> None:
    """STO-1.4."""
    other = reopen()

    with store.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()])
        with other.read() as reading:
            assert reading.head().size == 0


def test_two_handles_number_one_ledger(
    store: Store, reopen: Callable[[], Store]
) -> None:
    """STO-3.1."""
    handles = (store, reopen(), reopen())
    for turn in range(12):
        with handles[turn % 3].write(authority="exclusive") as tx:
            tx.append(execution(turn), [denied()])
            tx.append("platform", [key_added()])

    with store.read() as tx:
        assert [row.leaf_index for row in tx.entries()] == list(range(24))
        assert [row.index for row in tx.stream_entries("platform")] == list(range(12))


def test_a_lock_not_obtained_in_time_changes_nothing(
    store: Store, reopen: Callable[[], Store]
) -> None:
    """STO-4.4."""
    other = reopen()
    streams = (execution(),)
    with store.write(streams=streams):
        for authority in ("shared", "exclusive"):
            with (
                pytest.raises(StoreBusyError),
                other.write(authority=authority, deadline_s=0.0, streams=streams),  # type: ignore[arg-type]  # both are
            ):
                pass

    assert store.latch is None
    with other.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()])


def test_refusals_inside_a_block_are_its_own_affair(store: Store) -> None:
    """STO-6.1: what a caller gets wrong ends in nothing but its error."""
    with store.write() as tx:
        tx.insert(FACT, {"subject": "a", "number": 1, "note": None})
        for wrong in (
            lambda: tx.insert(FACT, {"subject": "a", "number": 1, "note": "again"}),
            lambda: tx.insert(FACT, {"subject": "a"}),
            lambda: tx.update(RUN, ("nobody",), {"count": 1}),
            lambda: tx.append("nowhere", [denied()]),
        ):
            with pytest.raises(AuditError):
                wrong()

    assert store.latch is None
    with store.read() as tx:
        assert tx.scan(FACT) == [{"subject": "a", "number": 1, "note": None}]
    with pytest.raises(DuplicateKeyError), store.write() as tx:
        tx.insert(FACT, {"subject": "a", "number": 1, "note": None})
