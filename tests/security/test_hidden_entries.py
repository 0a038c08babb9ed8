"""Entries that a search by name no longer finds, in a file somebody edited (P4, P5).

The bytes, the tree and every hash stay as they were, so a head kept elsewhere still
fits; only what a decision reads has changed.
"""

from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from audit.log import AuditEventLog
from audit.trust import Trust
from tests.oracles.token_world import World, named_key, sqlite_edit
from tokens.state.selector import Selector

ROOT = named_key("root", "root")


@pytest.fixture
def world(tmp_path: Path) -> World:
    trust = Trust("test-ledger", ROOT.public.x)
    return World(path=tmp_path / "ledger.db", trust=trust, root_key=ROOT)


def kinds(world: World) -> set[str]:
    """Verify the file as an auditor would, and name what was found."""
    with closing(world.open()) as store:
        return {finding.kind for finding in AuditEventLog(store).verify().findings}


def revoke(world: World, what: str) -> None:
    """Withdraw the one token of this world in one of the four ways."""
    token = world.issue().token_hash
    match what:
        case "token":
            world.authority.revoke_token(token, "lost", "security")
        case "user":
            world.authority.revoke(Selector.user("alice"), "left", "security")
        case "all":
            world.authority.revoke(Selector.everything(), "stop", "security")
        case _:
            world.authority.pause("stop", "security")
    world.close()


@pytest.mark.parametrize("what", ["token", "user", "all", "pause"])
def test_a_revocation_whose_stream_became_a_blob_is_found(
    world: World, what: str
) -> None:
    """AUD-6.8, AUD-6.13, P5: no search finds it, and a cast would hide why."""
    revoke(world, what)
    assert kinds(world) == set()
    assert world.path is not None

    changed = sqlite_edit(
        world.path,
        "DELETE FROM revocation",
        "UPDATE entry SET stream = CAST(stream AS BLOB) WHERE leaf_index ="
        " (SELECT max(leaf_index) FROM entry)",
    )

    assert changed == 1
    assert {"column", "order"} <= kinds(world)


@pytest.mark.parametrize(
    "edit",
    [
        "type = CAST(type AS BLOB)",
        "state = CAST(state AS BLOB)",
        "data = CAST(data AS TEXT)",
        "stream_index = CAST(CAST(stream_index AS TEXT) AS BLOB)",
        "time_us = CAST(CAST(time_us AS TEXT) AS BLOB)",
    ],
)
def test_a_column_of_another_type_is_found_though_it_reads_the_same(
    world: World, edit: str
) -> None:
    """AUD-6.8, P5."""
    revoke(world, "pause")
    assert world.path is not None

    sqlite_edit(world.path, f"UPDATE entry SET {edit} WHERE leaf_index = 0")

    assert kinds(world) & {"column", "format"}


@pytest.mark.parametrize("what", ["token", "user", "all", "pause"])
def test_a_revocation_that_the_index_lacks_is_found(world: World, what: str) -> None:
    """AUD-6.13, P5: the row is whole, but reading by stream goes past it."""
    revoke(world, what)
    assert world.path is not None
    wanted = "CREATE UNIQUE INDEX entry_stream ON entry (stream, stream_index)"
    with closing(connect(world.path)) as raw:
        (newest,) = raw.execute("SELECT max(leaf_index) FROM entry").fetchone()
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute("DROP INDEX entry_stream")
        raw.execute(f"{wanted} WHERE leaf_index <> {newest}")
        raw.execute(
            "UPDATE sqlite_schema SET sql = ? WHERE name = 'entry_stream'", (wanted,)
        )
        raw.commit()

    assert kinds(world) == {"order"}
