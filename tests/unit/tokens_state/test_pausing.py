"""Pause and resumption of the whole platform (AUT-4.7, AUT-4.8)."""

import pytest

from audit.entry import decode_entry
from audit.trail import PLATFORM_STREAM
from tests.oracles.token_world import World, named_key
from tokens.errors import AuthorityError, KeyNotTrustedError


def test_a_paused_platform_starts_nothing_until_it_is_resumed() -> None:
    world = World()
    issued = world.issue()

    world.authority.pause("incident 7", "oncall")
    assert world.start(issued.token_hash) == "paused"
    assert world.authority.platform().paused
    world.authority.resume("incident 7 is over", "oncall")

    assert world.start(issued.token_hash) == "ok"


def test_the_entries_say_who_and_why() -> None:
    world = World()
    paused = decode_entry(world.authority.pause("incident", "oncall").data)
    resumed = decode_entry(world.authority.resume("over", "carol").data)

    assert (paused.user_id, paused.reason, paused.method) == (
        "oncall",
        "incident",
        "pause",
    )
    assert (resumed.user_id, resumed.reason, resumed.method) == (
        "carol",
        "over",
        "resume",
    )


def test_pausing_and_resuming_twice_change_nothing() -> None:
    """AUT-4.7."""
    world = World()
    paused = world.authority.pause("incident", "oncall")
    assert world.authority.pause("again", "carol") == paused
    resumed = world.authority.resume("over", "oncall")

    assert world.authority.resume("really", "carol") == resumed

    with world.store.read() as tx:
        assert tx.stream_head(PLATFORM_STREAM).size == 3


def test_a_platform_that_never_was_paused_cannot_be_resumed() -> None:
    world = World()
    world.issue()

    with pytest.raises(AuthorityError, match="never paused"):
        world.authority.resume("over", "oncall")


def test_a_decision_on_an_older_state_does_not_resume() -> None:
    """AUT-4.8: what was added in between may be the reason not to."""
    world = World()
    world.authority.pause("incident", "oncall")
    seen = world.authority.platform().size
    world.authority.register_key(named_key("another").public)

    with pytest.raises(AuthorityError, match="moved on"):
        world.authority.resume("over", "oncall", sequence=seen)

    assert world.authority.platform().paused
    seen = world.authority.platform().size
    world.authority.resume("over", "oncall", sequence=seen)
    assert not world.authority.platform().paused


def test_only_a_pause_key_in_good_standing_pauses_and_resumes() -> None:
    """AUT-3.7."""
    world = World()
    world.authority.pause("incident", "oncall")
    world.authority.set_key_state(named_key("pause", "pause").kid, "verify-only")

    with pytest.raises(KeyNotTrustedError, match="verify-only"):
        world.authority.resume("over", "oncall")

    assert world.authority.platform().paused


def test_tokens_can_be_issued_and_revoked_while_paused() -> None:
    world = World()
    world.authority.pause("incident", "oncall")
    issued = world.issue()
    world.authority.revoke_token(issued.token_hash, "lost", "admin")
    assert world.start(issued.token_hash) == "paused"
    world.authority.resume("over", "oncall")

    assert world.start(issued.token_hash) == "revoked"
