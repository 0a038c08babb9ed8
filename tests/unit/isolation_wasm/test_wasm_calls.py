"""What a program in the wasm box can do, and that it is the same every time."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, cast

import pytest

from stage2_domains.contract import Budget
from stage2_domains.manifest import load_manifest
from stage2_domains.registry import DomainRegistry
from stage2_domains.source import DomainSource
from stage3.isolation.interface import BoxInterrupt, DomainFailed, InfraFailure, Ok
from stage3.isolation.wasm.call import Call, CurrentCall
from stage3.isolation.wasm.supplies import EPOCH_NS, STEP_NS, Supplies
from stage3.isolation.wasm.tier import WasmIsolation
from tests.attacks.wasm_attacks import component, module

if TYPE_CHECKING:
    from stage2_domains.registry import RegisteredDomain

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


def boxed(text: str | bytes) -> RegisteredDomain:
    code = bytes(wasmtime.wat2wasm(text)) if isinstance(text, str) else text
    domain = SimpleNamespace(
        source=DomainSource(kind="wasm", code=code, entry=""),
        tier="wasm",
        methods=dict.fromkeys(("run", "describe", "count")),
    )
    return cast("RegisteredDomain", domain)


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
    """WSM-1.1: globals and memory are new each time."""
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


def test_fuel_is_the_same_in_every_run() -> None:
    """WSM-2.2."""
    code = (EXAMPLES / "rust" / "statistics.wasm").read_bytes()
    machine = pytest.importorskip("stage3.isolation.wasm.machine").Machine()
    parameters = b'{"numbers":[1,2,4.5]}'
    used = set()
    for _ in range(5):
        supplies = Supplies("d", "describe", parameters)
        call = Call("describe", parameters, Budget(), supplies)
        machine.run(code, call)
        used.add(call.fuel_used)

    assert len(used) == 1
    assert 1_000 < used.pop() < 1_000_000


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


@pytest.mark.parametrize("language", ["rust", "python"])
def test_an_example_is_registered_by_its_manifest_and_its_examples_hold(
    box: WasmIsolation, language: str
) -> None:
    """WSM-7.1, WSM-7.2."""
    if not list((EXAMPLES / language).glob("*.wasm")):
        pytest.skip("words.wasm (18 MB) is not built: examples/wasm_domains/python")
    manifest = load_manifest(EXAMPLES / language / "domain.toml")
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


def test_the_rust_example_says_no(box: WasmIsolation) -> None:
    """WSM-5.2."""
    domain = boxed((EXAMPLES / "rust" / "statistics.wasm").read_bytes())

    outcome = box.invoke(domain, "describe", b'{"numbers":[]}', budget=Budget())

    assert isinstance(outcome, DomainFailed)
    assert outcome.message == "'numbers' must hold at least one number"


def test_the_python_example_answers_and_reaches_nothing(box: WasmIsolation) -> None:
    """WSM-7.2."""
    path = EXAMPLES / "python" / "words.wasm"
    if not path.exists():
        pytest.skip("words.wasm (18 MB) is not built: examples/wasm_domains/python")
    domain = boxed(path.read_bytes())

    for _ in range(2):
        outcome = box.invoke(domain, "count", b'{"text":"a b a"}', budget=Budget())

        assert isinstance(outcome, Ok)
        assert json.loads(outcome.result)["data"] == {"common": ["a", "b"], "words": 3}


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


def test_without_the_engine_there_is_no_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    """WSM-1.6."""
    monkeypatch.setattr("stage3.isolation.wasm.tier.version", _raise_not_found)

    assert WasmIsolation.available() is None


def _raise_not_found(name: str) -> str:
    from importlib.metadata import PackageNotFoundError  # noqa: PLC0415

    raise PackageNotFoundError(name)


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
        for request in (("a", "b", b"c"), ("ab", "", b"c"), ("a", "", b"bc"))
    }

    assert len(seen) == 3


def test_without_a_call_there_is_nothing_to_read() -> None:
    with pytest.raises(RuntimeError):
        CurrentCall().get()
