"""A domain that a box can load: a pure function over ten small records."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain

if TYPE_CHECKING:
    from stage2_domains.parameters import IsolatedParameters

__all__ = ["Records"]


class Records(Stage2Domain):
    """Answers with what it was given, or never."""

    name = "records"
    methods: ClassVar = {
        "echo": MethodSpec({"type": "object"}),
        "loop": MethodSpec({"type": "object"}),
    }

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Echo the records, or loop until killed."""
        while method == "loop":
            pass
        return DomainResult(success=True, data=parameters.get_copy())
