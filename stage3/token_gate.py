"""Gate 1: may this token start this plan for this caller, and may it still?

Pure functions of what was read under the authority lock.

Source: docs/spec/execution.md, EXE-3.1, EXE-3.2, EXE-3.9; rules 2A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from audit.events import ReasonCode
from stage3.refusal import Gate, Refusal, our_words, refuse

if TYPE_CHECKING:
    from tokens.credential import Claims
    from tokens.state.snapshot import TokenSnapshot

__all__ = [
    "CLOCK_TOLERANCE_US",
    "StartRequest",
    "check_clock",
    "recheck_token",
    "validate_token",
]

CLOCK_TOLERANCE_US: Final = 60_000_000
"""How far the clock may be behind the newest entry before starts are refused."""

_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What the caller said, before anything is believed.

    Attributes:
        token_hash: The public handle (``sha256:`` form) that was named.
        user_id: Who says to be calling.
        trigger: Why, in one of the four words of rules 1D.
        plan_user: Whose plan it is.
        plan_digest: ``ExecutionPlan.digest``.
    """

    token_hash: str
    user_id: str
    trigger: str
    plan_user: str
    plan_digest: str


def validate_token(
    snapshot: TokenSnapshot, request: StartRequest, *, now_us: int
) -> Refusal | None:
    """Say whether this token may start this plan for this caller now.

    The order is design section 4's: paused, revoked, exists, key good, active, not
    expired, user, plan's user, trigger, bound plan, executions. (The latch, which
    comes first, has refused the transaction already.)

    Source:
        EXE-3.1; rules 2A.1 to 2A.10, 7.9 (the plan's user was never compared).
    """
    blocked = _standing(snapshot, Gate.TOKEN)
    if blocked is not None:
        return blocked
    claims = snapshot.claims
    if claims is None:
        return refuse(
            Gate.UNKNOWN,
            ReasonCode.TOKEN_UNKNOWN,
            "token not found: {token} was never issued in this ledger",
            token=request.token_hash,
        )
    return (
        _lifetime(snapshot, claims, now_us, Gate.TOKEN)
        or _identity(claims, request)
        or _binding(snapshot, claims, request)
    )


def recheck_token(snapshot: TokenSnapshot, *, now_us: int) -> Refusal | None:
    """Say whether the token may still start a step: the part of gate 1 that changes.

    User, trigger and plan were fixed when the plan was admitted, so they are not
    compared again; pause, revocation, key state and expiry are.

    Source:
        EXE-3.2; design section 5 (the mid-plan DENIED), rules C8.
    """
    blocked = _standing(snapshot, Gate.RECHECK)
    if blocked is not None:
        return blocked
    if snapshot.claims is None:
        return refuse(
            Gate.RECHECK,
            ReasonCode.TOKEN_UNKNOWN,
            "token not found: its registration is gone since the plan began",
        )
    return _lifetime(snapshot, snapshot.claims, now_us, Gate.RECHECK)


def check_clock(gate: Gate, *, now_us: int, newest_us: int) -> Refusal | None:
    """Refuse starts while the clock is more than 60 s behind the ledger."""
    behind = newest_us - now_us
    if behind <= CLOCK_TOLERANCE_US:
        return None
    return refuse(
        gate,
        ReasonCode.AUDIT_UNAVAILABLE,
        f"the clock is {behind // _SECOND_US} s behind the audit log's newest entry; "
        "correct the clock before starting anything",
    )


def _standing(snapshot: TokenSnapshot, gate: Gate) -> Refusal | None:
    if snapshot.integrity is not None:
        return refuse(
            gate,
            ReasonCode.AUDIT_UNAVAILABLE,
            "the audit log and the authority's records disagree: "
            f"{our_words(snapshot.integrity)}; run `stage3 audit verify`",
        )
    if snapshot.paused:
        return refuse(
            gate,
            ReasonCode.PLATFORM_PAUSED,
            "the platform is paused: nothing starts until it is resumed",
        )
    if snapshot.revoked_by is not None:
        return refuse(
            gate,
            ReasonCode.TOKEN_REVOKED,
            "token revoked (by {selector}): ask for a new one",
            selector=snapshot.revoked_by,
        )
    return None


def _lifetime(
    snapshot: TokenSnapshot, claims: Claims, now_us: int, gate: Gate
) -> Refusal | None:
    if snapshot.key_refusal is not None:
        return refuse(
            gate,
            ReasonCode.KEY_NOT_TRUSTED,
            "the key that signed this token is not trusted: "
            + our_words(snapshot.key_refusal),
        )
    if now_us < claims.issued_at_s * _SECOND_US:
        return refuse(
            gate, ReasonCode.TOKEN_NOT_ACTIVE, "token not active yet: it begins later"
        )
    # Once TOKEN_EXPIRED is on record the token stays dead, even if the clock goes back.
    if snapshot.expired_noted or now_us >= claims.expires_at_s * _SECOND_US:
        return refuse(
            gate,
            ReasonCode.TOKEN_EXPIRED,
            f"token expired: it ended at {claims.expires_at_s} s Unix time; "
            "ask for a new one",
        )
    return None


def _identity(claims: Claims, request: StartRequest) -> Refusal | None:
    token = claims.token
    if request.user_id != token.user_id:
        return refuse(
            Gate.TOKEN,
            ReasonCode.USER_MISMATCH,
            "user mismatch: the token was not issued to user {user}",
            user=request.user_id,
        )
    if request.plan_user != token.user_id:
        return refuse(
            Gate.TOKEN,
            ReasonCode.PLAN_USER_MISMATCH,
            "plan user mismatch: the plan belongs to user {user}, the token does not",
            user=request.plan_user,
        )
    if request.trigger not in token.allowed_trigger_types:
        return refuse(
            Gate.TOKEN,
            ReasonCode.TRIGGER_NOT_AUTHORIZED,
            "trigger {trigger} is not authorized by this token "
            f"(it allows {', '.join(token.allowed_trigger_types)})",
            trigger=request.trigger,
        )
    return None


def _binding(
    snapshot: TokenSnapshot, claims: Claims, request: StartRequest
) -> Refusal | None:
    token = claims.token
    if token.plan_digest is not None and token.plan_digest != request.plan_digest:
        return refuse(
            Gate.TOKEN,
            ReasonCode.PLAN_NOT_AUTHORIZED,
            "plan not authorized: this token is bound to one plan and this is another",
        )
    started = snapshot.usage.executions
    if token.max_executions is not None and started >= token.max_executions:
        return refuse(
            Gate.TOKEN,
            ReasonCode.LIMIT_EXECUTIONS,
            "max_executions limit exhausted: "
            f"{started} of {token.max_executions} executions used",
        )
    return None
