"""Turns the way a program was stopped into a violation.

Spec: ``docs/spec/wasm.md``, WSM-6.
"""

from __future__ import annotations

import re
from typing import Final

from stage2_domains.sentences import bounded, printable
from stage3.isolation.interface import (
    MAX_DETAIL_CHARS,
    InfraFailure,
    ResultRefused,
    Violation,
    ViolationKind,
)

__all__ = [
    "StoppedError",
    "UnreadableError",
    "UnusableError",
    "import_refused",
    "time_is_up",
    "trap",
]

_NUMBER: Final = re.compile(r"^\d+: ")
_TRAP: Final = "wasm trap: "

_MAX_CAUSE_CHARS: Final = 120

# The engine's own words, fixed by its pinned version; the attacks check each of them.
_BUDGETS: Final = (
    ("all fuel consumed", ViolationKind.BUDGET_FUEL, "the fuel is used up"),
    ("call stack exhausted", ViolationKind.BUDGET_RECURSION, "the stack is used up"),
    ("exceeds memory limit", ViolationKind.BUDGET_MEMORY, "more memory than allowed"),
    ("resource limit exceeded", ViolationKind.BUDGET_MEMORY, "more than allowed"),
    ("minimum size of", ViolationKind.BUDGET_MEMORY, "more memory than allowed"),
)


class UnusableError(Exception):
    """The code is no program for this tier; it was not run."""

    def outcome(self) -> InfraFailure:
        """Say so, in our own words."""
        return InfraFailure(bounded(str(self)))


class UnreadableError(Exception):
    """The program gave an address or a length that cannot be used."""

    def outcome(self) -> ResultRefused:
        """Say so, in our own words."""
        return ResultRefused(bounded(str(self)))


class StoppedError(Exception):
    """The program was not allowed to start, or was stopped.

    Attributes:
        violation: Why.
    """

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.detail)
        self.violation = violation


def import_refused(name: str) -> Violation:
    """Return the violation for a function that this tier does not offer.

    Args:
        name: The raw name of the import, chosen by the program's author.
    """
    shown = printable(name, MAX_DETAIL_CHARS)
    return Violation(ViolationKind.IMPORT, bounded(shown, MAX_DETAIL_CHARS), "import")


def time_is_up() -> Violation:
    """Return the violation for a call that had not answered in time."""
    return Violation(ViolationKind.BUDGET_WALL, "the time is up", "budget")


def trap(message: str, *, full: bool = False) -> Violation:
    """Return the violation for what the engine reported.

    Args:
        message: The engine's message; may hold names out of the program.
        full: Whether the program's memory had grown to its cap.
    """
    cause = _cause(message)
    for words, kind, detail in _BUDGETS:
        if words in cause:
            return Violation(kind, detail, "budget")
    shown = printable(cause, _MAX_CAUSE_CHARS)
    if full:
        shown = f"memory at its cap, then: {shown}"
        return Violation(
            ViolationKind.BUDGET_MEMORY, bounded(shown, MAX_DETAIL_CHARS), "budget"
        )
    return Violation(ViolationKind.TRAP, bounded(shown, MAX_DETAIL_CHARS), "trap")


def _cause(message: str) -> str:
    """Return the engine's own words, which stand last.

    Before them stands where it happened, with names that the program gave its
    functions: they may say anything.
    """
    last = message.rstrip().rpartition("Caused by:")[2].rpartition("\n")[2]
    return _NUMBER.sub("", last.strip()).removeprefix(_TRAP)
