"""Which domains exist, what they declared, and exactly which code they are.

A registry is filled by explicit registration, never by scanning, and is frozen
when an orchestrator takes it. Declarations are judged and copied at registration:
what a domain changes afterwards changes nothing here.

Spec: DOM-6.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from stage2_domains.builtin import built_in_domains
from stage2_domains.contract import Budget, Stage2Domain
from stage2_domains.declaration import (
    MAX_METHODS,
    MAX_NAME,
    RegisteredMethod,
    declaration_of,
    judged_budget,
    judged_methods,
    judged_name,
)
from stage2_domains.errors import RegistrationError, RegistryFrozenError
from stage2_domains.fingerprint import fingerprint
from stage2_domains.sentences import bounded, printable
from stage2_domains.source import DomainSource, source_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from stage2_domains.manifest import DomainManifest

__all__ = [
    "MAX_DOMAINS",
    "MAX_METHODS",
    "MAX_NAME",
    "DomainRegistry",
    "RegisteredDomain",
    "RegisteredMethod",
    "Tier",
]

Tier: TypeAlias = Literal["in_process", "process", "wasm"]

MAX_DOMAINS: Final = 1_024


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

    @classmethod
    def with_entry_points(cls, *, trusted: Collection[str] = ()) -> DomainRegistry:
        """Return a registry of the built-in domains and those of installed packages.

        Args:
            trusted: Names of domains that may run in the executor's own process;
                without its name here, a domain of the tier ``in_process`` is refused.

        Raises:
            RegistrationError: A package's manifest or entry point is not acceptable;
                it says which, and nothing of its code has run.

        Source:
            DOM-9.9.
        """
        from stage2_domains.entry_points import installed_manifests  # noqa: PLC0415 - found only when asked for

        registry = cls.builtin()
        for one in installed_manifests():
            name = one.manifest.name
            try:
                registry.register_manifest(one.manifest, trusted=name in trusted)
            except RegistrationError as error:
                brought = f"installed by '{printable(one.distribution)}'"
                raise RegistrationError(bounded(f"{brought}: {error}")) from error
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

    def register_manifest(
        self, manifest: DomainManifest | str | Path, *, trusted: bool = False
    ) -> None:
        """Add a domain that a ``domain.toml`` declares, in the tier it declares.

        For the tiers ``process`` and ``wasm`` its code is read and not executed.

        Args:
            manifest: The file, its folder, or what ``load_manifest`` gave.
            trusted: ``True`` lets a domain of the tier ``in_process`` be imported and
                run in the executor's own process; the operator answers for its code.
                It changes nothing for a domain of another tier.

        Raises:
            RegistryFrozenError: The registry is in use.
            RegistrationError: The manifest is not acceptable, its name is taken, or
                its tier is ``in_process`` and it is not trusted.
            SchemaRefusedError: A schema is not acceptable.

        Source:
            DOM-9.7, DOM-9.8.
        """
        from stage2_domains.manifest import (  # noqa: PLC0415 - for manifests only
            DeclaredDomain,
            DomainManifest,
            load_manifest,
        )
        from stage2_domains.trusted import domain_of  # noqa: PLC0415 - the same

        sys.audit("stage3.guard", "domains.register_manifest")
        if not isinstance(manifest, DomainManifest):
            manifest = load_manifest(manifest)
        name = manifest.name
        self._check_room(name)
        methods = judged_methods(DeclaredDomain(manifest), name, built_in=False)
        # Last, since it may run the domain's code.
        domain = domain_of(manifest, trusted=trusted)
        self._domains[name] = RegisteredDomain(
            name=name,
            domain=domain,
            tier=manifest.tier,
            built_in=False,
            budget=judged_budget(manifest.budget, name),
            methods=methods,
            digest=manifest.digest,
            source=None if manifest.tier == "in_process" else manifest.source,
        )

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

    def _check_room(self, name: str) -> None:
        if self._frozen:
            raise RegistryFrozenError("the registry is frozen; register domains first")
        if name in self._domains:
            raise RegistrationError(f"the domain '{name}' is already registered")
        if len(self._domains) >= MAX_DOMAINS:
            raise RegistrationError(f"at most {MAX_DOMAINS} domains")

    def _add(self, domain: Stage2Domain, *, tier: Tier, built_in: bool) -> None:
        if not isinstance(domain, Stage2Domain):
            raise RegistrationError("expected an instance of a Stage2Domain subclass")
        name = judged_name(getattr(domain, "name", None), "a domain's name")
        self._check_room(name)
        budget = judged_budget(getattr(domain, "budget", None), name)
        source = source_of(type(domain), name) if tier == "process" else None
        methods = judged_methods(domain, name, built_in=built_in)
        covered = declaration_of(name, budget, methods)
        covered |= {"source": source and source.digest, "tier": tier}
        self._domains[name] = RegisteredDomain(
            name=name,
            domain=domain,
            tier=tier,
            built_in=built_in,
            budget=budget,
            methods=methods,
            digest=fingerprint(type(domain), covered, whole_package=built_in),
            source=source,
        )
