"""Domains that a box can load: what is measured, and what must be stopped in time."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, ClassVar

from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain

if TYPE_CHECKING:
    from stage2_domains.parameters import IsolatedParameters

__all__ = ["Endless", "Records"]

_ANYTHING = {"type": "object"}


class Records(Stage2Domain):
    """Pure functions over what they are given."""

    name = "records"
    methods: ClassVar = {
        "echo": MethodSpec(_ANYTHING),
        "measure": MethodSpec(_ANYTHING),
    }

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Echo the parameters, or sum the lengths of the values."""
        given = parameters.get_copy()
        if method == "measure":
            total = sum(len(str(value)) for value in given.values())
            return DomainResult(success=True, data={"total": total, "method": method})
        return DomainResult(success=True, data=given)


class Endless(Stage2Domain):
    """Never answers, in each of the ways there are."""

    name = "endless"
    methods: ClassVar = {
        name: MethodSpec(_ANYTHING) for name in ("loop", "swallow", "in_c", "asleep")
    }

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Go on until killed."""
        parameters.get_copy()
        while method == "loop":
            pass
        while method == "swallow":
            _swallow()
        if method == "in_c":
            sum(range(10**15))
        # The one place where a child can sleep; nothing ever comes.
        system = vars(codecs)["builtins"].__import__("os")
        while True:
            system.read(3, 1)


def _swallow() -> None:
    try:
        while True:
            pass
    except BaseException:  # noqa: BLE001, S110 - that is the point of it
        pass
