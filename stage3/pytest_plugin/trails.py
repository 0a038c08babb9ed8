"""``assert_trail``: what an execution should have left behind, step by step.

::

    assert_trail(
        outcome,
        completed("apollo.analyze_habits"),
        scope_denied("hermes.compose_message", code="METHOD_NOT_IN_SCOPE"),
    )

The expected trail is built from the grammar of ``audit.trail`` and compared event by
event; the message shows both side by side from where they part.

Source: docs/spec/testing.md, TST-2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from audit.events import AuditEvent, AuditEventType
from stage3.outcome import PlanOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "Expected",
    "aborted",
    "assert_trail",
    "completed",
    "denied",
    "expected_events",
    "failed",
    "limit_denied",
    "parameters_refused",
    "refused",
    "scope_denied",
    "unknown_token",
    "violated",
]

_PLAN: Final = "orchestration_plan.execute_plan"

_VALIDATED: Final = (AuditEventType.TOKEN_VALIDATION, "success")
_SCOPE: Final = (AuditEventType.AUTHORIZATION_SCOPE_CHECK, "success")
_LIMIT: Final = (AuditEventType.RESOURCE_LIMIT_CHECK, "success")
_STARTED: Final = (AuditEventType.EXECUTION_STARTED, "started")
_COMPLETED: Final = (AuditEventType.EXECUTION_COMPLETED, "success")
_FAILED: Final = (AuditEventType.EXECUTION_COMPLETED, "failed")
_VIOLATION: Final = (AuditEventType.BOUNDARY_VIOLATION, "denied")
_DENIED: Final = (AuditEventType.EXECUTION_DENIED, "denied")
_ABORTED: Final = (AuditEventType.OPERATION_ABORTED, "aborted")
_NO_VALIDATION: Final = (AuditEventType.TOKEN_VALIDATION, "denied")
_NO_SCOPE: Final = (AuditEventType.AUTHORIZATION_SCOPE_CHECK, "denied")
_NO_LIMIT: Final = (AuditEventType.RESOURCE_LIMIT_CHECK, "denied")

Shape = tuple[AuditEventType, str]


@dataclass(frozen=True, slots=True)
class Expected:
    """The events one step, or one refusal of the whole plan, should leave.

    Attributes:
        target: ``domain.method``, or empty for the plan's own target.
        shapes: Event types and statuses, in order.
        code: The reason code that the last of them carries, or None to leave it open.
        whole: True for a refusal that stands instead of a plan's events.
    """

    target: str
    shapes: tuple[Shape, ...]
    code: str | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    kind: AuditEventType
    status: str
    target: str
    code: str | None

    def fits(self, event: AuditEvent) -> bool:
        return (
            event.event_type is self.kind
            and event.status == self.status
            and (not self.target or _target(event) == self.target)
            and (self.code is None or event.reason_code == self.code)
        )

    def text(self) -> str:
        code = f" [{self.code}]" if self.code else ""
        return f"{self.kind.value} {self.status} {self.target or '(any)'}{code}"


def completed(target: str) -> Expected:
    """SCOPE LIMIT STARTED COMPLETED(success): four events."""
    return Expected(target, (_SCOPE, _LIMIT, _STARTED, _COMPLETED))


def failed(target: str, code: str | None = None) -> Expected:
    """SCOPE LIMIT STARTED COMPLETED(failed): the domain failed, or its answer did."""
    return Expected(target, (_SCOPE, _LIMIT, _STARTED, _FAILED), code)


def violated(target: str, code: str | None = "BOUNDARY_VIOLATION") -> Expected:
    """SCOPE LIMIT STARTED VIOLATION COMPLETED(failed): it tried to leave its box."""
    return Expected(target, (_SCOPE, _LIMIT, _STARTED, _VIOLATION, _FAILED), code)


def scope_denied(target: str, code: str | None = None) -> Expected:
    """SCOPE(denied) DENIED: out of scope, or not existing here."""
    return Expected(target, (_NO_SCOPE, _DENIED), code)


def limit_denied(target: str, code: str | None = None) -> Expected:
    """SCOPE LIMIT(denied) DENIED: a limit is reached."""
    return Expected(target, (_SCOPE, _NO_LIMIT, _DENIED), code)


def parameters_refused(
    target: str, code: str | None = "PARAMETERS_REFUSED"
) -> Expected:
    """SCOPE LIMIT VIOLATION DENIED: the parameters do not fit the method."""
    return Expected(target, (_SCOPE, _LIMIT, _VIOLATION, _DENIED), code)


def denied(target: str, code: str | None = None) -> Expected:
    """DENIED: revoked, expired or paused since the plan began."""
    return Expected(target, (_DENIED,), code)


def aborted(target: str, code: str | None = "INTERRUPTED") -> Expected:
    """SCOPE LIMIT STARTED ABORTED: interrupted while the step ran."""
    return Expected(target, (_SCOPE, _LIMIT, _STARTED, _ABORTED), code)


def refused(code: str | None = None, target: str = _PLAN) -> Expected:
    """VALIDATION(denied) DENIED: gate 1 refused a known token. Stands alone."""
    return Expected(target, (_NO_VALIDATION, _DENIED), code, whole=True)


def unknown_token(target: str = _PLAN) -> Expected:
    """DENIED alone: the token was never issued here."""
    return Expected(target, (_DENIED,), "TOKEN_UNKNOWN", whole=True)


def expected_events(steps: Sequence[Expected], target: str = _PLAN) -> list[str]:
    """Give the expected trail as lines of text, for a reader."""
    return [line.text() for line in _lines(steps, target)]


def assert_trail(
    events: PlanOutcome | Iterable[AuditEvent],
    *steps: Expected,
    target: str = _PLAN,
) -> None:
    """Assert that exactly the expected events stand there, in exactly this order.

    Args:
        events: An outcome, ``log.trail(execution_id)``, or any events.
        steps: What each step should have left, in plan order; or one ``refused()``
            or ``unknown_token()`` alone.
        target: ``domain.method`` of the plan-level event; another one for
            ``orchestrator.execute``.

    Raises:
        AssertionError: With both trails, from where they part.
        ValueError: A refusal of the whole plan does not stand alone, or nothing was
            expected.
        TypeError: ``events`` holds something that is not an ``AuditEvent``.
    """
    __tracebackhide__ = True
    found = _events(events)
    wanted = _lines(steps, target)
    for index, line in enumerate(wanted):
        if index >= len(found) or not line.fits(found[index]):
            raise AssertionError(_difference(index, wanted, found))
    if len(found) > len(wanted):
        raise AssertionError(_difference(len(wanted), wanted, found))


def _events(events: PlanOutcome | Iterable[AuditEvent]) -> tuple[AuditEvent, ...]:
    found = events.trail if isinstance(events, PlanOutcome) else tuple(events)
    for event in found:
        if not isinstance(event, AuditEvent):
            raise TypeError(f"expected AuditEvent, found {type(event).__name__}")
    return found


def _lines(steps: Sequence[Expected], target: str) -> list[_Line]:
    if not steps:
        raise ValueError("say what is expected: completed('apollo.plan_routine'), ...")
    if any(step.whole for step in steps):
        if len(steps) > 1:
            raise ValueError("a refusal of the whole plan stands alone")
        return _step_lines(steps[0])
    first = _Line(*_VALIDATED, target, None)
    return [first, *(line for step in steps for line in _step_lines(step))]


def _step_lines(step: Expected) -> list[_Line]:
    last = len(step.shapes) - 1
    return [
        _Line(kind, status, step.target, step.code if index == last else None)
        for index, (kind, status) in enumerate(step.shapes)
    ]


def _difference(at: int, wanted: Sequence[_Line], found: Sequence[AuditEvent]) -> str:
    same = [f"     {_shown(event)}" for event in found[:at]]
    expected = wanted[at].text() if at < len(wanted) else "the end of the trail"
    came = _shown(found[at]) if at < len(found) else "the end of the trail"
    rest = [f"     {_shown(event)}" for event in found[at + 1 :]]
    return "\n".join(
        [
            (
                f"the trail differs at event {at + 1} "
                f"(expected {len(wanted)} events, found {len(found)})"
            ),
            *same,
            f"  -  {expected}   <- expected",
            f"  +  {came}   <- found",
            *rest,
        ]
    )


def _shown(event: AuditEvent) -> str:
    code = f" [{event.reason_code}]" if event.reason_code else ""
    return f"{event.event_type.value} {event.status} {_target(event)}{code}"


def _target(event: AuditEvent) -> str:
    return f"{event.domain}.{event.method}"
