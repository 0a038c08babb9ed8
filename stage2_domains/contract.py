"""The contract of a Stage-2 domain: passive code with named methods.

A domain is called once per step with a method name and its own parameters and
answers with a ``DomainResult``. It holds no token, log, executor or other domain,
keeps no state between calls and starts nothing.

Everything here is a declaration. The registry judges declarations, the box judges
answers: constructing these types checks nothing.

Spec: DOM-3.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stage2_domains.parameters import IsolatedParameters

__all__ = ["Budget", "DomainResult", "MethodSpec", "Stage2Domain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one call of a domain may use.

    The in-process tier can hold nothing back but the result's size and depth.
    """

    wall_ms: int = 1_000
    """Milliseconds from request to reply."""
    cpu_s: int = 2
    """Seconds of processor time."""
    memory_mb: int = 64
    """Mebibytes of address space beyond what the box itself needs."""
    result_bytes: int = 1024 * 1024
    """Bytes of the canonical result."""
    depth: int = 32
    """Containers inside one another in the result, at most 32."""
    fuel: int = 2_000_000_000
    """Steps of a WebAssembly program, which the ``wasm`` tier counts exactly."""


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """One method: what it takes, what it gives, and an example that runs.

    Args:
        parameters: JSON Schema (draft 2020-12) of the parameters, ``type: object``.
        result: JSON Schema of the result's data, or ``None`` for any object.
        description: One sentence for a reader.
        example: Parameters that the schema accepts.
    """

    parameters: Mapping[str, object]
    result: Mapping[str, object] | None = None
    description: str = ""
    example: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class DomainResult:
    """A domain's answer. Nothing is checked here; the box checks all of it.

    Args:
        success: ``True`` with ``data``, ``False`` with ``error``.
        data: Plain JSON data; what the caller of the plan receives.
        error: One sentence on why there is no data.
        usage: ``{"output_tokens": n}`` where the domain measures its own output.
    """

    success: bool
    data: Mapping[str, object] | None = None
    error: str | None = None
    usage: Mapping[str, int] | None = None


class Stage2Domain(ABC):
    """A passive adapter. Subclass it, name it, declare its methods, answer.

    Guarantees a domain gives: the same parameters give the same answer; nothing is
    remembered between calls; nothing runs after ``invoke`` returned; no clock, no
    randomness, no file, no network, no import while it answers.

    Source:
        DOM-3.1; rules 6.2, 6.3, 6.8.
    """

    name: str
    """Lower-case identifier; what a plan and a token's scope say."""

    methods: Mapping[str, MethodSpec]
    """The declared methods by name; nothing else is callable."""

    budget: Budget = Budget()
    """What one call may use."""

    @abstractmethod
    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Answer one call of a declared method.

        Args:
            method: A name from ``methods``.
            parameters: Checked against the method's schema before.

        Returns:
            The answer; an unsuccessful one where the method is unknown.
        """
