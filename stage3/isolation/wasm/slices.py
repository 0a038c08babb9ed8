"""Runs a call a slice at a time, and looks at the clock in between.

The engine runs a program on a stack of its own and comes back after each
``SLICE_FUEL``; asked again, it goes on where it was. So one thread both runs a call and
ends it when its time is up: nothing has to run beside it.

Spec: ``docs/spec/wasm.md``, WSM-2.3, WSM-2.4.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final

from wasmtime import _ffi as ffi

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage3.isolation.wasm.call import Call

    Future = ctypes._Pointer[ffi.wasmtime_call_future]  # noqa: SLF001 - its name in stubs
    Poll = Callable[[Future], bool]

__all__ = ["SLICE_FUEL", "run_to_end"]

SLICE_FUEL: Final = 25_000
"""Fuel of a slice: some 7 microseconds of plain computing, and 5 milliseconds where
every step touches memory for the first time. Smaller ones cost time, larger ones
exactness."""

_WAITED_S: Final = 0.002
"""A slice that took longer has probably waited for the interpreter's lock."""

_SHARE_S: Final = 0.005
"""How long the lock is then kept: as long as the interpreter grants it to a thread."""

_poll_alone: Poll = ffi.wasmtime_call_future_poll
_poll_locked: Poll = ctypes.PYFUNCTYPE(
    ctypes.c_bool, ctypes.POINTER(ffi.wasmtime_call_future)
)(("wasmtime_call_future_poll", ctypes.PyDLL(ffi.dll._name, handle=ffi.dll._handle)))  # noqa: SLF001 - the library as the package found it


def run_to_end(future: Future, call: Call) -> None:
    """Run what was begun until it has ended, one way or another.

    Slices run without the interpreter's lock, so that calls on several threads run side
    by side. Beside a thread that computes in Python, each would then wait for its turn
    as long as it runs; from there on this thread keeps the lock for a turn of its own.

    Args:
        future: What was begun. It is used up.
        call: Says until when it may run.

    Raises:
        OverdueError: It did not end in time. It will not go on.
    """
    locked_until = 0.0
    done = False
    try:
        before = call.now()
        while not done:
            done = (_poll_locked if before < locked_until else _poll_alone)(future)
            if done:
                return
            now = call.now()
            if now - before > _WAITED_S:
                locked_until = now + _SHARE_S
            before = now
    finally:
        ffi.wasmtime_call_future_delete(future)
