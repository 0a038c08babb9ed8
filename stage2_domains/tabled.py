"""How a built-in domain answers: one function per method, looked up in a table.

Spec: DOM-7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from stage2_domains.contract import DomainResult, Stage2Domain
from stage2_domains.errors import UnusableInputError, ValueRefusedError
from stage2_domains.reading import Record
from stage2_domains.sentences import listed, printable

if TYPE_CHECKING:
    from stage2_domains.parameters import IsolatedParameters

__all__ = ["Answer", "Handler", "TabledDomain"]

Answer: TypeAlias = dict[str, object]
"""Plain data; the keys of one method's result."""

Handler: TypeAlias = Callable[[Record], Answer]


class TabledDomain(Stage2Domain):
    """A domain whose methods are functions from parameters to plain data."""

    handlers: Mapping[str, Handler]
    """One function per declared method."""

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Answer, or say in one sentence why not; never raise.

        Source:
            DOM-7.1 to DOM-7.3; rules 6.2.
        """
        handler = self.handlers.get(method)
        if handler is None:
            known = listed(sorted(self.handlers))
            return DomainResult(
                success=False,
                error=f"method '{printable(method)}' not found in {self.name}; "
                f"its methods are {known}",
            )
        try:
            found = handler(Record(parameters.get_copy()))
        except (UnusableInputError, ValueRefusedError) as error:
            return DomainResult(success=False, error=str(error))
        return DomainResult(
            success=True, data={"domain": self.name, "method": method, **found}
        )
