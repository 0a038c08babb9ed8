"""The engine: compiles programs once, and runs each call in a store of its own.

This is the module that needs ``wasmtime``; ``tier`` loads it at the first call.

Spec: ``docs/spec/wasm.md``, WSM-1, WSM-2.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from wasmtime import Config, Engine, Store, WasmtimeError

from stage3.isolation.wasm.call import Call, CurrentCall
from stage3.isolation.wasm.component import ComponentProgram
from stage3.isolation.wasm.core_module import CoreProgram
from stage3.isolation.wasm.endings import UnusableError
from stage3.isolation.wasm.steps import in_slices, set_stack

__all__ = ["MAX_CODE_BYTES", "MAX_PROGRAMS", "Machine"]

MAX_CODE_BYTES: Final = 64 * 1024 * 1024
"""The largest program, in bytes."""

MAX_PROGRAMS: Final = 64
"""Compiled programs kept; the one that was compiled first goes first."""

Program: TypeAlias = CoreProgram | ComponentProgram

_CORE: Final = b"\0asm\x01\0\0\0"
_COMPONENT: Final = b"\0asm\x0d\0\x01\0"
_MAX_TABLE: Final = 100_000
_MAX_MEMORIES: Final = 4
_MAX_INSTANCES: Final = 100
_OFF: Final = (
    "wasm_custom_page_sizes",
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_gc",
    "wasm_memory64",
    "wasm_multi_memory",
    "wasm_relaxed_simd",
    "wasm_stack_switching",
    "wasm_threads",
    "shared_memory",
    "parallel_compilation",
)
_ON: Final = ("consume_fuel", "cranelift_nan_canonicalization")


class Machine:
    """One engine and the programs compiled by it, in memory only."""

    __slots__ = ("_current", "_engine", "_programs")

    def __init__(self) -> None:
        config = Config()
        for names, value in ((_OFF, False), (_ON, True)):
            for name in names:
                setattr(config, name, value)
        set_stack(config)
        self._engine = Engine(config)
        self._current = CurrentCall()
        self._programs: dict[bytes, Program] = {}

    def run(self, code: bytes, call: Call) -> bytes:
        """Run one call of one program.

        Args:
            code: A core module or a component, in binary.
            call: What to call.

        Returns:
            What the program answered, unread.

        Raises:
            KeyboardInterrupt: One arrived during the call.
            StoppedError: It reached for something, trapped or used up its budget.
            UnreadableError: It answered with a bad address or too much.
            UnusableError: It is no program for this tier; it was not run.

        Source:
            WSM-1.1, WSM-2.
        """
        program = self._programs.get(code) or self._compile(code)
        store = self._store(call)
        self._current.call = call
        call.start()
        try:
            return _watched(program, store, call)
        finally:
            self._current.call = None
            call.fuel_used = call.budget.fuel - store.get_fuel()
            store.close()

    def _store(self, call: Call) -> Store:
        store = Store(self._engine)
        store.set_limits(
            memory_size=call.budget.memory_mb * 1024 * 1024,
            table_elements=_MAX_TABLE,
            instances=_MAX_INSTANCES,
            tables=_MAX_INSTANCES,
            memories=_MAX_MEMORIES,
        )
        store.set_fuel(call.budget.fuel)
        in_slices(store)
        return store

    def _compile(self, code: bytes) -> Program:
        """Compile a program, or find that it is none (WSM-1.3 to WSM-1.5)."""
        if len(code) > MAX_CODE_BYTES:
            raise UnusableError(f"more than {MAX_CODE_BYTES} bytes of code")
        program: Program
        try:
            if code[:8] == _CORE:
                program = CoreProgram(self._engine, code, self._current)
            elif code[:8] == _COMPONENT:
                program = ComponentProgram(self._engine, code, self._current)
            else:
                raise UnusableError("the code is no WebAssembly module or component")
        except WasmtimeError:
            raise UnusableError("the engine refuses the code") from None
        while len(self._programs) >= MAX_PROGRAMS:
            self._programs.pop(next(iter(self._programs)), None)
        self._programs[code] = program
        return program


def _watched(program: Program, store: Store, call: Call) -> bytes:
    """Run it; what the host ended it for counts more than how it took it (WSM-6.1)."""
    # No exception is given a name here: it would hold the program, and wait for the
    # garbage collector together with it.
    try:
        reply = program.run(store, call)
        call.now()
    except Exception:
        call.raise_ending()
        raise
    call.raise_ending()
    return reply
