"""Where the public names of ``stage3`` come from; see the package itself."""

from stage3.errors import RecoveryRefusedError, Stage3Error
from stage3.orchestrator import Stage3Orchestrator
from stage3.outcome import PlanDecision, PlanError, PlanOutcome
from stage3.plan import DomainInvocation, ExecutionPlan
from stage3.recovery import RecoveryReport, recover

__all__ = [
    "DomainInvocation",
    "ExecutionPlan",
    "PlanDecision",
    "PlanError",
    "PlanOutcome",
    "RecoveryRefusedError",
    "RecoveryReport",
    "Stage3Error",
    "Stage3Orchestrator",
    "recover",
]
