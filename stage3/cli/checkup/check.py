"""One check of the doctor: what was looked at, what was found, what to do.

Source: docs/spec/cli.md, CLI-9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from stage3.cli.output.rendering import Json

__all__ = ["Check", "Verdict", "fail", "ok", "warn"]

Verdict: TypeAlias = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; ``todo`` says what to do unless the verdict is ``ok``."""

    name: str
    verdict: Verdict
    finding: str
    todo: str | None = None

    def document(self) -> dict[str, Json]:
        """Give it for machines."""
        return {
            "check": self.name,
            "verdict": self.verdict,
            "finding": self.finding,
            "todo": self.todo,
        }


def ok(name: str, finding: str) -> Check:
    """Find nothing wrong."""
    return Check(name, "ok", finding)


def warn(name: str, finding: str, todo: str) -> Check:
    """Find something that somebody should know."""
    return Check(name, "warn", finding, todo)


def fail(name: str, finding: str, todo: str) -> Check:
    """Find something that stops work or breaks a promise."""
    return Check(name, "fail", finding, todo)
