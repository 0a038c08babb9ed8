"""A domain made of one function, and one call of it in an in-process box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stage2_domains.contract import Budget, DomainResult, MethodSpec, Stage2Domain
from stage2_domains.registry import DomainRegistry, RegisteredDomain
from stage3.isolation.in_process import InProcessIsolation

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage2_domains.parameters import IsolatedParameters
    from stage3.isolation.interface import BoxOutcome

__all__ = ["BUDGET", "innocent", "registered", "run_boxed"]

BUDGET = Budget()


class OneFunction(Stage2Domain):
    """Answers every call by calling the function it was given."""

    name = "one"
    methods = {"run": MethodSpec({"type": "object"})}  # noqa: RUF012 - as the contract asks

    def __init__(self, function: Callable[[IsolatedParameters], object]) -> None:
        self.function = function

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Call the function."""
        assert method == "run"
        return self.function(parameters)  # type: ignore[return-value]  # lies on purpose


def registered(
    function: Callable[[IsolatedParameters], object], *, trusted: bool = True
) -> RegisteredDomain:
    """Register a domain made of one function."""
    registry = DomainRegistry()
    registry.register(OneFunction(function), trusted=trusted)
    found = registry.get("one")
    assert found is not None
    return found


def run_boxed(
    function: Callable[[IsolatedParameters], object],
    parameters: bytes = b"{}",
    *,
    box: InProcessIsolation | None = None,
    budget: Budget = BUDGET,
) -> BoxOutcome:
    """Run a function as a domain's only method."""
    box = box or InProcessIsolation()
    return box.invoke(registered(function), "run", parameters, budget=budget)


def innocent() -> DomainResult:
    """Answer as if nothing had happened."""
    return DomainResult(success=True, data={"innocent": True})
