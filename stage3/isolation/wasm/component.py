"""Programs that are components: ``invoke(method, params) -> string``, as typed text.

What a component links of WASI is defined here, function by function: the clock, the
randomness and the (empty) environment answer, everything else refuses by its raw name
and ends the call. Languages with a runtime link all of WASI and use little of it.

Spec: ``docs/spec/wasm.md``, WSM-3, WSM-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wasmtime import Store, Trap, WasmtimeError
from wasmtime.component import (
    Component,
    ComponentInstanceType,
    FuncType,
    Linker,
    ResourceType,
)

from stage3.isolation.wasm.endings import (
    StoppedError,
    UnreadableError,
    UnusableError,
    import_refused,
    trap,
)
from stage3.isolation.wasm.supplies import MAX_RANDOM_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmtime import Engine
    from wasmtime.component import LinkerInstance

    from stage3.isolation.wasm.call import Call, CurrentCall

__all__ = ["ComponentProgram"]

_RESOLUTION_NS: Final = 1_000_000
_RANDOM_BYTES: Final = (
    "wasi:random/insecure get-insecure-random-bytes",
    "wasi:random/random get-random-bytes",
)


@dataclass(frozen=True, slots=True)
class _Instant:
    """A ``datetime`` of ``wasi:clocks``; the engine reads its fields by name."""

    seconds: int
    nanoseconds: int


class ComponentProgram:
    """A compiled component. Holds nothing of any call.

    Args:
        engine: The engine of all programs.
        code: The component's bytes.
        current: Finds the call that an imported function serves.

    Raises:
        StoppedError: It imports something that is not WASI.
        WasmtimeError: The bytes are no component, or something cannot be linked.
    """

    __slots__ = ("_component", "_linker")

    def __init__(self, engine: Engine, code: bytes, current: CurrentCall) -> None:
        self._component = Component(engine, code)
        self._linker = Linker(engine)
        resources: dict[str, int] = {}
        with self._linker.root() as root:
            for name, kind in self._component.type.imports(engine).items():
                if not name.startswith("wasi:") or not isinstance(
                    kind, ComponentInstanceType
                ):
                    raise StoppedError(import_refused(name))
                with root.add_instance(name) as instance:
                    for item, what in kind.exports(engine).items():
                        if isinstance(what, ResourceType):
                            number = resources.setdefault(item, len(resources))
                            instance.add_resource(
                                item, ResourceType.host(number), _drop
                            )
                        elif isinstance(what, FuncType):
                            _define(instance, name, item, current)

    def run(self, store: Store, call: Call) -> bytes:
        """Call the component's ``invoke`` in a store of its own.

        Raises:
            StoppedError: It trapped, used up its budget or was refused an import.
            UnreadableError: Its answer is too long.
            UnusableError: It exports no such function.
        """
        try:
            instance = self._linker.instantiate(store, self._component)
            invoke = instance.get_func(store, "invoke")
            if invoke is None:
                raise UnusableError("the component exports no 'invoke'")
            try:
                reply: object = invoke(store, call.method, call.parameters.decode())
            except TypeError:
                raise UnusableError("'invoke' is not (string, string) -> string") from (
                    None
                )
        except (Trap, WasmtimeError) as error:
            raise StoppedError(trap(str(error))) from None
        if type(reply) is not str:
            raise UnusableError("'invoke' does not give a string")
        limit = call.budget.result_bytes
        if len(reply) > limit:
            raise UnreadableError(
                f"{len(reply)} characters, at most {limit} bytes are allowed"
            )
        return reply.encode()


def _define(
    instance: LinkerInstance, interface: str, item: str, current: CurrentCall
) -> None:
    """Define one function of WASI: answered, or refused by its name."""

    def refuse(_store: object, *_arguments: object) -> object:
        current.get().refuse(f"{interface} {item}")
        # This kind of error ends the call inside the engine, and only this call.
        raise WasmtimeError("refused")

    def random(store: object, size: int) -> object:
        if size > MAX_RANDOM_BYTES:
            return refuse(store)
        return current.get().supplies.random(size)

    name = f"{interface.partition('@')[0]} {item}"
    if name in _RANDOM_BYTES:
        instance.add_func(item, random)
    else:
        instance.add_func(item, _answers(current).get(name, refuse))


def _answers(current: CurrentCall) -> dict[str, Callable[[object], object]]:
    """Return what the host answers without being told more, by interface and name."""

    def number(_store: object) -> int:
        return int.from_bytes(current.get().supplies.random(8), "little")

    def wall(_store: object) -> _Instant:
        return _Instant(*divmod(current.get().supplies.now_ns(), 10**9))

    return {
        "wasi:cli/environment get-arguments": lambda _store: [],
        "wasi:cli/environment get-environment": lambda _store: [],
        "wasi:clocks/monotonic-clock now": lambda _store: (
            current.get().supplies.now_ns()
        ),
        "wasi:clocks/monotonic-clock resolution": lambda _store: _RESOLUTION_NS,
        "wasi:clocks/wall-clock now": wall,
        "wasi:clocks/wall-clock resolution": lambda _store: _Instant(0, _RESOLUTION_NS),
        "wasi:random/insecure get-insecure-random-u64": number,
        "wasi:random/insecure-seed insecure-seed": lambda store: (
            number(store),
            number(store),
        ),
        "wasi:random/random get-random-u64": number,
    }


def _drop(_store: object, _resource: int) -> None:
    """Let a resource go: the host never made one."""
