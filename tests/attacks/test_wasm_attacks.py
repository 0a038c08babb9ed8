"""Every attack of ``wasm_attacks``, run in the wasm box."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from stage2_domains.contract import Budget
from stage3.isolation.events import GUARD_EVENT
from stage3.isolation.interface import InfraFailure, Ok, Violation, ViolationKind
from stage3.isolation.wasm.tier import WasmIsolation
from tests.attacks.process_world import World
from tests.attacks.wasm_attacks import ATTACKS, WasmAttack, component, module
from tests.unit.isolation_wasm.wasm_domains import boxed

if TYPE_CHECKING:
    from stage2_domains.registry import RegisteredDomain

pytest.importorskip("wasmtime", reason="the extra [wasm] is not installed")


@pytest.fixture(scope="module")
def box() -> WasmIsolation:
    found = WasmIsolation.available()
    assert found is not None
    return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path)


def surroundings(world: World) -> tuple[object, ...]:
    open_now = Path("/proc/self/fd")
    descriptors = [one.name for one in open_now.iterdir()] if open_now.exists() else []
    return (
        sorted(descriptors),
        sorted(Path().iterdir()),
        world.state(),
    )


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_on_the_wasm_box_reaches_nothing(
    box: WasmIsolation, world: World, attack: WasmAttack
) -> None:
    """Nothing of the host is reached, and the outcome says what was tried.

    WSM-1.4, WSM-2.1, WSM-2.2, WSM-3.1, WSM-3.2, WSM-3.3, WSM-5.2, WSM-5.3, WSM-5.4,
    WSM-3.4, WSM-6.1, WSM-6.2, WSM-6.3; rules 3A.6, 3B.1, 3B.3.
    """
    domain = boxed(attack.text)
    # Compiled once, a program keeps its initial memory open for the next call.
    box.invoke(domain, "run", b"{}", budget=Budget(fuel=1))
    before = surroundings(world)

    outcome = box.invoke(domain, "run", b"{}", budget=attack.budget)

    assert type(outcome) is attack.outcome, outcome
    assert surroundings(world) == before
    if isinstance(outcome, Violation):
        assert outcome.kind is attack.kind, outcome
        assert outcome.detail.isascii()
        assert outcome.detail.isprintable()
        assert len(outcome.detail) <= 200
        assert attack.says in outcome.detail
    elif not isinstance(outcome, Ok):
        assert attack.says in repr(outcome)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_after_an_attack_the_box_serves_the_next_call(
    box: WasmIsolation, attack: WasmAttack
) -> None:
    """WSM-1.1."""
    box.invoke(boxed(attack.text), "run", b"{}", budget=attack.budget)

    assert isinstance(box.invoke(boxed(module()), "run", b"{}", budget=Budget()), Ok)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(module("(loop (br 0))"), id="a module"),
        pytest.param(module(before="(start $s) (func $s (loop (br 0)))"), id="a start"),
        pytest.param(
            module(
                "(loop (drop (call $c)) (br 0))",
                before='(import "stage3" "clock_ns" (func $c (result i64)))',
            ),
            id="a module that asks the time",
        ),
        pytest.param(
            component(
                "wasi:clocks/monotonic-clock",
                '(export "now" (func (result u64)))',
                call="(result i64)|(loop (drop (call $f)) (br 0))",
            ),
            id="a component that asks the time",
        ),
    ],
)
@pytest.mark.parametrize("wall_ms", [20, 100, 500])
def test_a_call_ends_when_its_time_is_up(
    box: WasmIsolation, wall_ms: int, text: str
) -> None:
    """WSM-2.3. The bound is generous, since other tests share the processor."""
    domain = boxed(text)
    budget = Budget(wall_ms=wall_ms, fuel=2**31)
    box.invoke(domain, "run", b"{}", budget=Budget(fuel=1))
    start = time.monotonic()

    outcome = box.invoke(domain, "run", b"{}", budget=budget)

    taken_ms = (time.monotonic() - start) * 1_000
    assert isinstance(outcome, Violation)
    assert outcome.kind == "budget.wall"
    assert wall_ms <= taken_ms < wall_ms + 250


def test_calls_leave_nothing_behind(box: WasmIsolation, world: World) -> None:
    """WSM-2.4."""
    domain = boxed(module())
    box.invoke(domain, "run", b"{}", budget=Budget())
    before = surroundings(world)

    for _ in range(500):
        assert isinstance(box.invoke(domain, "run", b"{}", budget=Budget()), Ok)

    assert surroundings(world) == before


def test_the_time_of_one_call_is_not_that_of_another(box: WasmIsolation) -> None:
    """WSM-2.3: calls on several threads have a deadline each."""
    domain = boxed(module("(loop (br 0))"))
    outcomes: dict[int, object] = {}

    def run(wall_ms: int) -> None:
        budget = Budget(wall_ms=wall_ms, fuel=2**31)
        start = time.monotonic()
        outcome = box.invoke(domain, "run", b"{}", budget=budget)
        outcomes[wall_ms] = (outcome, (time.monotonic() - start) * 1_000 >= wall_ms)

    threads = [threading.Thread(target=run, args=(ms,)) for ms in (50, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    expected = Violation(ViolationKind.BUDGET_WALL, "the time is up", "budget")
    assert outcomes == {50: (expected, True), 200: (expected, True)}
    assert threading.active_count() == 1


def test_a_call_that_does_not_belong_in_the_box_is_not_run(box: WasmIsolation) -> None:
    """WSM-1.2."""
    domain = boxed(module())

    for method, parameters in (("other", b"{}"), ("run", b"[]"), ("run", b"")):
        outcome = box.invoke(domain, method, parameters, budget=Budget())
        assert isinstance(outcome, InfraFailure)
    for changes in ({"tier": "process"}, {"source": None}):
        other = cast("RegisteredDomain", SimpleNamespace(**{**vars(domain), **changes}))
        outcome = box.invoke(other, "run", b"{}", budget=Budget())
        assert isinstance(outcome, InfraFailure)


def test_a_call_of_the_box_is_told_to_the_tripwire(
    box: WasmIsolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ISO-2.3: a domain of another tier that got hold of the box is noticed."""
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(sys, "audit", lambda *event: told.append(event))
    box.invoke(boxed(module()), "run", b"{}", budget=Budget())

    assert (GUARD_EVENT, "isolation.invoke") in told
