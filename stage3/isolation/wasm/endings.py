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

__all__ = ["StoppedError", "UnreadableError", "UnusableError", "import_refused", "trap"]

_TRAP: Final = re.compile(r"wasm trap: ([^\n]{1,120})")

# The engine's own words, fixed by its pinned version; the attacks check each of them.
_BUDGETS: Final = (
    ("all fuel consumed", ViolationKind.BUDGET_FUEL, "the fuel is used up"),
    ("wasm trap: interrupt", ViolationKind.BUDGET_WALL, "the time is up"),
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


def trap(message: str, *, full: bool = False) -> Violation:
    """Return the violation for what the engine reported.

    Args:
        message: The engine's message; may hold names out of the program.
        full: Whether the program's memory had grown to its cap.
    """
    for words, kind, detail in _BUDGETS:
        if words in message:
            return Violation(kind, detail, "budget")
    found = _TRAP.search(message)
    shown = printable(found[1] if found else message, 120)
    if full:
        shown = f"memory at its cap, then: {shown}"
        return Violation(
            ViolationKind.BUDGET_MEMORY, bounded(shown, MAX_DETAIL_CHARS), "budget"
        )
    return Violation(ViolationKind.TRAP, bounded(shown, MAX_DETAIL_CHARS), "trap")
