"""``domain.toml``: a domain declared as data beside its code.

Loading reads the manifest, its schema files and the code as bytes, and judges all of
it. **It executes nothing and imports nothing of the domain**, whatever the tier.

::

    name = "weather"                  # what plans and tokens say
    version = "1.0"                   # optional, for people
    description = "..."               # optional
    tier = "process"                  # process, wasm or in_process
    source = "weather.py"             # or module = "acme.weather", or wasm = "w.wasm"
    class = "Weather"                 # not for wasm
    imports = ["statistics"]          # optional, for Python

    [budget]                          # optional, each key as in Budget
    wall_ms = 200

    [methods.warmest]
    description = "..."               # optional
    parameters = "parameters.json"    # a file, or the schema itself as a table
    result = "result.json"            # optional, the same

    [[methods.warmest.examples]]      # optional, at most 32
    parameters = { days = [] }
    result = { day = "..." }          # optional: the data it must give
    error = "..."                     # or the sentence it must fail with

Every refusal names the file and the key.

Spec: DOM-9.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from stage2_domains.canonical import canonical_bytes, parse
from stage2_domains.contract import Budget, DomainResult, MethodSpec, Stage2Domain
from stage2_domains.errors import RegistrationError
from stage2_domains.manifest_keys import Table
from stage2_domains.manifest_methods import DomainExample, read_methods
from stage2_domains.package_files import read_below, shown, source_of
from stage2_domains.sentences import bounded, listed, printable
from stage2_domains.source import MAX_SOURCE_BYTES, DomainSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stage2_domains.parameters import IsolatedParameters

__all__ = [
    "MANIFEST_NAME",
    "MAX_MANIFEST_BYTES",
    "MAX_WASM_BYTES",
    "DeclaredDomain",
    "DomainExample",
    "DomainManifest",
    "load_manifest",
]

MANIFEST_NAME: Final = "domain.toml"
MAX_MANIFEST_BYTES: Final = 256 * 1024
MAX_WASM_BYTES: Final = 64 * 1024 * 1024
_WASM_MAGIC: Final = b"\0asm"  # of modules and components alike
_MAX_TEXT: Final = 2_000
_MAX_VERSION: Final = 64
_MAX_IMPORTS: Final = 64
_TIERS: Final[tuple[Literal["process", "wasm", "in_process"], ...]] = (
    *("process", "wasm", "in_process"),
)
_CODE_KEYS: Final = ("source", "module", "wasm")
_KEYS: Final = frozenset(
    {"budget", "class", "description", "imports", "methods", "name", "tier", "version"}
    | set(_CODE_KEYS)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainManifest:
    """A manifest with everything it names, as bytes and plain data.

    Attributes:
        path: The manifest's file.
        name: What plans and tokens say.
        version: For people, or empty.
        description: For people, or empty.
        tier: The declared tier; it is never lowered.
        source: The code, its class (empty for WebAssembly) and what it imports.
        code_path: The file the code was read from.
        module: The dotted name it was found by, or empty.
        budget: What one call may use.
        methods: The declared methods by name.
        examples: The examples of all methods, in their order.
        digest: ``sha256:`` over the bytes of the manifest, the code and every schema
            file, each under its name.
    """

    path: Path
    name: str
    version: str
    description: str
    tier: Literal["in_process", "process", "wasm"]
    source: DomainSource
    code_path: Path
    module: str
    budget: Budget
    methods: Mapping[str, MethodSpec] = field(repr=False)
    examples: tuple[DomainExample, ...] = field(repr=False)
    digest: str


class DeclaredDomain(Stage2Domain):
    """Stands in the registry for a domain whose code is not loaded here."""

    def __init__(self, manifest: DomainManifest) -> None:
        self.name = manifest.name
        self.methods = manifest.methods
        self.budget = manifest.budget

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Refuse: the domain's code runs in its own box only."""
        del method, parameters
        return DomainResult(success=False, error="this domain runs only in its box")


class _Code(NamedTuple):
    kind: Literal["python", "wasm"]
    data: bytes
    path: Path
    module: str
    entry: str


def load_manifest(path: str | Path) -> DomainManifest:
    """Read and judge a manifest and what it names; execute nothing.

    Args:
        path: The manifest, or the folder of one called ``domain.toml``.

    Raises:
        RegistrationError: Something is missing, unknown, of the wrong type, too
            large, or outside the manifest's folder. It names file and key.
        SchemaRefusedError: A schema is not acceptable.

    Source:
        DOM-9.1 to DOM-9.7.
    """
    path = Path(path)
    if path.is_dir():
        path /= MANIFEST_NAME
    files: dict[str, bytes] = {}
    top = _parsed(path, files)
    name = top.identifier("name")
    tier = _tier(top)
    code = _code(top, tier, path.parent, files)
    budget = _budget(top)
    methods, examples = read_methods(top.table("methods"), path.parent, files)
    top.only(_KEYS)
    return DomainManifest(
        path=path,
        name=name,
        version=top.text("version", _MAX_VERSION, default=""),
        description=top.text("description", _MAX_TEXT, default=""),
        tier=tier,
        source=_source(top, code),
        code_path=code.path,
        module=code.module,
        budget=budget,
        methods=MappingProxyType(methods),
        examples=examples,
        digest=_digest(files),
    )


def _parsed(path: Path, files: dict[str, bytes]) -> Table:
    try:
        data = read_below(path.parent, path.name, MAX_MANIFEST_BYTES)
    except RegistrationError as error:
        raise RegistrationError(bounded(f"{shown(path)}: {error}")) from error
    files["manifest"] = data
    try:
        found: dict[str, object] = tomllib.loads(data.decode("utf-8"))
        # Plain data within the bounds of JSON: no dates, no infinities, no depths.
        plain = parse(canonical_bytes(found))
    except (ValueError, RecursionError) as error:
        # The parser's words quote at most one character; a path shows no value.
        why = printable(str(error), 200) if isinstance(error, ValueError) else "depth"
        raise RegistrationError(bounded(f"{shown(path)}: not TOML: {why}")) from error
    return Table(plain, shown(path))


def _tier(top: Table) -> Literal["in_process", "process", "wasm"]:
    said = top.text("tier", _MAX_TEXT)
    for tier in _TIERS:
        if said == tier:
            return tier
    raise top.refusal("tier", f"expected one of {listed(_TIERS)}")


def _code_key(top: Table, tier: str) -> str:
    given = [key for key in _CODE_KEYS if top.has(key)]
    if len(given) != 1:
        raise top.refusal("source", "expected exactly one of source, module and wasm")
    key = given[0]
    if (key == "wasm") != (tier == "wasm"):
        raise top.refusal(key, f"does not fit the tier '{tier}'")
    if key == "wasm" and top.has("class"):
        raise top.refusal("class", "a wasm domain has no class")
    return key


def _code(top: Table, tier: str, folder: Path, files: dict[str, bytes]) -> _Code:
    key = _code_key(top, tier)
    name = top.text(key, _MAX_TEXT)
    try:
        if key == "module":
            path, data = source_of(name, MAX_SOURCE_BYTES)
        else:
            suffix, most = (
                (".wasm", MAX_WASM_BYTES)
                if key == "wasm"
                else (".py", MAX_SOURCE_BYTES)
            )
            if not name.endswith(suffix):
                raise top.refusal(key, f"expected a file that ends in '{suffix}'")
            path, data = folder / name, read_below(folder, name, most)
    except RegistrationError as error:
        raise top.named(key, error) from error
    files["code"] = data
    if key == "wasm":
        if not data.startswith(_WASM_MAGIC):
            raise top.refusal(key, "the file is no WebAssembly in its binary form")
        return _Code("wasm", data, path, "", "")
    module = name if key == "module" else ""
    return _Code("python", data, path, module, top.identifier("class"))


def _source(top: Table, code: _Code) -> DomainSource:
    imports = top.texts("imports", _MAX_IMPORTS)
    if imports and code.kind == "wasm":
        raise top.refusal("imports", "a wasm domain imports nothing by this list")
    try:
        return DomainSource(
            kind=code.kind,
            code=code.data,
            entry=code.entry,
            imports=tuple(dict.fromkeys(imports)),
        )
    except RegistrationError as error:
        raise top.named("imports", error) from error


def _budget(top: Table) -> Budget:
    given = top.table("budget", default={})
    known = frozenset(Budget.__dataclass_fields__)
    given.only(known)
    return Budget(**{key: given.positive(key) for key in given.names()})


def _digest(files: Mapping[str, bytes]) -> str:
    parts = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return f"sha256:{hashlib.sha256(canonical_bytes(parts)).hexdigest()}"
