"""Fixed plans executed across domains under one capability token.

The names below are what users import. They are loaded when first asked for, so that
a command line that only prints its help loads nothing. Code of this project imports
the submodules.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for.

    Raises:
        AttributeError: There is no such name.
    """
    if name not in __all__:
        raise AttributeError(f"module 'stage3' has no attribute {name!r}")
    from stage3 import _public  # noqa: PLC0415  # loaded when first asked for

    value: object = getattr(_public, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
