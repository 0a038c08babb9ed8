"""What a caller gets back: results, or one refusal with a code and a sentence.

Plain frozen values; nothing here decides or does I/O.

Source: docs/spec/execution.md, EXE-2; design section 3, rules 5 and 7.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from audit.entry import decode_entry
from stage2_domains.canonical import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit.events import AuditEvent, ReasonCode
    from stage2_domains.canonical import JsonValue

__all__ = ["PlanDecision", "PlanError", "PlanOutcome"]

Result = dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class PlanError:
    """Why a plan ended without results. Prints as its sentence.

    Attributes:
        code: One of the closed list of ``docs/errors.md``; branch on this.
        sentence: For a person; never empty, printable, at most a few thousand
            characters (a domain's own error text is part of it).
        step: The 0-based step it happened at, or None for the plan as a whole.
        domain: That step's domain, or None.
        method: That step's method, or None.
    """

    code: ReasonCode
    sentence: str
    step: int | None = None
    domain: str | None = None
    method: str | None = None

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True)
class PlanDecision:
    """What ``check_plan`` foresees; nothing was reserved or recorded.

    Attributes:
        allowed: True when ``execute_plan`` would start now and, if every step
            succeeded with an empty answer, would finish.
        error: The refusal foreseen, or None exactly when ``allowed``.
    """

    allowed: bool
    error: PlanError | None


@dataclass(frozen=True, slots=True, eq=False)
class PlanOutcome:
    """How one execution ended. Unpacks as ``success, results, error``.

    Attributes:
        success: True exactly when every step's result is durable and returned.
        error: None exactly when ``success``.
        execution_id: The id under which the record stands (lower-case UUID). For
            ``EXECUTION_IN_PROGRESS`` and ``EXECUTION_ID_CONFLICT`` it is the fresh
            id of the refusal, not the id that was asked for.
        replayed: True when this execution had already ended and nothing was done.
    """

    success: bool
    error: PlanError | None
    execution_id: str
    replayed: bool = False
    _results: tuple[bytes, ...] | None = None
    _entries: tuple[bytes, ...] = ()

    @property
    def results(self) -> list[Result] | None:
        """``{success, data, error}`` per step in plan order, fresh at every reading.

        None on every failure (there are no partial results) and for a replay.
        """
        if self._results is None:
            return None
        return [cast("Result", parse(data)) for data in self._results]

    @property
    def trail(self) -> tuple[AuditEvent, ...]:
        """The events this call made durable, in order.

        Empty for a replay; cut short where the log failed. The whole trail of any
        execution is ``AuditEventLog.trail(execution_id)``.
        """
        return tuple(decode_entry(data).to_event() for data in self._entries)

    def __iter__(self) -> Iterator[bool | list[Result] | PlanError | None]:
        yield self.success
        yield self.results
        yield self.error

    def __bool__(self) -> bool:
        # Truth would be ambiguous (an outcome exists, or it is a success?).
        raise TypeError("ask `outcome.success`: an outcome has no truth value")
