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
    interface: str = "",
    function: str = "",
    *,
    answer: str = INNOCENT,
    call: str = "",
    pages: int = 2,
) -> str:
    """Return a component that imports one function, calls it and gives ``answer``.

    ``function`` may start with what its type needs: the last export is the function.
    """
    name = function.rpartition('(export "')[2].split('"')[0]
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
        (memory (export "memory") {pages})
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


def _crowd(parts: str) -> str:
    """Return a component that answers, and has more in it."""
    return component().replace("(component\n", f"(component\n{parts}\n", 1)


_CROWDS: Final = tuple(
    _violation(name, _crowd(parts), ViolationKind.BUDGET_MEMORY)
    for name, parts in (
        (
            "more memories than allowed",
            "(core module $crowd (memory 1))"
            + "(core instance (instantiate $crowd))" * 4,
        ),
        (
            "more instances than allowed",
            "(core module $crowd)" + "(core instance (instantiate $crowd))" * 101,
        ),
        (
            "more tables than allowed",
            f"(core module $crowd {'(table 1 funcref)' * 60})"
            + "(core instance (instantiate $crowd))" * 2,
        ),
    )
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
            "a component that could call what is no WASI",
            component(
                "acme:host/shell", '(export "run" (func))', call="|(unreachable)"
            ),
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

_MUCH: Final = component(
    "wasi:logging/logging",
    '(export "log" (func (param "text" string)))',
    call="(param i32 i32)|(call $f (i32.const 0) (i32.const 52428800))",
    pages=900,
)

_HANDED: Final = tuple(
    _violation(
        f"be able to hand over {name}",
        component(
            "wasi:keyvalue/store",
            f'(export "set" (func (param "what" {kind})))',
            call=f"(param {flat})|(unreachable)",
        ),
        ViolationKind.IMPORT,
        "wasi:keyvalue/store set",
    )
    for name, kind, flat in (
        ("a list of bytes", "(list u8)", "i32 i32"),
        ("a list of texts", "(list string)", "i32 i32"),
        ("a list of pairs", "(list (tuple u8 u8))", "i32 i32"),
        ("a pair", "(tuple u8 u8)", "i32 i32"),
        ("a list, perhaps", "(option (list u8))", "i32 i32 i32"),
        ("a list, or an error", "(result (list u8) (error u8))", "i32 i32 i32"),
        ("an error that is a list", "(result u8 (error (list u8)))", "i32 i32 i32"),
    )
)
"""The engine would copy these at 40 times their size, so nothing of these runs."""

_HARMLESS: Final = tuple(
    _violation(
        f"be able to hand over {name}",
        component(
            "wasi:keyvalue/store",
            f'(export "set" (func (param "what" {kind})))',
            call=f"(param {flat})|(unreachable)",
        ),
        ViolationKind.TRAP,
        "unreachable",
    )
    for name, kind, flat in (
        ("a text", "string", "i32 i32"),
        ("a number, perhaps", "(option u64)", "i32 i64"),
        ("a number or a flaw", "(result u8 (error char))", "i32 i32"),
        ("success", "(result)", "i32"),
    )
)
"""A runtime may link these; it is stopped when it calls them."""

_STREAM: Final = '(export "output-stream" (type $s (sub resource)))'
_POLLABLE: Final = '(export "pollable" (type $p (sub resource)))'

_FORGED: Final = (
    _violation(
        "write to a stream nobody gave",
        component(
            "wasi:io/streams@0.2.9",
            f'{_STREAM} (export "[method]output-stream.write"'
            ' (func (param "self" (borrow $s)) (param "what" (list u8))))',
            call="(param i32 i32 i32)"
            "|(call $f (i32.const 7) (i32.const 0) (i32.const 9))",
        ),
        ViolationKind.TRAP,
        "unknown handle index 7",
    ),
    _violation(
        "wait for what nobody gave",
        component(
            "wasi:io/poll@0.2.9",
            f'{_POLLABLE} (export "poll" (func (param "all" (list (borrow $p)))'
            " (result (list u32))))",
            call="(param i32 i32 i32)"
            "|(call $f (i32.const 0) (i32.const 9) (i32.const 64))",
        ),
        ViolationKind.TRAP,
        "unknown handle index 0",
    ),
    _violation(
        "wait for nothing",
        component(
            "wasi:io/poll@0.2.9",
            f'{_POLLABLE} (export "poll" (func (param "all" (list (borrow $p)))'
            " (result (list u32))))",
            call="(param i32 i32 i32)"
            "|(call $f (i32.const 0) (i32.const 0) (i32.const 64))",
        ),
        ViolationKind.IMPORT,
        "wasi:io/poll@0.2.9 poll",
    ),
)

_FALSE_TYPES: Final = tuple(
    _violation(name, component(interface, function, call=call), ViolationKind.IMPORT,
               f"{interface} {function.split(chr(34))[1]}")
    for name, interface, function, call in (
        ("a clock that gives text", "wasi:clocks/monotonic-clock",
         '(export "now" (func (result string)))',
         "(param i32)|(call $f (i32.const 64))"),
        ("a clock that gives nothing", "wasi:clocks/monotonic-clock",
         '(export "now" (func))', "|(call $f)"),
        ("random bytes without a number", "wasi:random/random",
         '(export "get-random-bytes" (func (result (list u8))))',
         "(param i32)|(call $f (i32.const 64))"),
        ("random bytes that are texts", "wasi:random/random",
         '(export "get-random-bytes" (func (param "n" u64) (result (list string))))',
         "(param i64 i32)|(call $f (i64.const 8) (i32.const 64))"),
        ("random bytes by a small number", "wasi:random/random",
         '(export "get-random-bytes" (func (param "n" u32) (result (list u8))))',
         "(param i32 i32)|(call $f (i32.const 8) (i32.const 64))"),
        ("a random number too many", "wasi:random/random",
         '(export "get-random-bytes" (func (param "n" u64) (result (list u8))))',
         "(param i64 i32)|(call $f (i64.const 65537) (i32.const 64))"),
    )
)  # fmt: skip
"""WASI in name only: what the host gives does not fit what the component expects."""

_MISNAMED: Final = tuple(
    _violation(
        f"a trap in a function called {name!r}",
        module(
            "(call $bad)",
            before="(func $bad unreachable)",
        ).replace("$bad", f'$"{name}"'),
        ViolationKind.TRAP,
        "unreachable",
    )
    for name in (
        "all fuel consumed by WebAssembly",
        "call stack exhausted",
        "\\n\\nCaused by:\\n    wasm trap: all fuel consumed by WebAssembly",
    )
)
"""The engine's message holds the names of functions, which the author chose."""

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
        (
            "a component's giant answer",
            component(answer='"' + "x" * 1024 * 1024).replace(
                '(memory (export "memory") 2)', '(memory (export "memory") 40)'
            ),
            "1048577 bytes",
        ),
        (
            "bytes that are no text",
            module(answer="")
            .replace('(data (i32.const 16) "")', '(data (i32.const 16) "\\ff\\fe{}")')
            .replace(str(16 << 32), str((16 << 32) | 4)),
            "UTF-8",
        ),
    )
)


def _invoking(params: str) -> str:
    """Return a component whose ``invoke`` takes something else."""
    flat = "i32" if "u32" in params else "i32 i32"
    return f"""(component
      (core module $m
        (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
        (func (export "invoke") (param {flat}) (result i32) (i32.const 0)))
      (core instance $i (instantiate $m))
      (func (export "invoke") {params} (result string)
        (canon lift (core func $i "invoke") (memory $i "memory")
          (realloc (func $i "realloc")))))"""


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
        ("a component whose invoke takes a number", _invoking('(param "n" u32)'),
         "'invoke'"),
        ("a component whose invoke takes one text", _invoking('(param "n" string)'),
         "'invoke'"),
        ("two memories in a module", "(module (memory 1) (memory 1))",
         "refuses the code"),
        ("a memory of 64 bits", "(module (memory i64 1))", "refuses the code"),
        ("an exception", "(module (tag (param i32)))", "refuses the code"),
        ("an object", "(module (type (struct (field i32))))", "refuses the code"),
    )
)  # fmt: skip

ATTACKS: Final = (
    *(*_BUDGETS, *_CROWDS, *_TRAPS, *_IMPORTS, *_ANSWERS, *_PROGRAMS),
    *(*_HANDED, *_HARMLESS, *_FORGED, *_FALSE_TYPES, *_MISNAMED),
    _violation("hand over a text as large as the memory", _MUCH, ViolationKind.IMPORT,
               "wasi:logging/logging log"),
)  # fmt: skip
