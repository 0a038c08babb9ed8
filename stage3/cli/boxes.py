"""The box of a tier, for a command that runs a domain outside a plan.

Source: docs/spec/cli.md, CLI-11.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stage3.isolation.in_process import InProcessIsolation

if TYPE_CHECKING:
    from stage3.isolation.interface import Isolation

__all__ = ["box_of"]


def box_of(tier: str) -> Isolation | None:
    """Make the box of a tier, or give None where there is none.

    Another tier is never put in its place.
    """
    return InProcessIsolation() if tier == "in_process" else None
