"""Judges the types of a component's functions before anything runs.

The engine copies what a component hands to a function before the host's side is asked,
and takes 40 times the room for a list of bytes. Handles are read first, and nobody has
one: a function whose first parameter is a handle is never reached. Of all others, only
those are linked whose parameters cannot be made large.

Spec: ``docs/spec/wasm.md``, WSM-3.4, WSM-5.1.
"""

from __future__ import annotations

from typing import Final

from wasmtime.component import (
    F32,
    F64,
    S8,
    S16,
    S32,
    S64,
    U8,
    U16,
    U32,
    U64,
    Bool,
    BorrowType,
    Char,
    EnumType,
    FlagsType,
    FuncType,
    ListType,
    OptionType,
    OwnType,
    ResultType,
    String,
    ValType,
)

__all__ = ["is_invoke", "is_linkable"]

_HANDLES: Final = (BorrowType, OwnType)
_SMALL: Final = (
    *(Bool, Char, EnumType, F32, F64, FlagsType, S16, S32, S64, S8, String),
    *(U16, U32, U64, U8, *_HANDLES),
)
"""What is as large in the host as in the component's memory, or has a fixed size."""
_INVOKE_STRINGS: Final = 3  # two parameters and the result


def is_linkable(kind: FuncType) -> bool:
    """Whether a component may import a function of this type."""
    try:
        params = [one for _, one in kind.params]
    except TypeError:  # a type that the engine's package does not know
        return False
    if params and isinstance(params[0], _HANDLES):
        return True
    return all(map(_is_small, params))


def is_invoke(kind: object) -> bool:
    """Whether this is ``(string, string) -> string``."""
    if not isinstance(kind, FuncType):
        return False
    try:
        types = [kind.result, *(one for _, one in kind.params)]
    except TypeError:
        return False
    return len(types) == _INVOKE_STRINGS and all(isinstance(t, String) for t in types)


def _is_small(kind: ValType | None) -> bool:
    if isinstance(kind, ListType):
        return isinstance(kind.element, _HANDLES)
    if isinstance(kind, OptionType):
        return _is_small(kind.payload)
    if isinstance(kind, ResultType):
        return _is_small(kind.ok) and _is_small(kind.err)
    return kind is None or isinstance(kind, _SMALL)
