"""The gates: small pure functions that say yes, or say no and why.

Each takes what was read under the authority lock, or before it, and returns None
(pass) or a ``Refusal``. None of them reads a clock, a store or a registry by itself,
and none writes: the orchestrator turns the answer into events in one place.

===== ================ ==========================================================
gate  question         asked
===== ================ ==========================================================
1     the token        once per plan; shorter again before every later step
2     scope            for every step: domain, then method, then whether it exists
3     limits           for every step, frequency and executions once per plan
4     data boundary    for every step: do the parameters fit the method's schema
===== ================ ==========================================================

Source: docs/spec/execution.md, EXE-3; design sections 4 to 6; rules 2A to 2D.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from audit.entry import ledger_text, printable
from audit.events import ReasonCode
from tokens.limits import check_before_start

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from audit.events import JsonValue
    from stage2_domains.registry import RegisteredDomain
    from stage3.plan import DomainInvocation
    from tokens.credential import Claims
    from tokens.snapshot import TokenSnapshot

__all__ = [
    "CLOCK_TOLERANCE_US",
    "Gate",
    "Refusal",
    "StartRequest",
    "check_clock",
    "check_existence",
    "check_limits",
    "check_parameters",
    "check_scope",
    "recheck_token",
    "refuse",
    "validate_token",
]

CLOCK_TOLERANCE_US: Final = 60_000_000
"""How far the clock may be behind the newest entry before starts are refused."""

_SECOND_US: Final = 1_000_000
_LISTED: Final = 8


class Gate(StrEnum):
    """Where a refusal came from; it decides which events record it."""

    UNKNOWN = "unknown"
    TOKEN = "token"  # noqa: S105 - the name of a gate
    RECHECK = "recheck"
    SCOPE = "scope"
    LIMITS = "limits"
    BOUNDARY = "boundary"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A gate's no.

    Attributes:
        gate: Which gate said it.
        code: One of the closed list.
        sentence: For the caller: printable ASCII, names escaped.
        record: For the ledger: the same sentence with names that are not plain
            replaced by their digest and length; at most 400 characters.
        details: Numbers for the record; metadata only.
    """

    gate: Gate
    code: ReasonCode
    sentence: str
    record: str
    details: tuple[tuple[str, JsonValue], ...] = ()


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


def refuse(gate: Gate, code: ReasonCode, template: str, **names: str) -> Refusal:
    """Build a refusal from a sentence of ours and names of anybody's.

    ``template`` is plain ASCII with ``{name}`` fields; each name appears escaped in
    the caller's sentence and as ``ledger_text`` in the record's.
    """
    shown = {key: printable(value) for key, value in names.items()}
    recorded = {key: ledger_text(value) for key, value in names.items()}
    return Refusal(
        gate=gate,
        code=code,
        sentence=template.format(**shown),
        record=template.format(**recorded)[:400],
    )


def _ours(sentence: str) -> str:
    """Put a sentence of our own into a template as it is."""
    return printable(sentence, 200).replace("{", "{{").replace("}", "}}")


# Gate 1 ------------------------------------------------------------------------


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
            f"{_ours(snapshot.integrity)}; run `stage3 audit verify`",
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
            + _ours(snapshot.key_refusal),
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


# Gate 2 ------------------------------------------------------------------------


def check_scope(claims: Claims, step: DomainInvocation) -> Refusal | None:
    """Say whether the token names exactly this domain and this method of it.

    Exact strings only: no pattern, folding, trimming or normalisation.

    Source:
        EXE-3.3; rules 2B.1 to 2B.12.
    """
    token = claims.token
    if step.domain not in token.domain_scope:
        return refuse(
            Gate.SCOPE,
            ReasonCode.DOMAIN_NOT_IN_SCOPE,
            "domain {domain} not in scope: not authorized by this token "
            f"(it allows {_listing(token.domain_scope)})",
            domain=step.domain,
        )
    methods = token.method_scope.get(step.domain, ())
    if step.method not in methods:
        return refuse(
            Gate.SCOPE,
            ReasonCode.METHOD_NOT_IN_SCOPE,
            "method {method} of domain {domain} not in scope: "
            f"not authorized by this token (it allows {_listing(methods)})",
            domain=step.domain,
            method=step.method,
        )
    return None


def check_existence(
    find: Callable[[str], RegisteredDomain | None],
    step: DomainInvocation,
    tiers: Collection[str],
) -> Refusal | None:
    """Say whether what the token allows exists here, in a tier that is available.

    Source:
        EXE-3.4; rules 6.5, design sections 5 and 7 (a tier is never lowered).
    """
    domain = find(step.domain)
    if domain is None:
        return refuse(
            Gate.SCOPE,
            ReasonCode.DOMAIN_NOT_REGISTERED,
            "domain {domain} not found: it is in scope but not registered here",
            domain=step.domain,
        )
    if step.method not in domain.methods:
        return refuse(
            Gate.SCOPE,
            ReasonCode.METHOD_NOT_FOUND,
            "method {method} not found in domain {domain} "
            f"(it has {_listing(tuple(domain.methods))})",
            domain=step.domain,
            method=step.method,
        )
    if domain.tier not in tiers:
        return refuse(
            Gate.SCOPE,
            ReasonCode.ISOLATION_UNAVAILABLE,
            "domain {domain} needs the isolation tier "
            f"{domain.tier}, which is not available here; "
            "register it with trusted=True only if you trust its code like your own",
            domain=step.domain,
        )
    return None


def _listing(names: tuple[str, ...]) -> str:
    if not names:
        return "none"
    shown = ", ".join(ledger_text(name) for name in names[:_LISTED])
    more = len(names) - _LISTED
    return f"{shown} and {more} more" if more > 0 else shown


# Gate 3 ------------------------------------------------------------------------


def check_limits(
    snapshot: TokenSnapshot, claims: Claims, *, now_us: int, first_step: bool
) -> Refusal | None:
    """Say whether one more step fits within every limit. Consumes nothing.

    Source:
        EXE-3.5; rules 2C.1 to 2C.9, design section 4 "Limits".
    """
    found = check_before_start(
        claims.token.limits,
        snapshot.usage,
        now_us=now_us,
        bounding_use_us=snapshot.bounding_use_us,
        first_step=first_step,
    )
    if found is None:
        return None
    return Refusal(
        gate=Gate.LIMITS,
        code=found.code,
        sentence=found.sentence,
        record=found.sentence,
        details=(
            ("limit_type", found.limit),
            ("current", found.current),
            ("max", found.maximum),
        ),
    )


# Gate 4 ------------------------------------------------------------------------


def check_parameters(domain: RegisteredDomain, step: DomainInvocation) -> str | None:
    """Say what is wrong with the parameters, or None.

    Costly (a schema is evaluated), so it is asked before the lock; the answer counts
    only once gates 2 and 3 have passed. The sentence may name the caller's keys: it
    is for the caller, and the record gets a sentence of ours.

    Source:
        EXE-3.6; design section 6 "Gate 4".
    """
    return domain.methods[step.method].check_parameters(step.parameters)
