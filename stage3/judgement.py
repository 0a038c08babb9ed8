"""What a box's outcome means: keep the answer, or withhold it, and what it costs.

Pure. The answer is never cut short: it is returned whole or not at all.

Source: docs/spec/execution.md, EXE-6; design sections 4 "Limits" and 6 "Outcomes".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from audit.events import ReasonCode
from stage2_domains.canonical import parse
from stage3.isolation.interface import (
    BoxOutcome,
    DomainFailed,
    InfraFailure,
    Ok,
    ResultRefused,
    Violation,
)
from stage3.refusal import Gate, Refusal, refuse
from tokens.limits import MAX_LIMIT, Limits, output_units, settle

if TYPE_CHECKING:
    from stage2_domains.canonical import JsonValue
    from stage3.admission import ReadyStep

__all__ = ["Judgement", "judge"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The end of one step.

    Attributes:
        result: Canonical bytes of ``{data, error, success}`` to return, or None.
        units: Output units as measured or reported; None where nothing could be.
        charged: Output units the token pays; never above what was reserved.
        failure: None exactly when ``result`` is given.
        violation: Set when the domain tried to leave its box.
    """

    result: bytes | None
    units: int | None
    charged: int
    failure: Refusal | None
    violation: Violation | None = None


def judge(
    answer: BoxOutcome, step: ReadyStep, limits: Limits, reserved: int
) -> Judgement:
    """Turn the outcome of a box into the end of a step.

    A violation, a refused answer and a broken box cost the whole reservation, as does
    an answer larger than what was reserved; a domain's own failure costs what it said.
    """
    match answer:
        case Ok():
            return _judge_answer(answer, step, limits, reserved)
        case DomainFailed():
            units = output_units(answer.output_bytes)
            failure = _fail(
                step, ReasonCode.DOMAIN_FAILED, "the domain failed", answer.message
            )
            return Judgement(None, units, min(units, reserved), failure)
        case ResultRefused():
            what = "the domain's answer was refused"
            failure = _fail(step, ReasonCode.RESULT_REFUSED, what, answer.message)
            return Judgement(None, None, reserved, failure)
        case InfraFailure():
            what = "the domain's box broke"
            failure = _fail(step, ReasonCode.ISOLATION_UNAVAILABLE, what, answer.reason)
            return Judgement(None, None, reserved, failure)
        case Violation():
            what = f"the domain tried to leave its box ({answer.kind})"
            failure = _fail(step, ReasonCode.BOUNDARY_VIOLATION, what, answer.detail)
            return Judgement(None, None, reserved, failure, answer)


def _judge_answer(
    answer: Ok, step: ReadyStep, limits: Limits, reserved: int
) -> Judgement:
    wrong = _result_misfit(answer, step)
    if wrong is not None:
        what = "the domain's answer does not fit the method's result schema"
        failure = _fail(step, ReasonCode.RESULT_REFUSED, what, wrong)
        return Judgement(None, None, reserved, failure)
    units = output_units(answer.output_bytes)
    if answer.reported_units is not None and _is_trusted(step):
        units = answer.reported_units
    settlement = settle(limits, reserved, units)
    if settlement.refusal is None:
        return Judgement(answer.result, units, settlement.charged, None)
    over = Refusal(
        gate=Gate.LIMITS,
        code=settlement.refusal.code,
        sentence=settlement.refusal.sentence,
        record=settlement.refusal.sentence,
    )
    # A record holds no larger number.
    return Judgement(None, min(units, MAX_LIMIT), settlement.charged, over)


def _result_misfit(answer: Ok, step: ReadyStep) -> str | None:
    if step.domain is None:
        return None
    method = step.domain.methods[step.invocation.method]
    if method.result is None:
        return None
    result = cast("dict[str, JsonValue]", parse(answer.result))
    return method.check_result(result["data"])


def _is_trusted(step: ReadyStep) -> bool:
    return step.domain is not None and step.domain.tier == "in_process"


def _fail(step: ReadyStep, code: ReasonCode, what: str, told: str) -> Refusal:
    """Word a failure: ``told`` may be the domain's own, so only the caller sees it."""
    failure = refuse(
        Gate.BOUNDARY,
        code,
        "{domain}.{method}: " + what,
        domain=step.invocation.domain,
        method=step.invocation.method,
    )
    return replace(failure, sentence=f"{failure.sentence}: {told}")
