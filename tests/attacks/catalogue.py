"""The attacks, and what the in-process tier makes of each.

The expectations are facts, found by running them; where a version of Python differs,
the table says so. Most come from a survey of what gets past an audit hook, the rest
from the box's own promises about answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.attacks.inside_attacks import INSIDE_ATTACKS
from tests.attacks.outside_attacks import OUTSIDE_ATTACKS
from tests.attacks.resource_attacks import RESOURCE_ATTACKS

if TYPE_CHECKING:
    from tests.attacks.verdicts import Attack

__all__ = ["ATTACKS", "NOT_RUN"]

ATTACKS: Final[tuple[Attack, ...]] = (
    *OUTSIDE_ATTACKS,
    *INSIDE_ATTACKS,
    *RESOURCE_ATTACKS,
)

NOT_RUN: Final = (
    (
        "memory until the machine has none left",
        "would take down the machine that runs the tests; nothing holds it back",
    ),
    (
        "a native extension that ignores the interpreter",
        "needs a compiler; once loaded, no hook of Python sees what it does",
    ),
)
"""Attacks that are known to work and are not tried, with the reason."""
