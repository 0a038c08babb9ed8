"""Keys in the registry: registered, rotated, stopped (rules A5; AUT-3)."""

import pytest

from tests.oracles.token_world import START_US, World, grant, named_key
from tokens.errors import AuthorityError, KeyNotTrustedError
from tokens.keys import VerificationKey
from tokens.state.selector import Selector

ISSUE = named_key("issue")


def prepublished(name: str) -> VerificationKey:
    public = named_key(name).public
    return VerificationKey(
        kid=public.kid, x=public.x, purpose="issue", state="prepublished"
    )


def test_an_issue_key_is_registered_when_it_first_signs() -> None:
    """AUT-3.1, AUT-3.2: without a pinned root, the store is believed."""
    world = World()
    assert world.authority.verification_keys() == {}

    world.issue()

    assert world.authority.verification_keys() == {ISSUE.kid: ISSUE.public}
    assert world.registry.verification_keys() == {ISSUE.kid: ISSUE.public}


def test_registering_the_same_key_again_writes_nothing() -> None:
    world = World()
    first = world.authority.register_key(ISSUE.public)

    assert world.authority.register_key(ISSUE.public) == first


def test_a_key_cannot_be_registered_with_other_properties() -> None:
    world = World()
    world.authority.register_key(ISSUE.public)
    other = VerificationKey(
        kid=ISSUE.kid, x=ISSUE.public.x, purpose="issue", not_after_s=2_000_000_000
    )

    with pytest.raises(AuthorityError, match="other properties"):
        world.authority.register_key(other)


@pytest.mark.parametrize("state", ["verify-only", "retired", "compromised"])
def test_a_key_starts_prepublished_or_active(state: str) -> None:
    """AUT-3.1."""
    public = named_key("late").public
    key = VerificationKey(kid=public.kid, x=public.x, purpose="issue", state=state)

    with pytest.raises(AuthorityError, match=state):
        World().authority.register_key(key)


def test_a_root_key_is_never_registered() -> None:
    with pytest.raises(AuthorityError, match="root"):
        World().authority.register_key(named_key("root", "root").public)


MOVES = [
    ("prepublished", "active", True),
    ("prepublished", "verify-only", False),
    ("active", "prepublished", False),
    ("active", "verify-only", True),
    ("active", "retired", False),
    ("active", "compromised", True),
    ("verify-only", "active", False),
    ("verify-only", "retired", True),
    ("retired", "verify-only", False),
    ("retired", "compromised", True),
    ("compromised", "active", False),
    ("compromised", "retired", False),
]
WAY_TO = {
    "prepublished": [],
    "active": ["active"],
    "verify-only": ["active", "verify-only"],
    "retired": ["active", "verify-only", "retired"],
    "compromised": ["compromised"],
}


@pytest.mark.parametrize(("state", "then", "possible"), MOVES)
def test_a_key_moves_forward_only(state: str, then: str, possible: bool) -> None:  # noqa: FBT001  # a table
    """AUT-3.3."""
    world = World()
    key = prepublished("moving")
    world.authority.register_key(key)
    for step in WAY_TO[state]:
        world.authority.set_key_state(key.kid, step)

    if possible:
        world.authority.set_key_state(key.kid, then)
        assert world.authority.verification_keys()[key.kid].state == then
    else:
        with pytest.raises(AuthorityError, match="cannot become"):
            world.authority.set_key_state(key.kid, then)
        assert world.authority.verification_keys()[key.kid].state == state


def test_the_state_a_key_has_already_writes_nothing() -> None:
    world = World()
    world.issue()
    first = world.authority.set_key_state(ISSUE.kid, "compromised")

    assert world.authority.set_key_state(ISSUE.kid, "compromised") == first


def test_an_unknown_key_and_an_unknown_state_are_errors() -> None:
    world = World()
    world.issue()
    with pytest.raises(AuthorityError, match="registered"):
        world.authority.set_key_state("A" * 43, "retired")
    with pytest.raises(ValueError, match="state"):
        world.authority.set_key_state(ISSUE.kid, "excellent")


@pytest.mark.parametrize(
    ("state", "word"),
    [("verify-only", "ok"), ("retired", "key"), ("compromised", "key")],
)
def test_a_token_stands_and_falls_with_its_key(state: str, word: str) -> None:
    """AUT-3.5."""
    world = World()
    issued = world.issue()

    for step in WAY_TO[state]:
        world.authority.set_key_state(ISSUE.kid, step)

    assert world.start(issued.token_hash) == word


@pytest.mark.parametrize("state", ["prepublished", "verify-only", "compromised"])
def test_only_an_active_key_issues(state: str) -> None:
    """AUT-3.7."""
    world = World()
    key = prepublished("second")
    world.authority.register_key(key)
    for step in WAY_TO[state]:
        world.authority.set_key_state(key.kid, step)

    with pytest.raises(KeyNotTrustedError, match=state):
        world.new_authority("second").issue_token(grant())


def test_rotation_issues_with_the_new_key_and_keeps_the_old_tokens_good() -> None:
    """AUT-3.6; rules A5."""
    world = World()
    old = world.issue()

    receipts = world.authority.rotate(named_key("next"))
    new = world.issue()

    assert len(receipts) == 2
    assert world.registry.get_token(new.token_hash).kid == named_key("next").kid
    assert world.start(old.token_hash) == world.start(new.token_hash) == "ok"
    keys = world.authority.verification_keys()
    assert keys[ISSUE.kid].state == "verify-only"
    assert keys[named_key("next").kid].state == "active"


def test_a_prepublished_key_is_activated_by_rotation() -> None:
    world = World()
    world.issue()
    world.authority.register_key(prepublished("next"))

    world.authority.rotate(named_key("next"))

    assert world.authority.verification_keys()[named_key("next").kid].state == "active"


def test_another_authority_that_missed_the_rotation_cannot_issue_with_the_old_key() -> (
    None
):
    world = World()
    world.issue()
    left_behind = world.new_authority("issue")
    world.authority.rotate(named_key("next"))

    with pytest.raises(KeyNotTrustedError, match="verify-only"):
        left_behind.issue_token(grant())


@pytest.mark.parametrize("key", [ISSUE, named_key("x", "revoke")])
def test_rotation_needs_another_issue_key(key: object) -> None:
    world = World()
    world.issue()

    with pytest.raises(AuthorityError, match="another key"):
        world.authority.rotate(key)  # type: ignore[arg-type]

    world.issue()


def test_a_stopped_key_cannot_come_back_by_rotation() -> None:
    world = World()
    world.issue()
    world.authority.rotate(named_key("next"))

    with pytest.raises(AuthorityError, match="cannot become active"):
        world.authority.rotate(ISSUE)

    assert world.registry.get_token(world.issue().token_hash).kid == (
        named_key("next").kid
    )


def test_a_revoked_key_is_published_as_compromised() -> None:
    world = World()
    world.issue()

    world.authority.revoke(Selector.key(ISSUE.kid), "stolen", "admin")

    assert world.registry.verification_keys()[ISSUE.kid].state == "compromised"


def test_a_window_that_closed_does_not_end_the_tokens_signed_in_it() -> None:
    """AUT-3.5: it is `iat` that must be in the window."""
    world = World()
    public = named_key("windowed").public
    key = VerificationKey(
        kid=public.kid,
        x=public.x,
        purpose="issue",
        not_after_s=START_US // 1_000_000 + 10,
    )
    world.authority.register_key(key)
    issued = world.new_authority("windowed").issue_token(grant())
    world.clock.forward(100)

    assert world.start(issued.token_hash) == "ok"
