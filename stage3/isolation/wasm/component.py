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
from stage3.isolation.wasm.imports import RANDOM_BYTES, offer_component
from stage3.isolation.wasm.signatures import is_invoke, is_linkable
from stage3.isolation.wasm.steps import call_component, instantiate_component
from stage3.isolation.wasm.supplies import Supplies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wasmtime import Engine
    from wasmtime.component import ComponentItem, LinkerInstance

    from stage3.isolation.wasm.call import Call, CurrentCall

__all__ = ["ComponentProgram"]

_RESOLUTION_NS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class _Instant:
    """A ``datetime`` of ``wasi:clocks``; the engine reads its fields by name."""

    seconds: int
    nanoseconds: int


def _wall(supplies: Supplies) -> _Instant:
    return _Instant(*divmod(supplies.now_ns(), 10**9))


def _seed(supplies: Supplies) -> tuple[int, int]:
    return supplies.random_u64(), supplies.random_u64()


_ANSWERS: Final[dict[str, Callable[[Supplies], object] | str]] = {
    "wasi:cli/environment get-arguments": lambda _supplies: [],
    "wasi:cli/environment get-environment": lambda _supplies: [],
    "wasi:clocks/monotonic-clock now": Supplies.now_ns,
    "wasi:clocks/monotonic-clock resolution": lambda _supplies: _RESOLUTION_NS,
    "wasi:clocks/wall-clock now": _wall,
    "wasi:clocks/wall-clock resolution": lambda _supplies: _Instant(0, _RESOLUTION_NS),
    "wasi:random/insecure get-insecure-random-bytes": RANDOM_BYTES,
    "wasi:random/insecure get-insecure-random-u64": Supplies.random_u64,
    "wasi:random/insecure-seed insecure-seed": _seed,
    "wasi:random/random get-random-bytes": RANDOM_BYTES,
    "wasi:random/random get-random-u64": Supplies.random_u64,
}
"""What the host answers, by interface (in any version) and name."""


class ComponentProgram:
    """A compiled component. Holds nothing of any call.

    Args:
        engine: The engine of all programs.
        code: The component's bytes.
        current: Finds the call that an imported function serves.

    Raises:
        StoppedError: It imports what is not WASI or cannot be offered.
        UnusableError: It does not export what it must.
        WasmtimeError: The bytes are no component, or something cannot be linked.
    """

    __slots__ = ("_component", "_imports", "_linker", "_resources")

    def __init__(self, engine: Engine, code: bytes, current: CurrentCall) -> None:
        self._component = Component(engine, code)
        self._linker = Linker(engine)
        self._imports: list[object] = []
        self._resources: dict[str, int] = {}
        with self._linker.root() as root:
            for name, kind in self._component.type.imports(engine).items():
                if not name.startswith("wasi:") or not isinstance(
                    kind, ComponentInstanceType
                ):
                    raise StoppedError(import_refused(name))
                with root.add_instance(name) as instance:
                    self._define(instance, name, kind.exports(engine), current)
        if not is_invoke(self._component.type.exports(engine).get("invoke")):
            raise UnusableError(
                "the component exports no 'invoke' (string, string) -> string"
            )

    def run(self, store: Store, call: Call) -> bytes:
        """Call the component's ``invoke`` in a store of its own.

        Raises:
            OverdueError: Its time was up.
            StoppedError: It trapped, used up its budget or was refused an import.
            UnreadableError: Its answer is too long.
        """
        try:
            instance = instantiate_component(self._linker, self._component, store, call)
            invoke = instance.get_func(store, "invoke")
            if invoke is None:  # its type has it
                raise UnusableError("the component exports no 'invoke'")
            texts = (call.method, call.parameters.decode())
            size, reply = call_component(invoke, store, texts, call)
        except (Trap, WasmtimeError) as error:
            raise StoppedError(trap(str(error))) from None
        if size > call.budget.result_bytes:
            raise UnreadableError(
                f"{size} bytes, at most {call.budget.result_bytes} are allowed"
            )
        return reply

    def _define(
        self,
        instance: LinkerInstance,
        interface: str,
        items: Mapping[str, ComponentItem],
        current: CurrentCall,
    ) -> None:
        """Define what a component imports of one interface.

        Raises:
            StoppedError: One of the functions cannot be offered, not even to refuse.
        """
        for item, what in items.items():
            if isinstance(what, ResourceType):
                number = self._resources.setdefault(item, len(self._resources))
                instance.add_resource(item, ResourceType.host(number), _drop)
            elif isinstance(what, FuncType):
                if not is_linkable(what):
                    raise StoppedError(import_refused(f"{interface} {item}"))
                answer = _ANSWERS.get(f"{interface.partition('@')[0]} {item}")
                name = (interface, item)
                self._imports.append(
                    offer_component(instance, name, what, answer, current)
                )


def _drop(_store: object, _resource: int) -> None:
    """Let a resource go: the host never made one."""
