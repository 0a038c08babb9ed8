"""A domain made of source text, and calls of it in a process box."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from stage2_domains.contract import Budget, DomainResult, MethodSpec, Stage2Domain
from stage2_domains.registry import DomainRegistry, RegisteredDomain
from stage2_domains.source import DomainSource

if TYPE_CHECKING:
    from stage2_domains.parameters import IsolatedParameters

__all__ = ["BUDGET", "PATIENT", "body", "domain_of"]

BUDGET = Budget()
PATIENT = Budget(wall_ms=30_000, cpu_s=20)
"""For calls that must not be cut short on a busy machine."""

_HEAD = """\
from stage2_domains.contract import DomainResult, Stage2Domain

class Boxed(Stage2Domain):
    def invoke(self, method, parameters):
"""


class Declared(Stage2Domain):
    """The declaration; the code comes from text."""

    name = "boxed"
    methods = {"run": MethodSpec({"type": "object"})}  # noqa: RUF012 - as the contract asks

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Never run: the executor runs nothing of a boxed domain."""
        raise AssertionError((method, parameters))


def domain_of(code: str, entry: str = "Boxed") -> RegisteredDomain:
    """Register a domain that is this module's text."""
    registry = DomainRegistry()
    registry.register(Declared())
    found = registry.get("boxed")
    assert found is not None
    source = DomainSource(kind="python", code=code.encode(), entry=entry)
    parts = {name: getattr(found, name) for name in found.__slots__}
    return RegisteredDomain(**{**parts, "source": source})


def body(text: str) -> RegisteredDomain:
    """Register a domain whose ``invoke`` has this body."""
    return domain_of(
        _HEAD + textwrap.indent(textwrap.dedent(text).strip("\n"), " " * 8)
    )
