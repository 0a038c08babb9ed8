"""Failing writes, interrupts, recovery and repeated ids (EXE-4, EXE-7, EXE-8.5)."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from audit.errors import LedgerFormatError
from audit.events import AuditEvent, AuditEventType, ReasonCode
from audit.log import AuditEventLog
from audit.store.faults import (
    DISK_FULL,
    IO_ERROR,
    LOCKED,
    READ_ONLY,
    Faults,
    Mode,
    open_faulty_store,
)
from audit.store.opening import open_store
from stage2_domains.errors import RegistryFrozenError
from stage3.errors import RecoveryRefusedError
from stage3.pytest_plugin.harness import LEDGER_ID, Harness, ManualClock
from stage3.pytest_plugin.trails import (
    aborted,
    assert_trail,
    completed,
    limit_denied,
    refused,
    violated,
)
from stage3.records import EXECUTION
from stage3.recovery import recover
from tests.unit.stage3.probe_domains import Probe
from tests.unit.stage3.test_trails import ALL, between

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWER = ("probe", "answer", {"x": 1})
STEPS = 3
ID = "3f0c2b4e-8c1a-4b6e-9f00-0123456789ab"


@contextmanager
def faulty(tmp_path: Path) -> Iterator[tuple[Harness, Faults, Probe]]:
    clock, probe = ManualClock(), Probe()
    store, faults = open_faulty_store(
        f"sqlite:///{tmp_path}/ledger.db", clock=clock, ledger_id=LEDGER_ID
    )
    with store, Harness(domains=[probe], store=store, clock=clock) as harness:
        harness.orchestrator  # noqa: B018 - made before anything fails
        yield harness, faults, probe


@pytest.mark.parametrize("mode", ["lost", "reported-lost"])
@pytest.mark.parametrize("code", [DISK_FULL, IO_ERROR, READ_ONLY])
@pytest.mark.parametrize("commit", range(1, STEPS + 2))
def test_a_failing_commit_ends_the_plan_latches_and_is_recovered(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    commit: int,
    code: int,
    mode: Mode,
) -> None:
    """EXE-8.5, EXE-7.2, EXE-7.6; design section 5 "When a write fails"."""
    with faulty(tmp_path) as (harness, faults, probe):
        token = harness.issue(scope={"probe": ALL})
        faults.fail(commit=commit, mode=mode, code=code, lasting=True)

        outcome = harness.run(token, *[ANSWER] * STEPS, execution_id=ID)

        assert outcome.error is not None
        assert outcome.error.code == "AUDIT_UNAVAILABLE"
        assert "audit" in str(outcome.error)
        assert outcome.results is None
        assert len(probe.calls) == commit - 1
        assert harness.store.latch is not None
        assert "stage3" in capsys.readouterr().err
        assert_noticed(tmp_path)
        assert_refused_while_latched(harness, token.token_hash, probe)

        faults.heal()
        report = recover(harness.store)
        assert report.latch_lifted
        assert harness.run(token, ANSWER).success
        replay = harness.run(token, *[ANSWER] * STEPS, execution_id=ID)

        assert len(probe.calls) == expected_calls(commit, mode)
        if commit == 1 and mode == "lost":
            assert not replay.replayed
        else:
            assert replay.replayed
            assert replay.success == (commit == STEPS + 1 and mode != "lost")
        assert harness.log.verify()


def assert_noticed(folder: Path) -> None:
    (notice,) = [path for path in folder.iterdir() if "notice" in path.name]
    assert "EXECUTION_" in notice.read_text("utf-8")
    assert notice.stat().st_mode & 0o777 == 0o600


def assert_refused_while_latched(harness: Harness, token: str, probe: Probe) -> None:
    before = len(probe.calls)
    again = harness.run(token, ANSWER)
    assert again.error is not None
    assert again.error.code == "AUDIT_UNAVAILABLE"
    assert len(probe.calls) == before


def expected_calls(commit: int, mode: Mode) -> int:
    """Before the fault, one plan to test the store, and a plan whose claim was lost."""
    rerun = STEPS if commit == 1 and mode == "lost" else 0
    return commit - 1 + 1 + rerun


def test_what_was_interrupted_is_closed_as_aborted_with_its_effect_unknown(
    tmp_path: Path,
) -> None:
    """EXE-7.2, EXE-7.3: the reservation of the started step is charged."""
    with faulty(tmp_path) as (harness, faults, _):
        token = harness.issue(scope={"probe": ALL})
        faults.fail(commit=2, lasting=True)
        outcome = harness.run(token, ANSWER, ANSWER)
        faults.heal()
        recover(harness.store)
        harness.run(token, ANSWER)

        trail = harness.log.trail(outcome.execution_id)

        assert_trail(trail, aborted("probe.answer"))
        assert trail[-1].details["effect"] == "unknown"
        assert trail[-1].details["charged"] == trail[-2].details["reserved"]
        assert harness.log.verify()


def test_an_aborted_trail_names_the_same_user_as_its_other_events() -> None:
    """AUD-3.3, EXE-7.1: a name kept as a digest is not digested again."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue("jose+x", scope={"probe": ["interrupt"]})

        with pytest.raises(KeyboardInterrupt):
            harness.run(
                token, ("probe", "interrupt", {}), user="jose+x", execution_id=ID
            )

        users = {event.user_id for event in harness.log.trail(ID)}
        assert len(users) == 1
        assert users.pop().endswith("+6")


@pytest.mark.parametrize("begin", [1, 2, 3])
def test_a_lock_not_obtained_in_time_refuses_and_does_not_latch(
    tmp_path: Path, begin: int
) -> None:
    """EXE-8.5, ADR 0006."""
    with faulty(tmp_path) as (harness, faults, probe):
        token = harness.issue(scope={"probe": ALL})
        faults.fail_at("begin immediate", begin, code=LOCKED, lasting=True)

        outcome = harness.run(token, ANSWER, ANSWER)

        assert outcome.error is not None
        assert outcome.error.code == "AUDIT_UNAVAILABLE"
        assert harness.store.latch is None
        assert len(probe.calls) == begin - 1
        faults.heal()
        assert harness.run(token, ANSWER).success
        if begin > 1:
            steps = [completed("probe.answer")] * (begin - 2)
            assert_trail(
                harness.log.trail(outcome.execution_id), *steps, aborted("probe.answer")
            )
        else:
            assert harness.log.trail(outcome.execution_id) == ()
        assert harness.log.verify()


def test_an_interrupt_closes_the_trail_and_goes_on() -> None:
    """EXE-7.1."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": [*ALL, "interrupt"]})

        with pytest.raises(KeyboardInterrupt):
            harness.run(
                token, ANSWER, ("probe", "interrupt", {}), ANSWER, execution_id=ID
            )

        trail = harness.log.trail(ID)
        assert_trail(trail, completed("probe.answer"), aborted("probe.interrupt"))
        assert harness.run(token, ANSWER).success
        assert harness.log.verify()


def test_an_interrupt_does_not_hide_a_violation() -> None:
    """EXE-7.1: the violation is recorded first, and the interrupt goes on."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ["sneak"]})

        with pytest.raises(KeyboardInterrupt):
            harness.run(token, ("probe", "sneak", {}), execution_id=ID)

        assert_trail(harness.log.trail(ID), violated("probe.sneak"))
        assert harness.log.verify()


def test_an_interrupt_goes_on_when_the_violation_cannot_be_recorded(
    tmp_path: Path,
) -> None:
    """EXE-7.1: the log failed too; the trail is recovery's then."""
    with faulty(tmp_path) as (harness, faults, _):
        token = harness.issue(scope={"probe": ["sneak"]})
        faults.fail(commit=2, lasting=True)

        with pytest.raises(KeyboardInterrupt):
            harness.run(token, ("probe", "sneak", {}), execution_id=ID)

        assert harness.store.latch is not None


def test_a_defect_of_ours_closes_the_trail_and_is_raised() -> None:
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})
        between(harness, lambda: 1 // 0)

        with pytest.raises(ZeroDivisionError):
            harness.run(token, ANSWER, execution_id=ID)

        assert_trail(harness.log.trail(ID), aborted("probe.answer"))


def test_an_owner_judged_dead_can_neither_append_nor_return_its_result(
    tmp_path: Path,
) -> None:
    """EXE-7.4: its hold is gone, another handle recovers while its domain runs."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    with Harness(url, domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})

        def judged_dead() -> None:
            harness.orchestrator._hold.close()
            with open_store(url, clock=harness.clock) as other:
                assert recover(other).closed == (ID,)

        between(harness, judged_dead)

        outcome = harness.run(token, ANSWER, ANSWER, execution_id=ID)

        assert outcome.error is not None
        assert outcome.error.code == "INTERRUPTED"
        assert outcome.results is None
        assert_trail(harness.log.trail(ID), aborted("probe.answer"))
        assert harness.log.verify()


def test_a_live_owner_is_left_alone_by_recovery(tmp_path: Path) -> None:
    """EXE-7.3: neither ``recover`` nor another orchestrator closes its execution."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    with Harness(url, domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})

        def another() -> None:
            with open_store(url, clock=harness.clock) as other:
                assert recover(other).closed == ()
                with Harness(store=other, clock=harness.clock, seed="b") as second:
                    assert second.orchestrator.owner_id

        between(harness, another)

        assert harness.run(token, ANSWER).success


def test_an_orchestrator_closes_what_a_dead_owner_left_when_it_is_made(
    tmp_path: Path,
) -> None:
    """EXE-7.3: the constructor recovers, without a person."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    with faulty(tmp_path) as (harness, faults, _):
        token = harness.issue(scope={"probe": ALL})
        faults.fail_at("begin immediate", 2, code=LOCKED, lasting=True)
        outcome = harness.run(token, ANSWER)
        faults.heal()
        clock = harness.clock
    with Harness(url, clock=clock, seed="b") as second:
        second.orchestrator  # noqa: B018 - made here

        assert_trail(second.log.trail(outcome.execution_id), aborted("probe.answer"))
        assert second.log.verify()


def test_constructing_an_orchestrator_does_not_lift_a_latch(tmp_path: Path) -> None:
    """EXE-7.6."""
    with faulty(tmp_path) as (harness, faults, _):
        token = harness.issue(scope={"probe": ALL})
        faults.fail(commit=1)
        harness.run(token, ANSWER)
        faults.heal()
        harness.reopen()

        outcome = harness.run(token, ANSWER)

        assert outcome.error is not None
        assert outcome.error.code == "AUDIT_UNAVAILABLE"


def test_recovery_refuses_a_ledger_that_disagrees_with_itself(tmp_path: Path) -> None:
    """EXE-7.5: the usage row was edited; nothing is changed, the latch stands."""
    with faulty(tmp_path) as (harness, faults, _):
        token = harness.issue(scope={"probe": ALL})
        assert harness.run(token, ANSWER).success
        faults.fail(commit=1)
        harness.run(token, ANSWER)
        faults.heal()
        with harness.store.write(past_latch=True) as tx:
            collection = tx.collection("usage")
            assert collection is not None
            tx.update(collection, (token.token_hash,), {"invocations": 0})
        size = harness.log.head().size

        with pytest.raises(RecoveryRefusedError, match="audit verify"):
            recover(harness.store)

        assert harness.store.latch is not None
        assert harness.log.head().size == size


def test_a_stream_that_somebody_else_appended_to_is_not_appended_to() -> None:
    """EXE-7.4: compare-and-append, beside the row's fence."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})

        def intrude() -> None:
            event = AuditEvent(
                AuditEventType.OPERATION_ABORTED,
                harness.clock.now_us,
                "alice",
                token.token_hash,
                "probe",
                "answer",
                "aborted",
                "somebody else",
                ReasonCode.INTERRUPTED,
                {"step": 0, "charged": 0},
            )
            harness.log.append(event, execution_id=ID)

        between(harness, intrude)

        outcome = harness.run(token, ANSWER, ANSWER, execution_id=ID)

        assert outcome.error is not None
        assert outcome.error.code == "INTERRUPTED"


def left_open(tmp_path: Path) -> ManualClock:
    """Leave an execution open on a file, with its owner gone."""
    with faulty(tmp_path) as (harness, faults, _):
        token = harness.issue(scope={"probe": ALL})
        faults.fail_at("begin immediate", 2, code=LOCKED, lasting=True)
        harness.run(token, ANSWER, execution_id=ID)
        faults.heal()
        return harness.clock


def test_recovery_raises_the_epoch(tmp_path: Path) -> None:
    """EXE-7.3."""
    clock = left_open(tmp_path)
    with open_store(f"sqlite:///{tmp_path}/ledger.db", clock=clock) as store:
        assert recover(store).closed == (ID,)
        with store.read() as tx:
            row = tx.get(EXECUTION, ID)

    assert row is not None
    assert (row["epoch"], row["state"]) == (2, "closed")


def test_an_orphan_that_disagrees_with_its_stream_is_left_alone(tmp_path: Path) -> None:
    """EXE-7.5: not even the constructor's small recovery repairs it."""
    clock = left_open(tmp_path)
    with open_store(f"sqlite:///{tmp_path}/ledger.db", clock=clock) as store:
        store.declare(EXECUTION)
        with store.write() as tx:
            tx.update(EXECUTION, (ID,), {"events": 3})
        size = AuditEventLog(store).head().size

        with (
            Harness(store=store, clock=clock, seed="b") as second,
            pytest.raises(LedgerFormatError, match="disagree"),
        ):
            second.orchestrator  # noqa: B018 - made here

        assert AuditEventLog(store).head().size >= size
        assert AuditEventLog(store).trail(ID)[-1].status == "started"


def test_an_orchestrator_can_be_made_on_a_latched_store(tmp_path: Path) -> None:
    """EXE-7.6: it refuses plans until recovery; making it closes and lifts nothing."""
    clock = left_open(tmp_path)
    url = f"sqlite:///{tmp_path}/ledger.db"
    with Harness(url, clock=clock, seed="b", domains=[Probe()]) as second:
        token = second.issue(scope={"probe": ALL})
        second.store.raise_latch("a drill")

        outcome = second.run(token, ANSWER)

        assert outcome.error is not None
        assert outcome.error.code == "AUDIT_UNAVAILABLE"
        assert second.log.trail(ID)[-1].status == "started"


def test_the_domains_are_frozen_when_an_orchestrator_takes_them() -> None:
    """EXE-8.1; design section 7."""
    with Harness() as harness:
        harness.orchestrator  # noqa: B018 - made here

        with pytest.raises(RegistryFrozenError):
            harness.domains.register(Probe(), trusted=True)


def test_a_closed_orchestrator_takes_no_more_plans() -> None:
    """EXE-8.4."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})
        orchestrator = harness.orchestrator
        orchestrator.close()
        orchestrator.close()
        size = harness.log.head().size

        with pytest.raises(ValueError, match="closed"):
            harness.run(token, ANSWER)

        assert harness.log.head().size == size


def test_an_orphan_with_an_owner_that_nobody_can_be_is_left_alone(
    tmp_path: Path,
) -> None:
    """EXE-7.5: the constructor raises what it documents."""
    clock = left_open(tmp_path)
    with open_store(f"sqlite:///{tmp_path}/ledger.db", clock=clock) as store:
        store.declare(EXECUTION)
        with store.write() as tx:
            tx.update(EXECUTION, (ID,), {"owner_id": "../x"})

        with (
            Harness(store=store, clock=clock, seed="b") as second,
            pytest.raises(LedgerFormatError, match="owner"),
        ):
            second.orchestrator  # noqa: B018 - made here


# Repeated ids ------------------------------------------------------------------------


def test_a_repeated_id_gives_the_recorded_outcome_and_writes_nothing() -> None:
    """EXE-4.2, EXE-4.5."""
    probe = Probe()
    with Harness(domains=[probe]) as harness:
        token = harness.issue(scope={"probe": ALL})
        assert harness.run(token, ANSWER, execution_id=ID).success
        size = harness.log.head().size

        outcome = harness.run(token, ANSWER, execution_id=ID.upper())

        assert (outcome.success, outcome.replayed) == (True, True)
        assert (outcome.results, outcome.trail) == (None, ())
        assert outcome.execution_id == ID
        assert harness.log.head().size == size
        assert len(probe.calls) == 1


def test_a_repeated_refusal_gives_the_recorded_refusal() -> None:
    """EXE-4.2: also when it would be allowed by now."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})
        harness.authority.pause("drill", "security_admin")
        first = harness.run(token, ANSWER, execution_id=ID)
        harness.authority.resume("over", "security_admin")

        again = harness.run(token, ANSWER, execution_id=ID)

        assert first.error is not None
        assert again.error is not None
        assert again.replayed
        assert again.error.code == first.error.code == "PLATFORM_PAUSED"


@pytest.mark.parametrize("difference", ["token", "user", "trigger", "plan"])
def test_a_repeated_id_with_any_difference_is_a_conflict(difference: str) -> None:
    """EXE-4.3, EXE-4.4: recorded under a fresh id."""
    probe = Probe()
    with Harness(domains=[probe]) as harness:
        token = harness.issue(scope={"probe": ALL})
        other = harness.issue(scope={"probe": ALL})
        assert harness.run(token, ANSWER, execution_id=ID).success
        step = ("probe", "answer", {"x": 2}) if difference == "plan" else ANSWER

        outcome = harness.orchestrator.execute_plan(
            token_hash=(other if difference == "token" else token).token_hash,
            user_id="bob" if difference == "user" else "alice",
            trigger_type="scheduled" if difference == "trigger" else "direct_command",
            execution_plan=harness.plan(step),
            execution_id=ID,
        )

        assert_trail(outcome, refused("EXECUTION_ID_CONFLICT"))
        assert outcome.execution_id != ID
        assert outcome.trail == harness.log.trail(outcome.execution_id)
        assert len(probe.calls) == 1
        assert harness.log.verify()


def test_an_id_that_is_still_open_is_in_progress() -> None:
    """EXE-4.2, EXE-4.4."""
    probe = Probe()
    with Harness(domains=[probe]) as harness:
        token = harness.issue(scope={"probe": ALL})
        seen = []
        between(
            harness,
            lambda: seen.append(harness.run(token, ANSWER, execution_id=ID)),
        )

        assert harness.run(token, ANSWER, execution_id=ID).success

        assert_trail(seen[0], refused("EXECUTION_IN_PROGRESS"))
        assert len(probe.calls) == 1


@pytest.mark.parametrize("wrong", ["", "x", ID + "0", ID.replace("-", ""), 7])
def test_an_execution_id_that_is_no_uuid_raises_and_records_nothing(
    wrong: object,
) -> None:
    """EXE-8.4."""
    with Harness() as harness:
        token = harness.issue()
        size = harness.log.head().size

        with pytest.raises((TypeError, ValueError), match="execution_id"):
            harness.run(token, ANSWER, execution_id=wrong)  # type: ignore[arg-type]

        assert harness.log.head().size == size


# What is foreseen --------------------------------------------------------------------


def test_check_plan_foresees_and_writes_nothing() -> None:
    """EXE-3.8, EXE-8.3."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(
            scope={"probe": ALL}, resource_limits={"max_invocations": 2}
        )
        size = harness.log.head().size

        def check(count: int) -> object:
            plan = harness.plan(*[ANSWER] * count)
            decision = harness.orchestrator.check_plan(
                token.token_hash, "alice", "direct_command", plan
            )
            assert decision.allowed == (decision.error is None)
            return decision.error and (decision.error.code, decision.error.step)

        assert check(2) is None
        assert check(3) == ("LIMIT_INVOCATIONS", 2)
        assert harness.log.head().size == size


def test_whole_plan_admission_refuses_before_step_0_what_check_plan_refuses() -> None:
    """EXE-3.8, rules C16."""
    probe = Probe()
    with Harness(domains=[probe]) as harness:
        token = harness.issue(
            scope={"probe": ALL}, resource_limits={"max_invocations": 2}
        )

        outcome = harness.run(token, *[ANSWER] * 3, admission="whole-plan")

        assert_trail(outcome, limit_denied("probe.answer", "LIMIT_INVOCATIONS"))
        assert outcome.error is not None
        assert outcome.error.step == 2
        assert probe.calls == []
        assert harness.run(token, ANSWER, ANSWER, admission="whole-plan").success
        assert harness.log.verify()


def test_fresh_ids_are_version_4_uuids() -> None:
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})

        made = uuid.UUID(harness.run(token, ANSWER).execution_id)

        assert (made.version, made.variant) == (4, uuid.RFC_4122)


def test_the_same_seed_clock_and_plan_give_the_same_bytes() -> None:
    """EXE-8.6, P11."""

    def ledger() -> list[bytes]:
        with Harness(domains=[Probe()]) as harness:
            token = harness.issue(scope={"probe": ALL})
            harness.run(token, ANSWER, ("probe", "fail", {}))
            with harness.store.read() as tx:
                return [entry.data for entry in tx.entries()]

    assert ledger() == ledger()
