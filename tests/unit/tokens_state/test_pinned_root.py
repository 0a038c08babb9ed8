"""A pinned root key, end to end: what it signed counts, nothing else does."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from audit.trust import Trust
from tests.oracles.token_world import (
    START_US,
    World,
    grant,
    named_key,
    sqlite_edit,
    try_start,
)
from tokens.authority import TokenAuthority
from tokens.errors import AuthorityError, KeyNotTrustedError
from tokens.format.statements import KeyStatement, Origin, sign_key_statement
from tokens.keys import SigningKey, VerificationKey
from tokens.state.selector import Selector

ROOT = named_key("root", "root")
TRUST = Trust("test-ledger", ROOT.public.x)
ISSUE = named_key("issue")


def statement_of(
    key: VerificationKey,
    *,
    root: SigningKey = ROOT,
    sequence: int = 0,
    ledger_id: str = "test-ledger",
) -> str:
    origin = Origin(
        ledger_id=ledger_id,
        sequence=sequence,
        reason="key ceremony",
        by="officer",
        issued_at_s=START_US // 1_000_000,
    )
    return sign_key_statement(KeyStatement(origin=origin, key=key), root)


def test_with_the_root_key_at_hand_everything_works(tmp_path: Path) -> None:
    """AUT-3.2."""
    world = World(tmp_path / "s.db", trust=TRUST, root_key=ROOT)
    issued = world.issue()
    revoked = world.issue()
    world.authority.revoke_token(revoked.token_hash, "lost", "admin")
    world.authority.pause("incident", "oncall")
    world.authority.resume("over", "oncall")
    world.authority.rotate(named_key("next"))

    fresh = world.reopen(TRUST)

    assert try_start(fresh, issued.token_hash) == "ok"
    assert try_start(fresh, revoked.token_hash) == "revoked"
    assert try_start(fresh, world.issue().token_hash) == "ok"
    fresh.store.close()
    world.close()


def test_a_key_without_a_statement_is_refused_when_the_authority_is_made() -> None:
    """AUT-8.4."""
    world = World(trust=TRUST, root_key=ROOT)
    world.issue()

    for keys in ({"revoke_key": named_key("unsigned", "revoke")}, {}):
        signer = ISSUE if keys else named_key("unsigned")
        with pytest.raises(KeyNotTrustedError, match="pinned root"):
            TokenAuthority(world.store, signer, **keys)


def test_a_key_that_would_have_to_be_made_is_refused_where_a_root_is_pinned() -> None:
    """AUT-8.4: nobody signed for it."""
    world = World(trust=TRUST, root_key=ROOT)
    issued = world.issue()
    authority = TokenAuthority(world.store, ISSUE)

    with pytest.raises(KeyNotTrustedError, match="pinned root"):
        authority.revoke_token(issued.token_hash, "lost", "admin")

    assert world.start(issued.token_hash) == "ok"


def test_a_statement_made_elsewhere_registers_a_key() -> None:
    """The root key stays in its ceremony; only its statement comes here."""
    world = World(trust=TRUST, root_key=ROOT)
    world.issue()
    next_key = named_key("next")
    place = world.authority.platform().size
    without_root = TokenAuthority(world.store, ISSUE)

    without_root.register_key(
        next_key.public, statement_of(next_key.public, sequence=place)
    )

    issued = TokenAuthority(world.store, next_key).issue_token(grant())
    assert world.start(issued.token_hash) == "ok"


BAD_STATEMENTS: Mapping[str, dict[str, object]] = {
    "none": {},
    "wrong root": {"root": named_key("impostor", "root")},
    "stale place": {"sequence": 0},
    "later place": {"sequence": 2},
    "other ledger": {"ledger_id": "other-ledger"},
    "other key": {"key": named_key("somebody").public},
    "other purpose": {
        "key": VerificationKey.of(named_key("next").public.x, purpose="pause")
    },
    "other state": {
        "key": VerificationKey(
            kid=named_key("next").kid,
            x=named_key("next").public.x,
            purpose="issue",
            state="prepublished",
        )
    },
}


@pytest.mark.parametrize("fault", BAD_STATEMENTS)
def test_a_statement_of_anything_else_registers_nothing(fault: str) -> None:
    """AUT-3.2: this root, this key, this ledger, this place."""
    world = World(trust=TRUST, root_key=ROOT)
    world.issue()
    next_key = named_key("next").public
    size = world.authority.platform().size
    assert size == 1
    text = None
    if fault != "none":
        fields = {"sequence": size, "key": next_key, **BAD_STATEMENTS[fault]}
        text = statement_of(fields.pop("key"), **fields)  # type: ignore[arg-type]

    with pytest.raises(KeyNotTrustedError, match="pinned root"):
        TokenAuthority(world.store, ISSUE).register_key(next_key, text)

    assert world.authority.platform().size == size
    assert next_key.kid not in world.authority.verification_keys()


def test_the_root_key_given_must_be_the_pinned_one() -> None:
    with pytest.raises(AuthorityError, match="pinned"):
        World(trust=TRUST, root_key=named_key("impostor", "root"))


def test_a_key_registered_without_the_root_counts_for_nothing_under_it(
    tmp_path: Path,
) -> None:
    """AUT-3.2: whoever can write the store can not make a key."""
    world = World(tmp_path / "s.db")
    issued = world.issue()
    assert world.start(issued.token_hash) == "ok"

    pinned = world.reopen(TRUST)

    assert try_start(pinned, issued.token_hash) == "key"
    assert pinned.verification_keys() == {}
    token = pinned.get_user_tokens("alice")[0]
    assert "pinned root" in (token.key_refusal or "")
    pinned.store.close()
    world.close()


def test_a_key_registered_before_can_be_vouched_for_later(tmp_path: Path) -> None:
    world = World(tmp_path / "s.db")
    issued = world.issue()
    world.close()
    pinned = World(tmp_path / "s.db", trust=TRUST, root_key=ROOT)
    assert pinned.start(issued.token_hash) == "key"

    later = pinned.issue(grant("carol"))

    assert pinned.start(later.token_hash) == "ok"
    assert pinned.start(issued.token_hash) == "ok"
    pinned.close()


def test_what_an_unvouched_key_signed_stops_everything(tmp_path: Path) -> None:
    """AUT-4.2: somebody meant to stop something, and it must not be ignored."""
    world = World(tmp_path / "s.db")
    issued = world.issue()
    world.authority.revoke(Selector.user("bob"), "left", "admin")

    pinned = world.reopen(TRUST)

    assert try_start(pinned, issued.token_hash) == "integrity"
    pinned.store.close()
    world.close()


def test_an_unvouched_change_of_a_key_that_counts_stops_everything(
    tmp_path: Path,
) -> None:
    """AUT-3.4."""
    world = World(tmp_path / "s.db", trust=TRUST, root_key=ROOT)
    issued = world.issue()
    world.close()
    unpinned = World(tmp_path / "s.db")
    unpinned.authority.set_key_state(ISSUE.kid, "verify-only")
    unpinned.close()

    pinned = unpinned.reopen(TRUST)

    assert try_start(pinned, issued.token_hash) == "integrity"
    pinned.store.close()


def test_rotation_needs_the_root_key_where_one_is_pinned() -> None:
    world = World(trust=TRUST, root_key=ROOT)
    world.issue()
    authority = TokenAuthority(world.store, ISSUE)

    with pytest.raises(KeyNotTrustedError, match="pinned root"):
        authority.rotate(named_key("next"))

    assert authority.issue_token(grant())


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE key SET statement = NULL",
        "UPDATE key SET x = '{x}', kid = '{kid}'",
        "UPDATE key SET purpose = 'revoke'",
        "UPDATE key SET not_after_s = 2000000000",
        "UPDATE key SET state = 'prepublished'",
        "DELETE FROM key",
    ],
)
def test_a_forged_key_row_stops_everything(tmp_path: Path, edit: str) -> None:
    """AUT-3.1: the row must be what the entry named."""
    path = tmp_path / "s.db"
    world = World(path, trust=TRUST, root_key=ROOT)
    issued = world.issue()
    world.close()
    forged = named_key("forged").public

    assert sqlite_edit(path, edit.format(x=forged.x, kid=forged.kid)) == 1

    pinned = world.reopen(TRUST)
    assert try_start(pinned, issued.token_hash) == "integrity"
    pinned.store.close()
