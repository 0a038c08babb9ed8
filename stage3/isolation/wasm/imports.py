"""The functions of the host that programs may import, as the engine calls them.

The engine's Python package would turn every argument into Python objects before it asks
whether the function is offered, and leaves what a function raised where a later call,
of anybody in the process, would find it. So the host's side is defined here: nothing is
read of arguments but one number, and nothing is raised through the engine.

Spec: ``docs/spec/wasm.md``, WSM-3, WSM-4.
"""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, c_char, c_void_p
from typing import TYPE_CHECKING, Final

from wasmtime import FuncType, StoreContext, Trap, ValType, WasmtimeError
from wasmtime import _ffi as ffi
from wasmtime.component import U8, ListType

from stage3.isolation.wasm.call import OverdueError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmtime import Linker
    from wasmtime.component import FuncType as ComponentFuncType
    from wasmtime.component import LinkerInstance
    from wasmtime.component import ValType as ComponentValType

    from stage3.isolation.wasm.call import Call, CurrentCall
    from stage3.isolation.wasm.supplies import Supplies

    Answer = Callable[[Supplies], object]
    Values = ctypes._Pointer[ffi.wasmtime_component_val_t]  # noqa: SLF001 - its name in stubs

__all__ = ["RANDOM_BYTES", "offer_component", "offer_core"]

RANDOM_BYTES: Final = "random bytes"
"""Stands for the one kind of function that is given a number: how many bytes."""

_STEP: Final = ctypes.sizeof(ffi.wasmtime_component_val_t)
_KIND_AT: Final = ffi.wasmtime_component_val_t.kind.offset
_BYTE_AT: Final = ffi.wasmtime_component_val_t.of.offset
_U64: Final = ffi.WASMTIME_COMPONENT_U64.value
_NO_FINALIZER: Final = ctypes.cast(0, CFUNCTYPE(None, c_void_p))


class _RefusedError(Exception):
    """What the program asks for is not offered."""


def offer_core(
    linker: Linker, name: str, answer: Callable[[Supplies], int], current: CurrentCall
) -> object:
    """Define a function ``() -> i64`` for core modules.

    Args:
        linker: Where.
        name: ``module.name``.
        answer: Gives the number; its lowest 64 bits count.
        current: Finds the call that the function serves.

    Returns:
        What has to be kept as long as programs linked with it may run.
    """

    def serve(
        _data: object,
        _caller: object,
        _given: object,
        _count: int,
        results: ctypes._Pointer[ffi.wasmtime_val_t],
        _slots: int,
    ) -> int:
        call = current.get()
        try:
            call.now()
            results[0].of.i64 = answer(call.supplies)
            results[0].kind = ffi.WASMTIME_I64.value
        except BaseException as error:  # noqa: BLE001 - nothing passes the engine
            _note(call, error, name)
            trap = Trap("stopped")._consume()  # noqa: SLF001 - to give it away
            return ctypes.cast(trap, c_void_p).value or 0
        return 0

    callback = ffi.wasmtime_func_callback_t(serve)
    kind = FuncType([], [ValType.i64()])
    module, _, field = name.partition(".")
    ffi.wasmtime_linker_define_func(
        linker.ptr(),
        *_text(module),
        *_text(field),
        kind.ptr(),
        callback,
        None,
        _NO_FINALIZER,
    )
    return callback


def offer_component(
    instance: LinkerInstance,
    name: tuple[str, str],
    kind: ComponentFuncType,
    answer: Answer | str | None,
    current: CurrentCall,
) -> object:
    """Define a function for components; without an answer it refuses by its name.

    Args:
        instance: Where.
        name: The interface and the function in it, as the component names them.
        kind: The type that the component expects.
        answer: Gives the result, of whatever arguments; or ``RANDOM_BYTES``.
        current: Finds the call that the function serves.

    Returns:
        What has to be kept as long as programs linked with it may run.

    Raises:
        WasmtimeError: It cannot be defined.
    """
    expected = None if answer is None else kind.result
    raw_name = " ".join(name)

    def serve(
        _data: object,
        context: ctypes._Pointer[ffi.wasmtime_context],
        _kind: object,
        given: Values,
        count: int,
        results: Values,
        _slots: int,
    ) -> int:
        call = current.get()
        try:
            if answer is None or expected is None:
                call.refuse(raw_name)
                return _stopped()
            call.now()
            if isinstance(answer, str):
                _give_bytes(call.supplies, given[:count], expected, results[0])
            else:
                value = answer(call.supplies)
                expected.convert_to_c(StoreContext(context), value, results)
        except BaseException as error:  # noqa: BLE001 - nothing passes the engine
            _note(call, error, raw_name)
            return _stopped()
        return 0

    callback = ffi.wasmtime_component_func_callback_t(serve)
    error = ffi.wasmtime_component_linker_instance_add_func(
        instance.ptr(), *_text(name[1]), callback, None, _NO_FINALIZER
    )
    if bool(error):
        raise WasmtimeError._from_ptr(error)  # noqa: SLF001 - as the package raises one
    return callback


def _give_bytes(
    supplies: Supplies,
    given: list[ffi.wasmtime_component_val_t],
    expected: ComponentValType,
    result: ffi.wasmtime_component_val_t,
) -> None:
    """Give random bytes: a list of typed values, filled in without a loop.

    Raises:
        ValueError: More than are given at once.
    """
    fits = isinstance(expected, ListType) and isinstance(expected.element, U8)
    if not fits or [one.kind for one in given] != [_U64]:
        raise _RefusedError
    chance = supplies.random(int(given[0].of.u64))
    size = len(chance)
    values = bytearray(size * _STEP)
    values[_KIND_AT::_STEP] = bytes([ffi.WASMTIME_COMPONENT_U8.value]) * size
    values[_BYTE_AT::_STEP] = chance
    made = ffi.wasmtime_component_vallist_t()
    ffi.wasmtime_component_vallist_new_uninit(ctypes.byref(made), size)
    ctypes.memmove(made.data, bytes(values), len(values))
    result.of.list = made
    result.kind = ffi.WASMTIME_COMPONENT_LIST.value


def _note(call: Call, error: BaseException, name: str) -> None:
    """Write down why an import ends the program."""
    if isinstance(error, KeyboardInterrupt):
        call.interrupted = True
    elif not isinstance(error, OverdueError):
        call.refuse(name)


def _stopped() -> int:
    """Return the address of an error, which then belongs to the engine."""
    error = WasmtimeError("stopped")._consume()  # noqa: SLF001 - to give it away
    return ctypes.cast(error, c_void_p).value or 0


def _text(text: str) -> tuple[ctypes.Array[c_char], int]:
    encoded = text.encode()
    return ctypes.create_string_buffer(encoded, len(encoded)), len(encoded)
