"""Requirements of section 4: what stands in the record, and that it stays."""

import dataclasses
import sqlite3
from pathlib import Path

import pytest

from audit.errors import (
    AuditError,
    AuditWriteError,
    EntryRefusedError,
    GrammarError,
    StoreLatchedError,
)
from audit.events import AuditEvent, AuditEventType, ReasonCode
from audit.log import AuditEventLog
from audit.store.faults import open_faulty_store
from audit.store.opening import open_store
from stage3.plan import ExecutionPlan
from stage3.pytest_plugin.harness import LEDGER_ID, START_US, Harness, ManualClock
from stage3.recovery import recover
from tests.unit.rules.recording_domain import Recorder
from tests.unit.stage3.probe_domains import Probe
from tests.unit.stage3.test_interruptions import faulty

SCOPE = {"recorder": ["act", "echo"]}
ECHO = ("recorder", "echo", {"x": 1})
ID = "3f0c2b4e-8c1a-4b6e-9f00-0123456789ab"
TOKEN = "sha256:" + "a" * 64
EARLY = 1_000


def event(kind: AuditEventType, status: str, **changes: object) -> AuditEvent:
    """Make an event as a tool would."""
    fields: dict[str, object] = {
        "event_type": kind,
        "timestamp": EARLY,
        "user_id": "alice",
        "token_hash": TOKEN,
        "domain": "apollo",
        "method": "plan_routine",
        "status": status,
    }
    if kind is AuditEventType.TOKEN_VALIDATION:
        fields["details"] = {"steps": 1}
    return AuditEvent(**(fields | changes))  # type: ignore[arg-type]  # a table


VALIDATED = event(AuditEventType.TOKEN_VALIDATION, "success")
SCOPED = event(AuditEventType.AUTHORIZATION_SCOPE_CHECK, "success")


# Section 4A: it stays


def test_appending_grows_the_log_in_order() -> None:
    """Rules 4A.2: a receipt each time; the log keeps its order."""
    with AuditEventLog() as log:
        receipts = [log.append(one, execution_id=ID) for one in (VALIDATED, SCOPED)]

        assert [receipt.leaf_index for receipt in receipts] == [0, 1]
        times = [one.timestamp for one in log.get_events()]
        assert times == sorted(times)
        for thing in ("no event", None, {"event_type": "TOKEN_ISSUED"}):
            with pytest.raises(EntryRefusedError):
                log.append(thing, execution_id=ID)  # type: ignore[arg-type]
        assert log.head().size == 2


def test_the_log_has_no_way_to_delete_change_or_reorder(tmp_path: Path) -> None:
    """Rules 4A.3: there is no call for it, and the database refuses it too."""
    words = (
        "delete",
        "remove",
        "modify",
        "update",
        "reorder",
        "clear",
        "pop",
        "insert",
    )
    assert not [name for name in dir(AuditEventLog) if name.startswith(words)]
    with Harness(f"sqlite:///{tmp_path}/l.db", domains=[Recorder()]) as harness:
        harness.run(harness.issue(scope=SCOPE), ECHO)
        before = harness.log.get_records()
        database = sqlite3.connect(tmp_path / "l.db")
        for statement in (
            "DELETE FROM entry",
            "DELETE FROM entry WHERE leaf_index = 3",
            "UPDATE entry SET data = x'00'",
            "UPDATE entry SET leaf_index = leaf_index + 100",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                database.execute(statement)
        database.close()
        assert harness.log.get_records() == before


def test_what_is_read_is_a_copy() -> None:
    """Rules 4A.4, 4B.3: lists, details and events change nothing inside."""
    with AuditEventLog() as log:
        log.append(VALIDATED, execution_id=ID)
        events = log.get_events()
        events[0].details["steps"] = 99
        for name in ("status", "reason", "user_id", "timestamp"):
            with pytest.raises((AttributeError, dataclasses.FrozenInstanceError)):
                setattr(events[0], name, "changed")
        events.clear()

        assert log.get_events() == [VALIDATED]
        assert log.get_events()[0].details == {"steps": 1}


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    """Rules 4A.5: on a file, what was acknowledged is there when it is opened again."""
    url = f"sqlite:///{tmp_path}/l.db"
    with Harness(url, domains=[Recorder()]) as harness:
        harness.run(harness.issue(scope=SCOPE), ECHO)
        before, head = harness.log.get_records(), harness.log.head()

    with open_store(url, ledger_id=LEDGER_ID) as store:
        log = AuditEventLog(store)
        assert (log.get_records(), log.head()) == (before, head)
        assert log.verify()


def test_a_write_that_fails_stops_everything_until_somebody_has_looked() -> None:
    """Rules 4A.6: raised, nothing appended, and every later append is refused."""
    store, faults = open_faulty_store("memory:", clock=ManualClock())
    with store:
        log = AuditEventLog(store)
        log.append(VALIDATED, execution_id=ID)
        faults.fail(commit=1, mode="lost")
        with pytest.raises(AuditWriteError):
            log.append(SCOPED, execution_id=ID)
        faults.heal()

        with pytest.raises(StoreLatchedError):
            log.append(SCOPED, execution_id=ID)
        assert log.head().size == 1
        store.lift_latch()
        log.append(SCOPED, execution_id=ID)
        assert log.head().size == 2


# Section 4B: the twelve events


FIELDS = ("user_id", "token_hash", "domain", "method")


def with_field(name: str, value: object) -> AuditEvent:
    """Make an event with one field otherwise."""
    fields = {"kind": AuditEventType.TOKEN_VALIDATION, "status": "success"}
    return event(**(fields | {name: value}))  # type: ignore[arg-type]  # a table


@pytest.mark.parametrize("name", [*FIELDS, "timestamp", "status"])
def test_an_event_without_a_field_is_refused(name: str) -> None:
    """Rules 4B.1: by an exception here, so that nobody can overlook it."""
    with AuditEventLog() as log:
        for value in [None, 1.5] + [""] * (name != "timestamp"):
            with pytest.raises(AuditError):
                log.append(with_field(name, value), execution_id=ID)
        assert log.head().size == 0


def test_a_refused_caller_without_a_name_is_recorded_as_the_digest_of_nothing() -> None:
    """Rules 4B.1: never empty in the record, also where nobody said who called."""
    with Harness() as harness:
        token = harness.issue()
        plan = harness.plan(("apollo", "analyze_habits", {}))
        outcome = harness.orchestrator.execute_plan(
            token.token_hash, "", "direct_command", plan
        )

    assert outcome.trail[-1].user_id.startswith("sha256:e3b0c442")
    assert outcome.trail[-1].user_id.endswith("+0")


def test_details_that_speak_of_other_events_are_not_those_events() -> None:
    """Rules 4B.4: details are free, absent details are empty."""
    with AuditEventLog() as log:
        claims = {"steps": 1, "events": ["EXECUTION_STARTED"]}
        log.append(
            event(AuditEventType.TOKEN_VALIDATION, "success", details=claims),
            execution_id=ID,
        )
        log.append(SCOPED, execution_id=ID)

        assert log.get_events_by_type("EXECUTION_STARTED") == []
        assert log.get_events_by_type("AUTHORIZATION_SCOPE_CHECK")[0].details == {}


def test_time_does_not_go_back_in_a_trail() -> None:
    """Rules 4B.5: an older event is given the time of the one before; equal is fine."""
    with AuditEventLog() as log:
        log.append(VALIDATED, execution_id=ID)
        receipt = log.append(dataclass_at(SCOPED, EARLY - 1), execution_id=ID)

        assert receipt.time_us == EARLY
        assert log.verify()


def dataclass_at(one: AuditEvent, timestamp: int) -> AuditEvent:
    """Give the same event at another time."""
    return event(AuditEventType(one.event_type.value), one.status, timestamp=timestamp)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (AuditEventType.EXECUTION_STARTED, "started"),
        (AuditEventType.AUTHORIZATION_SCOPE_CHECK, "success"),
        (AuditEventType.EXECUTION_COMPLETED, "success"),
    ],
)
def test_no_step_is_recorded_without_what_must_come_before(
    kind: AuditEventType, status: str
) -> None:
    """Rules 4B.6: validation, scope, start, in each execution for itself."""
    with AuditEventLog() as log:
        with pytest.raises(GrammarError):
            log.append(event(kind, status), execution_id=ID)
        log.append(VALIDATED, execution_id=ID)
        with pytest.raises(GrammarError):
            log.append(event(kind, status), execution_id=ID.replace("3", "4"))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (AuditEventType.EXECUTION_DENIED, "denied"),
        (AuditEventType.OPERATION_ABORTED, "aborted"),
        (AuditEventType.EXECUTION_COMPLETED, "failed"),
    ],
)
@pytest.mark.parametrize("reason", [None, "", "   "])
def test_a_refusal_without_a_reason_is_refused(
    kind: AuditEventType, status: str, reason: str | None
) -> None:
    """Rules 4B.2, 4B.8: also where the caller does not look at the answer."""
    with AuditEventLog() as log:
        without = event(
            kind, status, reason=reason, reason_code=ReasonCode.DOMAIN_FAILED
        )
        with pytest.raises(EntryRefusedError):
            log.append(without, execution_id=ID)


def test_the_running_system_emits_each_of_the_twelve(tmp_path: Path) -> None:
    """Rules 4B.7, and rules 4B row 1 to rules 4B row 12: who, what, with which status.

    Twelve is the vocabulary. No single trail has them all: a token's life stands in
    the token's stream, and success and refusal exclude each other.
    """
    with faulty(tmp_path) as (harness, faults, _probe):
        every_kind_of_event(harness, faults)
        found = {
            one.event_type.value: (one.user_id, one.domain, one.method, one.status)
            for one in harness.log.get_events()
        }
        whole = harness.log.verify()

    target = ("probe", "answer")
    assert found == {
        # rules 4B row 1, rules 4B row 9, rules 4B row 10: who issued, revoked; nobody
        "TOKEN_ISSUED": ("security_admin", "system", "issue_token", "success"),
        "TOKEN_REVOKED": ("security_admin", "system", "revoke_token", "success"),
        "TOKEN_EXPIRED": ("system", "system", "token_lifecycle", "expired"),
        # rules 4B row 2 to rules 4B row 8 (rules 4B row 6 too): the user, the target
        "TOKEN_FIRST_USED": ("alice", "system", "token_lifecycle", "success"),
        "TOKEN_VALIDATION": ("alice", *PLAN, "denied"),
        "AUTHORIZATION_SCOPE_CHECK": ("alice", *target, "success"),
        "RESOURCE_LIMIT_CHECK": ("alice", *target, "success"),
        "EXECUTION_STARTED": ("alice", *target, "started"),
        "EXECUTION_COMPLETED": ("alice", *target, "success"),
        "EXECUTION_DENIED": ("alice", *PLAN, "denied"),
        # rules 4B row 11, rules 4B row 12
        "BOUNDARY_VIOLATION": ("alice", "probe", "misbehave", "denied"),
        "OPERATION_ABORTED": ("alice", *target, "aborted"),
    }
    assert set(found) == {kind.value for kind in AuditEventType}
    assert whole


PLAN = ("orchestration_plan", "execute_plan")


def every_kind_of_event(harness: Harness, faults: object) -> None:
    """Live through everything that can happen to a plan and a token."""
    scope = {"probe": ["answer", "misbehave"]}
    token = harness.issue(scope=scope)
    harness.run(token, ("probe", "misbehave", {}))
    faults.fail(commit=2, lasting=True)  # type: ignore[attr-defined]  # the port's
    harness.run(token, ("probe", "answer", {}))
    faults.heal()  # type: ignore[attr-defined]  # the port's
    recover(harness.store)
    harness.run(token, ("probe", "answer", {}))
    harness.authority.revoke_token(token.token_hash, "lost", "security_admin")
    late = harness.issue(scope=scope, duration_seconds=60)
    harness.clock.advance(61)
    harness.run(late, ("probe", "answer", {}))


def test_each_status_of_the_table_can_come_about() -> None:
    """Rules 4B row 3, rules 4B row 4, rules 4B row 5, rules 4B row 7: both ways."""
    scope = {"probe": ["answer", "fail"]}
    seen = set()
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope=scope, resource_limits={"max_invocations": 2})
        plan = harness.plan(("probe", "answer", {}))
        assert isinstance(plan, ExecutionPlan)
        harness.run(token, ("probe", "answer", {}))
        harness.run(token, ("probe", "fail", {}))
        harness.run(token, ("probe", "answer", {}))
        harness.run(token, ("hermes", "compose_message", {}))
        harness.run(token, ("probe", "answer", {}), user="bob")
        seen = {(e.event_type.value, e.status) for e in harness.log.get_events()}

    for kind in (
        "TOKEN_VALIDATION",
        "AUTHORIZATION_SCOPE_CHECK",
        "RESOURCE_LIMIT_CHECK",
    ):
        assert {(kind, "success"), (kind, "denied")} <= seen
    for status in ("success", "failed"):
        assert ("EXECUTION_COMPLETED", status) in seen


def test_the_clock_of_the_harness_is_in_the_past_of_no_entry() -> None:
    """Rules 4B.5: every time in the record is the store's own, in microseconds."""
    with Harness(domains=[Recorder()]) as harness:
        harness.run(harness.issue(scope=SCOPE), ECHO)
        assert {one.timestamp for one in harness.log.get_records()} == {START_US}
