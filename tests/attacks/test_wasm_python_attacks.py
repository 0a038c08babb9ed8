"""The whole catalogue against a Python that runs in WebAssembly."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, cast

import pytest

from stage2_domains.canonical import canonical_bytes
from stage2_domains.contract import Budget
from stage2_domains.source import DomainSource
from stage3.isolation.interface import InfraFailure, Ok, Violation, ViolationKind
from stage3.isolation.wasm.tier import WasmIsolation
from tests.attacks import process_world
from tests.attacks.catalogue import ATTACKS
from tests.attacks.process_world import World, verdict_of
from tests.attacks.verdicts import Attack, Verdict, expected_at

if TYPE_CHECKING:
    from stage2_domains.registry import RegisteredDomain
    from stage3.isolation.interface import BoxOutcome

pytest.importorskip("wasmtime", reason="the extra [wasm] is not installed")

COMPONENTIZE: Final = shutil.which(os.environ.get("COMPONENTIZE_PY", "componentize-py"))
WIT: Final = Path(__file__).parents[2] / "examples" / "wasm_domains" / "python" / "wit"
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(COMPONENTIZE is None, reason="componentize-py is not installed"),
]

RECORDED: Final = {
    "read a file": "wasi:filesystem/",
    "write a file": "wasi:filesystem/",
    "make a socket": "wasi:sockets/",
    "print": "wasi:cli/stdout",
    "os._exit": "wasi:cli/exit",
    "sleep": "wasi:clocks/monotonic-clock@0.2.9 subscribe-instant",
    "an attempt at the recursion limit": "wasi:filesystem/",
    "attempt, then leave by KeyboardInterrupt": "wasi:filesystem/",
}
"""What is recorded, swallowed or not: the raw import starts so."""


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> RegisteredDomain:
    folder = tmp_path_factory.mktemp("attacker")
    shutil.copy(Path(__file__).with_name("wasm_attacker.py"), folder)
    subprocess.run(
        [
            *(str(COMPONENTIZE), "-q", "-d", WIT, "-w", "domain"),
            *("componentize", "wasm_attacker", "-o", "attacker.wasm"),
        ],
        cwd=folder,
        check=True,
    )
    code = (folder / "attacker.wasm").read_bytes()
    source = DomainSource(kind="wasm", code=code, entry="")
    made = SimpleNamespace(source=source, tier="wasm", methods={"run": None})
    return cast("RegisteredDomain", made)


@pytest.fixture(scope="module")
def box() -> WasmIsolation:
    found = WasmIsolation.available()
    assert found is not None
    return found


def surroundings(world: World) -> tuple[object, ...]:
    own = Path("/proc/self")
    counted = [len(list((own / name).iterdir())) for name in ("fd", "task")]
    return (*counted, world.state())


@pytest.mark.parametrize("swallow", [False, True], ids=["plain", "swallowed"])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_in_a_python_component_reaches_nothing(
    box: WasmIsolation,
    domain: RegisteredDomain,
    tmp_path: Path,
    attack: Attack,
    swallow: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """WSM-2.3, WSM-3.3, WSM-6.1."""
    world = World.make(tmp_path)
    hangs = expected_at(attack.plain, (3, 11)) is Verdict.HANGS
    tail = process_world._SWALLOW if swallow else process_world._PLAIN
    source = process_world._HEAD + world.names() + attack.source + tail
    budget = Budget(wall_ms=250 if hangs else 10_000, fuel=20_000_000_000)
    box.invoke(domain, "run", b"{}", budget=Budget(fuel=1))
    before = surroundings(world)

    outcome: BoxOutcome = box.invoke(
        domain, "run", canonical_bytes({"source": source}), budget=budget
    )

    assert surroundings(world) == before
    assert verdict_of(outcome) is not Verdict.MISSED
    assert not isinstance(outcome, InfraFailure)
    if attack.name in RECORDED:
        assert isinstance(outcome, Violation), outcome
        assert outcome.kind is ViolationKind.IMPORT
        assert outcome.detail.startswith(RECORDED[attack.name])
    if hangs:
        expected = Violation(ViolationKind.BUDGET_WALL, "the time is up", "budget")
        assert outcome == expected


def test_nothing_is_left_for_the_next_call(
    box: WasmIsolation, domain: RegisteredDomain
) -> None:
    """WSM-1.1: neither in a global nor in the standard library."""
    attack = """
import json, builtins
def attack():
    for place in (json, builtins):
        reached.append(getattr(place, "left", None))
        place.left = 1
"""
    source = process_world._HEAD + attack + process_world._PLAIN
    parameters = canonical_bytes({"source": source})

    for _ in range(3):
        outcome = box.invoke(domain, "run", parameters, budget=Budget())
        assert isinstance(outcome, Ok)
        assert b"[None, None]" in outcome.result
