"""What a program in the wasm box can do, and that it is the same every time."""

from __future__ import annotations

import json
import lzma
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import pytest

from stage2_domains.contract import Budget
from stage2_domains.manifest import load_manifest
from stage2_domains.registry import DomainRegistry
from stage3.isolation.interface import (
    BoxInterrupt,
    DomainFailed,
    InfraFailure,
    Ok,
    Violation,
    ViolationKind,
)
from stage3.isolation.wasm.call import Call, CurrentCall
from stage3.isolation.wasm.supplies import EPOCH_NS, STEP_NS, Supplies
from stage3.isolation.wasm.tier import WasmIsolation, why_not
from stage3.tiers import wasm_tier
from tests.attacks.wasm_attacks import component, module
from tests.unit.isolation_wasm.wasm_domains import boxed

if TYPE_CHECKING:
    from stage2_domains.registry import RegisteredDomain
    from stage2_domains.source import DomainSource

wasmtime = pytest.importorskip("wasmtime", reason="the extra [wasm] is not installed")

EXAMPLES: Final = Path(__file__).parents[3] / "examples" / "wasm_domains"

# Writes an unsigned number as sixteen hexadecimal digits over the answer's "n".
_HEX: Final = """
  (local $i i32) (local $v i64)
  (local.set $v {value})
  (loop
    (i32.store8 (i32.sub (i32.const {last}) (local.get $i))
      (i32.add (i32.wrap_i64 (i64.and (local.get $v) (i64.const 15))) (i32.const 97)))
    (local.set $v (i64.shr_u (local.get $v) (i64.const 4)))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if 0 (i32.lt_u (local.get $i) (i32.const 16))))
"""
_PATTERN: Final = '{"success":true,"data":{"n":"................"}}'
_LAST: Final = 16 + _PATTERN.index("....") + 15


def telling(value: str, *, before: str = "") -> str:
    """Return a module that answers with a number as letters from a to p."""
    body = _HEX.format(value=value, last=_LAST)
    return module(body, before=before, answer=_PATTERN)


def told(outcome: object) -> int:
    assert isinstance(outcome, Ok), outcome
    letters = json.loads(outcome.result)["data"]["n"]
    return int("".join(f"{ord(letter) - 97:x}" for letter in letters), 16)


def examples_hold(box: WasmIsolation, folder: Path) -> None:
    """Register what a manifest declares, and run its examples."""
    manifest = load_manifest(folder / "domain.toml")
    registry = DomainRegistry()
    registry.register_manifest(manifest)
    domain = registry.get(manifest.name)
    assert domain is not None

    assert manifest.examples
    for example in manifest.examples:
        outcome = box.invoke(
            domain, example.method, example.parameters, budget=domain.budget
        )
        if example.result is not None:
            assert isinstance(outcome, Ok), outcome
            assert b'{"data":%b,' % example.result in outcome.result
        else:
            assert isinstance(outcome, DomainFailed), outcome
            assert outcome.message == example.error


def fuel_of(box: WasmIsolation, code: bytes, method: str, parameters: bytes) -> int:
    """Run a call that ends well, and say how much fuel it took."""
    assert box._machine is not None
    call = Call(method, parameters, Budget(), Supplies("d", method, parameters))
    box._machine.run(code, call)
    return call.fuel_used


@pytest.fixture(scope="module")
def box() -> WasmIsolation:
    found = WasmIsolation.available()
    assert found is not None
    return found


def run(
    box: WasmIsolation, domain: RegisteredDomain, parameters: bytes = b"{}"
) -> object:
    return box.invoke(domain, "run", parameters, budget=Budget())


def test_state_never_survives_a_call(box: WasmIsolation) -> None:
    """WSM-1.1, rules 3A.7: globals and memory are new each time."""
    count = "(global.set $g (i64.add (global.get $g) (i64.const 1)))"
    domain = boxed(
        telling(f"(block (result i64) {count} (global.get $g))",
                before="(global $g (mut i64) (i64.const 41))")
    )  # fmt: skip

    assert [told(run(box, domain)) for _ in range(3)] == [42, 42, 42]


def test_the_clock_comes_from_the_host_and_is_the_same_every_time(
    box: WasmIsolation,
) -> None:
    """WSM-4.1, WSM-4.2."""
    clock = '(import "stage3" "clock_ns" (func $c (result i64)))'
    domain = boxed(telling("(block (result i64) (drop (call $c)) (call $c))",
                           before=clock))  # fmt: skip

    assert {told(run(box, domain)) for _ in range(3)} == {EPOCH_NS + STEP_NS}


def test_randomness_follows_from_the_request(box: WasmIsolation) -> None:
    """WSM-4.1, WSM-4.3."""
    source = '(import "stage3" "random_u64" (func $r (result i64)))'
    domain = boxed(telling("(call $r)", before=source))

    first, again, other = (
        told(run(box, domain, parameters)) for parameters in (b"{}", b"{}", b'{"a":1}')
    )

    assert first == again
    assert first != other
    # Another program, the same call.
    longer = boxed(telling("(block (result i64) (nop) (call $r))", before=source))
    assert told(run(box, longer)) != first


def test_a_number_that_is_none_has_one_form(box: WasmIsolation) -> None:
    """WSM-4.1: processors differ in the bits they give for it."""
    none = "(f64.div (f64.const 0) (f64.const 0))"
    domain = boxed(telling(f"(i64.reinterpret_f64 {none})"))

    assert told(run(box, domain)) == 0x7FF8_0000_0000_0000


def test_a_component_reads_the_same_clock_and_randomness(box: WasmIsolation) -> None:
    """WSM-4.1: what WASI offers of both is answered."""
    for interface, function, call in (
        ("wasi:clocks/monotonic-clock@0.2.9",
         '(export "now" (func (result u64)))', "(result i64)|(drop (call $f))"),
        ("wasi:random/random@0.2.9",
         '(export "get-random-u64" (func (result u64)))',
         "(result i64)|(drop (call $f))"),
        ("wasi:random/random@0.2.9",
         '(export "get-random-bytes" (func (param "len" u64) (result (list u8))))',
         "(param i64 i32)|(call $f (i64.const 32) (i32.const 8))"),
        ("wasi:cli/environment@0.2.9",
         '(export "get-arguments" (func (result (list string))))',
         "(param i32)|(call $f (i32.const 8))"),
    ):  # fmt: skip
        domain = boxed(component(interface, function, call=call))

        assert isinstance(run(box, domain), Ok), interface


def test_fuel_is_the_same_in_every_run(box: WasmIsolation) -> None:
    """WSM-2.2: also in a box of its own, and for a call that takes many slices."""
    code = (EXAMPLES / "rust" / "statistics.wasm").read_bytes()
    many = b'{"numbers":[%b]}' % b",".join([b"1.5"] * 5_000)
    other = WasmIsolation.available()
    assert other is not None
    for one in (box, other):
        run(one, boxed(module()))

    for parameters, least in ((b'{"numbers":[1,2,4.5]}', 1_000), (many, 500_000)):
        used = {fuel_of(one, code, "describe", parameters) for one in (box, other, box)}
        assert len(used) == 1
        assert least < used.pop() < 10_000_000


def test_fuel_ends_a_call_exactly(box: WasmIsolation) -> None:
    """WSM-2.2: one step less than it takes is too little."""
    domain = boxed(module())
    enough = [
        fuel
        for fuel in range(1, 40)
        if isinstance(box.invoke(domain, "run", b"{}", budget=Budget(fuel=fuel)), Ok)
    ]

    assert enough == list(range(enough[0], 40))
    assert enough[0] > 1


def test_the_rust_example_answers(box: WasmIsolation) -> None:
    """WSM-5.1, WSM-7.1."""
    domain = boxed((EXAMPLES / "rust" / "statistics.wasm").read_bytes())

    outcome = box.invoke(domain, "describe", b'{"numbers":[1,2,4.5]}', budget=Budget())

    assert isinstance(outcome, Ok)
    assert json.loads(outcome.result)["data"] == {
        "count": 3,
        "least": 1,
        "mean": 2.5,
        "most": 4.5,
    }


def test_the_rust_example_is_registered_by_its_manifest_and_its_examples_hold(
    box: WasmIsolation,
) -> None:
    """WSM-7.1."""
    examples_hold(box, EXAMPLES / "rust")


def test_the_rust_example_says_no(box: WasmIsolation) -> None:
    """WSM-5.2."""
    domain = boxed((EXAMPLES / "rust" / "statistics.wasm").read_bytes())

    outcome = box.invoke(domain, "describe", b'{"numbers":[]}', budget=Budget())

    assert isinstance(outcome, DomainFailed)
    assert outcome.message == "'numbers' must hold at least one number"


def test_the_python_example_answers_and_reaches_nothing(
    box: WasmIsolation, tmp_path: Path
) -> None:
    """WSM-2.2, WSM-6.1, WSM-7.2. One test, since compiling takes ten seconds."""
    folder = tmp_path / "python"
    shutil.copytree(EXAMPLES / "python", folder)
    subprocess.run([sys.executable, folder / "unpack.py"], check=True)
    examples_hold(box, folder)
    code = (folder / "words.wasm").read_bytes()
    domain = boxed(code)

    for _ in range(2):
        outcome = box.invoke(domain, "count", b'{"text":"a b a"}', budget=Budget())
        assert isinstance(outcome, Ok)
        assert json.loads(outcome.result)["data"] == {"common": ["a", "b"], "words": 3}
    assert len({fuel_of(box, code, "count", b'{"text":"a"}') for _ in range(3)}) == 1
    # What the schema would have refused makes the guest raise, and its runtime look
    # for what prints a traceback.
    assert box.invoke(domain, "count", b'{"text":5}', budget=Budget()) == Violation(
        ViolationKind.IMPORT,
        "wasi:filesystem/preopens@0.2.9 get-directories",
        "import",
    )
    late = box.invoke(domain, "count", b'{"text":"a"}', budget=Budget(wall_ms=1))
    assert late == Violation(ViolationKind.BUDGET_WALL, "the time is up", "budget")
    dry = box.invoke(domain, "count", b'{"text":"a"}', budget=Budget(fuel=10_000))
    assert dry == Violation(ViolationKind.BUDGET_FUEL, "the fuel is used up", "budget")
    assert isinstance(
        box.invoke(domain, "count", b'{"text":"a b a"}', budget=Budget()), Ok
    )


def test_a_packed_example_that_was_changed_is_not_unpacked(tmp_path: Path) -> None:
    """WSM-7.2."""
    folder = tmp_path / "python"
    shutil.copytree(EXAMPLES / "python", folder)
    (folder / "words.wasm").unlink(missing_ok=True)
    (folder / "words.wasm.xz").write_bytes(lzma.compress(b"another"))

    ended = subprocess.run(
        [sys.executable, folder / "unpack.py"], check=False, capture_output=True
    )

    assert ended.returncode != 0
    assert b"not what it was" in ended.stderr
    assert not (folder / "words.wasm").exists()


@pytest.mark.parametrize(
    "answer",
    [
        '{"success":true}',
        '{"success":true,"data":null,"error":null,"usage":{"output_tokens":7}}',
        '{"success":true,"data":{"text":"Grüße, 世界 🌍","n":[1,-2.5,1e3,true,null]}}',
        '{ "error" : null, "data" : { } , "success" : true }',
        json.dumps({"success": True, "data": {"text": "x" * 30_000}}),
    ],
)
@pytest.mark.parametrize("make", [module, component])
def test_an_honest_answer_is_taken(
    box: WasmIsolation, answer: str, make: object
) -> None:
    """WSM-5.2, WSM-5.3."""
    text = make(answer=answer)  # type: ignore[operator]  # one of the two above

    outcome = run(box, boxed(text))

    assert isinstance(outcome, Ok), outcome
    assert outcome.reported_units == (7 if "usage" in answer else None)


def test_a_second_call_does_not_compile_again(
    box: WasmIsolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WSM-1.3."""
    machine = pytest.importorskip("stage3.isolation.wasm.machine")
    domain = boxed(module("(nop)"))
    run(box, domain)

    def fail(*_arguments: object) -> None:
        raise AssertionError("compiled twice")

    monkeypatch.setattr(machine, "CoreProgram", fail)

    assert isinstance(run(box, boxed(module("(nop)"))), Ok)


def test_no_more_programs_are_kept_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """WSM-1.3."""
    found = pytest.importorskip("stage3.isolation.wasm.machine")
    monkeypatch.setattr(found, "MAX_PROGRAMS", 2)
    box = WasmIsolation.available()
    assert box is not None
    for number in range(4):
        assert isinstance(run(box, boxed(module("(nop)" * number))), Ok)

    assert box._machine is not None
    assert len(box._machine._programs) == 2


def test_a_program_beyond_the_bound_is_not_compiled(
    box: WasmIsolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WSM-1.4."""
    found = pytest.importorskip("stage3.isolation.wasm.machine")
    domain = boxed(module("(nop) (nop) (nop)"))
    code = cast("DomainSource", domain.source).code
    monkeypatch.setattr(found, "MAX_CODE_BYTES", len(code) - 1)
    assert isinstance(run(box, domain), InfraFailure)
    monkeypatch.setattr(found, "MAX_CODE_BYTES", len(code))
    assert isinstance(run(box, domain), Ok)


def test_an_interrupt_leaves_the_box_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """WSM-6.4."""
    box = WasmIsolation.available()
    assert box is not None
    domain = boxed(module())
    run(box, domain)

    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(box._machine), "run", interrupt)
    with pytest.raises(BoxInterrupt):
        run(box, domain)


@pytest.mark.parametrize(
    ("engine", "python", "why"),
    [
        ("", (3, 11, 7), "the extra stage3[wasm] is not installed"),
        ("47.0.9", (3, 11, 7), "wasmtime 48 is needed, 47.0.9 is installed"),
        ("49.0.0", (3, 11, 7), "wasmtime 48 is needed, 49.0.0 is installed"),
        ("48.0.0", (3, 14, 0), "CPython 3.14.0 cannot run it; 3.14.1 can"),
        ("48.1.2", (3, 14, 1), None),
        ("48.0.0", (3, 13, 9), None),
    ],
)
def test_where_the_engine_cannot_be_used_there_is_no_tier(
    engine: str,
    python: tuple[int, int, int],
    why: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """WSM-1.6."""

    def installed(name: str) -> str:
        if engine and name == "wasmtime":
            return engine
        raise PackageNotFoundError(name)

    monkeypatch.setattr("stage3.isolation.wasm.tier.version", installed)
    monkeypatch.setattr(sys, "version_info", (*python, "final", 0))

    assert why_not() == why
    assert (WasmIsolation.available() is None) is (why is not None)
    made = wasm_tier()
    assert made == why if why else isinstance(made, WasmIsolation)


def test_the_tier_says_what_it_is(box: WasmIsolation) -> None:
    """WSM-1.5."""
    assert box.tier == "wasm"
    assert str(box.attained["engine"]).startswith("wasmtime 48.")
    assert box.attained["boundary"] is True
    box.close()
    box.close()


def test_randomness_is_bounded_and_in_order() -> None:
    """WSM-4.3."""
    one, two = Supplies("d", "m", b"{}"), Supplies("d", "m", b"{}")

    assert one.random(3) + one.random(0) + one.random(61) == two.random(64)
    assert len(one.random(65_536)) == 65_536
    for size in (-1, 65_537):
        with pytest.raises(ValueError, match="at most"):
            one.random(size)


def test_requests_that_differ_anywhere_have_other_supplies() -> None:
    """WSM-4.1: the parts of a request cannot be shifted into one another."""
    seen = {
        Supplies(*request).random(16)
        for request in (
            ("a", "b", b"c"),
            ("ab", "", b"c"),
            ("a", "", b"bc"),
            ("x", "b", b"c"),
            ("a", "x", b"c"),
            ("a", "b", b"x"),
        )
    }

    assert len(seen) == 6


def test_without_a_call_there_is_nothing_to_read() -> None:
    with pytest.raises(RuntimeError):
        CurrentCall().get()
