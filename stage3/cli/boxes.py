"""The box of a tier, for a command that runs a domain outside a plan.

Source: docs/spec/cli.md, CLI-11.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stage3.isolation.in_process import InProcessIsolation
from stage3.isolation.process.tier import ProcessIsolation
from stage3.isolation.wasm.tier import WasmIsolation

if TYPE_CHECKING:
    from stage2_domains.registry import Tier
    from stage3.isolation.interface import Isolation

__all__ = ["box_of"]


def box_of(tier: Tier) -> Isolation | str:
    """Make the box of a tier, or say why there is none here.

    Another tier is never put in its place.
    """
    if tier == "in_process":
        return InProcessIsolation()
    if tier == "wasm":
        return WasmIsolation.available() or "the extra stage3[wasm] is not installed"
    try:
        return ProcessIsolation(spares=1)
    except ValueError as error:
        return str(error)
