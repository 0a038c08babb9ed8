"""A domain's declaration, judged and copied: name, methods, schemas, budget.

What a domain changes afterwards changes nothing in what was taken here.

Spec: DOM-5, DOM-6.1, DOM-6.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage2_domains.admission import narrow, snapshot
from stage2_domains.canonical import MAX_DEPTH, canonical_bytes, parse
from stage2_domains.contract import Budget, MethodSpec
from stage2_domains.errors import RegistrationError, ValueRefusedError
from stage2_domains.schema import CompiledSchema, check_schema
from stage2_domains.sentences import bounded, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stage2_domains.canonical import JsonObject, JsonValue
    from stage2_domains.contract import Stage2Domain

__all__ = [
    "MAX_METHODS",
    "MAX_NAME",
    "RegisteredMethod",
    "declaration_of",
    "judged_budget",
    "judged_methods",
    "judged_name",
]

MAX_METHODS: Final = 64
MAX_NAME: Final = 64
_MAX_DESCRIPTION: Final = 2_000
_MOST: Final = Budget(
    wall_ms=3_600_000,
    cpu_s=3_600,
    memory_mb=16_384,
    result_bytes=64 * 1024 * 1024,
    depth=MAX_DEPTH,
    fuel=2**31,
)
"""The host makes room for an answer as large, and waits as long, as was declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredMethod:
    """A method as it was declared when its domain was registered."""

    domain: str
    name: str
    description: str
    _declaration: bytes = field(repr=False)
    _parameters: CompiledSchema = field(repr=False, compare=False)
    _result: CompiledSchema | None = field(repr=False, compare=False)

    def check_parameters(self, value: JsonValue) -> str | None:
        """Return ``None``, or one bounded sentence on why ``value`` is refused.

        Source:
            DOM-5.
        """
        refusal = self._parameters.refusal(value)
        return refusal and bounded(
            f"Parameters of {self.domain}.{self.name} refused: {refusal}."
        )

    def check_result(self, value: JsonValue) -> str | None:
        """Return ``None``, or one bounded sentence on why the data is refused."""
        refusal = self._result.refusal(value) if self._result else None
        return refusal and bounded(
            f"Result of {self.domain}.{self.name} refused: {refusal}."
        )

    @property
    def parameters(self) -> JsonObject:
        """The schema of the parameters, a fresh copy."""
        return _object(self._declared()["parameters"])

    @property
    def result(self) -> JsonObject | None:
        """The schema of the result's data, a fresh copy, if one was declared."""
        schema = self._declared()["result"]
        return None if schema is None else _object(schema)

    @property
    def example(self) -> JsonObject | None:
        """Parameters that show the method, a fresh copy, if any were declared."""
        example = self._declared()["example"]
        return None if example is None else _object(example)

    def _declared(self) -> JsonObject:
        return _object(parse(self._declaration))


def judged_name(value: object, what: str) -> str:
    """Return ``value`` if it may name a domain or a method.

    Raises:
        RegistrationError: It is no ASCII identifier of at most 64 characters.
    """
    if type(value) is not str or not value.isascii() or not value.isidentifier():
        raise RegistrationError(f"{what} must be an ASCII identifier")
    if len(value) > MAX_NAME:
        raise RegistrationError(f"{what} has more than {MAX_NAME} characters")
    return value


def judged_methods(
    domain: Stage2Domain, name: str, *, built_in: bool
) -> Mapping[str, RegisteredMethod]:
    """Return copies of the declared methods of the domain ``name``.

    Raises:
        RegistrationError: There are none or too many, or one is not acceptable.
        SchemaRefusedError: A schema is not acceptable.
    """
    specs = _specs(domain, name).items()
    methods = [_method(name, key, spec, built_in=built_in) for key, spec in specs]
    return MappingProxyType({method.name: method for method in methods})


def declaration_of(
    name: str, budget: Budget, methods: Mapping[str, RegisteredMethod]
) -> dict[str, object]:
    """Return what was declared as plain data, for a digest."""
    return {
        "budget": _budget_fields(budget),
        "methods": {
            key: parse(one._declaration)  # noqa: SLF001 - same module
            for key, one in methods.items()
        },
        "name": name,
    }


def _specs(domain: Stage2Domain, name: str) -> dict[object, object]:
    methods = getattr(domain, "methods", None)
    if not isinstance(methods, dict | MappingProxyType) or not methods:
        raise RegistrationError(f"the domain '{name}' must declare its methods")
    if len(methods) > MAX_METHODS:
        raise RegistrationError(
            f"the domain '{name}' has more than {MAX_METHODS} methods"
        )
    return dict(methods)


def _method(
    domain: str, key: object, spec: object, *, built_in: bool
) -> RegisteredMethod:
    name = judged_name(key, f"a method's name in '{domain}'")
    what = f"{domain}.{name}"
    if type(spec) is not MethodSpec:
        raise RegistrationError(f"{what} must be declared by a MethodSpec")
    if type(spec.description) is not str or len(spec.description) > _MAX_DESCRIPTION:
        raise RegistrationError(f"the description of {what} must be a short text")
    parameters = _schema(spec.parameters, f"parameters of {what}", built_in=built_in)
    result = None
    if spec.result is not None:
        result = _schema(spec.result, f"result of {what}", built_in=built_in)
    compiled = CompiledSchema(parameters)
    example = _example(spec.example, what)
    if example is not None and not built_in:
        refusal = compiled.refusal(example)
        if refusal:
            raise RegistrationError(bounded(f"the example of {what}: {refusal}"))
    return RegisteredMethod(
        domain=domain,
        name=name,
        description=spec.description,
        _declaration=_declaration(spec.description, parameters, result, example),
        _parameters=compiled,
        _result=None if result is None else CompiledSchema(result),
    )


def _declaration(
    description: str,
    parameters: JsonObject,
    result: JsonObject | None,
    example: JsonObject | None,
) -> bytes:
    return canonical_bytes(
        {
            "description": description,
            "example": example,
            "parameters": parameters,
            "result": result,
        }
    )


def _schema(schema: object, what: str, *, built_in: bool) -> JsonObject:
    copy = snapshot(schema, what)
    if not built_in:
        narrow(copy, what)
        check_schema(copy, what)
    return copy


def _example(example: object, what: str) -> JsonObject | None:
    if example is None:
        return None
    try:
        return _object(parse(canonical_bytes(example)))
    except ValueRefusedError as error:
        raise RegistrationError(f"the example of {what}: {error}") from error


def judged_budget(budget: object, name: str) -> Budget:
    """Return the budget of the domain ``name`` if it is one.

    Raises:
        RegistrationError: It is no ``Budget`` of positive integers, or one is larger
            than a host can bear.
    """
    if type(budget) is not Budget:
        raise RegistrationError(f"the budget of '{name}' must be a Budget")
    for key, value in _budget_fields(budget).items():
        most: int = getattr(_MOST, key)
        if type(value) is not int or not 0 < value <= most:
            shown = printable(str(key))
            raise RegistrationError(
                f"the budget of '{name}': '{shown}' must be a positive integer, "
                f"at most {most}"
            )
    return budget


def _budget_fields(budget: Budget) -> dict[str, object]:
    return {one.name: getattr(budget, one.name) for one in fields(budget)}


def _object(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise ValueRefusedError("expected an object")
    return value
