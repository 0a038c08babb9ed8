"""Views of a real store that are older than what another thread has seen."""

import threading
from pathlib import Path

from audit.store.interface import ReadTransaction
from tests.oracles.token_world import World


def paused_elsewhere(world: World, token_hash: str) -> None:
    """Pause the platform, and take that in, on another thread."""

    def work() -> None:
        world.authority.pause("incident", "oncall")
        assert world.start(token_hash) == "paused"
        world.registry.prepare(token_hash)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_view_opened_before_a_pause_is_believed_as_it_was(tmp_path: Path) -> None:
    """AUT-5.6, STO-3.13: it is older, and nothing was changed."""
    world = World(tmp_path / "ledger.db")
    token_hash = world.issue().token_hash
    assert world.start(token_hash) == "ok"
    tokens = world.registry

    def seen(tx: ReadTransaction) -> tuple[bool, str | None]:
        snapshot = tokens.snapshot(tx, token_hash)
        return snapshot.paused, snapshot.integrity

    with world.store.read() as older:
        assert seen(older) == (False, None)
        paused_elsewhere(world, token_hash)
        assert seen(older) == (False, None)

    with world.store.read() as newer:
        assert seen(newer) == (True, None)
    with world.store.write() as writing:
        assert seen(writing) == (True, None)
        assert writing.began is None
    assert (older.began or 0) < (newer.began or 0)
    assert world.start(token_hash) == "paused"
    world.close()
