"""What a caller asks for, checked for its types before anything is recorded.

A wrong type or an id that is no id is a mistake in the caller's program and raises;
everything else, however strange, becomes a recorded outcome.

Source: docs/spec/execution.md, EXE-8; design section 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from stage3.entries import PLAN_DOMAIN, PLAN_METHOD
from stage3.plan import DomainInvocation, ExecutionPlan
from stage3.token_gate import StartRequest
from tokens.credential import handle

__all__ = ["Admission", "PlanRequest", "plan_request", "step_request"]

Admission = Literal["stepwise", "whole-plan"]
"""How a plan is admitted: each step in its turn, or everything before step 0."""

_UUID: Final = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
)


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """One call of ``execute_plan`` or ``execute``.

    Attributes:
        start: What gate 1 compares.
        steps: The plan's invocations.
        execution_id: The caller's id in lower case, or None.
        admission: How the plan is admitted.
        domain: The target that plan-level events carry.
        method: Likewise.
    """

    start: StartRequest
    steps: tuple[DomainInvocation, ...]
    execution_id: str | None
    admission: Admission
    domain: str
    method: str


def plan_request(
    token_hash: object,
    user_id: object,
    trigger_type: object,
    execution_plan: object,
    *,
    execution_id: object = None,
    admission: object = "stepwise",
) -> PlanRequest:
    """Check the arguments of ``execute_plan``.

    Raises:
        TypeError: One is of the wrong type.
        ValueError: The id is not a UUID, the admission mode is unknown, or a string
            holds a lone surrogate.
    """
    # Exactly a plan: a subclass could name one digest and hand out other steps.
    if type(execution_plan) is not ExecutionPlan:
        raise TypeError("execution_plan must be an ExecutionPlan")
    if admission not in get_args(Admission):
        raise ValueError("admission must be 'stepwise' or 'whole-plan'")
    start = StartRequest(
        token_hash=handle(_text("token_hash", token_hash)),
        user_id=_text("user_id", user_id),
        trigger=_text("trigger_type", trigger_type),
        plan_user=execution_plan.user_id,
        plan_digest=execution_plan.digest,
    )
    return PlanRequest(
        start=start,
        steps=execution_plan.get_invocations(),
        execution_id=_execution_id(execution_id),
        admission=cast("Admission", admission),
        domain=PLAN_DOMAIN,
        method=PLAN_METHOD,
    )


def step_request(
    token_hash: object,
    user_id: object,
    trigger_type: object,
    step: tuple[str, str, object],
    *,
    execution_id: object = None,
) -> PlanRequest:
    """Check the arguments of ``execute``: a plan of one step, for the caller.

    Raises:
        TypeError: As ``plan_request``.
        ValueError: As ``plan_request``, or what ``DomainInvocation`` and
            ``ExecutionPlan`` refuse.
    """
    domain, method, parameters = step
    given = dict(parameters) if isinstance(parameters, dict) else parameters
    invocation = DomainInvocation(domain, method, given)
    plan = ExecutionPlan(_text("user_id", user_id), [invocation])
    request = plan_request(
        token_hash, user_id, trigger_type, plan, execution_id=execution_id
    )
    return PlanRequest(
        start=request.start,
        steps=request.steps,
        execution_id=request.execution_id,
        admission=request.admission,
        domain=domain,
        method=method,
    )


def _text(name: str, value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds a lone surrogate") from error
    return value


def _execution_id(value: object) -> str | None:
    if value is None:
        return None
    if _UUID.fullmatch(_text("execution_id", value)) is None:
        raise ValueError("execution_id must be a UUID, such as str(uuid.uuid4()) gives")
    return cast("str", value).lower()
