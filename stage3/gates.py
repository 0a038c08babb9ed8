"""Gates 2 to 4: the scope, the limits and the data boundary of one step.

Small pure functions that say yes (None), or no and why (a ``Refusal``). None of them
reads a clock, a store or a registry by itself, and none writes: the orchestrator turns
the answer into events in one place.

===== ================ ==========================================================
gate  question         asked
===== ================ ==========================================================
1     the token        once per plan, in part again before every later step
                       (``stage3.token_gate``)
2     scope            for every step: domain, then method, then whether it exists
3     limits           for every step; frequency at the first
4     data boundary    for every step: do the parameters fit the method's schema
===== ================ ==========================================================

Source: docs/spec/execution.md, EXE-3.3 to EXE-3.7; design 4 to 6; rules 2B, 2C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from audit.entry import ledger_text
from audit.events import ReasonCode
from stage3.refusal import Gate, Refusal, our_words, refuse
from tokens.limits import check_before_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage2_domains.registry import RegisteredDomain
    from stage3.plan import DomainInvocation
    from tokens.credential import Claims
    from tokens.state.snapshot import TokenSnapshot

__all__ = ["check_existence", "check_limits", "check_parameters", "check_scope"]

_LISTED: Final = 8


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
    why_not: Callable[[str], str | None],
) -> Refusal | None:
    """Say whether what the token allows exists here, in a tier that is available.

    Args:
        find: Gives a registered domain by its exact name, or ``None``.
        step: The invocation.
        why_not: Says of a tier why it is not available here, ``None`` where it is.

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
    reason = why_not(domain.tier)
    if reason is not None:
        return refuse(
            Gate.SCOPE,
            ReasonCode.ISOLATION_UNAVAILABLE,
            "domain {domain} needs the isolation tier "
            f"{domain.tier}, which is not available here ({our_words(reason)}); "
            "it is not run in a weaker one",
            domain=step.domain,
        )
    return None


def _listing(names: tuple[str, ...]) -> str:
    if not names:
        return "none"
    shown = ", ".join(ledger_text(name) for name in names[:_LISTED])
    more = len(names) - _LISTED
    return f"{shown} and {more} more" if more > 0 else shown


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


def check_parameters(domain: RegisteredDomain, step: DomainInvocation) -> str | None:
    """Say what is wrong with the parameters, or None.

    Costly (a schema is evaluated), so it is asked before the lock; the answer counts
    only once gates 2 and 3 have passed. The sentence may name the caller's keys: it
    is for the caller, and the record gets a sentence of ours.

    Source:
        EXE-3.6; design section 6 "Gate 4".
    """
    return domain.methods[step.method].check_parameters(step.parameters)
