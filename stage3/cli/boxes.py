"""The box of a tier, for a command that runs a domain outside a plan.

Source: docs/spec/cli.md, CLI-11.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stage3.isolation.in_process import InProcessIsolation
from stage3.tiers import BOXES

if TYPE_CHECKING:
    from stage2_domains.registry import Tier
    from stage3.isolation.interface import Isolation

__all__ = ["box_of"]


def box_of(tier: Tier) -> Isolation | str:
    """Make the box of a tier, or say why there is none here.

    Another tier is never put in its place.
    """
    return InProcessIsolation() if tier == "in_process" else BOXES[tier]()
