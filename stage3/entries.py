"""The events of an execution, made from decisions: the one place that words them.

Pure: drafts come out, and nothing is written. Details are metadata only: numbers,
codes, digests and salted commitments, never a parameter or an answer.

Source: docs/spec/execution.md, EXE-5; design section 5, rules 4B.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from audit.entry import EntryDraft, draft_entry
from audit.events import AuditEventType, ReasonCode
from stage3.refusal import Gate, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audit.events import JsonValue
    from audit.records import StreamHead
    from stage3.admission import ReadyStep
    from stage3.isolation.interface import Usage
    from stage3.judgement import Judgement
    from tokens.credential import Claims
    from tokens.state.accounting import Reservation
    from tokens.state.snapshot import TokenSnapshot

__all__ = ["PLAN_DOMAIN", "PLAN_METHOD", "Scribe", "commitment"]

PLAN_DOMAIN: Final = "orchestration_plan"
PLAN_METHOD: Final = "execute_plan"

_INTERRUPTED: Final = (
    "interrupted: the step's effect is unknown; nothing after it was started"
)
_NOT_STARTED: Final = "interrupted between steps: nothing after this was started"


def commitment(salt: bytes, label: str, data: bytes) -> str:
    """Commit to ``data`` under a salt of its own, derived from the execution's salt.

    ``SHA-256(HMAC-SHA-256(salt, label) || data)`` in hex: each field can be disclosed
    alone, and with the salt erased none can be guessed.
    """
    field_salt = hmac.digest(salt, label.encode(), "sha256")
    return hashlib.sha256(field_salt + data).hexdigest()


@dataclass(frozen=True, slots=True)
class Scribe:
    """Words the events of one execution.

    Attributes:
        user_id: The caller, as said.
        token_hash: The public handle that was named.
        domain: The plan-level target: ``orchestration_plan``, or the one step's own
            domain where a single invocation was asked for (rules 4B.3).
        method: Likewise.
    """

    user_id: str
    token_hash: str
    domain: str = PLAN_DOMAIN
    method: str = PLAN_METHOD

    def validated(
        self, snapshot: TokenSnapshot, claims: Claims, facts: Mapping[str, JsonValue]
    ) -> EntryDraft:
        """TOKEN_VALIDATION success, with all that gate 1 read."""
        details: dict[str, JsonValue] = {
            **facts,
            "token": {
                "claims": claims.claims_digest,
                "exp": claims.expires_at_s,
                "iat": claims.issued_at_s,
                "kid": claims.kid,
            },
            "executions": {
                "before": snapshot.usage.executions,
                "max": claims.token.max_executions,
            },
            "heads": _heads(snapshot),
        }
        return self._plan_event(AuditEventType.TOKEN_VALIDATION, "success", details)

    def refused(
        self, refusal: Refusal, step: ReadyStep | None, snapshot: TokenSnapshot | None
    ) -> tuple[EntryDraft, ...]:
        """Give the events of a refusal; its gate decides which they are."""
        heads: dict[str, JsonValue] = (
            {} if snapshot is None else {"heads": _heads(snapshot)}
        )
        match refusal.gate:
            case Gate.UNKNOWN:
                return (self._denied(refusal, None, heads),)
            case Gate.TOKEN:
                validation = self._plan_event(
                    AuditEventType.TOKEN_VALIDATION, "denied", heads, refusal
                )
                return (validation, self._denied(refusal, None, {}))
            case Gate.RECHECK:
                return (self._denied(refusal, step, heads),)
            case Gate.SCOPE | Gate.LIMITS | Gate.BOUNDARY:
                kind = _REFUSING[refusal.gate]
                passed = tuple(self._check(each, step) for each in _BEFORE[kind])
                refused = self._check(kind, step, refusal)
                return (*passed, refused, self._denied(refusal, step, {}))

    def starting(
        self,
        step: ReadyStep,
        token: tuple[TokenSnapshot, Claims],
        reservation: Reservation,
        parameters: str,
    ) -> tuple[EntryDraft, ...]:
        """SCOPE, LIMIT and STARTED of a step that goes ahead."""
        snapshot, claims = token
        limits = claims.token.limits
        before, after = reservation.usage_before, reservation.usage_after
        limit: dict[str, JsonValue] = {
            "step": step.index,
            "invocations": {
                "current": before.invocations,
                "max": limits.max_invocations,
            },
            "total": {
                "current": before.units + before.reserved,
                "max": limits.max_total_tokens,
            },
            "response_max": limits.max_tokens_per_response,
        }
        if step.index == 0:
            limit["frequency"] = {
                "count": limits.frequency.count,
                "per_s": limits.frequency.per_seconds,
                "window_us": snapshot.bounding_use_us,
            }
        started: dict[str, JsonValue] = {
            "step": step.index,
            "reserved": reservation.reserved,
            "invocations": {
                "before": before.invocations,
                "after": after.invocations,
                "max": limits.max_invocations,
            },
            "total": {
                "before": before.units + before.reserved,
                "reserved": reservation.reserved,
                "max": limits.max_total_tokens,
            },
            "parameters": parameters,
            "domain_digest": "" if step.domain is None else step.domain.digest,
            "tier": "" if step.domain is None else step.domain.tier,
            "heads": _heads(snapshot),
        }
        return (
            self._check(_SCOPE, step),
            self._event(_LIMIT, step, "success", limit),
            self._event(AuditEventType.EXECUTION_STARTED, step, "started", started),
        )

    def completed(
        self, step: ReadyStep, judgement: Judgement, result: str | None
    ) -> tuple[EntryDraft, ...]:
        """COMPLETED of a step that ran, after a VIOLATION where there was one."""
        failure = judgement.failure
        details: dict[str, JsonValue] = {
            "step": step.index,
            "charged": judgement.charged,
            "units": judgement.units,
        }
        kind = AuditEventType.EXECUTION_COMPLETED
        if failure is None:
            return (self._event(kind, step, "success", {**details, "result": result}),)
        ending = self._event(kind, step, "failed", details, failure)
        if judgement.violation is None:
            return (ending,)
        seen = judgement.violation
        evidence: dict[str, JsonValue] = {
            "step": step.index,
            "violation_type": seen.kind.value,
            "detail": seen.detail,
            "source": seen.source,
            "tier": "" if step.domain is None else step.domain.tier,
        }
        if seen.usage is not None:
            evidence["used"] = _known(seen.usage)
        violation = AuditEventType.BOUNDARY_VIOLATION
        return (self._event(violation, step, "denied", evidence, failure), ending)

    def aborted(
        self, domain: str, method: str, step: int | None, charged: int
    ) -> EntryDraft:
        """OPERATION_ABORTED: the trail ends here, and what the step did is unknown.

        Args:
            domain: Of the step that was running, or the plan's.
            method: Likewise.
            step: The step that was running, or None when none was.
            charged: Output units charged: the step's whole reservation.
        """
        running = step is not None
        return draft_entry(
            AuditEventType.OPERATION_ABORTED,
            user_id=self.user_id,
            token_hash=self.token_hash,
            domain=domain,
            method=method,
            status="aborted",
            reason=_INTERRUPTED if running else _NOT_STARTED,
            reason_code=ReasonCode.INTERRUPTED,
            details={
                "step": step,
                "charged": charged,
                "effect": "unknown" if running else "none",
            },
        )

    def _denied(
        self, refusal: Refusal, step: ReadyStep | None, more: dict[str, JsonValue]
    ) -> EntryDraft:
        kind = AuditEventType.EXECUTION_DENIED
        if step is None:
            return self._plan_event(kind, "denied", more, refusal)
        return self._event(kind, step, "denied", {"step": step.index, **more}, refusal)

    def _check(
        self,
        kind: AuditEventType,
        step: ReadyStep | None,
        refusal: Refusal | None = None,
    ) -> EntryDraft:
        if step is None:
            raise ValueError("a check is always about a step")
        details: dict[str, JsonValue] = {"step": step.index}
        if refusal is None:
            return self._event(kind, step, "success", details)
        details |= dict(refusal.details)
        if kind is AuditEventType.BOUNDARY_VIOLATION:
            details |= {"violation_type": "parameters", "source": "schema"}
        return self._event(kind, step, "denied", details, refusal)

    def _plan_event(
        self,
        kind: AuditEventType,
        status: str,
        details: Mapping[str, JsonValue],
        why: Refusal | None = None,
    ) -> EntryDraft:
        return draft_entry(
            kind,
            user_id=self.user_id,
            token_hash=self.token_hash,
            domain=self.domain,
            method=self.method,
            status=status,
            reason=None if why is None else why.record,
            reason_code=None if why is None else why.code,
            details=details,
        )

    def _event(
        self,
        kind: AuditEventType,
        step: ReadyStep,
        status: str,
        details: Mapping[str, JsonValue],
        why: Refusal | None = None,
    ) -> EntryDraft:
        return draft_entry(
            kind,
            user_id=self.user_id,
            token_hash=self.token_hash,
            domain=step.invocation.domain,
            method=step.invocation.method,
            status=status,
            reason=None if why is None else why.record,
            reason_code=None if why is None else why.code,
            details=details,
        )


_SCOPE: Final = AuditEventType.AUTHORIZATION_SCOPE_CHECK
_LIMIT: Final = AuditEventType.RESOURCE_LIMIT_CHECK
_VIOLATION: Final = AuditEventType.BOUNDARY_VIOLATION

_REFUSING: Final = {
    Gate.SCOPE: _SCOPE,
    Gate.LIMITS: _LIMIT,
    Gate.BOUNDARY: _VIOLATION,
}
"""The event in which each gate of a step says no."""

_BEFORE: Final[Mapping[AuditEventType, tuple[AuditEventType, ...]]] = {
    _SCOPE: (),
    _LIMIT: (_SCOPE,),
    _VIOLATION: (_SCOPE, _LIMIT),
}
"""What has passed before it."""


def _known(usage: Usage) -> dict[str, JsonValue]:
    """Give what is known of a usage."""
    said = {
        "wall_ms": usage.wall_ms,
        "cpu_ms": usage.cpu_ms,
        "peak_mb": usage.peak_mb,
    }
    return {name: value for name, value in said.items() if value is not None}


def _heads(snapshot: TokenSnapshot) -> dict[str, JsonValue]:
    return {
        "platform": _head(snapshot.platform_head),
        "token": _head(snapshot.token_head),
    }


def _head(head: StreamHead) -> list[JsonValue]:
    return [head.size, head.last_hash]
