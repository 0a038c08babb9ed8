"""Keys planted in the store, and damage that must not keep anybody from stopping."""

from contextlib import closing
from pathlib import Path

from audit.store.opening import open_store
from audit.trust import Trust
from tests.oracles.token_world import World, grant, named_key, sqlite_edit, try_start
from tokens.authority import TokenAuthority
from tokens.keys import SigningKey
from tokens.registry import TokenRegistry
from tokens.state.selector import Selector

ROOT = named_key("root", "root")
SEED = b"k" * 32


def test_a_key_registered_for_revoking_vouches_for_no_token_it_signed(
    tmp_path: Path,
) -> None:
    """AUT-3.5, AUT-6.2, P8: not even where the signature is remembered.

    A key is planted as an issuing one, without the root's word, with a token; later
    the root vouches for that key, for revoking.
    """
    trust = Trust("test-ledger", ROOT.public.x)
    world = World(path=tmp_path / "ledger.db", trust=trust, root_key=ROOT)
    issuing = SigningKey.from_private_bytes(SEED, purpose="issue")
    revoking = SigningKey.from_private_bytes(SEED, purpose="revoke")
    with closing(open_store(world.url, clock=world.clock)) as store:
        planter = TokenAuthority(store, issuing)
        planted = planter.issue_token(grant("mallory")).token_hash
    assert world.start(planted) == "key"

    world.authority.register_key(revoking.public)

    assert world.start(planted) == "key"
    assert try_start(world.reopen(trust), planted) == "integrity"


def test_a_damaged_entry_keeps_nobody_from_revoking_everything(tmp_path: Path) -> None:
    """AUT-4.5, P4: the emergency stop reads on past what cannot be read."""
    world = World(path=tmp_path / "ledger.db")
    world.issue()
    world.authority.revoke(Selector.everything(), "stop", "security")
    damaged = world.issue(grant("bob")).token_hash
    token = world.issue().token_hash
    world.close()
    sqlite_edit(
        tmp_path / "ledger.db",
        f"UPDATE entry SET data = X'00' WHERE stream = 'token:{damaged}'",  # our own
    )
    world = World(path=tmp_path / "ledger.db")
    assert world.start(token) == "ok"

    world.authority.revoke(Selector.everything(), "stop again", "security")

    assert world.start(token) == "revoked"
    with closing(open_store(world.url, clock=world.clock)) as store:
        assert try_start(TokenRegistry(store), token) == "revoked"


def test_what_cannot_be_read_counts_as_issued(tmp_path: Path) -> None:
    """AUT-4.5: revoking everything once more harms nothing; leaving it out might."""
    world = World(path=tmp_path / "ledger.db")
    world.issue()
    first = world.authority.revoke(Selector.everything(), "stop", "security")
    damaged = world.issue(grant("bob")).token_hash
    world.close()
    sqlite_edit(
        tmp_path / "ledger.db",
        f"UPDATE entry SET data = X'00' WHERE stream = 'token:{damaged}'",  # our own
    )
    world = World(path=tmp_path / "ledger.db")

    again = world.authority.revoke(Selector.everything(), "stop", "security")

    assert again.leaf_index > first.leaf_index
    world.close()
