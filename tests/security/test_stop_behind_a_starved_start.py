"""A revocation that waits behind a start of its own process (P4, STO-4.3)."""

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from audit.store.interface import Authority, Store
from audit.store.lockfile import LockFile
from audit.store.opening import open_store
from audit.store.timing import SYSTEM_TIMING, Deadline

PATIENCE_S = 20.0


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = Deadline(SYSTEM_TIMING, PATIENCE_S)
    while deadline.wait_for_next_try():
        if holds():
            return True
    return False


def one_block(store: Store, authority: Authority) -> threading.Thread:
    """Enter and leave a block of this kind on a thread of its own."""

    def enter() -> None:
        with store.write(authority=authority, deadline_s=PATIENCE_S):
            pass

    thread = threading.Thread(target=enter)
    thread.start()
    return thread


def test_the_gate_is_closed_for_a_stop_that_waits_behind_a_start(
    tmp_path: Path,
) -> None:
    """STO-4.3: a start that another process starves must not starve the stop, too."""
    url, gate = f"sqlite:///{tmp_path}/l.db", tmp_path / "l.db.gate"

    def is_closed() -> bool:
        with closing(LockFile.open(gate, create_mode=None)) as lock:
            return not lock.try_shared()

    with open_store(url) as ours, open_store(url) as others:
        turnstile = ours._writer.turnstile  # type: ignore[attr-defined]
        with others.write():
            start = one_block(ours, "shared")
            assert eventually(lambda: turnstile._owner is not None)
            assert not is_closed()
            stop = one_block(ours, "exclusive")
            assert eventually(is_closed)
        for thread in (start, stop):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        assert eventually(lambda: not is_closed())
        with others.write(deadline_s=PATIENCE_S):
            pass
