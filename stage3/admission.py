"""Whether a step, or a whole plan, may go ahead: the gates put in their order.

Pure: a snapshot of the token and the plan go in, a refusal or None comes out.

Source: docs/spec/execution.md, EXE-3.7 and EXE-3.8; design sections 3 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from audit.events import ReasonCode
from stage3.gates import (
    check_existence,
    check_limits,
    check_parameters,
    check_scope,
)
from stage3.refusal import Gate, Refusal, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stage2_domains.registry import RegisteredDomain
    from stage3.plan import DomainInvocation
    from tokens.credential import Claims
    from tokens.state.snapshot import TokenSnapshot

__all__ = ["ReadyStep", "Stop", "decide_step", "foresee", "make_ready"]


@dataclass(frozen=True, slots=True)
class ReadyStep:
    """A step with everything about it that can be known before the lock.

    Attributes:
        index: 0-based place in the plan.
        invocation: What the plan says.
        domain: The registered domain, or None.
        missing: Why it cannot run here, or None: the second half of gate 2.
        misfit: Why its parameters do not fit, or None: gate 4.
    """

    index: int
    invocation: DomainInvocation
    domain: RegisteredDomain | None
    missing: Refusal | None
    misfit: Refusal | None

    def require_domain(self) -> RegisteredDomain:
        """Give the domain of a step that has passed gate 2."""
        if self.domain is None:
            raise RuntimeError("a step without a domain was let through gate 2")
        return self.domain


@dataclass(frozen=True, slots=True)
class Stop:
    """A refusal and the step it falls on."""

    step: ReadyStep
    refusal: Refusal


def make_ready(
    index: int,
    invocation: DomainInvocation,
    find: Callable[[str], RegisteredDomain | None],
    why_not: Callable[[str], str | None],
) -> ReadyStep:
    """Look a step up and check its parameters, before any lock is taken."""
    missing = check_existence(find, invocation, why_not)
    domain = find(invocation.domain)
    misfit = None
    if domain is not None and missing is None:
        wrong = check_parameters(domain, invocation)
        misfit = None if wrong is None else _misfit(invocation, wrong)
    return ReadyStep(index, invocation, domain, missing, misfit)


def decide_step(
    snapshot: TokenSnapshot, claims: Claims, step: ReadyStep, *, now_us: int
) -> Refusal | None:
    """Put gates 2, 3 and 4 to one step; the first refusal wins.

    Scope is asked before existence, so that a token learns nothing about domains
    that it does not name.
    """
    return (
        check_scope(claims, step.invocation)
        or step.missing
        or check_limits(snapshot, claims, now_us=now_us, first_step=step.index == 0)
        or step.misfit
    )


def foresee(
    snapshot: TokenSnapshot, claims: Claims, steps: Sequence[ReadyStep], *, now_us: int
) -> Stop | None:
    """Find the first step that would be refused, if every answer had zero units.

    Nothing is reserved. Time is taken to stand still, so an expiry or a revocation in
    the middle of the plan is not foreseen.
    """
    seen = snapshot
    for step in steps:
        refusal = decide_step(seen, claims, step, now_us=now_us)
        if refusal is not None:
            return Stop(step, refusal)
        usage = replace(seen.usage, invocations=seen.usage.invocations + 1)
        seen = replace(seen, usage=usage)
    return None


def _misfit(invocation: DomainInvocation, wrong: str) -> Refusal:
    named = refuse(
        Gate.BOUNDARY,
        ReasonCode.PARAMETERS_REFUSED,
        "parameters of {domain}.{method} refused by the method's schema",
        domain=invocation.domain,
        method=invocation.method,
    )
    return replace(named, sentence=f"{named.sentence}: {wrong}")
