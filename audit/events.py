"""The vocabulary of the ledger: event types, statuses, reason codes, events.

Twelve types make the trails of executions and the lives of tokens; the platform
types make the one platform stream. All of them are closed lists.

Source: docs/spec/ledger.md, AUD-2.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum, StrEnum
from typing import Final, NoReturn, TypeAlias, cast

from audit.canonical import JsonScalar, JsonValue, canonical_bytes
from audit.errors import EntryRefusedError

__all__ = [
    "EVENT_TYPES",
    "REFUSING_STATUSES",
    "STATUSES",
    "AuditEvent",
    "AuditEventType",
    "AuditRecord",
    "Details",
    "EventType",
    "JsonScalar",
    "JsonValue",
    "PlatformEventType",
    "ReasonCode",
]

Details: TypeAlias = Mapping[str, JsonValue]


class AuditEventType(Enum):
    """The twelve event types of executions and tokens; each value is its name."""

    TOKEN_ISSUED = "TOKEN_ISSUED"  # noqa: S105  # the name of an event
    TOKEN_FIRST_USED = "TOKEN_FIRST_USED"  # noqa: S105  # the name of an event
    TOKEN_VALIDATION = "TOKEN_VALIDATION"  # noqa: S105  # the name of an event
    AUTHORIZATION_SCOPE_CHECK = "AUTHORIZATION_SCOPE_CHECK"
    RESOURCE_LIMIT_CHECK = "RESOURCE_LIMIT_CHECK"
    EXECUTION_STARTED = "EXECUTION_STARTED"
    EXECUTION_COMPLETED = "EXECUTION_COMPLETED"
    EXECUTION_DENIED = "EXECUTION_DENIED"
    TOKEN_REVOKED = "TOKEN_REVOKED"  # noqa: S105  # the name of an event
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105  # the name of an event
    BOUNDARY_VIOLATION = "BOUNDARY_VIOLATION"
    OPERATION_ABORTED = "OPERATION_ABORTED"


class PlatformEventType(Enum):
    """The event types of the platform stream; each value is its name."""

    KEY_ADDED = "KEY_ADDED"
    KEY_STATE_CHANGED = "KEY_STATE_CHANGED"
    SELECTOR_REVOKED = "SELECTOR_REVOKED"
    PLATFORM_PAUSED = "PLATFORM_PAUSED"
    PLATFORM_RESUMED = "PLATFORM_RESUMED"
    LATCH_LIFTED = "LATCH_LIFTED"
    RECOVERED = "RECOVERED"


EventType: TypeAlias = AuditEventType | PlatformEventType

EVENT_TYPES: Final[Mapping[str, EventType]] = {
    **{kind.value: kind for kind in AuditEventType},
    **{kind.value: kind for kind in PlatformEventType},
}
"""Every event type by its name."""

_OK: Final = frozenset({"success"})
_OK_OR_DENIED: Final = frozenset({"success", "denied"})

STATUSES: Final[Mapping[EventType, frozenset[str]]] = {
    AuditEventType.TOKEN_ISSUED: _OK,
    AuditEventType.TOKEN_FIRST_USED: _OK,
    AuditEventType.TOKEN_VALIDATION: _OK_OR_DENIED,
    AuditEventType.AUTHORIZATION_SCOPE_CHECK: _OK_OR_DENIED,
    AuditEventType.RESOURCE_LIMIT_CHECK: _OK_OR_DENIED,
    AuditEventType.EXECUTION_STARTED: frozenset({"started"}),
    AuditEventType.EXECUTION_COMPLETED: frozenset({"success", "failed"}),
    AuditEventType.EXECUTION_DENIED: frozenset({"denied"}),
    AuditEventType.TOKEN_REVOKED: _OK,
    AuditEventType.TOKEN_EXPIRED: frozenset({"expired"}),
    AuditEventType.BOUNDARY_VIOLATION: frozenset({"denied"}),
    AuditEventType.OPERATION_ABORTED: frozenset({"aborted"}),
    **dict.fromkeys(PlatformEventType, _OK),
}
"""The statuses each type may carry (rules 4B, resolution C11)."""

REFUSING_STATUSES: Final = frozenset({"denied", "failed", "aborted"})
"""The statuses that need a reason and a reason code."""


class ReasonCode(StrEnum):
    """Why something was refused, failed or stopped: the closed list."""

    TOKEN_UNKNOWN = "TOKEN_UNKNOWN"  # noqa: S105  # the name of a code
    TOKEN_REVOKED = "TOKEN_REVOKED"  # noqa: S105  # the name of a code
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105  # the name of a code
    TOKEN_NOT_ACTIVE = "TOKEN_NOT_ACTIVE"  # noqa: S105  # the name of a code
    KEY_NOT_TRUSTED = "KEY_NOT_TRUSTED"
    USER_MISMATCH = "USER_MISMATCH"
    PLAN_USER_MISMATCH = "PLAN_USER_MISMATCH"
    TRIGGER_NOT_AUTHORIZED = "TRIGGER_NOT_AUTHORIZED"
    PLAN_NOT_AUTHORIZED = "PLAN_NOT_AUTHORIZED"
    PROOF_REFUSED = "PROOF_REFUSED"
    DOMAIN_NOT_IN_SCOPE = "DOMAIN_NOT_IN_SCOPE"
    METHOD_NOT_IN_SCOPE = "METHOD_NOT_IN_SCOPE"
    DOMAIN_NOT_REGISTERED = "DOMAIN_NOT_REGISTERED"
    METHOD_NOT_FOUND = "METHOD_NOT_FOUND"
    ISOLATION_UNAVAILABLE = "ISOLATION_UNAVAILABLE"
    LIMIT_INVOCATIONS = "LIMIT_INVOCATIONS"
    LIMIT_RESPONSE = "LIMIT_RESPONSE"
    LIMIT_TOTAL = "LIMIT_TOTAL"
    LIMIT_FREQUENCY = "LIMIT_FREQUENCY"
    LIMIT_EXECUTIONS = "LIMIT_EXECUTIONS"
    PARAMETERS_REFUSED = "PARAMETERS_REFUSED"
    BOUNDARY_VIOLATION = "BOUNDARY_VIOLATION"
    DOMAIN_FAILED = "DOMAIN_FAILED"
    DOMAIN_TIMEOUT = "DOMAIN_TIMEOUT"
    RESULT_REFUSED = "RESULT_REFUSED"
    AUDIT_UNAVAILABLE = "AUDIT_UNAVAILABLE"
    PLATFORM_PAUSED = "PLATFORM_PAUSED"
    EXECUTION_ID_CONFLICT = "EXECUTION_ID_CONFLICT"
    EXECUTION_IN_PROGRESS = "EXECUTION_IN_PROGRESS"
    INTERRUPTED = "INTERRUPTED"


# Not `frozen=True`: with slots, CPython 3.11 and 3.12 then answer the assignment of
# a name that is no field with TypeError, and immutable things say AttributeError.
@dataclass(slots=True, init=False, unsafe_hash=True)
class AuditEvent:
    """One event as callers give it and get it back.

    ``timestamp`` is in Unix microseconds. The details are kept as canonical
    bytes, so nothing outside can change them; each read is a fresh ``dict``.
    Whether the fields make an entry is decided when it is appended.
    """

    event_type: EventType
    timestamp: int
    user_id: str
    token_hash: str
    domain: str
    method: str
    status: str
    reason: str | None
    reason_code: ReasonCode | None
    _details: bytes = field(repr=False)

    def __init__(  # noqa: PLR0913, PLR0917  # the fields of an event (4B.1)
        self,
        event_type: EventType,
        timestamp: int,
        user_id: str,
        token_hash: str,
        domain: str,
        method: str,
        status: str,
        reason: str | None = None,
        reason_code: ReasonCode | None = None,
        details: Details | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "event_type", event_type)
        put(self, "timestamp", timestamp)
        put(self, "user_id", user_id)
        put(self, "token_hash", token_hash)
        put(self, "domain", domain)
        put(self, "method", method)
        put(self, "status", status)
        put(self, "reason", reason)
        put(self, "reason_code", reason_code)
        put(self, "_details", _kept({} if details is None else details))

    @property
    def details(self) -> dict[str, JsonValue]:
        """The metadata of the event, a fresh ``dict`` at each read."""
        return cast("dict[str, JsonValue]", json.loads(self._details))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("an event is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("an event is immutable")

    def __reduce__(self) -> tuple[object, ...]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return _restored, (type(self), values)


@dataclass(slots=True, init=False, unsafe_hash=True)
class AuditRecord(AuditEvent):
    """An event with its place: stream, index in it, index in the ledger."""

    stream: str
    index: int
    leaf_index: int

    def __init__(
        self, event: AuditEvent, *, stream: str, index: int, leaf_index: int
    ) -> None:
        AuditEvent.__init__(
            self,
            event.event_type,
            event.timestamp,
            event.user_id,
            event.token_hash,
            event.domain,
            event.method,
            event.status,
            event.reason,
            event.reason_code,
            event.details,
        )
        object.__setattr__(self, "stream", stream)
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "leaf_index", leaf_index)


def _restored(kind: type[AuditEvent], values: Mapping[str, object]) -> AuditEvent:
    """Build the copy of an event from its fields."""
    event = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(event, name, value)
    return event


def _kept(details: object) -> bytes:
    """Give the canonical bytes of a ``dict``; nothing else is details."""
    if type(details) is not dict:
        raise EntryRefusedError("details are a dict")
    return canonical_bytes(details)
