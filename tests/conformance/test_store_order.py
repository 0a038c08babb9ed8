"""Every store: which blocks are ordered, what they are fenced with, what is pending."""

from collections.abc import Callable

import pytest

from audit.errors import (
    EntryRefusedError,
    GrammarError,
    HoldLostError,
    StoreBusyError,
)
from audit.events import AuditEventType
from audit.store.interface import (
    EntriesOf,
    HeadOf,
    RecordAt,
    Store,
    TreeHead,
)
from tests.conformance.store_samples import (
    FACT,
    RUN,
    TOKEN,
    Kind,
    denied,
    draft,
    execution,
    key_added,
    validated,
)

ISSUED = draft(AuditEventType.TOKEN_ISSUED)
USED = draft(AuditEventType.TOKEN_FIRST_USED)


def test_blocks_that_name_a_common_stream_are_ordered(
    store: Store, reopen: Callable[[], Store]
) -> None:
    """STO-1.8: whatever else they name, and in whatever order."""
    other = reopen()
    with store.write(streams=(execution(1), execution(2))):
        for streams in (
            (execution(1),),
            (execution(2), execution(3)),
            (execution(3), execution(1)),
        ):
            with (
                pytest.raises(StoreBusyError),
                other.write(streams=streams, deadline_s=0.0),
            ):
                pass

    with other.write(streams=(execution(1),)) as tx:
        tx.append(execution(1), [denied()])


def test_an_exclusive_block_is_ordered_against_all(
    store: Store, reopen: Callable[[], Store]
) -> None:
    """STO-1.8."""
    other = reopen()
    with (
        store.write(authority="exclusive"),
        pytest.raises(StoreBusyError),
        other.write(streams=(execution(),), deadline_s=0.0),
    ):
        pass
    with (
        store.write(),
        pytest.raises(StoreBusyError),
        other.write(authority="exclusive", deadline_s=0.0),
    ):
        pass


def test_other_shared_blocks_are_ordered_where_all_are(
    kind: Kind, store: Store, reopen: Callable[[], Store]
) -> None:
    """STO-1.8, PGS-5.2: on PostgreSQL they are open at once, and both count."""
    other = reopen()
    with store.write(streams=(execution(1),)) as first:
        first.append(execution(1), [denied()])
        block = other.write(streams=(execution(2),), deadline_s=0.0)
        if kind.is_ordered:
            with pytest.raises(StoreBusyError), block:
                pass
        else:
            with block as second:
                second.append(execution(2), [denied()])

    with store.read(settled=True) as tx:
        assert tx.stream_head(execution(1)).size == 1
        assert tx.stream_head(execution(2)).size == (0 if kind.is_ordered else 1)


def test_a_stream_that_is_named_is_one(store: Store) -> None:
    for wrong, error in (("elsewhere", GrammarError), (5, EntryRefusedError)):
        with pytest.raises(error):
            store.write(streams=(wrong,))  # type: ignore[arg-type]  # wrong on purpose


def test_a_block_is_refused_without_its_fence(store: Store) -> None:
    """STO-1.9."""
    hold = store.hold("owner-1")
    with store.write(fence=hold, streams=(execution(1),)) as tx:
        tx.append(execution(1), [denied()])
    block = store.write(fence=hold)
    hold.close()

    for fenced in (block, store.write(fence=hold, authority="exclusive")):
        with pytest.raises(HoldLostError), fenced:
            pass
    with store.hold("owner-1"), pytest.raises(HoldLostError), store.write(fence=hold):
        pass
    assert store.latch is None
    with store.write() as tx:
        tx.append(execution(2), [denied()])


def test_a_fence_is_a_hold_of_the_same_store(
    store: Store, reopen: Callable[[], Store]
) -> None:
    """STO-1.9."""
    with reopen().hold("owner-1") as elsewhere:
        for wrong in (elsewhere, "owner-1"):
            with pytest.raises(EntryRefusedError):
                store.write(fence=wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_the_platform_is_for_exclusive_blocks(store: Store) -> None:
    """STO-3.12."""
    with store.write(streams=("platform",)) as tx:
        with pytest.raises(EntryRefusedError):
            tx.append("platform", [key_added()])
        tx.append(execution(), [denied()])

    with store.read() as tx:
        assert tx.stream_head("platform").size == 0
        assert tx.stream_head(execution()).size == 1


def test_what_is_ordered_across_streams_has_its_place_at_once(
    store: Store, kind: Kind
) -> None:
    """STO-3.11: the issue of a token, and everything of the platform."""
    stream = f"token:{TOKEN}"
    with store.write(streams=(stream,)) as tx:
        issued = tx.append(stream, [ISSUED])[0]
    with store.write(streams=(stream, execution())) as tx:
        used = tx.append(stream, [USED])[0]
        tx.append(execution(), [denied()])
    with store.write(authority="exclusive") as tx:
        key = tx.append("platform", [key_added()])[0]

    assert issued.leaf_index == 0
    assert used.leaf_index == (1 if kind.is_ordered else None)
    assert key.leaf_index == 3
    with store.read() as tx:
        assert [row.leaf_index for row in tx.entries()] == [0, 1, 2, 3]


AHEAD = (
    RecordAt(RUN, ("a",)),
    RecordAt(RUN, ("nobody",)),
    RecordAt(FACT, ("a", 1)),
    HeadOf(execution()),
    EntriesOf(execution(), 0, None),
    EntriesOf(execution(), 1, 5),
    TreeHead(),
)


def test_reading_ahead_changes_nothing(store: Store) -> None:
    """STO-1.10: what is read is as it is when it is read."""
    open_run = {"run_id": "a", "state": "open", "count": 1, "salt": None}
    stream = execution()
    with store.write(streams=(stream,), ahead=AHEAD) as tx:
        assert tx.get(RUN, "a") is None
        tx.insert(RUN, open_run)
        tx.append(stream, [validated()])
        assert tx.get(RUN, "a") == open_run
        assert tx.stream_head(stream).size == 1
        assert [row.index for row in tx.stream_entries(stream)] == [0]
    with store.write(streams=(stream,), ahead=AHEAD) as tx:
        tx.update(RUN, ("a",), {"count": 2})
        tx.insert(RUN, {**open_run, "run_id": "nobody"})
        assert tx.get(RUN, "a") == {**open_run, "count": 2}
        assert tx.get(RUN, "nobody") == {**open_run, "run_id": "nobody"}
        assert len(tx.stream_entries(stream)) == 1
        assert tx.stream_entries(stream, 1, 5) == []

    with store.read(ahead=AHEAD) as tx:
        assert tx.get(RUN, "a") == {**open_run, "count": 2}
        assert tx.get(FACT, "a", 1) is None
        assert tx.stream_head(stream) == tx.stream_head(stream)
        assert tx.scan(RUN, {"count": 1})[0]["run_id"] == "nobody"


@pytest.mark.parametrize("wrong", [RecordAt(RUN, ()), HeadOf("x"), HeadOf(5)])  # type: ignore[arg-type]
def test_what_cannot_be_read_is_refused_sooner_or_later(
    store: Store, wrong: RecordAt | HeadOf
) -> None:
    def read() -> None:
        with store.write(ahead=(wrong,)) as tx:
            if isinstance(wrong, RecordAt):
                tx.get(RUN, *wrong.key)
            else:
                tx.stream_head(wrong.stream)

    with pytest.raises((EntryRefusedError, GrammarError)):
        read()


def test_a_late_insert_of_a_key_that_exists_leaves_nothing(store: Store) -> None:
    """STO-3.6: it may be told when the block ends, but never accepted."""
    run = {"run_id": "a", "state": "open", "count": 1, "salt": None}
    with store.write() as tx:
        tx.insert(RUN, run, late=True)

    def again() -> None:
        with store.write() as tx:
            tx.append(execution(), [denied()])
            tx.insert(RUN, {**run, "count": 2}, late=True)

    with pytest.raises(Exception, match="key exists"):
        again()
    assert store.latch is None
    with store.read() as tx:
        assert tx.scan(RUN) == [run]
        assert tx.stream_head(execution()).size == 0
