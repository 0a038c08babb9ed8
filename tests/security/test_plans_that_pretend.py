"""What a caller hands over in place of a plan, or of an answer's size."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from audit.store.faults import open_faulty_store
from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage2_domains.parameters import IsolatedParameters
from stage3.journal import Claim
from stage3.plan import DomainInvocation, ExecutionPlan
from stage3.pytest_plugin.harness import LEDGER_ID, Harness, ManualClock
from tests.unit.stage3.probe_domains import OPEN_SCHEMA, Probe

if TYPE_CHECKING:
    from stage3.outcome import PlanOutcome

ID = "3f0c2b4e-8c1a-4b6e-9f00-0123456789ab"
PATIENCE_S = 20


def test_a_plan_that_names_the_digest_of_another_is_no_plan() -> None:
    """P1, EXE-8.4: a token bound to one plan must not start another."""
    probe = Probe()
    bound = ExecutionPlan("alice", [DomainInvocation("probe", "answer", {"x": 1})])

    class Pretender(ExecutionPlan):
        __slots__ = ()

        @property
        def digest(self) -> str:
            return bound.digest

    pretender = Pretender("alice", [DomainInvocation("probe", "answer", {"x": 2})])
    with Harness(domains=[probe]) as harness:
        scope = {"probe": ["answer"]}
        token = harness.issue(scope=scope, plan_digest=bound.digest).token_hash
        for ask in (harness.orchestrator.execute_plan, harness.orchestrator.check_plan):
            with pytest.raises(TypeError, match="must be an ExecutionPlan"):
                ask(token, "alice", "direct_command", pretender)

        assert probe.calls == []
        assert harness.run(token, bound.invocations[0]).success


class Boaster(Stage2Domain):
    """Reports as many output tokens as its parameters say."""

    name = "boaster"
    methods: ClassVar = {"boast": MethodSpec(OPEN_SCHEMA)}

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Report."""
        del method
        units = int(str(parameters.get_copy()["units"]))
        return DomainResult(success=True, data={}, usage={"output_tokens": units})


@pytest.mark.parametrize("units", [2**53 - 1, 2**53])
def test_the_largest_number_a_domain_may_report_is_recorded(units: int) -> None:
    """EXE-6.3, P9: no answer may keep its own end out of the record."""
    with Harness(domains=[Boaster()]) as harness:
        token = harness.issue(scope={"boaster": ["boast"]})

        outcome = harness.run(token, ("boaster", "boast", {"units": str(units)}))

        assert outcome.error is not None
        assert outcome.error.code == "LIMIT_RESPONSE"
        assert outcome.trail[-1].details["units"] == 2**53 - 1
        assert harness.log.verify()


class Slow(Probe):
    """Says when it runs, and waits until it may end."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "slow"
        self.runs, self.may_end = threading.Event(), threading.Event()

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Wait."""
        self.runs.set()
        assert self.may_end.wait(PATIENCE_S)
        return super().invoke(method, parameters)


def test_asking_again_for_what_runs_never_aborts_it(tmp_path: Path) -> None:
    """EXE-4.2, EXE-7.2: a repeat that fails to read leaves nothing to be closed."""
    slow, clock = Slow(), ManualClock()
    store, faults = open_faulty_store(
        f"sqlite:///{tmp_path}/l.db", clock=clock, ledger_id=LEDGER_ID
    )
    domains = [slow, Probe()]
    with store, Harness(domains=domains, store=store, clock=clock) as harness:
        token = harness.issue(scope={"slow": ["answer"], "probe": ["answer"]})
        harness.orchestrator  # noqa: B018 - made before anything fails
        step = ("slow", "answer", {"x": 1})
        outcomes: list[PlanOutcome] = []
        running = threading.Thread(
            target=lambda: outcomes.append(harness.run(token, step, execution_id=ID))
        )
        running.start()
        assert slow.runs.wait(PATIENCE_S)
        # What is remembered of the token would spare the read that is to fail.
        harness.orchestrator.token_registry._reader.tokens._remembered.clear()
        faults.fail_at("begin", 1)
        again = harness.run(token, step, execution_id=ID)
        faults.heal()
        another = harness.run(token, ("probe", "answer", {}))
        slow.may_end.set()
        running.join(PATIENCE_S)

        assert again.error is not None
        assert again.error.code == "AUDIT_UNAVAILABLE"
        assert another.success
        assert [outcome.success for outcome in outcomes] == [True]
        assert harness.log.verify()


def test_only_the_very_execution_that_was_abandoned_is_closed(tmp_path: Path) -> None:
    """EXE-7.2: the same id may be claimed anew before the next call closes it."""
    slow, clock = Slow(), ManualClock()
    store, _ = open_faulty_store(
        f"sqlite:///{tmp_path}/l.db", clock=clock, ledger_id=LEDGER_ID
    )
    with store, Harness(domains=[slow], store=store, clock=clock) as harness:
        token = harness.issue(scope={"slow": ["answer"]})
        step = ("slow", "answer", {"x": 1})
        outcomes: list[PlanOutcome] = []
        executor = harness.orchestrator
        running = threading.Thread(
            target=lambda: outcomes.append(harness.run(token, step, execution_id=ID))
        )
        running.start()
        assert slow.runs.wait(PATIENCE_S)
        lost = Claim(
            execution_id=ID,
            token_hash=token.token_hash,
            user_id="alice",
            trigger="direct_command",
            plan_digest=harness.plan(step).digest,
            salt=bytes(32),
            admission="stepwise",
            owner_id=executor.owner_id,
            steps=1,
        )
        executor._abandoned.add(lost)  # what a lost commit leaves
        executor._abandoned.close_all()
        slow.may_end.set()
        running.join(PATIENCE_S)

        assert [outcome.success for outcome in outcomes] == [True]
        assert executor._abandoned._salts == {}


def test_calls_that_wrote_nothing_leave_nothing_to_close(tmp_path: Path) -> None:
    """P12, EXE-5.1: a store that cannot be read for a while costs nothing later."""
    clock = ManualClock()
    store, faults = open_faulty_store(
        f"sqlite:///{tmp_path}/l.db", clock=clock, ledger_id=LEDGER_ID
    )
    with store, Harness(domains=[Probe()], store=store, clock=clock) as harness:
        token = harness.issue(scope={"probe": ["answer"]})
        harness.orchestrator  # noqa: B018 - made before anything fails
        for _ in range(5):
            faults.fail_at("begin", 1)
            refused = harness.run(token, ("probe", "answer", {}))
            assert refused.error is not None
            assert refused.error.code == "AUDIT_UNAVAILABLE"
        faults.heal()

        assert harness.run(token, ("probe", "answer", {})).success
        assert faults.counts["begin immediate"] == 1 + 1
