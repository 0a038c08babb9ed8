"""What a command gives back: one value for machines, lines for people.

Source: docs/spec/cli.md, CLI-3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stage3.cli.exits import OK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stage3.cli.output.rendering import Json

__all__ = ["Answer", "Problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a command did not do what was asked, for people and machines.

    Attributes:
        code: Stable; branch on this.
        sentence: Printable ASCII, one line.
        exit_code: One of ``stage3.cli.exits``.
        hint: What to do next, or None.
        place: Where in a plan: ``step``, ``domain``, ``method``, where known.
    """

    code: str
    sentence: str
    exit_code: int
    hint: str | None = None
    place: Mapping[str, int | str | None] | None = None

    def document(self) -> dict[str, Json]:
        """Give the ``error`` member of a JSON document."""
        document: dict[str, Json] = {"code": self.code, "message": self.sentence}
        if self.place is not None:
            document |= self.place
        if self.hint is not None:
            document["hint"] = self.hint
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command has to say.

    Attributes:
        document: What ``--json`` prints; ``error`` is added where there is a problem.
        lines: What is printed otherwise; printable, without line ends.
        problem: Goes to standard error, and decides the exit code.
        warnings: Sentences for standard error that change nothing else.
    """

    document: dict[str, Json]
    lines: tuple[str, ...] = ()
    problem: Problem | None = None
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        return OK if self.problem is None else self.problem.exit_code
