"""The one place that runs the code of a manifest in this process.

Only for the tier ``in_process``, and only where the operator said ``trusted=True``:
whoever calls this answers for the code. Everything else about manifests reads.

Spec: DOM-9.8.
"""

from __future__ import annotations

import sys
from importlib.abc import InspectLoader
from importlib.util import decode_source, find_spec, module_from_spec, spec_from_loader
from typing import TYPE_CHECKING, NoReturn

from stage2_domains.errors import RegistrationError
from stage2_domains.manifest import DeclaredDomain
from stage2_domains.package_files import read_below
from stage2_domains.sentences import bounded, printable
from stage2_domains.source import MAX_SOURCE_BYTES

if TYPE_CHECKING:
    from types import ModuleType

    from stage2_domains.contract import DomainResult, Stage2Domain
    from stage2_domains.manifest import DomainManifest
    from stage2_domains.parameters import IsolatedParameters

__all__ = ["domain_of", "load_trusted"]


class _Trusted(DeclaredDomain):
    """What the manifest declares, answered by the loaded code."""

    def __init__(self, manifest: DomainManifest, loaded: Stage2Domain) -> None:
        super().__init__(manifest)
        self._loaded = loaded

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Answer one call of a declared method."""
        return self._loaded.invoke(method, parameters)


class _Pinned(InspectLoader):
    """Loads a module from the very bytes that the digest is over."""

    def __init__(self, manifest: DomainManifest) -> None:
        self._manifest = manifest

    def has(self, code: bytes) -> bool:
        """Whether it loads these bytes."""
        return self._manifest.source.code == code

    def get_source(self, fullname: str) -> str:
        """Give the source that was read with the manifest."""
        del fullname
        return decode_source(self._manifest.source.code)


def domain_of(manifest: DomainManifest, *, trusted: bool) -> Stage2Domain:
    """Give what the registry holds of a domain: a stand-in, or the loaded code.

    Args:
        manifest: Of any tier.
        trusted: Whether the operator answers for its code.

    Raises:
        RegistrationError: The tier is ``in_process`` and it is not trusted; or as
            ``load_trusted``.

    Source:
        DOM-9.8.
    """
    if manifest.tier != "in_process":
        return DeclaredDomain(manifest)
    if not trusted:
        raise RegistrationError(
            f"the domain '{manifest.name}' declares the tier in_process, where nothing "
            "holds it back: register it with trusted=True only if you trust its code "
            "like your own"
        )
    return load_trusted(manifest)


def load_trusted(manifest: DomainManifest) -> Stage2Domain:
    """Import the code of a manifest and make its domain; this runs the code.

    Args:
        manifest: One of the tier ``in_process``.

    Returns:
        A domain that declares what the manifest does and answers as its code.

    Raises:
        RegistrationError: The code raised, has no such class, or the class cannot be
            made without arguments or has no ``invoke``.

    Source:
        DOM-9.8.
    """
    what = f"the code of '{manifest.name}'"
    try:
        module = _named(manifest) if manifest.module else _pinned(manifest)
        loaded: Stage2Domain = getattr(module, manifest.source.entry)()
    except Exception as error:  # noqa: BLE001 - whatever the code raises is its refusal
        name = printable(type(error).__name__)
        _refuse(f"{what} cannot be loaded: {name}: {printable(str(error), 300)}", error)
    if not callable(getattr(loaded, "invoke", None)):
        _refuse(f"{what}: the class '{manifest.source.entry}' has no 'invoke'")
    return _Trusted(manifest, loaded)


def _named(manifest: DomainManifest) -> ModuleType:
    """Import a module by its name, from the very bytes that were read.

    Not as Python would: it believes files of compiled code that say they need no
    checking, and a source may have changed meanwhile. A module that somebody else has
    loaded cannot be loaded again; of that one the file must not have changed.
    """
    name = manifest.module
    module = sys.modules.get(name)
    if module is None:
        spec = find_spec(name)  # imports the packages above it
        if spec is None or spec.origin != str(manifest.code_path):
            _refuse(f"'{name}' was imported from another file")
        module = _loaded(name, manifest)
        above, _, last = name.rpartition(".")
        if above:
            setattr(sys.modules[above], last, module)
    if getattr(module, "__file__", None) != str(manifest.code_path):
        _refuse(f"'{name}' was imported from another file")
    if not _is_from(module, manifest):
        _refuse(f"'{name}' was loaded already, and its file has changed since")
    return module


def _is_from(module: ModuleType, manifest: DomainManifest) -> bool:
    """Whether a module was made of the bytes of the manifest, as far as one can say."""
    if isinstance(module.__loader__, _Pinned):
        return module.__loader__.has(manifest.source.code)
    path = manifest.code_path
    return read_below(path.parent, path.name, MAX_SOURCE_BYTES) == manifest.source.code


def _pinned(manifest: DomainManifest) -> ModuleType:
    """Run a file that belongs to no package, under a name of its own."""
    return _loaded(f"stage3_domain_{manifest.name}_{manifest.digest[-16:]}", manifest)


def _loaded(name: str, manifest: DomainManifest) -> ModuleType:
    """Run the bytes of a manifest as the module ``name``."""
    spec = spec_from_loader(name, _Pinned(manifest), origin=str(manifest.code_path))
    if spec is None:
        _refuse("the import system made no module")
    module = module_from_spec(spec)
    module.__file__ = str(manifest.code_path)
    sys.modules[name] = module  # as an import does: dataclasses look themselves up
    try:
        _Pinned(manifest).exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _refuse(sentence: str, cause: Exception | None = None) -> NoReturn:
    raise RegistrationError(bounded(sentence)) from cause
