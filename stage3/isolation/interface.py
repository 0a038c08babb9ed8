"""The promise every box makes to the executor, and the five ways a call can end.

This module holds types only; it runs nothing. A tier (``in_process``, ``process``,
``wasm``) is a class that keeps ``Isolation``; the executor knows no more about it than
this page.

Source: ``docs/spec/isolation.md``, ISO-1 and ISO-2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from stage2_domains.contract import Budget
    from stage2_domains.registry import RegisteredDomain

__all__ = [
    "MAX_DETAIL_CHARS",
    "MAX_MESSAGE_CHARS",
    "Attained",
    "BoxInterrupt",
    "BoxOutcome",
    "DomainFailed",
    "InfraFailure",
    "Isolation",
    "Ok",
    "ResultRefused",
    "Usage",
    "Violation",
    "ViolationKind",
    "ViolationSource",
]

MAX_DETAIL_CHARS: Final = 200
"""The longest ``Violation.detail``: it goes into the record."""

MAX_MESSAGE_CHARS: Final = 2_000
"""The longest sentence of a domain that is shown to the caller."""

_Scalar = str | int | bool | None
Attained = Mapping[str, _Scalar]
"""What a tier really reached on this machine, recorded with VALIDATION."""

ViolationSource = Literal[
    "hook", "import", "seccomp", "signal", "budget", "trap", "integrity", "call"
]
"""Who noticed. ``call`` is a call back into the executor, the tokens or the log."""


class ViolationKind(StrEnum):
    """What a domain tried to reach. The list is closed for every tier."""

    IMPORT = "import"
    OPEN = "open"
    SOCKET = "socket"
    PROCESS = "process"
    THREAD = "thread"
    SYSCALL = "syscall"
    SIGNAL = "signal"
    BUDGET_WALL = "budget.wall"
    BUDGET_CPU = "budget.cpu"
    BUDGET_MEMORY = "budget.memory"
    BUDGET_RECURSION = "budget.recursion"
    BUDGET_RESULT = "budget.result"
    BUDGET_FUEL = "budget.fuel"
    RESULT_TYPE = "result.type"
    RESULT_INVALID = "result.invalid"
    CONTROL_EXCEPTION = "control-exception"
    INTEGRITY = "integrity"
    TRAP = "trap"


@dataclass(frozen=True, slots=True)
class Ok:
    """The domain answered, and the answer is fit to be kept.

    Attributes:
        result: Canonical JSON (RFC 8785) of ``{"data", "error", "success"}``, with
            ``success`` true.
        output_bytes: The limits' measure: bytes of canonical ``data`` plus bytes of
            canonical ``error``.
        reported_units: ``usage["output_tokens"]`` where the domain reported it, at
            least 0; the executor believes it of trusted domains only.
    """

    result: bytes
    output_bytes: int
    reported_units: int | None


@dataclass(frozen=True, slots=True)
class DomainFailed:
    """The domain raised, or said ``success=False``.

    Attributes:
        message: Never empty, printable ASCII, at most ``MAX_MESSAGE_CHARS``. For the
            caller, not for the record.
        output_bytes: As in ``Ok``; 0 where the domain raised.
    """

    message: str
    output_bytes: int


@dataclass(frozen=True, slots=True)
class ResultRefused:
    """The domain's answer is not what an answer must be.

    Attributes:
        message: What was expected and what came, in our own bounded words; fits after
            a colon.
    """

    message: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call had used when it was ended, as far as the tier can tell.

    Attributes:
        wall_ms: Milliseconds since it was asked.
        cpu_ms: Milliseconds of processor time; ``None`` when not known.
        peak_mb: Mebibytes of memory it took at most at once, beside what the box
            itself needs; ``None`` when not known.
    """

    wall_ms: int
    cpu_ms: int | None = None
    peak_mb: int | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """The domain tried to leave its box. Wins over whatever it returned or raised.

    Attributes:
        kind: What it reached for.
        detail: Printable ASCII, at most ``MAX_DETAIL_CHARS``; fit for the record.
        source: Who noticed.
        usage: What the call had used; ``None`` where the tier cannot tell.
    """

    kind: ViolationKind
    detail: str
    source: ViolationSource
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class InfraFailure:
    """The box broke before the domain could answer; not the domain's doing.

    Attributes:
        reason: What broke, in our own bounded words; fits after a colon.
    """

    reason: str


BoxOutcome = Ok | DomainFailed | ResultRefused | Violation | InfraFailure


class BoxInterrupt(KeyboardInterrupt):
    """A ``KeyboardInterrupt`` that arrived during a call, or that the domain raised.

    The caller closes its trail and lets it go on. It is made by the box and holds
    nothing of the domain.

    Attributes:
        violation: What had been noticed by then, so that it can be recorded.
    """

    def __init__(self, violation: Violation | None = None) -> None:
        super().__init__()
        self.violation = violation


class Isolation(Protocol):
    """One tier of isolation.

    Guarantees, for every tier:

    - **One outcome.** ``invoke`` returns exactly one ``BoxOutcome``. The one exception
      that leaves it is a ``KeyboardInterrupt``, as ``BoxInterrupt``; the box is closed
      by then, and the caller closes its trail and lets it go on.
    - **Bytes in, bytes out.** The domain receives a private copy parsed from
      ``parameters``; the answer is checked and encoded inside the box. No object of the
      domain reaches the caller, none of the caller reaches the domain.
    - **A noticed attempt is never lost.** Swallowing the exception, returning an
      innocent answer or raising another error does not undo it: the outcome is
      ``Violation``, for the first attempt noticed.
    - **Bounded words.** Every text in an outcome is printable ASCII within the bounds
      named above.
    - **At most once.** ``invoke`` calls the domain once or not at all; it never
      retries, and keeps nothing between two calls.
    - **No background work.** When ``invoke`` returns, nothing it started is running.

    What a tier *stops* differs, and ``docs/isolation.md`` says how much; a declared
    tier is never lowered by the executor.

    Concurrency: calls from several threads do not disturb each other.
    """

    @property
    def tier(self) -> str:
        """The name a domain declares: ``in_process``, ``process`` or ``wasm``."""

    @property
    def attained(self) -> Attained:
        """What this tier really reached here; constant for the object's life."""

    def invoke(
        self,
        domain: RegisteredDomain,
        method: str,
        parameters: bytes,
        *,
        budget: Budget,
    ) -> BoxOutcome:
        """Run one method of one domain in the box.

        Args:
            domain: The domain as registered; its tier must be this one.
            method: A registered method of ``domain``.
            parameters: Canonical JSON of an object, checked against the schema.
            budget: What the call may use; each tier enforces what it can.

        Returns:
            What came of it.

        Raises:
            BoxInterrupt: A ``KeyboardInterrupt`` arrived during the call.
        """

    def close(self) -> None:
        """Release everything the tier holds. Closing twice is allowed."""
