"""Which domains exist, what they declared, and exactly which code they are.

A registry is filled by explicit registration, never by scanning, and is frozen
when an orchestrator takes it. Declarations are judged and copied at registration:
what a domain changes afterwards changes nothing here.

Spec: DOM-6.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from stage2_domains.admission import narrow, snapshot
from stage2_domains.builtin import built_in_domains
from stage2_domains.canonical import MAX_DEPTH, canonical_bytes, parse
from stage2_domains.contract import Budget, MethodSpec, Stage2Domain
from stage2_domains.errors import (
    RegistrationError,
    RegistryFrozenError,
    ValueRefusedError,
)
from stage2_domains.fingerprint import fingerprint
from stage2_domains.schema import CompiledSchema, check_schema
from stage2_domains.sentences import bounded, printable
from stage2_domains.source import DomainSource, source_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stage2_domains.canonical import JsonObject, JsonValue

__all__ = [
    "MAX_DOMAINS",
    "MAX_METHODS",
    "MAX_NAME",
    "DomainRegistry",
    "RegisteredDomain",
    "RegisteredMethod",
    "Tier",
]

Tier: TypeAlias = Literal["in_process", "process"]

MAX_DOMAINS: Final = 1_024
MAX_METHODS: Final = 64
MAX_NAME: Final = 64
_MAX_DESCRIPTION: Final = 2_000
_MAX_BUDGET: Final = 2**31


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredDomain:
    """A domain as it was when it was registered.

    ``digest`` is ``sha256:`` over its name, tier, budget, methods, schemas and the
    bytes of its source, where there is source to read. ``source`` is what a box runs;
    a domain of the ``in_process`` tier has none, it runs as the object it is.
    """

    name: str
    domain: Stage2Domain = field(repr=False, compare=False)
    tier: Tier
    built_in: bool
    budget: Budget
    methods: Mapping[str, RegisteredMethod]
    digest: str
    source: DomainSource | None = field(default=None, repr=False)


class DomainRegistry:
    """The domains of one orchestrator, by name."""

    def __init__(self) -> None:
        self._domains: dict[str, RegisteredDomain] = {}
        self._frozen = False

    @classmethod
    def builtin(cls) -> DomainRegistry:
        """Return a registry that holds the four built-in domains.

        Their schemas are covered by this package's own tests, so they are compiled
        at their first use rather than judged again here.
        """
        registry = cls()
        for domain in built_in_domains():
            registry._add(domain, tier="in_process", built_in=True)
        return registry

    def register(self, domain: Stage2Domain, *, trusted: bool = False) -> None:
        """Add a domain after judging its declaration.

        Args:
            domain: An instance; its code does not run here.
            trusted: ``True`` lets it run in the executor's own process, where
                nothing holds it back; the operator answers for its code.

        Raises:
            RegistryFrozenError: The registry is in use.
            RegistrationError: The name is taken or not an identifier, a method or
                budget is not acceptable, or there is no source that a box could run.
            SchemaRefusedError: A schema is not acceptable.

        Source:
            DOM-6.1 to DOM-6.5.
        """
        sys.audit("stage3.guard", "domains.register")
        self._add(domain, tier="in_process" if trusted else "process", built_in=False)

    def freeze(self) -> None:
        """Refuse every later registration. Freezing twice changes nothing."""
        sys.audit("stage3.guard", "domains.freeze")
        self._frozen = True

    @property
    def is_frozen(self) -> bool:
        """Whether the registry was frozen."""
        return self._frozen

    def get(self, name: str) -> RegisteredDomain | None:
        """Return the domain of exactly this name, or ``None``."""
        return self._domains.get(name)

    def names(self) -> tuple[str, ...]:
        """Return the names of all domains, sorted."""
        return tuple(sorted(self._domains))

    def __len__(self) -> int:
        return len(self._domains)

    def __repr__(self) -> str:
        return f"DomainRegistry({', '.join(self.names())})"

    def _add(self, domain: Stage2Domain, *, tier: Tier, built_in: bool) -> None:
        if self._frozen:
            raise RegistryFrozenError("the registry is frozen; register domains first")
        if not isinstance(domain, Stage2Domain):
            raise RegistrationError("expected an instance of a Stage2Domain subclass")
        name = _name(getattr(domain, "name", None), "a domain's name")
        if name in self._domains:
            raise RegistrationError(f"the domain '{name}' is already registered")
        if len(self._domains) >= MAX_DOMAINS:
            raise RegistrationError(f"at most {MAX_DOMAINS} domains")
        budget = _budget(getattr(domain, "budget", None), name)
        source = source_of(type(domain), name) if tier == "process" else None
        methods = {
            method.name: method
            for method in (
                _method(name, key, spec, built_in=built_in)
                for key, spec in _specs(domain, name).items()
            )
        }
        self._domains[name] = RegisteredDomain(
            name=name,
            domain=domain,
            tier=tier,
            built_in=built_in,
            budget=budget,
            methods=MappingProxyType(methods),
            digest=fingerprint(
                type(domain),
                {
                    "budget": _budget_fields(budget),
                    "methods": {
                        key: parse(one._declaration)  # noqa: SLF001 - same module
                        for key, one in methods.items()
                    },
                    "name": name,
                    "source": source and source.digest,
                    "tier": tier,
                },
                whole_package=built_in,
            ),
            source=source,
        )


# --- judging a declaration -----------------------------------------------------


def _name(value: object, what: str) -> str:
    if type(value) is not str or not value.isascii() or not value.isidentifier():
        raise RegistrationError(f"{what} must be an ASCII identifier")
    if len(value) > MAX_NAME:
        raise RegistrationError(f"{what} has more than {MAX_NAME} characters")
    return value


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
    name = _name(key, f"a method's name in '{domain}'")
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


def _budget(budget: object, name: str) -> Budget:
    if type(budget) is not Budget:
        raise RegistrationError(f"the budget of '{name}' must be a Budget")
    for key, value in _budget_fields(budget).items():
        if type(value) is not int or not 0 < value <= _MAX_BUDGET:
            shown = printable(str(key))
            raise RegistrationError(
                f"the budget of '{name}': '{shown}' must be a positive integer"
            )
    if budget.depth > MAX_DEPTH:
        raise RegistrationError(f"the budget of '{name}': depth is at most {MAX_DEPTH}")
    return budget


def _budget_fields(budget: Budget) -> dict[str, object]:
    return {one.name: getattr(budget, one.name) for one in fields(budget)}


def _object(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise ValueRefusedError("expected an object")
    return value
