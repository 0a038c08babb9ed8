"""Revocation: by token, user, issuer, key and all (rules 2D; AUT-4)."""

from pathlib import Path

import pytest

from audit.entry import decode_entry
from audit.errors import StoreLatchedError
from audit.trail import token_stream
from tests.oracles.token_world import World, grant, named_key
from tokens.authority import TokenAuthority
from tokens.errors import AuthorityError, KeyNotTrustedError, TokenUnknownError
from tokens.format.statements import verify_revocation_statement
from tokens.state.collections import REVOCATION, STATEMENT
from tokens.state.selector import Selector

SELECTORS: list[Selector] = [
    Selector.user("alice"),
    Selector.issuer("security_admin"),
    Selector.key(named_key("issue").kid),
    Selector.everything(),
]


def ledger_size(world: World) -> int:
    with world.store.read() as tx:
        return tx.head().size


def test_a_revoked_token_starts_no_more() -> None:
    """Rules 2D.1, 2D.2."""
    world = World()
    issued = world.issue()
    assert world.start(issued.token_hash) == "ok"

    world.authority.revoke_token(issued.token_hash, "laptop lost", "admin")

    assert world.start(issued.token_hash) == "revoked"
    assert world.start(issued.token_hash, step=1) == "revoked"


def test_the_entry_says_who_why_and_whose_and_the_statement_is_signed() -> None:
    """AUT-4.1; rules 4B row 9, 2D.6."""
    world = World()
    issued = world.issue()

    receipt = world.authority.revoke_token(issued.token_hash, "laptop lost", "admin")

    entry = decode_entry(receipt.data)
    assert (entry.user_id, entry.domain, entry.method) == (
        "admin",
        "system",
        "revoke_token",
    )
    assert (entry.reason, entry.details["reason"]) == ("laptop lost", "laptop lost")
    assert entry.details["revoked_user"] == "alice"
    with world.store.read() as tx:
        row = tx.get(REVOCATION, issued.token_hash)
    assert row is not None
    statement = verify_revocation_statement(
        str(row["statement"]), world.authority.verification_keys(), "test-ledger"
    )
    assert (statement.kind, statement.value) == ("token", issued.token_hash)
    assert statement.origin.sequence == receipt.index == 1


def test_revoking_again_writes_nothing_and_gives_the_first_receipt() -> None:
    """AUT-4.5; rules 2D.3."""
    world = World()
    issued = world.issue()
    first = world.authority.revoke_token(issued.token_hash, "lost", "admin")
    size = ledger_size(world)

    again = world.authority.revoke_token(issued.token_hash, "other reason", "carol")

    assert again == first
    assert ledger_size(world) == size


def test_the_middle_one_of_three_is_revoked_alone() -> None:
    """Rules 2D.4."""
    world = World()
    hashes = [world.issue().token_hash for _ in range(3)]

    world.authority.revoke_token(hashes[1], "lost", "admin")

    assert [world.start(each) for each in hashes] == ["ok", "revoked", "ok"]


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: s.kind)
def test_a_selector_revokes_what_it_selects_and_nothing_else(
    selector: Selector,
) -> None:
    """AUT-4.3, AUT-4.4."""
    world = World()
    struck = world.issue(grant("alice"))
    other = world.new_authority("other").issue_token(grant("bob", issued_by="carol"))

    world.authority.revoke(selector, "incident", "admin")

    assert world.start(struck.token_hash) == "revoked"
    spared = "revoked" if selector.kind == "all" else "ok"
    assert world.start(other.token_hash) == spared
    assert world.registry.is_revoked(struck.token_hash)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: s.kind)
def test_repeating_a_selector_writes_nothing(selector: Selector) -> None:
    """AUT-4.5."""
    world = World()
    world.issue()
    first = world.authority.revoke(selector, "incident", "admin")
    size = ledger_size(world)

    assert world.authority.revoke(selector, "again", "carol") == first
    assert ledger_size(world) == size


def test_revoking_all_again_writes_anew_once_a_token_was_issued_in_between() -> None:
    """AUT-4.5: it is the same only as long as it selects the same."""
    world = World()
    first = world.authority.revoke(Selector.everything(), "incident", "admin")
    issued = world.issue()
    assert world.start(issued.token_hash) == "ok"

    second = world.authority.revoke(Selector.everything(), "incident", "admin")

    assert second != first
    assert world.start(issued.token_hash) == "revoked"
    assert world.authority.revoke(Selector.everything(), "again", "admin") == second


def test_revoking_all_again_looks_at_the_entries_and_not_at_the_list() -> None:
    """A list of tokens that somebody shortened must not keep a token alive."""
    world = World()
    world.authority.revoke(Selector.everything(), "incident", "admin")
    world.issue()
    with world.store.write() as tx:
        size = tx.head().size

    world.authority.revoke(Selector.everything(), "incident", "admin")

    assert ledger_size(world) == size + 1


def test_after_very_many_entries_all_is_revoked_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token issued further on than anybody looks must not stay alive."""
    world = World()
    world.authority.revoke(Selector.everything(), "incident", "admin")
    for n in range(3):
        world.authority.revoke(Selector.user(f"user{n}"), "left", "admin")
    issued = world.issue()
    monkeypatch.setattr("tokens.acts.stopping.LOOKED_BACK", 3)

    world.authority.revoke(Selector.everything(), "incident", "admin")

    assert world.start(issued.token_hash) == "revoked"


def test_a_revocation_by_user_holds_for_tokens_of_every_issuer_and_key() -> None:
    world = World()
    one = world.issue(grant("alice", issued_by="carol"))
    two = world.new_authority("second").issue_token(grant("alice"))

    world.authority.revoke(Selector.user("alice"), "left", "admin")

    assert world.start(one.token_hash) == world.start(two.token_hash) == "revoked"


@pytest.mark.parametrize("name", ["Alice", "alic", "alice_"])
def test_selectors_compare_exactly(name: str) -> None:
    world = World()
    issued = world.issue(grant("alice"))

    world.authority.revoke(Selector.user(name), "left", "admin")

    assert world.start(issued.token_hash) == "ok"


def test_a_user_name_outside_the_ledgers_alphabet_can_be_revoked() -> None:
    world = World()
    issued = world.issue(grant("alice+ops/eu"))

    world.authority.revoke(Selector.user("alice+ops/eu"), "left", "admin")

    assert world.start(issued.token_hash) == "revoked"


def test_a_token_that_was_never_issued_cannot_be_revoked() -> None:
    """AUT-4.6; rules 2D.5."""
    world = World()

    with pytest.raises(TokenUnknownError, match="not found") as caught:
        world.authority.revoke_token("sha256:" + "0" * 64, "lost", "admin")

    assert isinstance(caught.value, KeyError)
    assert ledger_size(world) == 0


def test_a_credential_given_for_a_handle_is_refused_without_being_repeated() -> None:
    """AUT-4.6."""
    world = World()
    issued = world.issue()
    size = ledger_size(world)

    for call in (
        lambda: world.authority.revoke_token(issued.credential, "lost", "admin"),
        lambda: world.authority.revoke(
            Selector.token(issued.credential), "lost", "admin"
        ),
    ):
        with pytest.raises(AuthorityError, match="token_hash") as caught:
            call()
        assert issued.credential[:20] not in str(caught.value)
    assert ledger_size(world) == size
    assert world.start(issued.token_hash) == "ok"


@pytest.mark.parametrize("kid", ["A" * 43, named_key("revoke", "revoke").kid])
def test_a_key_that_signs_no_tokens_here_cannot_be_revoked(kid: str) -> None:
    """AUT-4.6: a mistyped key id must not pass for a revocation."""
    world = World()
    issued = world.issue()
    world.authority.revoke_token(issued.token_hash, "so the key is known", "admin")

    with pytest.raises(AuthorityError, match="issuing key"):
        world.authority.revoke(Selector.key(kid), "stolen", "admin")


@pytest.mark.parametrize(
    ("reason", "by"),
    [
        ("", "admin"),
        ("  ", "admin"),
        ("x" * 501, "admin"),
        ("line\nbreak", "admin"),
        ("bidi \u202e", "admin"),
        ("lost", ""),
        ("lost", "stage3_executor"),
        ("lost", "x" * 129),
        (None, "admin"),
        ("lost", None),
    ],
)
def test_a_stop_needs_a_reason_and_a_person(reason: str, by: str) -> None:
    world = World()
    issued = world.issue()
    size = ledger_size(world)
    calls = [
        lambda: world.authority.revoke_token(issued.token_hash, reason, by),
        lambda: world.authority.revoke(Selector.user("alice"), reason, by),
        lambda: world.authority.pause(reason, by),
        lambda: world.authority.resume(reason, by),
    ]

    for call in calls:
        with pytest.raises(ValueError):  # noqa: PT011  # two sides, one table
            call()
    assert ledger_size(world) == size


def test_the_longest_reason_in_any_script_is_kept_in_the_statement() -> None:
    world = World()
    issued = world.issue()
    reason = "é" * 500

    receipt = world.authority.revoke_token(issued.token_hash, reason, "admin")

    assert len(decode_entry(receipt.data).reason or "") == 400
    with world.store.read() as tx:
        row = tx.get(REVOCATION, issued.token_hash)
    assert row is not None
    keys = world.authority.verification_keys()
    statement = verify_revocation_statement(str(row["statement"]), keys, "test-ledger")
    assert statement.origin.reason == reason


def test_revoking_and_issuing_are_tried_while_the_log_is_latched() -> None:
    """AUT-1.4."""
    world = World()
    issued = world.issue()
    world.store.raise_latch("the disk is full")
    with pytest.raises(StoreLatchedError), world.store.write():
        pass

    world.authority.revoke_token(issued.token_hash, "lost", "admin")
    world.authority.revoke(Selector.user("bob"), "left", "admin")
    world.authority.pause("incident", "admin")
    world.authority.resume("over", "admin")
    later = world.issue(grant("carol"))

    world.store.lift_latch()
    assert world.start(issued.token_hash) == "revoked"
    assert world.start(later.token_hash) == "ok"


def test_a_revocation_holds_in_a_process_that_was_there_before(
    tmp_path: Path,
) -> None:
    world = World(tmp_path / "s.db")
    issued = world.issue()
    elsewhere = world.reopen()
    assert not elsewhere.is_revoked(issued.token_hash)

    world.authority.revoke(Selector.user("alice"), "left", "admin")

    assert elsewhere.is_revoked(issued.token_hash)
    elsewhere.store.close()
    world.close()


def test_an_operation_that_fails_in_the_middle_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """AUT-1.2."""
    world = World()
    issued = world.issue()
    size = ledger_size(world)

    def broken(_self: object, _data: bytes) -> bytes:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr("tokens.keys.SigningKey.sign", broken)
        with pytest.raises(OSError):  # noqa: PT011  # a key service that is down
            world.authority.revoke_token(issued.token_hash, "lost", "admin")

    assert ledger_size(world) == size
    assert world.start(issued.token_hash) == "ok"
    world.authority.revoke_token(issued.token_hash, "lost", "admin")
    assert world.start(issued.token_hash) == "revoked"


def test_the_keys_for_stopping_are_made_when_first_needed() -> None:
    """AUT-8.4."""
    world = World()
    authority = TokenAuthority(world.store, named_key("issue"))
    issued = authority.issue_token(grant())
    purposes = {key.purpose for key in authority.verification_keys().values()}
    assert purposes == {"issue"}

    authority.revoke_token(issued.token_hash, "lost", "admin")
    authority.pause("incident", "admin")

    purposes = {key.purpose for key in authority.verification_keys().values()}
    assert purposes == {"issue", "revoke", "pause"}
    with world.store.read() as tx:
        assert len(tx.scan(STATEMENT)) == 1
        assert tx.stream_head(token_stream(issued.token_hash)).state == (
            "issued revoked"
        )


@pytest.mark.parametrize("state", ["verify-only", "compromised"])
def test_a_revoke_key_that_may_not_sign_is_refused_before_anything(
    state: str,
) -> None:
    """AUT-3.7; and what it revoked before stays revoked."""
    world = World()
    first, second = world.issue(), world.issue()
    world.authority.revoke_token(first.token_hash, "lost", "admin")
    world.authority.set_key_state(named_key("revoke", "revoke").kid, state)

    with pytest.raises(KeyNotTrustedError, match=state):
        world.authority.revoke_token(second.token_hash, "lost", "admin")

    assert world.start(first.token_hash) == "revoked"
    assert world.start(second.token_hash) == "ok"


def test_what_is_no_selector_is_refused() -> None:
    world = World()
    with pytest.raises(TypeError):
        world.authority.revoke("alice", "left", "admin")  # type: ignore[arg-type]
    with pytest.raises(ValueError):  # noqa: PT011  # the statement's own sentence
        world.authority.revoke(Selector("galaxy", "x"), "left", "admin")
    with pytest.raises(ValueError, match="user or issuer"):
        Selector.user("")
    with pytest.raises(TypeError):
        world.authority.revoke_token(None, "lost", "admin")  # type: ignore[arg-type]
