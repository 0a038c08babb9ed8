"""The snapshot of a token under the lock, and what is remembered (AUT-5, AUT-6)."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.trail import PLATFORM_STREAM, token_stream
from tests.oracles.token_world import START_US, World, grant, named_key, try_start
from tokens.acts.signers import Act
from tokens.errors import RegistryIntegrityError
from tokens.limits import Usage
from tokens.registry import TokenRegistry
from tokens.state.selector import Selector
from tokens.state.snapshot import TokenSnapshot
from tokens.state.token_records import REMEMBERED_TOKENS

NOBODY = "sha256:" + "0" * 64


def snapshot_of(registry: TokenRegistry, token_hash: str) -> TokenSnapshot:
    with registry.store.write() as tx:
        return registry.snapshot(tx, token_hash)


def test_a_fresh_token_has_claims_and_nothing_against_it() -> None:
    world = World()
    issued = world.issue()

    snapshot = snapshot_of(world.registry, issued.token_hash)

    assert snapshot.claims is not None
    assert snapshot.claims.token == grant()
    assert snapshot.usage == Usage()
    assert snapshot.bounding_use_us is None
    assert not snapshot.paused
    assert not snapshot.first_used
    assert not snapshot.expired_noted
    assert (snapshot.key_refusal, snapshot.revoked_by, snapshot.integrity) == (
        None,
        None,
        None,
    )


def test_the_heads_are_those_of_the_two_streams() -> None:
    world = World()
    issued = world.issue()
    world.start(issued.token_hash)
    world.authority.pause("incident", "oncall")

    with world.store.write() as tx:
        snapshot = world.registry.snapshot(tx, issued.token_hash)

        assert snapshot.token_head == tx.stream_head(token_stream(issued.token_hash))
        assert snapshot.platform_head == tx.stream_head(PLATFORM_STREAM)
    assert snapshot.token_head.state == "issued used"
    assert snapshot.platform_head.state == "paused"


def test_an_unknown_token_has_no_claims_and_nothing_else_against_it() -> None:
    """AUT-6.4."""
    world = World()
    world.issue()
    world.authority.pause("incident", "oncall")

    for name in (NOBODY, "not a handle", ""):
        snapshot = snapshot_of(world.registry, name)
        assert (snapshot.claims, snapshot.integrity) == (None, None)
        assert snapshot.paused
        assert snapshot.token_head.size == 0


@pytest.mark.parametrize(
    ("stop", "revoked_by"),
    [
        (lambda w, h: w.authority.revoke_token(h, "r", "admin"), "token"),
        (lambda w, _: w.authority.revoke(Selector.user("alice"), "r", "a"), "user"),
        (
            lambda w, _: w.authority.revoke(
                Selector.issuer("security_admin"), "r", "a"
            ),
            "issuer",
        ),
        (
            lambda w, _: w.authority.revoke(
                Selector.key(named_key("issue").kid), "r", "a"
            ),
            "key",
        ),
        (lambda w, _: w.authority.revoke(Selector.everything(), "r", "a"), "all"),
    ],
)
def test_the_snapshot_names_what_revoked_a_token(
    stop: Callable[[World, str], object], revoked_by: str
) -> None:
    """AUT-6.3: judged anew, though everything was remembered before."""
    world = World()
    issued = world.issue()
    assert world.start(issued.token_hash) == "ok"

    stop(world, issued.token_hash)

    assert snapshot_of(world.registry, issued.token_hash).revoked_by == revoked_by


def test_prepare_changes_no_answer() -> None:
    """AUT-5.5."""
    world = World()
    issued = world.issue()
    prepared, bare = TokenRegistry(world.store), TokenRegistry(world.store)
    prepared.prepare(issued.token_hash)
    prepared.prepare(NOBODY)
    prepared.prepare("é" * 10_000)

    for name in (issued.token_hash, NOBODY):
        assert snapshot_of(prepared, name) == snapshot_of(bare, name)
    world.authority.revoke_token(issued.token_hash, "lost", "admin")
    assert snapshot_of(prepared, issued.token_hash).revoked_by == "token"


def test_a_signature_is_verified_once_for_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """AUT-6.2."""
    world = World()
    issued = world.issue()
    calls = []
    real = sys.modules["tokens.state.token_records"].verify_signature

    def counting(*args: object) -> object:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr("tokens.state.token_records.verify_signature", counting)
    for _ in range(5):
        assert world.start(issued.token_hash) == "ok"

    assert len(calls) == 1


def test_no_more_tokens_are_remembered_than_there_is_room_for() -> None:
    world = World()
    examiner = world.registry._reader.tokens
    hashes = [world.issue().token_hash for _ in range(5)]
    for each in hashes:
        world.registry.prepare(each)
    assert len(examiner._remembered) == 5

    examiner._remembered.update(
        {
            f"filler{n}": examiner._remembered[hashes[0]]
            for n in range(REMEMBERED_TOKENS)
        }
    )
    assert world.start(hashes[1]) == world.start(hashes[1]) == "ok"

    assert len(examiner._remembered) == REMEMBERED_TOKENS
    assert world.start(hashes[0]) == "ok"


def test_a_platform_that_has_grown_is_read_on_from_where_it_was() -> None:
    """AUT-5.1, AUT-5.2."""
    world = World()
    issued = world.issue(grant(max_invocations=100))
    assert world.start(issued.token_hash) == "ok"
    for n in range(20):
        world.authority.revoke(Selector.user(f"user{n}"), "left", "admin")
        assert world.start(issued.token_hash) == "ok"

    world.authority.revoke(Selector.user("alice"), "left", "admin")

    assert world.start(issued.token_hash) == "revoked"
    assert try_start(TokenRegistry(world.store), issued.token_hash) == "revoked"


def test_what_was_rolled_back_is_not_held_against_the_store() -> None:
    """AUT-5.4: a pause that never became durable leaves no trace."""
    world = World()
    issued = world.issue()
    world.authority.pause("so that the key is known", "oncall")
    world.authority.resume("over", "oncall")
    authority = world.authority
    assert world.start(issued.token_hash) == "ok"

    def pause_and_fail() -> None:
        act = Act("never committed", "oncall", "test-ledger")
        with world.store.write(authority="exclusive") as tx:
            authority._stopper.pause(tx, authority._ring.signer("pause"), act)
            assert world.registry.snapshot(tx, issued.token_hash).paused
            assert authority._reader.platform(tx).paused
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011  # raised just above
        pause_and_fail()

    assert world.start(issued.token_hash) == "ok"
    world.authority.revoke(Selector.user("bob"), "another past", "admin")
    assert world.start(issued.token_hash) == "ok"
    world.authority.pause("for real", "oncall")
    assert world.start(issued.token_hash) == "paused"


def test_the_number_of_reads_does_not_grow(tmp_path: Path) -> None:
    """AUT-6.1: counted in statements, so that no clock is needed."""
    world = World(tmp_path / "s.db")
    issued = world.issue(grant(max_invocations=1000, max_total_tokens=10**6))

    def reads() -> int:
        world.registry.prepare(issued.token_hash)
        seen = []
        with world.store.write() as tx:
            connection = tx.session.connection  # type: ignore[attr-defined]
            connection.set_trace_callback(seen.append)
            world.registry.snapshot(tx, issued.token_hash)
            connection.set_trace_callback(None)
        return len(seen)

    assert world.start(issued.token_hash) == "ok"
    few = reads()
    for n in range(30):
        world.issue(grant(f"user{n}"))
        world.authority.revoke(Selector.user(f"user{n}"), "left", "admin")
        assert world.start(issued.token_hash) == "ok"

    assert reads() == few <= 6
    world.close()


def test_every_public_call_can_be_seen_by_the_box_of_a_domain() -> None:
    """Calls from inside a domain are named; design section 6."""
    world = World()
    issued = world.issue()
    heard: list[str] = []
    listening = True

    def listen(event: str, args: tuple[object, ...]) -> None:
        if listening and event == "stage3.guard":
            heard.append(str(args[0]))

    sys.addaudithook(listen)
    world.registry.get_token(issued.token_hash)
    world.registry.is_revoked(issued.token_hash)
    world.authority.revoke_token(issued.token_hash, "lost", "admin")
    listening = False

    own = [each for each in heard if each.startswith("tokens.")]
    assert own == [
        "tokens.registry.get_token",
        "tokens.registry.is_revoked",
        "tokens.authority.revoke_token",
    ]


def test_a_snapshot_that_cannot_be_believed_gives_no_claims() -> None:
    """AUT-6.5."""
    world = World()
    issued = world.issue()
    whole = snapshot_of(world.registry, issued.token_hash)
    fields = {name: getattr(whole, name) for name in TokenSnapshot.__slots__}
    broken = TokenSnapshot(**{**fields, "integrity": "rows are missing"})

    with pytest.raises(RegistryIntegrityError, match="rows are missing"):
        broken.believed_claims()
    assert whole.believed_claims().issued_at_s * 1_000_000 == START_US
