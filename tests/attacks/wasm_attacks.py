"""Attacks on the ``wasm`` tier, as WebAssembly text, and what must come of each.

There is nothing to swallow in WebAssembly: what stops a program is not visible to it.
Where a program can look away from a refusal (memory that was not given), a second
attack does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from stage2_domains.contract import Budget
from stage3.isolation.interface import (
    BoxOutcome,
    InfraFailure,
    Ok,
    ResultRefused,
    Violation,
    ViolationKind,
)

__all__ = ["ATTACKS", "INNOCENT", "WasmAttack", "answering", "component", "module"]

INNOCENT: Final = '{"success":true,"data":{"innocent":true},"error":null}'


@dataclass(frozen=True, slots=True)
class WasmAttack:
    """One attack.

    Attributes:
        name: What a reader calls it.
        text: WebAssembly text, or bytes that are no program.
        outcome: The class of the outcome.
        kind: The violation's kind, where it is one.
        says: Words that the outcome must hold.
        budget: What the call may use.
    """

    name: str
    text: str | bytes
    outcome: type[BoxOutcome]
    kind: ViolationKind | None = None
    says: str = ""
    budget: Budget = field(default_factory=lambda: Budget(fuel=50_000_000))


def _escaped(text: str) -> str:
    return "".join(f"\\{byte:02x}" for byte in text.encode())


def module(
    body: str = "", *, before: str = "", answer: str = INNOCENT, pages: int = 1
) -> str:
    """Return a module that runs ``body`` in ``invoke`` and then gives ``answer``."""
    size = len(answer.encode())
    return f"""(module {before}
      (memory (export "memory") {pages})
      (data (i32.const 16) "{_escaped(answer)}")
      (func (export "alloc") (param i32) (result i32) (i32.const 32768))
      (func $invoke (export "invoke") (param i32 i32) (result i64) (local $n i32)
        {body}
        (i64.const {(16 << 32) | size})))"""


def answering(packed: int, *, alloc: int = 32768) -> str:
    """Return a module that gives these numbers, whatever they mean."""
    return f"""(module (memory (export "memory") 1)
      (func (export "alloc") (param i32) (result i32) (i32.const {alloc}))
      (func (export "invoke") (param i32 i32) (result i64) (i64.const {packed})))"""


def component(
    interface: str = "", function: str = "", *, answer: str = INNOCENT, call: str = ""
) -> str:
    """Return a component that imports one function, calls it and gives ``answer``."""
    name = function.split('"')[1] if function else ""
    imported = f'(import "{interface}" (instance $i {function}))' if function else ""
    lowered = (
        f'(core func $f (canon lower (func $i "{name}") (memory $libc "memory")'
        ' (realloc (func $libc "realloc"))))'
        if function
        else ""
    )
    given = '(with "host" (instance (export "f" (func $f))))' if function else ""
    taken = f'(import "host" "f" (func $f {call.partition("|")[0]}))' if call else ""
    return f"""(component
      {imported}
      (core module $libc_m
        (memory (export "memory") 2)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
          (i32.const 32768)))
      (core instance $libc (instantiate $libc_m))
      {lowered}
      (core module $m
        {taken}
        (import "libc" "memory" (memory 1))
        (data (i32.const 16) "{_escaped(answer)}")
        (func (export "invoke") (param i32 i32 i32 i32) (result i32)
          {call.partition("|")[2]}
          (i32.store (i32.const 0) (i32.const 16))
          (i32.store (i32.const 4) (i32.const {len(answer.encode())}))
          (i32.const 0)))
      (core instance $main (instantiate $m (with "libc" (instance $libc)) {given}))
      (func (export "invoke") (param "method" string) (param "params" string)
        (result string)
        (canon lift (core func $main "invoke") (memory $libc "memory")
          (realloc (func $libc "realloc")))))"""


def _violation(
    name: str,
    text: str | bytes,
    kind: ViolationKind,
    says: str = "",
    budget: Budget | None = None,
) -> WasmAttack:
    budget = budget or Budget(fuel=50_000_000)
    return WasmAttack(name, text, Violation, kind, says, budget)


_LOOP: Final = "(loop (br 0))"
_GROW: Final = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))"
_PATIENT: Final = Budget(wall_ms=60, fuel=2_000_000_000)

_BUDGETS: Final = (
    _violation("an infinite loop", module(_LOOP), ViolationKind.BUDGET_FUEL),
    _violation(
        "a loop with fuel to spare",
        module(_LOOP),
        ViolationKind.BUDGET_WALL,
        budget=_PATIENT,
    ),
    _violation(
        "a loop of huge fills",
        module(
            "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 65000)) (br 0))",
            answer=INNOCENT,
        ),
        ViolationKind.BUDGET_FUEL,
    ),
    _violation(
        "a loop before the first call",
        module(before="(start $s) (func $s (loop (br 0)))"),
        ViolationKind.BUDGET_FUEL,
    ),
    _violation(
        "memory until there is none, then a trap",
        module(f"{_GROW} (unreachable)"),
        ViolationKind.BUDGET_MEMORY,
    ),
    WasmAttack("memory until there is none, unmoved", module(_GROW), Ok),
    _violation(
        "a memory that starts too large",
        module(pages=2_000),
        ViolationKind.BUDGET_MEMORY,
    ),
    _violation(
        "a table that starts too large",
        module(before="(table 10000000 funcref)"),
        ViolationKind.BUDGET_MEMORY,
    ),
    _violation(
        "recursion that never ends",
        module("(drop (call $invoke (i32.const 0) (i32.const 0)))"),
        ViolationKind.BUDGET_RECURSION,
    ),
)

_TRAPS: Final = tuple(
    _violation(name, module(body, before=before), ViolationKind.TRAP, says)
    for name, body, before, says in (
        ("unreachable code", "(unreachable)", "", "unreachable"),
        (
            "a division by zero",
            "(drop (i32.div_s (i32.const 1) (local.get $n)))",
            "",
            "divide by zero",
        ),
        (
            "a read outside the memory",
            "(drop (i32.load (i32.const -4)))",
            "",
            "out of bounds",
        ),
        (
            "a write outside the memory",
            "(i32.store (i32.const 65536) (i32.const 1))",
            "",
            "out of bounds",
        ),
        (
            "a call through an empty table",
            "(call_indirect (i32.const 0))",
            "(table 1 funcref)",
            "uninitialized",
        ),
    )
)

_IMPORTS: Final = tuple(
    _violation(name, text, ViolationKind.IMPORT, says)
    for name, text, says in (
        (
            "import a system call",
            module(before='(import "env" "system" (func (param i32) (result i32)))'),
            "env.system",
        ),
        (
            "import WASI in a module",
            module(before='(import "wasi_snapshot_preview1" "path_open" (func))'),
            "wasi_snapshot_preview1.path_open",
        ),
        (
            "import a memory of the host",
            module(before='(import "stage3" "heap" (global i32))'),
            "stage3.heap",
        ),
        (
            "import under a hostile name",
            module(before='(import "a\\0a\\1b[31m" "\\e2\\80\\ae" (func))'),
            "a\\n\\x1b[31m.\\u202e",
        ),
        (
            "a component that imports no WASI",
            component("acme:host/shell", '(export "run" (func))', call="|(call $f)"),
            "acme:host/shell",
        ),
        (
            "list the folders of the host",
            component(
                "wasi:filesystem/preopens@0.2.9",
                '(export "get-directories" (func (result (list u32))))',
                call="(param i32)|(call $f (i32.const 64))",
            ),
            "wasi:filesystem/preopens@0.2.9 get-directories",
        ),
        (
            "leave through exit",
            component(
                "wasi:cli/exit@0.2.9",
                '(export "exit" (func (param "s" u32)))',
                call="(param i32)|(call $f (i32.const 1))",
            ),
            "wasi:cli/exit@0.2.9 exit",
        ),
        (
            "open the network",
            component(
                "wasi:sockets/instance-network@0.2.9",
                '(export "instance-network" (func (result u32)))',
                call="(result i32)|(drop (call $f))",
            ),
            "wasi:sockets/instance-network@0.2.9 instance-network",
        ),
        (
            "randomness without end",
            component(
                "wasi:random/random@0.2.9",
                '(export "get-random-bytes" (func (param "len" u64)'
                " (result (list u8))))",
                call="(param i64 i32)|(call $f (i64.const 4294967296) (i32.const 64))",
            ),
            "wasi:random/random@0.2.9 get-random-bytes",
        ),
    )
)

_ANSWERS: Final = tuple(
    WasmAttack(name, text, ResultRefused, says=says)
    for name, text, says in (
        ("a giant answer", answering(0xFFFF_FFFF), "4294967295 bytes"),
        ("an answer beyond the cap", answering(1024 * 1024 + 1), "1048577 bytes"),
        ("an answer past the end", answering((65_530 << 32) | 60), "outside"),
        ("an answer far outside", answering(-1 - 0xFFFF_FF00), "outside"),
        ("room outside the memory", answering(0, alloc=65_530), "outside"),
        ("room at a negative address", answering(0, alloc=-8), "outside"),
        ("no room", answering(0, alloc=0), "outside"),
        ("an empty answer", answering(16 << 32), "not JSON"),
        ("zeros", answering((16 << 32) | 8), "not JSON"),
        ("not JSON", module(answer="{'success': True}"), "not JSON"),
        ("a list", module(answer="[]"), "object"),
        ("not a number", module(answer='{"success":true,"data":{"a":NaN}}'), "NaN"),
        ("a name twice", module(answer='{"success":true,"success":false}'), "twice"),
        ("no success", module(answer='{"data":{}}'), "missing"),
        ("a success of 1", module(answer='{"success":1,"data":{}}'), "success"),
        ("data of the wrong type", module(answer='{"success":true,"data":[]}'), "data"),
        (
            "unknown members",
            module(answer='{"success":true,"data":{},"\\u202e":0}'),
            "unknown",
        ),
        (
            "a lone surrogate",
            module(answer='{"success":true,"data":{"a":"\\ud800"}}'),
            "surrogate",
        ),
        (
            "a deep answer",
            module(answer='{"success":true,"data":{"a":' + "[" * 40 + "]" * 40 + "}}"),
            "deep",
        ),
        ("a component's bad answer", component(answer="no"), "not JSON"),
    )
)

_PROGRAMS: Final = tuple(
    WasmAttack(name, text, InfraFailure, says=says)
    for name, text, says in (
        ("text instead of a program", b"(module)", "no WebAssembly"),
        ("nothing", b"", "no WebAssembly"),
        ("half a program", b"\0asm\x01\0\0\0\x01\xff", "refuses the code"),
        ("no exports", "(module)", "'memory'"),
        ("an export of the wrong type",
         '(module (memory (export "memory") 1) (func (export "alloc")))', "'alloc'"),
        ("an import of the wrong type",
         module(before='(import "stage3" "clock_ns" (func (result f64)))'), "type"),
        ("memory shared between threads",
         '(module (memory (export "memory") 1 1 shared))', "refuses the code"),
        ("a component without invoke", "(component)", "'invoke'"),
    )
)  # fmt: skip

ATTACKS: Final = (*_BUDGETS, *_TRAPS, *_IMPORTS, *_ANSWERS, *_PROGRAMS)
