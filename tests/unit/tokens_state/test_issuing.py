"""Issuing: what is written, what is handed out, what is refused."""

import pytest

from audit.entry import decode_entry
from audit.store.opening import open_store
from audit.trail import token_stream
from tests.oracles.token_world import START_US, World, grant, named_key
from tokens.authority import TokenAuthority
from tokens.credential import token_hash_of, verify_credential
from tokens.errors import AuthorityError, KeyNotTrustedError, TokenRevokedError
from tokens.keys import VerificationKey
from tokens.state.collections import CREDENTIAL, ISSUANCE
from tokens.state.listing import TokenFilter
from tokens.state.selector import Selector


def test_an_issued_token_has_its_records_and_its_entry() -> None:
    """AUT-8.1; rules 1A.17, 4B row 1."""
    world = World()

    issued = world.issue(grant(capability="Ünusual label"))

    assert issued.token_hash == token_hash_of(issued.credential)
    with world.store.read() as tx:
        stored = tx.stream_entries(token_stream(issued.token_hash))
        assert tx.get(CREDENTIAL, issued.token_hash) == {
            "token_hash": issued.token_hash,
            "credential": issued.credential,
        }
        assert tx.scan(ISSUANCE)[0]["token_hash"] == issued.token_hash
    (entry,) = (decode_entry(one.data) for one in stored)
    claims = world.registry.get_token(issued.token_hash).claims
    assert (entry.user_id, entry.domain, entry.method, entry.status) == (
        "security_admin",
        "system",
        "issue_token",
        "success",
    )
    assert entry.details["claims"] == claims.claims_digest
    assert entry.details["kid"] == named_key("issue").kid
    assert entry.details["user"] == "alice"
    assert entry.details["domains"] == ["apollo"]
    assert str(entry.details["capability"]).startswith("sha256:")


def test_the_credential_verifies_offline_with_the_keys_published() -> None:
    world = World()
    issued = world.issue()

    claims = verify_credential(
        issued.credential,
        keys=world.authority.verification_keys(),
        now=START_US,
        ledger_id="test-ledger",
    )

    assert claims.token == grant()
    assert issued.issued_at_us == START_US
    assert issued.expires_at_us == START_US + 900_000_000


def test_the_credential_shows_in_no_representation() -> None:
    """AUT-8.3."""
    world = World()
    issued = world.issue()

    shown = (
        repr(issued) + str(issued) + repr(world.registry.get_token(issued.token_hash))
    )

    assert issued.credential not in shown
    assert issued.credential.rsplit(".", maxsplit=1)[1] not in shown


def test_issuing_the_same_token_twice_makes_two() -> None:
    """AUT-8.2; rules 1A.18, 1B.1, 1B.8."""
    world = World()
    token = grant()

    first, second = world.issue(token), world.issue(token)
    world.authority.revoke_token(first.token_hash, "lost", "admin")

    assert first.token_hash != second.token_hash
    assert world.start(first.token_hash) == "revoked"
    assert world.start(second.token_hash) == "ok"


def test_a_token_is_bound_to_the_holder_key_given() -> None:
    world = World()
    holder = named_key("holder", "approve").public

    issued = world.authority.issue_token(grant(), holder.x)

    assert world.registry.get_token(issued.token_hash).claims.holder_jkt == holder.kid


@pytest.mark.parametrize("holder_key", ["", "AAAA", "A" * 43, "not a key at all"])
def test_a_holder_key_that_is_no_key_is_refused(holder_key: str) -> None:
    world = World()

    with pytest.raises(ValueError, match="x "):
        world.authority.issue_token(grant(), holder_key)
    assert world.authority.list_tokens().tokens == ()


def test_only_a_token_can_be_issued() -> None:
    """Rules 1A.17."""
    with pytest.raises(TypeError):
        World().authority.issue_token("a token")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("purposes", "word"),
    [
        (("revoke", None, None, None), "issue"),
        (("issue", "issue", None, None), "revoke"),
        (("issue", None, "revoke", None), "pause"),
        (("issue", None, None, "issue"), "root"),
    ],
)
def test_a_key_for_another_purpose_is_refused_when_the_authority_is_made(
    purposes: tuple[str | None, ...], word: str
) -> None:
    """Purposes are never shared (rules A5)."""
    keys = [None if p is None else named_key(p, p) for p in purposes]
    assert keys[0] is not None

    with pytest.raises(AuthorityError, match=word):
        TokenAuthority(
            open_store("memory:"),
            keys[0],
            revoke_key=keys[1],
            pause_key=keys[2],
            root_key=keys[3],
        )


@pytest.mark.parametrize(
    ("selector", "error"),
    [
        (Selector.user("alice"), AuthorityError),
        (Selector.issuer("security_admin"), AuthorityError),
        (Selector.key(named_key("issue").kid), KeyNotTrustedError),
    ],
)
def test_nothing_is_issued_for_a_revoked_user_issuer_or_key(
    selector: Selector, error: type[Exception]
) -> None:
    """AUT-4.3."""
    world = World()
    world.issue()
    world.authority.revoke(selector, "stolen", "admin")

    with pytest.raises(error, match="revoked"):
        world.issue()

    assert len(world.authority.list_tokens().tokens) == 1


def test_after_a_revocation_of_all_the_next_token_is_good() -> None:
    """AUT-4.4."""
    world = World()
    old = world.issue()
    world.authority.revoke(Selector.everything(), "incident", "admin")

    new = world.issue()

    assert world.start(old.token_hash) == "revoked"
    assert world.start(new.token_hash) == "ok"


def test_repeating_randomness_is_an_error_and_writes_nothing() -> None:
    world = World()
    world.authority = TokenAuthority(
        world.store, named_key("issue"), entropy=lambda size: b"\7" * size
    )
    issued = world.issue()

    with pytest.raises(AuthorityError, match="randomness"):
        world.issue()

    assert [t.token_hash for t in world.authority.list_tokens().tokens] == [
        issued.token_hash
    ]


@pytest.mark.parametrize(
    ("offset_s", "good"), [(-1, False), (0, True), (99, True), (100, False)]
)
def test_an_issue_key_signs_only_in_its_window(offset_s: int, good: bool) -> None:  # noqa: FBT001  # a table
    """AUT-3.7, one step each side of both ends."""
    world = World()
    start_s = START_US // 1_000_000
    public = named_key("windowed").public
    key = VerificationKey(
        kid=public.kid,
        x=public.x,
        purpose="issue",
        not_before_s=start_s,
        not_after_s=start_s + 100,
    )
    world.authority.register_key(key)
    authority = world.new_authority("windowed")
    world.clock.forward(offset_s)

    if good:
        issued = authority.issue_token(grant())
        assert world.start(issued.token_hash) == "ok"
    else:
        with pytest.raises(KeyNotTrustedError, match="does not sign"):
            authority.issue_token(grant())


def test_tokens_are_listed_newest_first_in_stable_pages() -> None:
    """AUT-8.5."""
    world = World()
    made = [world.issue(grant(f"user{n}")).token_hash for n in range(5)]

    first = world.authority.list_tokens(limit=2)
    world.issue(grant("latecomer"))
    second = world.authority.list_tokens(limit=2, cursor=first.next_cursor)
    third = world.authority.list_tokens(limit=2, cursor=second.next_cursor)

    pages = [*first.tokens, *second.tokens, *third.tokens]
    assert [token.token_hash for token in pages] == made[::-1]
    assert third.next_cursor is None


def test_a_list_can_be_narrowed() -> None:
    world = World()
    world.issue(grant("alice", duration_seconds=10))
    kept = world.issue(grant("alice", issued_by="carol"))
    world.issue(grant("bob"))
    world.clock.forward(10)

    def hashes(wanted: TokenFilter) -> list[str]:
        page = world.authority.list_tokens(wanted)
        return [token.token_hash for token in page.tokens]

    assert hashes(TokenFilter(user_id="alice", live=True)) == [kept.token_hash]
    assert hashes(TokenFilter(issued_by="carol")) == [kept.token_hash]
    assert len(hashes(TokenFilter(kid=named_key("issue").kid))) == 3
    assert len(hashes(TokenFilter(live=False))) == 1
    assert hashes(TokenFilter(user_id="nobody")) == []


@pytest.mark.parametrize("limit", [0, 1001, True])
def test_a_page_has_a_size_within_bounds(limit: int) -> None:
    with pytest.raises(ValueError, match="1000"):
        World().authority.list_tokens(limit=limit)


def test_revoked_tokens_are_listed_as_such() -> None:
    world = World()
    issued = world.issue()
    world.authority.revoke_token(issued.token_hash, "lost", "admin")

    (token,) = world.authority.list_tokens().tokens

    assert token.revoked
    with pytest.raises(TokenRevokedError):
        world.registry.get_token(issued.token_hash)
