"""A second executor, slow and obvious, written from the specification alone.

It imports nothing of the product. It keeps a token's history as plain lists and says,
for one plan, which events stand in the trail, with which code it ends, and at which
step. Source: docs/spec/execution.md sections 3, 5, 6; design sections 4 to 6.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

PLAN = "orchestration_plan.execute_plan"

Event = tuple[str, str, str]


@dataclass
class OracleToken:
    """A token and everything that ever happened to it."""

    user: str
    scope: dict[str, list[str]]
    triggers: list[str]
    issued_us: int
    duration_s: int
    max_invocations: int
    max_response: int
    max_total: int
    uses_allowed: int
    uses_per_s: int
    max_executions: int | None
    revoked: bool = False
    dead: bool = False
    invocations: int = 0
    charged: int = 0
    uses_us: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class OracleStep:
    """What a step asks for, and what its domain will do."""

    domain: str
    method: str
    answer: dict[str, object]


@dataclass(frozen=True)
class Verdict:
    """What must come of a plan."""

    events: list[Event]
    code: str | None
    step: int | None


class OracleExecutor:
    """Runs plans on paper. Domain ``probe`` is the only one registered."""

    methods = ("answer", "fail", "raise", "garble", "misbehave", "strict")

    def __init__(self) -> None:
        self.paused = False
        self.tokens: list[OracleToken] = []

    def run(
        self,
        token: OracleToken | None,
        user: str,
        plan_user: str,
        trigger: str,
        steps: list[OracleStep],
        now_us: int,
    ) -> Verdict:
        """Run one plan; the clock stands still meanwhile."""
        refusal = self._gate_1(token, user, plan_user, trigger, now_us)
        if refusal == "TOKEN_UNKNOWN":
            return Verdict([("EXECUTION_DENIED", "denied", PLAN)], refusal, None)
        if refusal is not None or token is None:
            events = [
                ("TOKEN_VALIDATION", "denied", PLAN),
                ("EXECUTION_DENIED", "denied", PLAN),
            ]
            return Verdict(events, refusal, None)
        events = [("TOKEN_VALIDATION", "success", PLAN)]
        for number, step in enumerate(steps):
            code = self._step(token, step, number, events, now_us)
            if code is not None:
                return Verdict(events, code, number)
        return Verdict(events, None, None)

    def _gate_1(
        self,
        token: OracleToken | None,
        user: str,
        plan_user: str,
        trigger: str,
        now_us: int,
    ) -> str | None:
        if self.paused:
            return "PLATFORM_PAUSED"
        if token is None:
            return "TOKEN_UNKNOWN"
        expired = now_us >= (token.issued_us // 10**6 + token.duration_s) * 10**6
        if expired and not token.revoked:
            token.dead = True
        answers = [
            (token.revoked, "TOKEN_REVOKED"),
            (token.dead, "TOKEN_EXPIRED"),
            (user != token.user, "USER_MISMATCH"),
            (plan_user != token.user, "PLAN_USER_MISMATCH"),
            (trigger not in token.triggers, "TRIGGER_NOT_AUTHORIZED"),
            (
                token.max_executions is not None
                and len(token.uses_us) >= token.max_executions,
                "LIMIT_EXECUTIONS",
            ),
        ]
        return next((code for wrong, code in answers if wrong), None)

    def _step(
        self,
        token: OracleToken,
        step: OracleStep,
        number: int,
        events: list[Event],
        now_us: int,
    ) -> str | None:
        target = f"{step.domain}.{step.method}"

        def write(*kinds: tuple[str, str]) -> None:
            events.extend((kind, status, target) for kind, status in kinds)

        scope, limit = "AUTHORIZATION_SCOPE_CHECK", "RESOURCE_LIMIT_CHECK"
        no = ("EXECUTION_DENIED", "denied")
        code = self._scope(token, step)
        if code is not None:
            write((scope, "denied"), no)
            return code
        code = self._limits(token, number, now_us)
        if code is not None:
            write((scope, "success"), (limit, "denied"), no)
            return code
        passed = ((scope, "success"), (limit, "success"))
        if step.method == "strict" and set(step.answer) != {"n"}:
            write(*passed, ("BOUNDARY_VIOLATION", "denied"), no)
            return "PARAMETERS_REFUSED"
        if number == 0:
            token.uses_us.append(now_us)
        token.invocations += 1
        reserved = min(token.max_response, token.max_total - token.charged)
        started = (*passed, ("EXECUTION_STARTED", "started"))
        code, charged = _domain(step, token, reserved)
        token.charged += charged
        if code is None:
            write(*started, ("EXECUTION_COMPLETED", "success"))
        elif code == "BOUNDARY_VIOLATION":
            ending = (
                ("BOUNDARY_VIOLATION", "denied"),
                ("EXECUTION_COMPLETED", "failed"),
            )
            write(*started, *ending)
        else:
            write(*started, ("EXECUTION_COMPLETED", "failed"))
        return code

    def _scope(self, token: OracleToken, step: OracleStep) -> str | None:
        if step.domain not in token.scope:
            return "DOMAIN_NOT_IN_SCOPE"
        if step.method not in token.scope[step.domain]:
            return "METHOD_NOT_IN_SCOPE"
        if step.domain != "probe":
            return "DOMAIN_NOT_REGISTERED"
        return None if step.method in self.methods else "METHOD_NOT_FOUND"

    @staticmethod
    def _limits(token: OracleToken, number: int, now_us: int) -> str | None:
        if token.invocations >= token.max_invocations:
            return "LIMIT_INVOCATIONS"
        if token.max_total - token.charged < 1:
            return "LIMIT_TOTAL"
        since = now_us - token.uses_per_s * 10**6
        recent = [use for use in token.uses_us if use > since]
        if number == 0 and len(recent) >= token.uses_allowed:
            return "LIMIT_FREQUENCY"
        return None


def _domain(
    step: OracleStep, token: OracleToken, reserved: int
) -> tuple[str | None, int]:
    """Say how the domain ends and what it is charged."""
    said = 2 + len('"Deliberate failure"')  # data {} and the error text
    own_ends = {
        "fail": ("DOMAIN_FAILED", min(-(-said // 4), reserved)),
        "raise": ("DOMAIN_FAILED", 0),
        "garble": ("RESULT_REFUSED", reserved),
        "strict": ("RESULT_REFUSED", reserved),
        "misbehave": ("BOUNDARY_VIOLATION", reserved),
    }
    if step.method in own_ends:
        return own_ends[step.method]
    size = len(json.dumps(step.answer, separators=(",", ":")))
    units = -(-size // 4)
    if units > token.max_response:
        return "LIMIT_RESPONSE", reserved
    if units > reserved:
        return "LIMIT_TOTAL", reserved
    return None, units
