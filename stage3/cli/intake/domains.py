"""The domains of a command: the built-in ones, and those that the arguments name.

Source: docs/spec/cli.md, CLI-11.1 and CLI-11.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stage2_domains.errors import DomainError
from stage2_domains.registry import DomainRegistry
from stage3.cli.errors import InputRefusedError
from stage3.cli.intake.files import shown

if TYPE_CHECKING:
    from stage2_domains.manifest import DomainManifest
    from stage3.cli.arguments import Given

__all__ = ["GivenDomains", "domains_of"]


@dataclass(frozen=True, slots=True)
class GivenDomains:
    """A registry, and where each domain that is not built in came from.

    Attributes:
        registry: All of them.
        manifests: The manifests by name.
        origins: The file or the distribution by name.
    """

    registry: DomainRegistry = field(default_factory=DomainRegistry.builtin)
    manifests: dict[str, DomainManifest] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def add(self, manifest: DomainManifest, origin: str, *, trusted: bool) -> None:
        """Register one more.

        Raises:
            InputRefusedError: It is of the tier ``in_process`` and nobody trusts it,
                or it cannot be registered. It says where it came from.
        """
        if manifest.tier == "in_process" and not trusted:
            raise InputRefusedError(
                f"the domain '{manifest.name}' declares the tier in_process, where "
                "nothing holds it back",
                hint=f"Only if you trust its code like your own: --trusted-domain "
                f"{shown(manifest.path)}",
            )
        try:
            self.registry.register_manifest(manifest, trusted=trusted)
        except DomainError as error:
            raise InputRefusedError(f"{shown(origin)}: {error}") from error
        self.manifests[manifest.name] = manifest
        self.origins[manifest.name] = origin

    def origin(self, name: str) -> str:
        """Say where a domain came from."""
        return self.origins.get(name, "built in")


def domains_of(given: Given) -> GivenDomains:
    """Read the manifests that the arguments name; execute none but trusted code.

    Raises:
        InputRefusedError: A manifest is not acceptable; it says which and why.
    """
    domains = GivenDomains()
    try:
        _fill(domains, given)
    except DomainError as error:
        raise InputRefusedError(str(error)) from error
    return domains


def _fill(domains: GivenDomains, given: Given) -> None:
    if not given.manifests and not given.trusted_manifests and not given.installed:
        return
    # Most commands have none of these, and need not know how to read them.
    from stage2_domains.entry_points import installed_manifests  # noqa: PLC0415 - likewise
    from stage2_domains.manifest import load_manifest  # noqa: PLC0415 - likewise

    for path in given.manifests:
        domains.add(load_manifest(path), path, trusted=False)
    for path in given.trusted_manifests:
        domains.add(load_manifest(path), path, trusted=True)
    for one in installed_manifests() if given.installed else ():
        named = domains.manifests.get(one.manifest.name)
        if named is not None and named.digest == one.manifest.digest:
            continue  # the same bytes; the file that was named says how they run
        domains.add(one.manifest, f"installed by {one.distribution}", trusted=False)
