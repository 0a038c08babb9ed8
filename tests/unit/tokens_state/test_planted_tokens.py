"""Somebody who may append to the ledger, and even write the tables, plants a token."""

from dataclasses import dataclass

import pytest

from audit.entry import draft_entry
from audit.events import AuditEventType
from tests.oracles.token_world import World
from tokens.errors import RegistryIntegrityError
from tokens.format.chain import text_digest
from tokens.state.collections import CREDENTIAL, REVOCATION
from tokens.state.platform_state import EMPTY_PLATFORM
from tokens.state.token_records import read_token_rows

COPY = "sha256:" + "1" * 64


@dataclass
class Planted:
    """An honest token, and what was planted beside it."""

    world: World
    token_hash: str
    credential: str


@pytest.fixture
def planted() -> Planted:
    world = World()
    issued = world.issue()
    return Planted(world, issued.token_hash, issued.credential)


def append(
    world: World,
    kind: AuditEventType,
    stream_of: str,
    *,
    names: str,
    details: dict[str, str],
) -> None:
    draft = draft_entry(
        kind,
        user_id="mallory",
        token_hash=names,
        domain="system",
        method="m",
        status="success",
        details=details,
    )
    with world.store.write() as tx:
        tx.append(f"token:{stream_of}", [draft])


def test_a_copy_of_a_token_under_another_handle_is_refused(planted: Planted) -> None:
    """AUT-2.4: it would have counters of its own, and escape its revocation."""
    claims = planted.world.registry.get_token(planted.token_hash).claims
    with planted.world.store.write() as tx:
        tx.insert(CREDENTIAL, {"token_hash": COPY, "credential": planted.credential})
    append(
        planted.world,
        AuditEventType.TOKEN_ISSUED,
        COPY,
        names=COPY,
        details={"claims": claims.claims_digest, "kid": claims.kid},
    )

    assert planted.world.start(COPY) == "integrity"
    assert planted.world.start(planted.token_hash) == "ok"


def test_an_entry_that_names_another_token_refuses_the_stream(planted: Planted) -> None:
    """AUT-2.1."""
    append(
        planted.world,
        AuditEventType.TOKEN_FIRST_USED,
        planted.token_hash,
        names=COPY,
        details={},
    )

    assert planted.world.start(planted.token_hash) == "integrity"


def test_a_revocation_in_the_ledger_alone_refuses_the_token(planted: Planted) -> None:
    """AUT-2.6."""
    append(
        planted.world,
        AuditEventType.TOKEN_REVOKED,
        planted.token_hash,
        names=planted.token_hash,
        details={"statement": "sha256:" + "0" * 64},
    )

    assert planted.world.start(planted.token_hash) == "integrity"


@pytest.mark.parametrize("fault", ["another token", "another digest"])
def test_a_genuine_revocation_in_the_wrong_place_refuses_the_token(
    planted: Planted, fault: str
) -> None:
    """AUT-2.6: the statement must be of this token and named by the entry."""
    world = planted.world
    other = world.issue().token_hash
    world.authority.revoke_token(other, "lost", "admin")
    with world.store.write() as tx:
        row = tx.get(REVOCATION, other)
        assert row is not None
        text = str(row["statement"])
        if fault == "another token":
            tx.insert(REVOCATION, {"token_hash": planted.token_hash, "statement": text})
    victim = planted.token_hash
    if fault == "another digest":
        world2 = World()
        victim = world2.issue().token_hash
        world2.authority.revoke_token(victim, "lost", "admin")
        with world2.store.read() as tx:
            genuine = tx.get(REVOCATION, victim)
        assert genuine is not None
        # The same token in this ledger (everything here is deterministic), whose
        # entry names another statement than the genuine one beside it.
        assert victim == planted.token_hash
        with world.store.write() as tx:
            tx.insert(REVOCATION, genuine)
    append(
        world,
        AuditEventType.TOKEN_REVOKED,
        victim,
        names=victim,
        details={"statement": text_digest(text)},
    )

    assert world.start(victim) == "integrity"


def test_a_remembered_token_still_needs_its_key(planted: Planted) -> None:
    """AUT-6.3: what is remembered is bytes, never that a key is known."""
    examiner = planted.world.registry._reader.tokens
    planted.world.registry.prepare(planted.token_hash)
    with planted.world.store.read() as tx:
        rows = read_token_rows(tx, planted.token_hash)

    with pytest.raises(RegistryIntegrityError, match="never registered"):
        examiner.examine(rows, EMPTY_PLATFORM)
