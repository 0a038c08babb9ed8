"""The tier for programs in WebAssembly: a boundary on every operating system.

Each call runs in a store of its own, which holds its memory and nothing else, with
fuel, a memory cap and a deadline. There is no system call in reach: a program has the
numbers it computes and the functions the host defines.

Spec: ``docs/spec/wasm.md``.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage2_domains.sentences import bounded
from stage3.isolation.events import GUARD_EVENT
from stage3.isolation.interface import (
    BoxInterrupt,
    BoxOutcome,
    InfraFailure,
    Violation,
    ViolationKind,
)
from stage3.isolation.wasm.call import Call
from stage3.isolation.wasm.endings import (
    StoppedError,
    UnreadableError,
    UnusableError,
    import_refused,
)
from stage3.isolation.wasm.replies import outcome_of_reply
from stage3.isolation.wasm.supplies import Supplies

if TYPE_CHECKING:
    from stage2_domains.contract import Budget
    from stage2_domains.registry import RegisteredDomain
    from stage3.isolation.interface import Attained
    from stage3.isolation.wasm.machine import Machine

__all__ = ["TIER", "WasmIsolation", "why_not"]

TIER: Final = "wasm"

_ENGINE_MAJOR: Final = "48"
_STACK_CHECK: Final = (3, 14, 0)
"""The one release of CPython that ends a process whose code runs on another stack."""


def why_not() -> str | None:
    """Return why this tier cannot be had here, or ``None`` where it can."""
    engine = _engine()
    if not engine:
        return "the extra stage3[wasm] is not installed"
    if engine.partition(".")[0] != _ENGINE_MAJOR:
        return f"wasmtime {_ENGINE_MAJOR} is needed, {bounded(engine, 20)} is installed"
    if sys.version_info[:3] == _STACK_CHECK:
        return "CPython 3.14.0 cannot run it; 3.14.1 can"
    return None


class WasmIsolation:
    """The WebAssembly box; keeps ``Isolation``.

    Made by ``available``. The engine is loaded at the first call.

    Args:
        engine: The engine's version, for the record.
    """

    __slots__ = ("_attained", "_machine")

    def __init__(self, engine: str) -> None:
        self._attained: Attained = MappingProxyType(
            {"boundary": True, "engine": f"wasmtime {engine}", "fuel": True}
        )
        self._machine: Machine | None = None

    @classmethod
    def available(cls) -> WasmIsolation | None:
        """Return the tier, or ``None`` where ``why_not`` has a reason."""
        return cls(_engine()) if why_not() is None else None

    @property
    def tier(self) -> str:
        """``wasm``."""
        return TIER

    @property
    def attained(self) -> Attained:
        """A boundary, fuel, and which engine."""
        return self._attained

    def invoke(
        self,
        domain: RegisteredDomain,
        method: str,
        parameters: bytes,
        *,
        budget: Budget,
    ) -> BoxOutcome:
        """Run one method of one domain in a store of its own.

        The first call of a domain compiles its code, which counts towards no budget.

        Args:
            domain: A domain whose source is a WebAssembly program.
            method: One of its methods.
            parameters: Canonical JSON of an object.
            budget: What the call may use; ``cpu_s`` is held to through ``wall_ms``,
                since a program has one thread.

        Returns:
            What came of it.

        Raises:
            BoxInterrupt: A ``KeyboardInterrupt`` arrived during the call.

        Source:
            ISO-1, ISO-2.3, WSM-1 to WSM-6.
        """
        sys.audit(GUARD_EVENT, "isolation.invoke")
        source = domain.source
        if source is None or source.kind != "wasm" or domain.tier != TIER:
            return InfraFailure("the call does not belong in the wasm box")
        if method not in domain.methods:
            return InfraFailure("the call does not belong in the wasm box")
        if parameters[:1] + parameters[-1:] != b"{}":
            return InfraFailure("the parameters are not the bytes of a JSON object")
        supplies = Supplies(source.digest, method, parameters)
        call = Call(method, parameters, budget, supplies)
        try:
            return self._run(source.code, call)
        except KeyboardInterrupt:
            tried = None if call.refused is None else import_refused(call.refused)
            raise BoxInterrupt(tried) from None

    def close(self) -> None:
        """Let the engine and every compiled program go."""
        self._machine = None

    def _run(self, code: bytes, call: Call) -> BoxOutcome:
        machine = self._machine or _machine()
        self._machine = machine
        try:
            reply = machine.run(code, call)
        except StoppedError as stopped:
            return stopped.violation
        except (UnreadableError, UnusableError) as error:
            return error.outcome()
        except Exception as error:  # noqa: BLE001 - the engine's own, at a guest's doing
            what = type(error).__name__[:100]
            return Violation(ViolationKind.TRAP, f"the engine gave up: {what}", "trap")
        return outcome_of_reply(reply, call.budget)


def _engine() -> str:
    try:
        return version("wasmtime")
    except PackageNotFoundError:
        return ""


def _machine() -> Machine:
    """Load the engine, which takes its time and may not be installed."""
    from stage3.isolation.wasm.machine import Machine  # noqa: PLC0415 - see above

    return Machine()
