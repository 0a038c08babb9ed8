"""Whole plans on PostgreSQL: as an executor alone may, and as PGS-5.6 and 8.2 say."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from queue import SimpleQueue

import pytest

from audit.log import AuditEventLog
from audit.store.opening import open_store
from audit.store.postgres.owning import create
from audit.store.postgres.roles import Roles
from audit.store.postgres.session import Answer, Session, Statement
from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage2_domains.parameters import IsolatedParameters
from stage3.orchestrator import Stage3Orchestrator
from stage3.outcome import PlanOutcome
from stage3.pytest_plugin.harness import Harness
from stage3.records import EXECUTION
from stage3.recovery import recover
from tests.postgres_server import PostgresServer
from tokens.errors import TokenRevokedError
from tokens.registry import TokenRegistry
from tokens.state.collections import TOKEN_COLLECTIONS

_NUMBERS = itertools.count(1)
SCOPE = {"probe": ["run"]}


class Probe(Stage2Domain):
    """Does what the test says, in between two commits."""

    name = "probe"
    methods = {"run": MethodSpec(parameters={"type": "object"})}  # noqa: RUF012  # as domains have them

    def __init__(self) -> None:
        self.meanwhile = lambda: None
        self._asked: SimpleQueue[str] = SimpleQueue()
        self._done: SimpleQueue[str] = SimpleQueue()
        # Not started inside the box, where it would be a violation.
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self._asked.get():
            try:
                self.meanwhile()
            finally:
                self._done.put("done")

    def close(self) -> None:
        """End the thread."""
        self._asked.put("")

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Do it."""
        del method, parameters
        self._asked.put("go")
        self._done.get(timeout=60)
        return DomainResult(success=True, data={})


@pytest.fixture
def probe() -> Iterator[Probe]:
    made = Probe()
    yield made
    made.close()


@pytest.fixture
def harness(postgres: PostgresServer, probe: Probe) -> Iterator[Harness]:
    url = f"{postgres.url()}&schema=plans_{next(_NUMBERS)}"
    with Harness(url, domains=[probe]) as made:
        yield made


def execute(harness: Harness, token_hash: str, steps: int = 3) -> PlanOutcome:
    plan = harness.plan(*[("probe", "run", {})] * steps)
    return harness.orchestrator.execute_plan(
        token_hash, "alice", "direct_command", plan
    )


def test_plans_refusals_revocations_and_recovery(harness: Harness) -> None:
    issued = harness.issue(scope=SCOPE)
    done = execute(harness, issued.token_hash)
    assert done.success
    assert len(done.trail) == 13
    again = harness.orchestrator.execute_plan(
        issued.token_hash,
        "alice",
        "direct_command",
        harness.plan(("probe", "run", {})),
        execution_id=done.execution_id,
    )
    assert again.error.code == "EXECUTION_ID_CONFLICT"
    harness.authority.revoke_token(issued.token_hash, "lost", "admin")
    assert execute(harness, issued.token_hash).error.code == "TOKEN_REVOKED"
    with pytest.raises(TokenRevokedError):
        harness.registry.get_token(issued.token_hash)
    harness.authority.pause("a drill", "oncall")
    other = harness.issue(scope=SCOPE)
    assert execute(harness, other.token_hash).error.code == "PLATFORM_PAUSED"
    assert recover(harness.store).closed == ()
    assert harness.log.verify()


def test_a_plan_takes_few_round_trips(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGS-5.6."""
    issued = harness.issue(scope=SCOPE)
    assert execute(harness, issued.token_hash).success
    trips: list[list[str]] = []
    run = Session.run

    def counted(
        self: Session, statements: Sequence[Statement], *, wait_s: float = 0.0
    ) -> list[Answer]:
        trips.append([sql for sql, _ in statements])
        return run(self, statements, wait_s=wait_s)

    monkeypatch.setattr(Session, "run", counted)
    for steps in (1, 3, 10):
        trips.clear()
        assert execute(harness, issued.token_hash, steps).success
        assert sum(trip.count("COMMIT") for trip in trips) == steps + 1
        assert len(trips) <= 2 * steps + 4


def test_an_executor_whose_sessions_were_cut_returns_nothing(
    harness: Harness, probe: Probe, postgres: PostgresServer
) -> None:
    """PGS-8.2: its plan is closed by another, and it starts no further one."""
    issued = harness.issue(scope=SCOPE)
    second = harness.issue(scope=SCOPE)

    def cut() -> None:
        for (pid,) in postgres.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'stage3'"
        ):
            postgres.execute(f"SELECT pg_terminate_backend({pid}, 10000)")

    probe.meanwhile = cut
    outcome = execute(harness, issued.token_hash)
    assert (outcome.success, outcome.error.code) == (False, "INTERRUPTED")
    probe.meanwhile = lambda: None

    refused = execute(harness, second.token_hash)
    assert refused.error.code == "AUDIT_UNAVAILABLE"
    assert "hold" in refused.error.sentence
    assert harness.store.latch is None
    assert recover(harness.store).closed == (outcome.execution_id,)
    assert harness.log.trail(outcome.execution_id)[-1].reason_code == "INTERRUPTED"
    assert harness.log.verify()


def test_executor_and_issuer_have_a_login_each(
    postgres: PostgresServer, postgres_database: str, probe: Probe
) -> None:
    """PGS-3.1, PGS-3.2: a whole life of a token, each part by who may."""
    import psycopg  # noqa: PLC0415  # an extra

    roles = Roles(f"r{postgres_database}")
    address = postgres.url(postgres_database)
    with psycopg.connect(address, autocommit=True) as owner:
        create(
            owner,
            schema="stage3",
            ledger_id="harness",
            roles=roles,
            collections=(*TOKEN_COLLECTIONS, EXECUTION),
        )
    logins = {
        word: postgres.login(f"{word}_{postgres_database}", roles.of(word))
        for word in ("issuer", "executor", "auditor")
    }
    urls = {
        word: postgres.url(postgres_database, user=name)
        for word, name in logins.items()
    }
    with Harness(urls["issuer"], domains=[probe]) as issuer:
        executor = open_store(urls["executor"], clock=issuer.clock)
        auditor = open_store(urls["auditor"], clock=issuer.clock)
        with executor, auditor:
            registry, log = TokenRegistry(executor), AuditEventLog(executor)
            with Stage3Orchestrator(registry, log, issuer.domains) as orchestrator:
                issued = issuer.issue(scope=SCOPE)
                plan = issuer.plan(("probe", "run", {}))
                asked = (issued.token_hash, "alice", "direct_command", plan)
                assert orchestrator.execute_plan(*asked).success
                issuer.authority.revoke_token(issued.token_hash, "lost", "admin")
                assert orchestrator.execute_plan(*asked).error.code == "TOKEN_REVOKED"
            assert recover(executor).closed == ()
            assert AuditEventLog(auditor).verify()
