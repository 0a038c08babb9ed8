"""The closed lists, and events as values."""

import copy
import pickle  # noqa: TID251  # what callers may do to an event

import pytest

from audit.errors import AuditError, EntryRefusedError
from audit.events import (
    EVENT_TYPES,
    STATUSES,
    AuditEvent,
    AuditEventType,
    AuditRecord,
    PlatformEventType,
    ReasonCode,
)

TWELVE = [
    "TOKEN_ISSUED",
    "TOKEN_FIRST_USED",
    "TOKEN_VALIDATION",
    "AUTHORIZATION_SCOPE_CHECK",
    "RESOURCE_LIMIT_CHECK",
    "EXECUTION_STARTED",
    "EXECUTION_COMPLETED",
    "EXECUTION_DENIED",
    "TOKEN_REVOKED",
    "TOKEN_EXPIRED",
    "BOUNDARY_VIOLATION",
    "OPERATION_ABORTED",
]

CODES = [
    "TOKEN_UNKNOWN",
    "TOKEN_REVOKED",
    "TOKEN_EXPIRED",
    "TOKEN_NOT_ACTIVE",
    "KEY_NOT_TRUSTED",
    "USER_MISMATCH",
    "PLAN_USER_MISMATCH",
    "TRIGGER_NOT_AUTHORIZED",
    "PLAN_NOT_AUTHORIZED",
    "PROOF_REFUSED",
    "DOMAIN_NOT_IN_SCOPE",
    "METHOD_NOT_IN_SCOPE",
    "DOMAIN_NOT_REGISTERED",
    "METHOD_NOT_FOUND",
    "ISOLATION_UNAVAILABLE",
    "LIMIT_INVOCATIONS",
    "LIMIT_RESPONSE",
    "LIMIT_TOTAL",
    "LIMIT_FREQUENCY",
    "LIMIT_EXECUTIONS",
    "PARAMETERS_REFUSED",
    "BOUNDARY_VIOLATION",
    "DOMAIN_FAILED",
    "DOMAIN_TIMEOUT",
    "RESULT_REFUSED",
    "AUDIT_UNAVAILABLE",
    "PLATFORM_PAUSED",
    "EXECUTION_ID_CONFLICT",
    "EXECUTION_IN_PROGRESS",
    "INTERRUPTED",
]

STATUS_TABLE = """
TOKEN_ISSUED success
TOKEN_FIRST_USED success
TOKEN_VALIDATION success denied
AUTHORIZATION_SCOPE_CHECK success denied
RESOURCE_LIMIT_CHECK success denied
EXECUTION_STARTED started
EXECUTION_COMPLETED success failed
EXECUTION_DENIED denied
TOKEN_REVOKED success
TOKEN_EXPIRED expired
BOUNDARY_VIOLATION denied
OPERATION_ABORTED aborted
"""


def an_event(**changes: object) -> AuditEvent:
    fields: dict[str, object] = {
        "event_type": AuditEventType.EXECUTION_DENIED,
        "timestamp": 1_700_000_000_000_000,
        "user_id": "alice",
        "token_hash": "sha256:" + "0" * 64,
        "domain": "apollo",
        "method": "analyze_habits",
        "status": "denied",
        "reason": "no",
        "reason_code": ReasonCode.TOKEN_REVOKED,
        "details": {"step": 0, "heads": {"platform": [1, "ab"]}},
    }
    return AuditEvent(**{**fields, **changes})  # type: ignore[arg-type]  # a table


def test_there_are_exactly_twelve_event_types() -> None:
    """AUD-2.1 (rules 4B)."""
    assert [kind.name for kind in AuditEventType] == TWELVE
    assert all(kind.value == kind.name for kind in AuditEventType)


def test_each_type_has_the_statuses_of_the_table() -> None:
    """AUD-2.2 (rules 4B, resolution C11)."""
    for line in STATUS_TABLE.split("\n")[1:-1]:
        name, *statuses = line.split()
        assert STATUSES[AuditEventType[name]] == set(statuses)
    assert set(STATUSES) == {*AuditEventType, *PlatformEventType}


def test_the_reason_codes_are_the_closed_list() -> None:
    """AUD-2.3."""
    assert [code.value for code in ReasonCode] == CODES
    assert all(code.value == code.name == str(code) for code in ReasonCode)


def test_platform_types_are_apart_and_only_succeed() -> None:
    """AUD-2.4."""
    assert len(PlatformEventType) == 7
    assert not {kind.value for kind in PlatformEventType} & set(TWELVE)
    assert all(STATUSES[kind] == {"success"} for kind in PlatformEventType)
    assert len(EVENT_TYPES) == 19
    assert all(EVENT_TYPES[kind.value] is kind for kind in PlatformEventType)


@pytest.mark.parametrize("name", ["status", "reason", "timestamp", "details", "other"])
def test_an_event_cannot_be_assigned(name: str) -> None:
    """AUD-2.5 (rules 4A.1, 4B.3)."""
    event = an_event()
    with pytest.raises(AttributeError):
        setattr(event, name, "x")
    with pytest.raises(AttributeError):
        delattr(event, name)
    assert event == an_event()


def test_the_details_of_an_event_are_fresh_at_each_read() -> None:
    """AUD-2.5 (rules 4B.9)."""
    given: dict[str, object] = {"a": {"b": [1]}}
    event = an_event(details=given)

    given["a"] = 2
    read = event.details
    read["a"] = 3

    assert event.details == {"a": {"b": [1]}}
    assert an_event(details=None).details == {}


def test_events_are_equal_by_content_and_survive_copies() -> None:
    """AUD-2.5 (rules 12: must survive deep copy)."""
    event = an_event()
    record = AuditRecord(event, stream="platform", index=3, leaf_index=7)

    assert event == an_event()
    assert hash(event) == hash(an_event())
    assert event != an_event(details={})
    assert event != record
    for thing in (event, record):
        assert copy.copy(thing) == thing
        assert copy.deepcopy(thing) == thing
        assert pickle.loads(pickle.dumps(thing)) == thing  # noqa: S301  # our own
    assert (record.stream, record.index, record.leaf_index) == ("platform", 3, 7)
    assert (record.details, record.reason) == (event.details, event.reason)
    assert "details" not in repr(event)


REFUSED_DETAILS: list[object] = [{"a": 1.5}, {1: 2}, {"a": b""}, [], "x", {"x"}]


@pytest.mark.parametrize("details", REFUSED_DETAILS, ids=ascii)
def test_details_that_cannot_be_kept_are_refused_at_once(details: object) -> None:
    """AUD-2.5, AUD-1.1."""
    with pytest.raises(EntryRefusedError):
        an_event(details=details)


def test_every_error_of_the_ledger_has_one_root_and_its_own_code() -> None:
    """Errors: one root, one stable code each."""

    def tree(root: type[AuditError]) -> list[type[AuditError]]:
        return [root, *(each for sub in root.__subclasses__() for each in tree(sub))]

    codes = [error.code for error in tree(AuditError)]
    assert len(set(codes)) == len(codes)
    assert issubclass(EntryRefusedError, ValueError)
