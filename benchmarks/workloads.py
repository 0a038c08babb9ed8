"""The workloads: each gives lines for the table, with its floor in the same run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.store.faults import open_faulty_store
from benchmarks.floor import Floor
from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage3.pytest_plugin.harness import LEDGER_ID, Harness, ManualClock
from tokens.credential import verify_credential

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stage2_domains.parameters import IsolatedParameters

__all__ = ["WORKLOADS", "Line", "Settings"]

PARAMETERS: dict[str, object] = {f"key{i}": i for i in range(10)}
_COMMAND_LINE = "from stage3.cli.main import entry; entry()"
WIDE = {
    "max_invocations": 10**9,
    "max_total_tokens": 10**12,
    "max_frequency": "999999 per 1 second",
}


@dataclass(frozen=True)
class Settings:
    """Where to run and how much."""

    folder: Path
    rounds: int
    history: int


@dataclass(frozen=True)
class Line:
    """One row of the table; ``floor`` and ``ratio`` are None where there is none."""

    workload: str
    figure: float
    unit: str
    floor: float | None = None
    target: str = ""

    @property
    def ratio(self) -> float | None:
        """The figure over its floor."""
        return None if not self.floor else self.figure / self.floor


class Trivial(Stage2Domain):
    """A pure function over a ten-key dictionary."""

    name = "trivial"
    methods: ClassVar = {"measure": MethodSpec({"type": "object"})}

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Sum the lengths of the values."""
        given = parameters.get_copy()
        total = sum(len(str(value)) for value in given.values())
        return DomainResult(success=True, data={"total": total, "method": method})


def interleaved(rounds: int, *works: Callable[[], object]) -> tuple[float, ...]:
    """Run works in turn and give the median milliseconds of each."""
    for work in works:
        for _ in range(min(20, rounds)):
            work()
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for mine, work in zip(times, works, strict=True):
            begin = time.perf_counter()
            work()
            mine.append((time.perf_counter() - begin) * 1e3)
    return tuple(statistics.median(mine) for mine in times)


class Pair:
    """An executor and a floor on two fresh files of the same disk."""

    def __init__(self, folder: Path, name: str) -> None:
        self.harness = Harness(
            f"sqlite:///{folder}/{name}.db", domains=[Trivial()], seed=name
        )
        self.floor = Floor(folder / f"{name}-floor.db")
        token = self.harness.issue(scope={"trivial": ["measure"]}, resource_limits=WIDE)
        self.token = token.token_hash

    def run(self, steps: int) -> None:
        """Run one plan of so many steps."""
        outcome = self.harness.run(
            self.token, *[("trivial", "measure", PARAMETERS)] * steps
        )
        if not outcome.success:
            raise RuntimeError(str(outcome.error))

    def close(self) -> None:
        """Close both."""
        self.harness.close()
        self.floor.close()


def commits_per_plan(settings: Settings) -> list[Line]:
    """W0: count COMMITs; each that changed something is one flush."""
    clock = ManualClock()
    store, faults = open_faulty_store(
        f"sqlite:///{settings.folder}/w0.db", clock=clock, ledger_id=LEDGER_ID
    )
    with store, Harness(store=store, clock=clock, domains=[Trivial()]) as harness:
        token = harness.issue(scope={"trivial": ["measure"]}, resource_limits=WIDE)
        harness.orchestrator  # noqa: B018 - made before the counting begins
        lines = []
        for steps in (1, 3, 10):
            faults.watch(None)
            harness.run(token, *[("trivial", "measure", PARAMETERS)] * steps)
            writes = faults.counts["begin immediate"]
            target = f"{steps + 1}"
            lines.append(Line(f"W0  N = {steps}", writes, "commits", None, target))
        return lines


def plans(settings: Settings) -> list[Line]:
    """W1 and W2: a durable plan against its floor, by length."""
    lines = []
    for steps in (1, 3, 10, 100):
        pair = Pair(settings.folder, f"w2-{steps}")
        rounds = max(10, settings.rounds * 3 // (steps + 2))

        def ours(pair: Pair = pair, steps: int = steps) -> None:
            pair.run(steps)

        def floor(pair: Pair = pair, steps: int = steps) -> None:
            pair.floor.run_plan(steps, PARAMETERS)

        mine, least = interleaved(rounds, ours, floor)
        name = "W1  N = 3" if steps == 3 else f"W2  N = {steps}"
        lines.append(Line(name, mine, "ms", least, "<= 2.0 x"))
        pair.close()
    return lines


def history(settings: Settings) -> list[Line]:
    """W6 and W7: the same plan on a long ledger, and the ledger's verification."""
    pair = Pair(settings.folder, "w6")
    empty, _ = interleaved(settings.rounds, lambda: pair.run(3), lambda: None)
    while pair.harness.log.head().size < settings.history:
        pair.run(100)
    full, _ = interleaved(settings.rounds, lambda: pair.run(3), lambda: None)
    size = pair.harness.log.head().size
    begin = time.perf_counter()
    report = pair.harness.log.verify()
    seconds = time.perf_counter() - begin
    pair.close()
    if not report:
        raise RuntimeError("the ledger did not verify")
    return [
        Line(f"W6  N = 3 at {size} entries", full, "ms", empty, "within 10 %"),
        Line("W7  verification", size / seconds, "entries/s", None, "100000"),
    ]


def credentials(settings: Settings) -> list[Line]:
    """W8: a credential against one bare signature check."""
    with Harness() as harness:
        issued = harness.issue()
        keys = harness.authority.verification_keys()
        now = harness.clock.now_us
        key = Ed25519PrivateKey.generate()
        message = issued.credential.encode()[:300]
        signature, public = key.sign(message), key.public_key()
        mine, least = interleaved(
            settings.rounds * 5,
            lambda: verify_credential(issued.credential, keys=keys, now=now),
            lambda: public.verify(signature, message),
        )
    return [Line("W8  credential", mine, "ms", least, "<= 1.3 x")]


def starts(settings: Settings) -> list[Line]:
    """W9: whole processes, against a bare interpreter."""

    def process(*arguments: str) -> Callable[[], object]:
        return lambda: subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, *arguments], check=True, capture_output=True
        )

    rounds = max(5, settings.rounds // 20)
    help_ms, import_ms, bare = interleaved(
        rounds,
        process("-c", _COMMAND_LINE, "--help"),
        process("-c", "import stage3"),
        process("-c", "pass"),
    )
    return [
        Line("W9  stage3 --help", help_ms, "ms", bare, "200 ms"),
        Line("W9  import stage3", import_ms, "ms", bare, "150 ms"),
    ]


WORKLOADS: dict[str, Callable[[Settings], list[Line]]] = {
    "W0": commits_per_plan,
    "W1": plans,
    "W6": history,
    "W8": credentials,
    "W9": starts,
}
