"""The code of a domain as data: bytes to be sent into a box, never run here.

A domain that the operator does not answer for never executes in the executor's
process. What is registered of it is the bytes of one module and the name of a class.

Spec: DOM-12.
"""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from stage2_domains.canonical import canonical_bytes
from stage2_domains.errors import RegistrationError
from stage2_domains.sentences import listed, printable

__all__ = [
    "ALLOWED_IMPORTS",
    "MAX_SOURCE_BYTES",
    "DomainSource",
    "is_importable",
    "source_of",
]

MAX_SOURCE_BYTES: Final = 1024 * 1024

ALLOWED_IMPORTS: Final = frozenset(
    {"__future__", "_collections_abc", "abc", "array", "ast", "base64", "binascii"}
    | {"bisect", "calendar", "cmath", "codecs", "collections", "collections.abc"}
    | {"colorsys", "contextlib", "copy", "csv", "dataclasses", "datetime", "decimal"}
    | {"difflib", "enum", "fractions", "functools", "graphlib", "hashlib", "heapq"}
    | {"hmac", "html", "html.entities", "html.parser", "io", "itertools", "json"}
    | {"json.decoder", "json.encoder", "keyword", "logging", "math", "numbers"}
    | {"operator", "random", "re", "reprlib", "shlex", "statistics", "string"}
    | {"stringprep", "struct", "textwrap", "time", "token", "tokenize", "tomllib"}
    | {"types", "typing", "unicodedata", "urllib", "urllib.parse", "uuid"}
    | {"warnings", "xml", "xml.etree", "xml.etree.ElementTree", "zlib", "zoneinfo"}
)
"""Modules of the standard library that a boxed domain may import; all they need is
loaded before the box is closed."""

_OWN: Final = re.compile(r"stage2_domains(\.(contract|errors|parameters))?")
_ENTRY: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSource:
    """What a box needs in order to run a domain that is not trusted.

    Attributes:
        kind: ``python``: ``code`` is the source text of one module. ``wasm``: it is
            a module or component.
        code: The bytes, at most ``MAX_SOURCE_BYTES`` for ``python``.
        entry: For ``python``, the dotted name of the class within the module.
        imports: Modules the domain says it needs, each in ``ALLOWED_IMPORTS``.
        digest: ``sha256:`` over kind, entry, imports and the hash of the code.
    """

    kind: Literal["python", "wasm"]
    code: bytes = field(repr=False)
    entry: str
    imports: tuple[str, ...] = ()
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Judge the fields.

        Raises:
            RegistrationError: Too much code, an entry that names no class, an import
                that no box offers.
        """
        if self.kind == "python":
            _check_python(self)
        covered = canonical_bytes(
            {
                "code": hashlib.sha256(self.code).hexdigest(),
                "entry": self.entry,
                "imports": list(self.imports),
                "kind": self.kind,
            }
        )
        digest = f"sha256:{hashlib.sha256(covered).hexdigest()}"
        object.__setattr__(self, "digest", digest)


def source_of(kind: type, name: str) -> DomainSource:
    """Read the module that defines a class, as bytes; nothing of it is executed.

    Args:
        kind: The domain's class.
        name: The domain's name, for the sentence of a refusal.

    Raises:
        RegistrationError: There is no source file, or the class cannot be found in
            it by its name.

    Source:
        DOM-12.1 to DOM-12.3.
    """
    location = getattr(sys.modules.get(kind.__module__), "__file__", None)
    code = None
    if isinstance(location, str) and location.endswith(".py"):
        try:
            code = Path(location).read_bytes()
        except OSError:
            code = None
    if code is None:
        raise RegistrationError(
            f"the domain '{name}' has no source file that a box could run: define its "
            "class in a module of its own, or register it with trusted=True only if "
            "you trust its code like your own"
        )
    return DomainSource(kind="python", code=code, entry=kind.__qualname__)


def is_importable(name: str) -> bool:
    """Whether a boxed domain may import the module ``name``."""
    return name in ALLOWED_IMPORTS or _OWN.fullmatch(name) is not None


def _check_python(source: DomainSource) -> None:
    if len(source.code) > MAX_SOURCE_BYTES:
        raise RegistrationError(
            f"{len(source.code)} bytes of source, at most {MAX_SOURCE_BYTES}"
        )
    if not _ENTRY.fullmatch(source.entry):
        raise RegistrationError(
            f"'{printable(source.entry)}' cannot be found by a box: define the class "
            "at the top of its module, or register it with trusted=True only if you "
            "trust its code like your own"
        )
    unknown = sorted(set(source.imports) - ALLOWED_IMPORTS)
    if unknown:
        raise RegistrationError(f"a box does not offer the imports {listed(unknown)}")
