"""A call is run in slices by the thread that asked for it, and ends for one reason."""

from __future__ import annotations

import gc
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stage2_domains.contract import Budget
from stage3.isolation.interface import BoxInterrupt, Ok, Violation, ViolationKind
from stage3.isolation.wasm.call import Call, OverdueError
from stage3.isolation.wasm.endings import StoppedError
from stage3.isolation.wasm.supplies import Supplies
from stage3.isolation.wasm.tier import WasmIsolation
from tests.attacks.wasm_attacks import component, module
from tests.unit.isolation_wasm.wasm_domains import boxed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest.importorskip("wasmtime", reason="the extra [wasm] is not installed")

import wasmtime._func
import wasmtime.component._enter

from stage3.isolation.wasm import call as call_module
from stage3.isolation.wasm import component as component_module
from stage3.isolation.wasm import core_module, machine, slices

ROOT = Path(__file__).parents[3]
CLOCK = '(import "stage3" "clock_ns" (func $c (result i64)))'
ASKS = {
    "module": module("(drop (call $c))", before=CLOCK),
    "component": component(
        "wasi:clocks/monotonic-clock",
        '(export "now" (func (result u64)))',
        call="(result i64)|(drop (call $f))",
    ),
}

ANSWERS = {
    "module": (core_module._ANSWERS, "stage3.clock_ns"),
    "component": (component_module._ANSWERS, "wasi:clocks/monotonic-clock now"),
}
"""Where the host's side of the two is found."""


@pytest.fixture(scope="module")
def box() -> WasmIsolation:
    found = WasmIsolation.available()
    assert found is not None
    return found


def called(wall_ms: int = 1_000) -> Call:
    supplies = Supplies("digest", "run", b"{}")
    return Call("run", b"{}", Budget(wall_ms=wall_ms), supplies)


class Clockwork:
    """A clock, and slices that take as long as they are told to."""

    def __init__(self, lengths: list[float]) -> None:
        self.now = 0.0
        self.lengths = iter(lengths)
        self.polls: list[str] = []
        self.deleted = 0

    def poll(self, how: str) -> Callable[[object], bool]:
        """Stand for one of the two ways to run a slice."""

        def run(_future: object) -> bool:
            self.polls.append(how)
            length = next(self.lengths, None)
            self.now += length or 0.0
            return length is None

        return run

    def delete(self, _future: object) -> None:
        """Count what is let go."""
        self.deleted += 1


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clockwork]:
    work = Clockwork([])
    monkeypatch.setattr(slices, "_poll_alone", work.poll("alone"))
    monkeypatch.setattr(slices, "_poll_locked", work.poll("locked"))
    monkeypatch.setattr(slices.ffi, "wasmtime_call_future_delete", work.delete)
    monkeypatch.setattr(call_module.time, "monotonic", lambda: work.now)
    yield work
    assert work.deleted == 1


def test_slices_run_until_the_program_has_ended(clockwork: Clockwork) -> None:
    """WSM-2.4."""
    clockwork.lengths = iter([0.001] * 3)

    slices.run_to_end(object(), called())  # type: ignore[arg-type]  # nobody looks

    assert clockwork.polls == ["alone"] * 4


def test_no_slice_is_run_once_the_time_is_up(clockwork: Clockwork) -> None:
    """WSM-2.3: neither a moment before nor a slice after."""
    call = called(wall_ms=3)
    call.start()
    clockwork.lengths = iter([0.001, 0.001, 0.0009, 0.0002, 0.001])

    with pytest.raises(OverdueError):
        slices.run_to_end(object(), call)  # type: ignore[arg-type]  # nobody looks

    assert len(clockwork.polls) == 4
    assert call.late


def test_no_slice_is_run_for_a_call_that_is_late_already(clockwork: Clockwork) -> None:
    """WSM-2.3."""
    call = called()
    call.ends_at = 0.0

    with pytest.raises(OverdueError):
        slices.run_to_end(object(), call)  # type: ignore[arg-type]  # nobody looks

    assert clockwork.polls == []


def test_who_waited_for_the_lock_keeps_it_for_as_long_as_others_do(
    clockwork: Clockwork,
) -> None:
    """WSM-2.5: or each slice of some microseconds would wait for milliseconds."""
    clockwork.lengths = iter([0.001, 0.0021, 0.001, 0.002, 0.0019, 0.001, 0.001])

    slices.run_to_end(object(), called())  # type: ignore[arg-type]  # nobody looks

    alone, locked = "alone", "locked"
    assert clockwork.polls == [
        alone,
        alone,
        locked,
        locked,
        locked,
        locked,
        alone,
        alone,
    ]


def test_nothing_runs_beside_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """WSM-2.4: neither a thread of Python nor one of the engine."""
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        pytest.skip("threads of other makers cannot be counted here")
    seen: list[tuple[int, int]] = []

    def look(_supplies: Supplies) -> int:
        seen.append((threading.active_count(), len(list(tasks.iterdir()))))
        return 0

    for kind, (answers, name) in ANSWERS.items():
        monkeypatch.setitem(answers, name, look)
        box = WasmIsolation.available()
        assert box is not None
        look(Supplies("", "", b""))
        assert isinstance(
            box.invoke(boxed(ASKS[kind]), "run", b"{}", budget=Budget()), Ok
        )

    assert len(seen) == 4
    assert len(set(seen)) == 1


def test_the_engine_starts_no_thread_of_its_own_either() -> None:
    """WSM-2.4: not for compiling. In a process that has done nothing else."""
    if not Path("/proc/self/task").exists():
        pytest.skip("threads of other makers cannot be counted here")
    script = (
        "import os, sys\n"
        "from stage2_domains.contract import Budget\n"
        "from stage3.isolation.wasm.tier import WasmIsolation\n"
        "from tests.attacks.wasm_attacks import component, module\n"
        "from tests.unit.isolation_wasm.wasm_domains import boxed\n"
        "box = WasmIsolation.available()\n"
        "for text in (module(), component()):\n"
        "    box.invoke(boxed(text), 'run', b'{}', budget=Budget())\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )

    assert told.stdout.split() == ["1"]


def test_what_a_component_is_given_and_gives_is_let_go(box: WasmIsolation) -> None:
    """WSM-2.4."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("the memory of a process cannot be measured here")
    domain = boxed(component(answer='"' + "x" * 500_000, pages=40))
    parameters = b'{"a":"%b"}' % (b"x" * 1_000_000)

    def pages_after(calls: int) -> int:
        for _ in range(calls):
            box.invoke(domain, "run", parameters, budget=Budget())
        return int(statm.read_text().split()[1])

    before = pages_after(20)

    assert (pages_after(100) - before) * 4096 < 30_000_000


@pytest.mark.parametrize("kind", ASKS)
def test_an_import_is_not_served_once_the_time_is_up(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WSM-2.3: imports take longer than steps, and a slice may hold thousands."""
    loops = {
        "module": module("(loop (drop (call $c)) (br 0))", before=CLOCK),
        "component": component(
            "wasi:clocks/monotonic-clock",
            '(export "now" (func (result u64)))',
            call="(result i64)|(loop (drop (call $f)) (br 0))",
        ),
    }
    now = [0.0]
    served: list[float] = []

    def answer(_supplies: Supplies) -> int:
        served.append(now[0])
        now[0] += 0.4
        return 0

    answers, name = ANSWERS[kind]
    monkeypatch.setitem(answers, name, answer)
    monkeypatch.setattr(call_module.time, "monotonic", lambda: now[0])
    box = WasmIsolation.available()
    assert box is not None
    outcome = box.invoke(boxed(loops[kind]), "run", b"{}", budget=Budget(wall_ms=1_000))

    assert outcome == Violation(ViolationKind.BUDGET_WALL, "the time is up", "budget")
    assert served == pytest.approx([0.0, 0.4, 0.8])


def test_calls_leave_no_stack_behind(box: WasmIsolation) -> None:
    """WSM-2.4: however they end."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("the memory of a process cannot be listed here")
    domains = [
        boxed(text)
        for text in (module(), module("(loop (br 0))"), component(), ASKS["component"])
    ]
    budget = Budget(fuel=200_000)

    def all_of_them() -> int:
        for domain in domains:
            for wall_ms in (1, 1_000):
                late = Budget(fuel=budget.fuel, wall_ms=wall_ms)
                box.invoke(domain, "run", b"{}", budget=late)
        return len(maps.read_text().splitlines())

    all_of_them()
    before = all_of_them()
    for _ in range(20):
        after = all_of_them()

    assert after < before + 20


@pytest.mark.parametrize("kind", ASKS)
def test_an_interrupt_inside_an_import_ends_the_call(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WSM-6.4."""
    domain = boxed(ASKS[kind])

    def interrupt(_supplies: Supplies) -> int:
        raise KeyboardInterrupt

    answers, name = ANSWERS[kind]
    monkeypatch.setitem(answers, name, interrupt)
    fresh = WasmIsolation.available()
    assert fresh is not None
    with pytest.raises(BoxInterrupt):
        fresh.invoke(domain, "run", b"{}", budget=Budget())


def test_an_interrupt_ends_a_loop_at_once(box: WasmIsolation) -> None:
    """WSM-6.4: not when its time is up."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("no timers here")
    domain = boxed(module("(loop (br 0))"))

    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(BoxInterrupt):
            box.invoke(domain, "run", b"{}", budget=Budget(wall_ms=30_000, fuel=2**50))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert isinstance(box.invoke(boxed(module()), "run", b"{}", budget=Budget()), Ok)


@pytest.mark.parametrize("kind", ASKS)
def test_what_an_import_raises_reaches_nobody_else(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WSM-3.5: the engine's package keeps it for the next who calls the engine."""

    def fail(_supplies: Supplies) -> int:
        raise ValueError

    answers, name = ANSWERS[kind]
    monkeypatch.setitem(answers, name, fail)
    box = WasmIsolation.available()
    assert box is not None
    outcome = box.invoke(boxed(ASKS[kind]), "run", b"{}", budget=Budget())

    assert outcome == Violation(ViolationKind.IMPORT, name, "import")
    assert wasmtime._func.LAST_EXCEPTION is None
    assert wasmtime.component._enter.LAST_EXCEPTION is None


def test_an_answer_that_comes_late_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """WSM-2.3."""
    box = WasmIsolation.available()
    assert box is not None

    def answer(_program: object, _store: object, call: Call) -> bytes:
        call.ends_at = -math.inf
        return b'{"success":true}'

    monkeypatch.setattr(machine.CoreProgram, "run", answer)
    outcome = box.invoke(boxed(module()), "run", b"{}", budget=Budget())

    assert outcome == Violation(ViolationKind.BUDGET_WALL, "the time is up", "budget")


def test_the_weightiest_reason_counts() -> None:
    """WSM-6.1, WSM-6.4: an interrupt, then what was refused first, then the time."""
    call = called()
    call.raise_ending()
    call.late = True
    with pytest.raises(StoppedError, match="the time is up"):
        call.raise_ending()
    call.refuse("first")
    call.refuse("second")
    with pytest.raises(StoppedError, match="first"):
        call.raise_ending()
    call.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        call.raise_ending()


@pytest.mark.parametrize("text", [module(), module("(unreachable)"), ASKS["module"]])
def test_a_program_is_let_go_with_its_box(text: str) -> None:
    """WSM-1.3: at once, whatever its calls ended with; it may hold 40 MB."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("descriptors cannot be listed here")
    box = WasmIsolation.available()
    assert box is not None
    gc.collect()
    gc.disable()
    try:
        before = len(list(descriptors.iterdir()))
        for fuel in (1, 10_000_000):
            box.invoke(boxed(text), "run", b"{}", budget=Budget(fuel=fuel))
        kept = len(list(descriptors.iterdir()))
        box.close()
        after = len(list(descriptors.iterdir()))
    finally:
        gc.enable()

    assert kept > before
    assert after == before


def test_an_interrupt_tells_what_was_refused_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """WSM-6.4."""
    box = WasmIsolation.available()
    assert box is not None

    def answer(_program: object, _store: object, call: Call) -> bytes:
        call.refuse("wasi:cli/exit exit")
        raise KeyboardInterrupt

    monkeypatch.setattr(machine.CoreProgram, "run", answer)
    with pytest.raises(BoxInterrupt) as caught:
        box.invoke(boxed(module()), "run", b"{}", budget=Budget())

    expected = Violation(ViolationKind.IMPORT, "wasi:cli/exit exit", "import")
    assert caught.value.violation == expected
