"""Somebody edits the database file: starts are refused, or `verify()` tells."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from audit.entry import draft_entry
from audit.events import AuditEventType
from audit.log import AuditEventLog
from audit.store.interface import WriteTransaction
from audit.trail import execution_stream
from tests.oracles.token_world import World, grant, named_key, sqlite_edit, try_start
from tokens.credential import sign_credential, token_hash_of, token_id
from tokens.errors import RegistryIntegrityError
from tokens.registry import TokenRegistry
from tokens.state.accounting import AccountingError
from tokens.state.collections import CREDENTIAL
from tokens.state.selector import Selector

EXECUTION = "00000000-0000-4000-8000-000000000000"


class Case:
    """A world on a file with two tokens of alice, one revoked, and a revoked user."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.world = World(path)
        self.good = self.world.issue().token_hash
        self.revoked = self.world.issue().token_hash
        self.by_user = self.world.issue(grant("bob")).token_hash
        authority = self.world.authority
        authority.revoke_token(self.revoked, "lost", "admin")
        authority.revoke(Selector.user("bob"), "left", "admin")
        for each, word in (
            (self.good, "ok"),
            (self.revoked, "revoked"),
            (self.by_user, "revoked"),
        ):
            assert self.world.start(each) == word

    def edit(self, *statements: str) -> None:
        """Edit the file; the tokens' names may stand in braces."""
        names = vars(self) | {"other": named_key("forged").kid}
        changed = sqlite_edit(self.path, *(one.format(**names) for one in statements))
        assert changed >= 1

    def fresh(self) -> TokenRegistry:
        """Open the file as a new process would."""
        return self.world.reopen()


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path / "s.db")


SWAP_CREDENTIAL = """
    UPDATE credential SET credential = (
        SELECT credential FROM credential WHERE token_hash = '{revoked}')
    WHERE token_hash = '{good}'"""
CUT_CREDENTIAL = """
    UPDATE credential SET credential = substr(credential, 1, 400)
    WHERE token_hash = '{good}'"""
RENAME_STREAM = """
    UPDATE entry SET stream = 'token:{good}x'
    WHERE stream = 'token:{good}' AND stream_index = 0"""

TOKEN_EDITS = [
    ("DELETE FROM revocation", "revoked"),
    ("UPDATE revocation SET statement = 'x'", "revoked"),
    ("UPDATE revocation SET statement = replace(statement, 'A', 'B')", "revoked"),
    ("UPDATE revocation SET token_hash = '{good}'", "revoked"),
    ("UPDATE revocation SET token_hash = '{good}'", "good"),
    ("DELETE FROM entry WHERE type = 'TOKEN_REVOKED'", "revoked"),
    ("UPDATE entry SET state = 'issued' WHERE type = 'TOKEN_REVOKED'", "revoked"),
    ("UPDATE entry SET data = X'7B7D' WHERE type = 'TOKEN_REVOKED'", "revoked"),
    ("DELETE FROM credential WHERE token_hash = '{good}'", "good"),
    (
        SWAP_CREDENTIAL,
        "good",
    ),
    (
        CUT_CREDENTIAL,
        "good",
    ),
    ("DELETE FROM entry WHERE stream = 'token:{good}'", "good"),
    (
        RENAME_STREAM,
        "good",
    ),
    ("UPDATE entry SET leaf_hash = zeroblob(32) WHERE stream = 'token:{good}'", "good"),
]


@pytest.mark.parametrize(("edit", "token"), TOKEN_EDITS)
def test_a_changed_record_of_a_token_refuses_it(
    case: Case, edit: str, token: str
) -> None:
    """AUT-2.1, AUT-2.2, to AUT-2.6: for a new process, and one that knew better."""
    case.edit(edit)
    name = getattr(case, token)

    with closing(case.fresh().store) as store:
        assert try_start(TokenRegistry(store), name) == "integrity"
        with pytest.raises(RegistryIntegrityError):
            TokenRegistry(store).is_revoked(name)
    assert case.world.start(name) == "integrity"


PLATFORM_EDITS = [
    "DELETE FROM statement",
    "UPDATE statement SET statement = replace(statement, 'A', 'B')",
    "UPDATE statement SET sequence = sequence + 100",
    "DELETE FROM key",
    "UPDATE key SET kid = '{other}' WHERE purpose = 'issue'",
    "UPDATE key SET purpose = 'issue' WHERE purpose = 'revoke'",
    "UPDATE key SET not_before_s = 1 WHERE purpose = 'issue'",
    "UPDATE key SET state = 'prepublished' WHERE purpose = 'issue'",
    "UPDATE key SET statement = 'x' WHERE purpose = 'issue'",
    "UPDATE entry SET type = 'RECOVERED' WHERE type = 'SELECTOR_REVOKED'",
    "UPDATE entry SET data = X'7B7D' WHERE type = 'SELECTOR_REVOKED'",
    "UPDATE entry SET leaf_hash = zeroblob(32) WHERE type = 'SELECTOR_REVOKED'",
    "DELETE FROM entry WHERE stream = 'platform' AND stream_index = 0",
]


@pytest.mark.parametrize("edit", PLATFORM_EDITS)
def test_a_changed_record_of_the_platform_refuses_everything(
    case: Case, edit: str
) -> None:
    """AUT-3.1, AUT-4.2."""
    case.edit(edit)

    with closing(case.fresh().store) as store:
        for token in (case.good, case.revoked, case.by_user):
            assert try_start(TokenRegistry(store), token) == "integrity"
        with pytest.raises(RegistryIntegrityError):
            TokenRegistry(store).verification_keys()


def test_a_shorter_platform_stream_is_refused_by_who_saw_the_longer(case: Case) -> None:
    """AUT-5.3; a new process needs `verify()`, which tells."""
    case.edit(
        "DELETE FROM statement",
        "DELETE FROM entry WHERE type = 'SELECTOR_REVOKED'",
    )

    assert case.world.start(case.good) == "integrity"
    assert case.world.start(case.by_user) == "integrity"
    assert not AuditEventLog(case.world.store).verify()
    with closing(case.fresh().store) as store:
        assert not AuditEventLog(store).verify()


def test_another_past_of_the_platform_is_refused(case: Case) -> None:
    """AUT-5.3: as long as before, and longer, but not the same."""
    other = World(case.path.with_name("other.db"))
    for name in ("carol", "dave", "erin", "frank"):
        other.issue()
        other.authority.revoke(Selector.user(name), "left", "admin")
    registry = TokenRegistry(other.store)
    issued = other.issue()
    registry.prepare(issued.token_hash)
    other.close()
    # The memory of one ledger is put in front of the other one.
    mine = case.world.registry
    mine.prepare(case.good)
    registry._reader.tokens = mine._reader.tokens
    registry._store = case.world.store

    assert try_start(registry, case.good) == "integrity"


def test_a_revocation_removed_together_with_its_entry_is_found_by_verify(
    case: Case,
) -> None:
    """What remains is an older, consistent state: only the tree shows it."""
    case.edit(
        "DELETE FROM entry WHERE type = 'TOKEN_REVOKED'", "DELETE FROM revocation"
    )

    with closing(case.fresh().store) as store:
        kinds = {finding.kind for finding in AuditEventLog(store).verify().findings}
    assert "position" in kinds


def test_a_token_signed_by_a_key_nobody_registered_is_refused(case: Case) -> None:
    """AUT-2.4: a credential row and an entry alone make no token."""
    forged = sign_credential(
        grant("mallory"),
        key=named_key("forged"),
        ledger_id="test-ledger",
        now_us=case.world.clock(),
        jti=token_id(b"\1" * 16),
    )
    with case.world.store.write() as tx:
        name = _plant(tx, forged)

    assert case.world.start(name) == "integrity"


def test_claims_that_were_not_announced_are_refused(case: Case) -> None:
    """AUT-2.5: even with the real issue key."""
    signed = sign_credential(
        grant("mallory"),
        key=named_key("issue"),
        ledger_id="test-ledger",
        now_us=case.world.clock(),
        jti=token_id(b"\1" * 16),
    )
    with case.world.store.write() as tx:
        name = _plant(tx, signed)

    assert case.world.start(name) == "integrity"


def _plant(tx: WriteTransaction, credential: str) -> str:
    name = token_hash_of(credential)
    tx.insert(CREDENTIAL, {"token_hash": name, "credential": credential})
    draft = draft_entry(
        AuditEventType.TOKEN_ISSUED,
        user_id="mallory",
        token_hash=name,
        domain="system",
        method="issue_token",
        status="success",
        details={"claims": "sha256:" + "0" * 64, "kid": "A" * 43},
    )
    tx.append(f"token:{name}", [draft])
    return name


def recorded_start(world: World, token_hash: str) -> None:
    """Start and complete one step, with the whole trail of a plan of one step."""
    registry = world.registry
    fields = {
        "user_id": "alice",
        "token_hash": token_hash,
        "domain": "apollo",
        "method": "analyze_habits",
    }
    with world.store.write() as tx:
        snapshot = registry.snapshot(tx, token_hash)
        reservation = registry.reserve(
            tx, snapshot, execution_id=EXECUTION, step=0, time_us=tx.now_us
        )
        table = [
            (AuditEventType.TOKEN_VALIDATION, "success", {"steps": 1}),
            (AuditEventType.AUTHORIZATION_SCOPE_CHECK, "success", {}),
            (AuditEventType.RESOURCE_LIMIT_CHECK, "success", {}),
            (
                AuditEventType.EXECUTION_STARTED,
                "started",
                {"step": 0, "reserved": reservation.reserved},
            ),
            (AuditEventType.EXECUTION_COMPLETED, "success", {"step": 0, "charged": 7}),
        ]
        drafts = [
            draft_entry(kind, status=status, details=details, **fields)
            for kind, status, details in table
        ]
        tx.append(execution_stream(EXECUTION), drafts)
        registry.settle(tx, token_hash, reservation.reserved, 7)


COUNTER_EDITS = [
    "UPDATE usage SET invocations = 0",
    "UPDATE usage SET invocations = 2",
    "UPDATE usage SET units = 0",
    "UPDATE usage SET reserved = 5",
    "UPDATE usage SET executions = 0",
    "DELETE FROM usage",
    "UPDATE use SET time_us = 0",
    "UPDATE use SET execution_id = 'x'",
    "DELETE FROM use",
    "INSERT INTO use SELECT token_hash, 2, time_us, execution_id FROM use",
]


@pytest.mark.parametrize("edit", COUNTER_EDITS)
def test_an_edited_counter_is_found_by_verify(tmp_path: Path, edit: str) -> None:
    """AUT-7.5: counters are repeated by the ledger."""
    world = World(tmp_path / "s.db")
    recorded_start(world, world.issue().token_hash)
    kinds = ("usage", "use")

    def found() -> list[str]:
        report = AuditEventLog(world.store).verify()
        return [each.kind for each in report.findings if each.kind in kinds]

    assert found() == []
    assert sqlite_edit(tmp_path / "s.db", edit) == 1

    assert found() != []
    world.close()


@pytest.mark.parametrize(
    "edit",
    ["UPDATE usage SET executions = 0", "DELETE FROM usage"],
)
def test_uses_turned_back_stop_the_next_reservation(tmp_path: Path, edit: str) -> None:
    """AUT-7.5: the use that is counted again has its record already."""
    world = World(tmp_path / "s.db")
    issued = world.issue()
    assert world.start(issued.token_hash) == "ok"
    sqlite_edit(tmp_path / "s.db", edit)

    with pytest.raises(AccountingError, match="use 1"):
        world.start(issued.token_hash)
    world.close()


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE usage SET invocations = -1",
        "UPDATE usage SET executions = 99",
        "UPDATE usage SET units = 9007199254740992",
    ],
)
def test_counters_that_cannot_be_refuse_the_token(tmp_path: Path, edit: str) -> None:
    """AUT-6.5."""
    world = World(tmp_path / "s.db")
    issued = world.issue(grant(max_frequency="2 per 1 second"))
    assert world.start(issued.token_hash) == "ok"
    sqlite_edit(tmp_path / "s.db", edit)

    assert world.start(issued.token_hash) == "integrity"
    world.close()


def test_counters_of_a_token_that_does_not_exist_refuse_it(case: Case) -> None:
    """AUT-2.3."""
    nobody = "sha256:" + "0" * 64
    with closing(connect(case.path)) as raw:
        raw.execute("INSERT INTO usage VALUES (?, 0, 0, 0, 0)", (nobody,))
        raw.commit()

    assert case.world.start(nobody) == "integrity"


REFUSALS: list[Callable[[Case], object]] = [
    lambda c: c.world.issue(),
    lambda c: c.world.authority.revoke_token(c.good, "lost", "admin"),
    lambda c: c.world.authority.revoke(Selector.user("carol"), "left", "admin"),
    lambda c: c.world.authority.pause("incident", "oncall"),
    lambda c: c.world.authority.list_tokens(),
    lambda c: c.world.new_authority(),
]


@pytest.mark.parametrize("call", REFUSALS)
def test_the_authority_writes_nothing_onto_a_damaged_platform(
    case: Case, call: Callable[[Case], object]
) -> None:
    """Nothing starts then, so nothing needs to be stopped; nothing is repaired."""
    case.edit("DELETE FROM statement")
    case.world.authority._reader.platforms = (
        case.world.reopen()._reader.platforms  # a process that has seen nothing yet
    )
    with case.world.store.read() as tx:
        size = tx.head().size

    with pytest.raises(RegistryIntegrityError):
        call(case)

    with case.world.store.read() as tx:
        assert tx.head().size == size
