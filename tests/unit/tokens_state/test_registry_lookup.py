"""Looking tokens up: rules 1A.17 to 1A.19, 1B and 2D of the executor's half."""

import copy

import pytest

from tests.oracles.token_world import START_US, World, grant
from tokens.errors import (
    AmbiguousAuthorizationError,
    TokenRevokedError,
    TokenUnknownError,
)
from tokens.state.selector import Selector

NOBODY = "sha256:" + "0" * 64


def test_a_token_reads_back_as_it_was_granted() -> None:
    """Rules 1A.3, 1A.17, 1B.5."""
    world = World()
    issued = world.issue()

    token = world.registry.get_token(issued.token_hash)

    assert token.token == grant()
    assert token == world.registry.get_token(issued.token_hash)
    assert (token.user_id, token.capability) == ("alice", "weekly_review")
    assert (token.issued_by, token.duration_seconds) == ("security_admin", 900)
    assert token.domain_scope == ("apollo",)
    assert token.method_scope["apollo"] == ("analyze_habits",)
    assert token.allowed_trigger_types == ("direct_command",)
    assert token.resource_limits["max_invocations"] == 10
    assert token.issued_at_us == START_US
    assert token.issued_at.startswith("2027-01-15T08:00:00")
    assert not token.revoked


def test_to_dict_has_the_keys_of_the_rule_book() -> None:
    """Rules 1A.14, 1A.16."""
    world = World()
    token = world.registry.get_token(world.issue().token_hash)

    fields = token.to_dict()
    fields["resource_limits"]["max_invocations"] = 99_999
    fields["domain_scope"].append("hermes")

    assert {
        "user_id",
        "capability",
        "domain_scope",
        "method_scope",
        "duration_seconds",
        "resource_limits",
        "allowed_trigger_types",
        "issued_by",
        "issued_at",
        "token_hash",
    } <= set(fields)
    assert token.to_dict()["resource_limits"]["max_invocations"] == 10
    assert token.domain_scope == ("apollo",)


def test_what_the_registry_gives_out_changes_nothing_inside() -> None:
    """AUT-6.6; rules T6."""
    world = World()
    issued = world.issue()
    tokens = world.registry.get_user_tokens("alice")
    tokens.clear()
    keys = world.registry.verification_keys()
    keys.clear()

    assert len(world.registry.get_user_tokens("alice")) == 1
    assert world.registry.verification_keys()
    token = world.registry.get_token(issued.token_hash)
    with pytest.raises(AttributeError):
        token.revoked_by = "token"  # type: ignore[misc]
    assert copy.deepcopy(token) == token


@pytest.mark.parametrize("name", [NOBODY, "", "x" * 10_000, "sha256:short", "é"])
def test_an_unknown_token_is_a_key_error_that_says_not_found(name: str) -> None:
    """Rules 1A.17, 2D.5."""
    registry = World().registry

    for call in (registry.get_token, registry.is_revoked):
        with pytest.raises(TokenUnknownError, match="not found") as caught:
            call(name)
        assert isinstance(caught.value, KeyError)
        assert len(str(caught.value)) < 120


def test_a_revoked_token_is_a_key_error_that_says_revoked() -> None:
    """Rules 1A.17, 2D.1."""
    world = World()
    issued = world.issue()
    assert not world.registry.is_revoked(issued.token_hash)

    world.authority.revoke_token(issued.token_hash, "lost", "admin")

    assert world.registry.is_revoked(issued.token_hash)
    with pytest.raises(TokenRevokedError, match="revoked") as caught:
        world.registry.get_token(issued.token_hash)
    assert isinstance(caught.value, KeyError)


def test_all_tokens_of_a_user_are_listed_each_with_its_own_terms() -> None:
    """Rules 1B.1 to 1B.4, 1B.7, 1B.8."""
    world = World()
    small = world.issue(grant(max_invocations=5, issued_by="admin_1"))
    world.clock.forward(1)
    large = world.issue(grant(max_invocations=1000, issued_by="admin_2"))
    world.clock.forward(1)
    gone = world.issue(grant(duration_seconds=1))
    world.issue(grant("bob"))
    world.authority.revoke_token(gone.token_hash, "lost", "admin")

    tokens = world.registry.get_user_tokens("alice")

    assert [token.token_hash for token in tokens] == [
        small.token_hash,
        large.token_hash,
        gone.token_hash,
    ]
    assert [token.resource_limits["max_invocations"] for token in tokens][:2] == [
        5,
        1000,
    ]
    assert [token.issued_at for token in tokens] == sorted(t.issued_at for t in tokens)
    assert [token.revoked for token in tokens] == [False, False, True]
    assert world.registry.get_user_tokens("nobody") == []


def test_the_one_live_token_that_covers_a_method_is_found() -> None:
    world = World()
    world.issue(grant(domains=("hermes",)))
    world.issue(grant("bob"))
    wanted = world.issue()

    found = world.registry.find_token("alice", "apollo", "analyze_habits")

    assert found.token_hash == wanted.token_hash


def test_more_than_one_live_token_is_ambiguous_and_none_is_picked() -> None:
    """Rules 1A.19, 1B.4, 1B.9; AUT-6.6."""
    world = World()
    first = world.issue(grant(duration_seconds=1800))
    world.issue()
    with pytest.raises(AmbiguousAuthorizationError, match="2 live tokens"):
        world.registry.find_token("alice", "apollo", "analyze_habits")

    world.authority.revoke_token(first.token_hash, "one too many", "admin")

    world.registry.find_token("alice", "apollo", "analyze_habits")


@pytest.mark.parametrize(
    ("user_id", "domain", "method"),
    [
        ("alice", "apollo", "plan_routine"),
        ("alice", "Apollo", "analyze_habits"),
        ("Alice", "apollo", "analyze_habits"),
        ("alice", "hermes", "analyze_habits"),
    ],
)
def test_near_misses_find_nothing(user_id: str, domain: str, method: str) -> None:
    """Rules 2B.7, 2B.8: exact comparison only."""
    world = World()
    world.issue()

    with pytest.raises(TokenUnknownError):
        world.registry.find_token(user_id, domain, method)


def test_expired_revoked_and_untrusted_tokens_are_not_found_as_live() -> None:
    world = World()
    world.issue(grant(duration_seconds=10))
    world.clock.forward(9)
    world.registry.find_token("alice", "apollo", "analyze_habits")
    world.clock.forward(1)
    with pytest.raises(TokenUnknownError):
        world.registry.find_token("alice", "apollo", "analyze_habits")

    world.issue()
    world.authority.revoke(Selector.everything(), "incident", "admin")
    with pytest.raises(TokenUnknownError):
        world.registry.find_token("alice", "apollo", "analyze_habits")
