"""Domains that installed packages declare, found when somebody asks for them.

A package names its manifest in the entry-point group ``stage3.domains``::

    [project.entry-points."stage3.domains"]
    weather = "acme_weather:domain.toml"

The name is the domain's; the value is a package and a file in it, ``domain.toml``
where none is named. Finding reads metadata and files: no package is imported. Nothing
here runs by itself; ``DomainRegistry.with_entry_points`` asks, and the command line
where it is told to.

Spec: DOM-9.9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from stage2_domains.errors import RegistrationError
from stage2_domains.manifest import MANIFEST_NAME, load_manifest
from stage2_domains.package_files import package_folder
from stage2_domains.sentences import bounded, printable

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from stage2_domains.manifest import DomainManifest

__all__ = ["GROUP", "MAX_INSTALLED", "InstalledManifest", "installed_manifests"]

GROUP: Final = "stage3.domains"
MAX_INSTALLED: Final = 256
_VALUE: Final = re.compile(
    r"(?P<package>[A-Za-z0-9_.]+) ?(: ?(?P<file>[A-Za-z0-9_.]+))?"
)


@dataclass(frozen=True, slots=True)
class InstalledManifest:
    """A manifest, and the distribution that brought it."""

    distribution: str
    manifest: DomainManifest


def installed_manifests() -> tuple[InstalledManifest, ...]:
    """Load the manifest of every entry point of the group, by name; execute nothing.

    Raises:
        RegistrationError: An entry point names no package or manifest, its name is
            not the domain's, or there are too many. It says which distribution.
        SchemaRefusedError: A schema is not acceptable.

    Source:
        DOM-9.9.
    """
    found = sorted(entry_points(group=GROUP), key=lambda one: (one.name, one.value))
    if len(found) > MAX_INSTALLED:
        raise RegistrationError(f"more than {MAX_INSTALLED} entry points of {GROUP}")
    return tuple(_installed(one) for one in found)


def _installed(point: EntryPoint) -> InstalledManifest:
    distribution = "" if point.dist is None else str(point.dist.name)
    what = (
        f"entry point '{printable(point.name)}' of '{printable(distribution)}' "
        f"in {GROUP}"
    )
    value = _VALUE.fullmatch(point.value)
    if value is None:
        raise RegistrationError(f"{what}: expected 'package' or 'package:domain.toml'")
    try:
        folder = package_folder(value["package"])
        manifest = load_manifest(folder / (value["file"] or MANIFEST_NAME))
    except RegistrationError as error:
        raise type(error)(bounded(f"{what}: {error}")) from error
    if manifest.name != point.name:
        raise RegistrationError(f"{what}: the manifest's name is '{manifest.name}'")
    return InstalledManifest(distribution, manifest)
