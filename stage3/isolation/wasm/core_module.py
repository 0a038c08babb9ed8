"""Programs that are core modules: numbers in, numbers out, data through memory.

A module exports ``memory``, ``alloc(len) -> ptr`` and ``invoke(ptr, len) -> packed``
and may import two functions of ``stage3``. No number it gives is trusted.

Spec: ``docs/spec/wasm.md``, WSM-3, WSM-5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wasmtime import (
    Func,
    FuncType,
    Linker,
    Memory,
    MemoryType,
    Module,
    Store,
    Trap,
    WasmtimeError,
)

from stage2_domains.canonical import canonical_bytes
from stage3.isolation.wasm.endings import (
    StoppedError,
    UnreadableError,
    UnusableError,
    import_refused,
    trap,
)
from stage3.isolation.wasm.imports import offer_core
from stage3.isolation.wasm.steps import call_core, instantiate_core
from stage3.isolation.wasm.supplies import Supplies

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmtime import Engine, Instance

    from stage3.isolation.wasm.call import Call, CurrentCall

__all__ = ["OFFERED", "CoreProgram"]

_ANSWERS: Final[dict[str, Callable[[Supplies], int]]] = {
    "stage3.clock_ns": Supplies.now_ns,
    "stage3.random_u64": Supplies.random_u64,
}
OFFERED: Final = tuple(_ANSWERS)
"""What a core module may import, as ``module.name``; both are ``() -> i64``."""

_LOW: Final = 0xFFFF_FFFF
_NEARLY_FULL: Final = 2 * 1024 * 1024
"""Bytes below its cap from where on a memory counts as full: programs ask for more
than a page at a time, and the engine does not tell what it refused."""
_SHAPES: Final = {
    "alloc": (("i32",), ("i32",)),
    "invoke": (("i32", "i32"), ("i64",)),
}


class CoreProgram:
    """A compiled core module. Holds nothing of any call.

    Args:
        engine: The engine of all programs.
        code: The module's bytes.
        current: Finds the call that an imported function serves.

    Raises:
        UnusableError: The module does not export what it must.
        StoppedError: It imports what is not offered.
        WasmtimeError: The bytes are no module.
    """

    __slots__ = ("_imports", "_linked")

    def __init__(self, engine: Engine, code: bytes, current: CurrentCall) -> None:
        module = Module(engine, code)
        for one in module.imports:
            name = f"{one.module}.{one.name}"
            if name not in OFFERED:
                raise StoppedError(import_refused(name))
        _check_exports(module)
        linker = Linker(engine)
        self._imports = tuple(
            offer_core(linker, name, answer, current)
            for name, answer in _ANSWERS.items()
        )
        try:
            self._linked = linker.instantiate_pre(module)
        except WasmtimeError as error:
            raise UnusableError("an import has the wrong type") from error

    def run(self, store: Store, call: Call) -> bytes:
        """Call the module's ``invoke`` in a store of its own.

        Raises:
            OverdueError: Its time was up.
            StoppedError: It trapped or used up its budget.
            UnreadableError: An address or length of its own making is no good.
        """
        memory: Memory | None = None
        try:
            instance = instantiate_core(self._linked, store, call)
            exported = instance.exports(store)["memory"]
            if not isinstance(exported, Memory):
                raise UnusableError("'memory' is not a memory")
            memory = exported
            return _exchange(store, instance, memory, call)
        except (Trap, WasmtimeError) as error:
            cap = call.budget.memory_mb * 1024 * 1024
            full = memory is not None and memory.data_len(store) + _NEARLY_FULL > cap
            raise StoppedError(trap(str(error), full=full)) from None


def _exchange(store: Store, instance: Instance, memory: Memory, call: Call) -> bytes:
    request = b'{"method":%b,"parameters":%b}' % (
        canonical_bytes(call.method),
        call.parameters,
    )
    start = _call(store, instance, call, "alloc", len(request)) & _LOW
    if start == 0 or start + len(request) > memory.data_len(store):
        raise UnreadableError("'alloc' gave an address outside the memory")
    memory.write(store, request, start)

    packed = _call(store, instance, call, "invoke", start, len(request))
    start, size = (packed >> 32) & _LOW, packed & _LOW
    if size > call.budget.result_bytes:
        raise UnreadableError(
            f"{size} bytes, at most {call.budget.result_bytes} are allowed"
        )
    if start + size > memory.data_len(store):
        raise UnreadableError("'invoke' gave an address outside the memory")
    return bytes(memory.read(store, start, start + size))


def _call(
    store: Store, instance: Instance, call: Call, name: str, *numbers: int
) -> int:
    function = instance.exports(store)[name]
    if not isinstance(function, Func):
        raise UnusableError(f"'{name}' is not a function")
    return call_core(function, store, numbers, call)


def _check_exports(module: Module) -> None:
    found = {one.name: one.type for one in module.exports}
    if not isinstance(found.get("memory"), MemoryType):
        raise UnusableError("the module exports no 'memory'")
    for name, (params, results) in _SHAPES.items():
        kind = found.get(name)
        if not isinstance(kind, FuncType) or (
            tuple(map(str, kind.params)),
            tuple(map(str, kind.results)),
        ) != (params, results):
            wanted = f"({', '.join(params)}) -> {results[0]}"
            raise UnusableError(f"the module exports no '{name}' {wanted}")
