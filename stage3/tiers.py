"""The isolation tiers of one orchestrator, each made when it is first needed.

Whether the process tier is available costs the start of an interpreter to find out, so
nobody asks before a plan names a domain that needs it.

Source: docs/spec/boxes.md, BOX-8.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from stage3.isolation.wasm.tier import WasmIsolation, why_not

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stage3.isolation.interface import Isolation

__all__ = ["BOXES", "Tiers", "process_tier", "wasm_tier"]

_ABSENT: Final = "no such tier was given to this orchestrator"


class Tiers:
    """Tiers by name; ``name in tiers`` makes the tier or finds out why it cannot.

    Args:
        ready: Tiers that exist.
        makers: For each other tier, what makes it or says in words why it is not
            available here; asked once.
    """

    __slots__ = ("_lock", "_makers", "_ready", "_refusals")

    def __init__(
        self,
        ready: Mapping[str, Isolation],
        makers: Mapping[str, Callable[[], Isolation | str]],
    ) -> None:
        self._ready = dict(ready)
        self._makers = dict(makers)
        self._refusals: dict[str, str] = {}
        self._lock = threading.Lock()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.why_not(name) is None

    def __getitem__(self, name: str) -> Isolation:
        if self.why_not(name) is not None:
            raise KeyError(name)
        return self._ready[name]

    def why_not(self, name: str) -> str | None:
        """Return why a tier is not available, or ``None`` where it is."""
        if name not in self._ready:
            with self._lock:
                self._make(name)
        return None if name in self._ready else self._refusals.get(name, _ABSENT)

    def close(self) -> None:
        """Close every tier that was made; none is made afterwards."""
        with self._lock:
            self._makers.clear()
        for tier in tuple(self._ready.values()):
            tier.close()

    def _make(self, name: str) -> None:
        maker = self._makers.pop(name, None)
        made = None if maker is None else maker()
        if isinstance(made, str):
            self._refusals[name] = made
        elif made is not None:
            self._ready[name] = made


def process_tier() -> Isolation | str:
    """Make the process tier, or say what the kernel does not grant."""
    level = probe()
    return ProcessIsolation(level=level) if level.refusal is None else level.refusal


def wasm_tier() -> Isolation | str:
    """Make the wasm tier, or say why its engine cannot be used."""
    return WasmIsolation.available() or str(why_not())


BOXES: Final = {"process": process_tier, "wasm": wasm_tier}
"""The tiers that are made by default, for domains nobody answers for."""
