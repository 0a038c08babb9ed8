"""What became of an attack, in one word, and what it was before it was tried."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Attack", "Expected", "Verdict", "expected_at"]


class Verdict(StrEnum):
    """How a box did against one attack."""

    STOPPED = "stopped"
    """Noticed before it had an effect; the outcome is a violation."""
    LATE = "detected late"
    """It had its effect; the outcome is a violation."""
    REFUSED = "refused"
    """The call ended as a failure or its answer was refused; nothing was reached."""
    HARMLESS = "harmless"
    """Nothing was reached, nothing was noticed, the call succeeded."""
    MISSED = "missed"
    """It had its effect and nothing was noticed."""
    DIES = "kills the executor"
    """The process that ran the box is gone."""
    HANGS = "hangs the executor"
    """The box never came back; the test's own deadline ended it."""


Expected = tuple[tuple[tuple[int, int], Verdict], ...]
"""Verdicts by the first Python version they hold for, oldest first."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack as source text.

    Attributes:
        name: What a reader calls it.
        group: The heading it stands under.
        source: Defines ``attack()``; what it gets hold of goes into ``reached``. May
            define ``effect()``, asked afterwards whether damage was done; without it
            a non-empty ``reached`` is the effect. What ``attack`` returns is the
            domain's answer, where it is not ``None``.
        plain: What becomes of it.
        swallow: What becomes of it with every exception swallowed.
    """

    name: str
    group: str
    source: str
    plain: Expected
    swallow: Expected


def expected_at(expected: Expected, version: tuple[int, int]) -> Verdict:
    """Return the verdict that holds for a Python version."""
    return [verdict for since, verdict in expected if since <= version][-1]
