"""A domain nobody answers for, in a module that its box can load."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, ClassVar

from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain

if TYPE_CHECKING:
    from stage2_domains.parameters import IsolatedParameters


class Guest(Stage2Domain):
    """Somebody else's domain."""

    name = "guest"
    methods: ClassVar = {"echo": MethodSpec({"type": "object"})}

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Answer, open a file, make a system call nobody announces, or never end."""
        given = parameters.get_copy()
        if "open" in given:
            open(str(given["open"]))  # noqa: PTH123, SIM115 - what is tried
        while "loop" in given:
            pass
        if "leave" in given:
            codecs.builtins.__import__("os").getppid()  # type: ignore[attr-defined]  # round the guard
        return DomainResult(success=True, data={"got": given, "method": method})
