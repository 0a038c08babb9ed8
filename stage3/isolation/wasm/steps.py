"""The engine's functions that run a program a slice at a time.

The engine's library has them; its Python package declares them and goes no further.
They are called here as the package calls the others. Whatever is handed to them stays
alive until the program has ended (``run_to_end``); the package's version is pinned.

Spec: ``docs/spec/wasm.md``, WSM-2.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref
from typing import TYPE_CHECKING, Final

from wasmtime import Func, Instance, Store, Trap, WasmtimeError
from wasmtime import _ffi as ffi
from wasmtime.component import Func as ComponentFunc
from wasmtime.component import Instance as ComponentInstance

from stage3.isolation.wasm.slices import SLICE_FUEL, run_to_end

if TYPE_CHECKING:
    from wasmtime import Config, InstancePre
    from wasmtime.component import Component
    from wasmtime.component import Linker as ComponentLinker

    from stage3.isolation.wasm.call import Call

    Context = ctypes._Pointer[ffi.wasmtime_context]  # noqa: SLF001 - its name in stubs

__all__ = [
    "call_component",
    "call_core",
    "in_slices",
    "instantiate_component",
    "instantiate_core",
    "set_stack",
]

_STACK_BYTES: Final = 8 * 1024 * 1024
"""As much as a thread has: what a program imports runs on its stack, in Python."""


def set_stack(config: Config) -> None:
    """Set the size of the stacks that programs run on."""
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), _STACK_BYTES)


def in_slices(store: Store) -> None:
    """Make what runs in a store come back after each slice."""
    error = ffi.wasmtime_context_fuel_async_yield_interval(_context(store), SLICE_FUEL)
    _raise_error(error)


def instantiate_core(linked: InstancePre, store: Store, call: Call) -> Instance:
    """Make an instance of a core module; its start function runs.

    Raises:
        OverdueError: It did not end in time.
        Trap: It trapped.
        WasmtimeError: It may not be instantiated.
    """
    made = ffi.wasmtime_instance_t()
    trap, error = _outlets()
    future = ffi.wasmtime_instance_pre_instantiate_async(
        linked.ptr(), _context(store), byref(made), byref(trap), byref(error)
    )
    run_to_end(future, call)
    _raise_trap(trap)
    _raise_error(error)
    return Instance._from_raw(made)  # noqa: SLF001 - as the package makes one


def call_core(
    function: Func, store: Store, numbers: tuple[int, ...], call: Call
) -> int:
    """Call a function ``(i32, ...) -> i32 or i64``; its type was checked before.

    Args:
        function: An export of an instance in ``store``.
        store: Where it runs.
        numbers: The arguments, signed or not.
        call: Says until when it may run.

    Returns:
        The result, signed; of an ``i32`` the lower half counts.

    Raises:
        OverdueError: It did not end in time.
        Trap: It trapped.
        WasmtimeError: It trapped, or could not be called.
    """
    given = (ffi.wasmtime_val_t * len(numbers))()
    for slot, number in zip(given, numbers, strict=True):
        slot.kind = ffi.WASMTIME_I32.value
        slot.of.i32 = number
    result = (ffi.wasmtime_val_t * 1)()
    trap, error = _outlets()
    raw = function._func  # noqa: SLF001 - as the package calls one
    future = ffi.wasmtime_func_call_async(
        _context(store),
        byref(raw),
        given,
        len(given),
        result,
        len(result),
        byref(trap),
        byref(error),
    )
    run_to_end(future, call)
    _raise_trap(trap)
    _raise_error(error)
    return int(result[0].of.i64)


def instantiate_component(
    linker: ComponentLinker, component: Component, store: Store, call: Call
) -> ComponentInstance:
    """Make an instance of a component; what it does at its start runs.

    Raises:
        OverdueError: It did not end in time.
        WasmtimeError: It trapped, or may not be instantiated.
    """
    made = ffi.wasmtime_component_instance_t()
    _, error = _outlets()
    future = ffi.wasmtime_component_linker_instantiate_async(
        linker.ptr(), _context(store), component.ptr(), byref(made), byref(error)
    )
    run_to_end(future, call)
    _raise_error(error)
    return ComponentInstance._from_raw(made)  # noqa: SLF001 - as the package makes one


def call_component(
    function: ComponentFunc, store: Store, texts: tuple[str, ...], call: Call
) -> tuple[int, bytes]:
    """Call a function ``(string, ...) -> string``; its type was checked before.

    Args:
        function: An export of an instance in ``store``.
        store: Where it runs.
        texts: The arguments.
        call: Says until when it may run, and bounds what is read of the result.

    Returns:
        The length of the result in bytes, and the result in UTF-8 as far as
        ``budget.result_bytes`` reaches.

    Raises:
        OverdueError: It did not end in time.
        WasmtimeError: It trapped, or could not be called.
    """
    given = (ffi.wasmtime_component_val_t * len(texts))()
    result = ffi.wasmtime_component_val_t()
    _, error = _outlets()
    try:
        for slot, text in zip(given, texts, strict=True):
            slot.of.string = ffi.str_to_capi(text)
            slot.kind = ffi.WASMTIME_COMPONENT_STRING.value
        raw = function._func  # noqa: SLF001 - as the package calls one
        future = ffi.wasmtime_component_func_call_async(
            byref(raw),
            _context(store),
            given,
            len(given),
            byref(result),
            1,
            byref(error),
        )
        run_to_end(future, call)
        _raise_error(error)
        text = result.of.string
        read = min(text.size, call.budget.result_bytes)
        return text.size, ctypes.string_at(text.data, read) if read else b""
    finally:
        for slot in (*given, result):
            ffi.wasmtime_component_val_delete(byref(slot))


def _context(store: Store) -> Context:
    return store._context()  # noqa: SLF001 - as the package hands it on


def _outlets() -> tuple[
    ctypes._Pointer[ffi.wasm_trap_t], ctypes._Pointer[ffi.wasmtime_error]
]:
    """Where a function puts the trap and the error it ended with, if any."""
    return POINTER(ffi.wasm_trap_t)(), POINTER(ffi.wasmtime_error)()


def _raise_trap(trap: ctypes._Pointer[ffi.wasm_trap_t]) -> None:
    if bool(trap):
        raise Trap._from_ptr(trap)  # noqa: SLF001 - as the package raises one


def _raise_error(error: ctypes._Pointer[ffi.wasmtime_error]) -> None:
    if bool(error):
        raise WasmtimeError._from_ptr(error)  # noqa: SLF001 - as the package raises one
