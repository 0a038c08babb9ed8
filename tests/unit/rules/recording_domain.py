"""A test domain that does what a function of the test says, and notes every call."""

from collections.abc import Callable
from typing import ClassVar

from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage2_domains.parameters import IsolatedParameters

__all__ = ["Act", "Recorder"]

Act = Callable[[IsolatedParameters], DomainResult]


class Recorder(Stage2Domain):
    """``act`` does as the test says; ``echo`` gives its parameters back."""

    name = "recorder"
    methods: ClassVar = {
        "act": MethodSpec({"type": "object"}),
        "echo": MethodSpec({"type": "object"}),
    }

    def __init__(self, act: Act | None = None) -> None:
        self.calls: list[tuple[str, dict[str, object]]] = []
        self.act = act

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Note the call, then do as the test says."""
        given = parameters.get_copy()
        self.calls.append((method, given))
        if method == "act" and self.act is not None:
            return self.act(parameters)
        return DomainResult(success=True, data=given)
