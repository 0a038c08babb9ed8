"""Every store: the latch, signs of life, and the guard at public entries."""

import sys
import threading
from collections.abc import Callable

import pytest

from audit.errors import (
    EntryRefusedError,
    StoreBusyError,
    StoreClosedError,
    StoreLatchedError,
)
from audit.store.interface import Collection, Column, Store
from tests.conformance.store_samples import RUN, FakeClock, key_added


def test_a_latched_store_refuses_blocks_until_it_is_lifted(
    store: Store, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """STO-6.6."""
    clock.now_us = 77
    store.raise_latch("the disk\n\x1b[2J\u202e is full", ["an entry"])

    latch = store.latch
    assert latch is not None
    assert latch.reason == "the disk\\x0a\\x1b[2J\\u202e is full"
    assert latch.at_us == 77
    with pytest.raises(StoreLatchedError), store.write():
        pass
    store.lift_latch()
    assert store.latch is None
    with store.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()])
    said = capsys.readouterr().err
    assert said.isascii()
    assert said.count("\n") == 1


def test_a_latched_store_can_be_passed_read_and_declared_to(store: Store) -> None:
    """STO-6.6: stopping and recovering are tried all the same."""
    store.raise_latch("a reason")

    with store.write(past_latch=True, authority="exclusive") as tx:
        tx.append("platform", [key_added()])
    store.declare(RUN, Collection("other", ("name",), (Column("name", "text"),)))
    with store.read() as tx:
        assert tx.head().size == 1
    assert store.latch is not None


def test_the_first_reason_stands(store: Store) -> None:
    store.raise_latch("the first")
    store.raise_latch("the second")

    latch = store.latch
    assert latch is not None
    assert latch.reason == "the first"


def test_every_handle_is_latched(store: Store, reopen: Callable[[], Store]) -> None:
    """STO-6.5, STO-2.6: also one that is opened afterwards."""
    before = reopen()
    store.raise_latch("a reason")
    after = reopen()

    for handle in (before, after):
        assert handle.latch is not None
        with pytest.raises(StoreLatchedError), handle.write():
            pass
    after.lift_latch()
    for handle in (store, before, after):
        assert handle.latch is None


def test_a_name_is_held_by_one(store: Store) -> None:
    """STO-7.1, STO-7.2."""
    assert not store.is_held("owner-1")
    with store.hold("owner-1") as hold:
        assert hold.name == "owner-1"
        assert store.is_held("owner-1")
        assert not store.is_held("owner-2")
        with pytest.raises(StoreBusyError):
            store.hold("owner-1")
        assert store.is_held("owner-1")
    assert not store.is_held("owner-1")
    hold.close()

    with store.hold("owner-1"):
        hold.close()
        assert store.is_held("owner-1")


def test_holds_are_seen_by_other_handles(
    store: Store, reopen: Callable[[], Store]
) -> None:
    """STO-7.1, STO-7.3."""
    other = reopen()

    with other.hold("owner-1"):
        assert store.is_held("owner-1")
        with pytest.raises(StoreBusyError):
            store.hold("owner-1")
        assert other.is_held("owner-1")
    assert not store.is_held("owner-1")


def test_a_hold_ends_with_its_store(store: Store, reopen: Callable[[], Store]) -> None:
    """STO-7.2."""
    other = reopen()
    other.hold("owner-1")
    assert store.is_held("owner-1")

    other.close()

    assert not store.is_held("owner-1")


@pytest.mark.parametrize("name", ["", "a/b", "..", "a" * 129, "é", "a\0", 5, None])
def test_a_hold_has_a_plain_name(store: Store, name: str) -> None:
    for use in (store.hold, store.is_held):
        with pytest.raises(EntryRefusedError):
            use(name)
    store.hold("a" * 128).close()


def test_another_thread_waits_for_the_block_to_end(store: Store) -> None:
    """STO-4.4: within the deadline it gets its turn, and sees what was done."""
    sizes: list[int] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with store.write(deadline_s=60.0) as tx:
            sizes.append(tx.head().size)

    thread = threading.Thread(target=second)
    with store.write(authority="exclusive") as tx:
        thread.start()
        assert waiting.wait(60)
        tx.append("platform", [key_added()])
    thread.join(60)

    assert sizes == [1]


def test_public_entries_raise_the_guard_event(store: Store) -> None:
    """STO-8.6."""
    seen = GUARD_EVENTS
    seen.clear()
    HOOK_IS_ON.append(True)
    try:
        with store.write():
            pass
        with store.read():
            pass
        store.hold("a").close()
        store.is_held("a")
        store.raise_latch("a reason")
        store.lift_latch()
    finally:
        HOOK_IS_ON.clear()

    assert seen == [
        "store.write",
        "store.read",
        "store.hold",
        "store.is_held",
        "store.raise_latch",
        "store.lift_latch",
    ]


def test_a_block_made_before_closing_cannot_be_entered(store: Store) -> None:
    """STO-5.2."""
    blocks = (store.write(), store.read())
    store.close()

    for block in blocks:
        with pytest.raises(StoreClosedError):
            block.__enter__()
    store.raise_latch("so that the end of this test does not read the store")


GUARD_EVENTS: list[object] = []
HOOK_IS_ON: list[bool] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if HOOK_IS_ON and event == "stage3.guard":
        GUARD_EVENTS.append(arguments[0])


sys.addaudithook(_hook)
