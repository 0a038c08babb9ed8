"""What may be changed in the tables of this package, and what may not (AUT-1.1)."""

import pytest

from audit.errors import EntryRefusedError
from tests.oracles.token_world import World
from tokens.state.collections import CREDENTIAL, TOKEN_COLLECTIONS


def test_only_the_counters_can_be_changed() -> None:
    """AUT-1.1."""
    changeable = [each.name for each in TOKEN_COLLECTIONS if not each.insert_only]

    assert changeable == ["usage"]


def test_a_credential_cannot_be_exchanged_through_the_store() -> None:
    """AUT-1.1, as the store enforces it."""
    world = World()
    issued = world.issue()

    with pytest.raises(EntryRefusedError), world.store.write() as tx:
        tx.update(CREDENTIAL, (issued.token_hash,), {"credential": "another"})

    assert world.start(issued.token_hash) == "ok"
