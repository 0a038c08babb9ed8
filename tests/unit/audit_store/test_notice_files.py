"""The notice beside the database: bounded, private, never followed, never parsed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.errors import StoreLatchedError, StoreUnavailableError
from audit.store.interface import Store
from audit.store.latch import MAX_NOTICE_BYTES
from audit.store.opening import open_store
from tests.conformance.store_samples import FakeClock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=FakeClock()) as opened:
        yield opened
        if not opened.latch:
            return
        (tmp_path / "ledger.db.notice").unlink(missing_ok=True)
        opened.lift_latch()


@pytest.fixture
def notice(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db.notice"


def test_a_notice_is_private_and_printable(store: Store, notice: Path) -> None:
    """STO-6.4."""
    store.raise_latch("line\nbreak \u202e \ud800", ["lost\x00", "é" * 1_000])

    lines = notice.read_bytes().decode("ascii").splitlines()
    assert lines[0] == "at 1000000 us: line\\x0abreak \\u202e \\ud800"
    assert lines[1] == "  lost: lost\\x00"
    assert len(lines[2]) == len("  lost: ") + 300
    assert stat.S_IMODE(notice.stat().st_mode) == 0o600


@pytest.mark.parametrize("count", [400, 401, 100_000])
def test_a_notice_is_bounded_and_says_how_much_it_left_out(
    store: Store, notice: Path, count: int
) -> None:
    """STO-6.4."""
    store.raise_latch("a reason", ["x"] * count)

    lines = notice.read_text("ascii").splitlines()
    assert len(lines) == min(count + 1, 402)
    assert (lines[-1] == f"  lost: {count - 400} more") is (count > 400)


def test_notices_add_up_to_a_bound(store: Store, notice: Path) -> None:
    """STO-6.4: the first failures are kept, they say what happened."""
    for number in range(300):
        store.raise_latch(f"failure {number} {'x' * 380}")

    assert notice.stat().st_size == MAX_NOTICE_BYTES
    assert notice.read_text("ascii").startswith("at 1000000 us: failure 0 ")


@pytest.mark.parametrize("content", [b"", b"\xff\x00 not text", b"reason: none\n"])
def test_the_existence_of_a_notice_latches_whatever_it_holds(
    store: Store, notice: Path, content: bytes
) -> None:
    """STO-6.5, STO-6.4."""
    notice.write_bytes(content)
    os.utime(notice, ns=(0, 5_000))

    latch = store.latch
    assert latch is not None
    assert latch.at_us == 5
    with pytest.raises(StoreLatchedError), store.write():
        pass
    store.lift_latch()
    assert not notice.exists()
    with store.write():
        pass


def test_a_link_is_a_notice_that_is_not_written_through(
    store: Store, notice: Path
) -> None:
    """STO-6.4, STO-6.5."""
    target = notice.with_name("target")
    notice.symlink_to(target)

    assert store.latch is not None
    store.raise_latch("a reason")
    assert not target.exists()
    target.write_text("kept", encoding="ascii")
    store.raise_latch("a reason")
    assert target.read_text("ascii") == "kept"
    store.lift_latch()

    assert store.latch is None
    assert target.exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_where_no_notice_can_be_written_the_process_is_latched_all_the_same(
    store: Store, notice: Path, make: object
) -> None:
    """STO-6.5."""
    assert callable(make)
    make(notice)
    store.raise_latch("a reason")
    if notice.is_dir():
        notice.rmdir()
    else:
        notice.unlink()

    latch = store.latch
    assert latch is not None
    assert latch.reason == "a reason"
    with open_store(store.url) as other, pytest.raises(StoreLatchedError):
        other.write().__enter__()
    store.lift_latch()
    assert store.latch is None


def test_a_notice_that_cannot_be_removed_stands(store: Store, notice: Path) -> None:
    """STO-6.6."""
    store.raise_latch("a reason")
    notice.unlink()
    notice.mkdir()

    with pytest.raises(StoreUnavailableError):
        store.lift_latch()

    latch = store.latch
    assert latch is not None
    assert latch.reason == "a reason"
    notice.rmdir()


def test_not_being_able_to_look_is_a_latch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-6.5: failing closed."""

    def refuse(_path: str) -> os.stat_result:
        raise PermissionError

    monkeypatch.setattr("audit.store.latch.os.lstat", refuse)

    with pytest.raises(StoreLatchedError), store.write():
        pass
    monkeypatch.undo()
    with store.write():
        pass


def test_a_notice_that_cannot_be_forced_to_disk_latches(
    store: Store, notice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-6.5: as on a full disk, where only the empty file can be made."""

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("audit.store.latch.os.write", full)
    store.raise_latch("a reason")
    monkeypatch.undo()

    assert notice.stat().st_size == 0
    assert store.latch is not None
