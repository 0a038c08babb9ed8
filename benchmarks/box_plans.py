"""What a plan costs whose domains run in processes of their own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.boxed_domain import Records
from benchmarks.floor import Floor
from benchmarks.measure import Line, Settings, interleaved
from benchmarks.world import PARAMETERS, WIDE
from stage3.isolation.process.level import probe
from stage3.pytest_plugin.harness import Harness

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["boxed_plans"]


def boxed_plans(settings: Settings) -> list[Line]:
    """W3: a durable plan of three steps, every one in a process of its own."""
    if probe().refusal is not None:
        return []
    rounds = settings.rounds
    floor = Floor(settings.folder / "w3-floor.db")
    boxed, trusted = (_Plans(settings.folder, tier) for tier in ("process", "trusted"))
    for _ in range(20):
        boxed.run()
    ours, near, least = interleaved(
        rounds, boxed.run, trusted.run, lambda: floor.run_plan(3, PARAMETERS)
    )
    begin = time.perf_counter()
    for _ in range(rounds):
        boxed.run()
    rate = rounds / (time.perf_counter() - begin)
    for each in (boxed, trusted, floor):
        each.close()
    return [
        Line("W3  N = 3, process", ours, "ms", least, "<= 3.0"),
        Line("W3  N = 3, in_process", near, "ms", least, ""),
        Line("W3  of it per box", (ours - near) / 3, "ms", None, "<= 0.8"),
        Line("W3  back to back", rate, "plans/s", None, ""),
    ]


class _Plans:
    """An executor whose one domain is in this tier, on a file of its own."""

    def __init__(self, folder: Path, tier: str) -> None:
        self._harness = Harness(f"sqlite:///{folder}/w3-{tier}.db", seed=tier)
        self._harness.domains.register(Records(), trusted=tier == "trusted")
        issued = self._harness.issue(
            scope={"records": ["measure"]}, resource_limits=WIDE
        )
        self._token = issued.token_hash

    def run(self) -> None:
        """Run one plan."""
        steps = [("records", "measure", PARAMETERS)] * 3
        outcome = self._harness.run(self._token, *steps)
        if not outcome.success:
            raise RuntimeError(str(outcome.error))

    def close(self) -> None:
        """Close the executor and its boxes."""
        self._harness.close()
