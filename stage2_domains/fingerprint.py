"""The digest that says exactly which domain ran.

Source is read as bytes and never executed. A domain whose source cannot be read
(typed at a prompt, compiled without source) still has a digest of its declaration,
and the digest covers that there was no source.

Spec: DOM-6.6.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from stage2_domains.canonical import canonical_bytes

__all__ = ["fingerprint"]


def fingerprint(
    kind: type, declaration: dict[str, object], *, whole_package: bool
) -> str:
    """Return ``sha256:`` and 64 hex digits over a declaration and its source.

    Args:
        kind: The domain's class.
        declaration: Plain data: name, tier, budget, methods with their schemas.
        whole_package: Whether the source is every module of the package the class
            is defined in and of the package above it, or only its own module.
    """
    sources = {
        name: hashlib.sha256(data).hexdigest()
        for name, data in _sources(kind, whole_package=whole_package)
    }
    covered = {"class": kind.__qualname__, "declaration": declaration}
    data = canonical_bytes({**covered, "sources": sources or None})
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _sources(kind: type, *, whole_package: bool) -> list[tuple[str, bytes]]:
    location = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if not isinstance(location, str) or not location.endswith(".py"):
        return []
    own = Path(location)
    paths = [own]
    if whole_package:
        paths = [*own.parent.glob("*.py"), *own.parent.parent.glob("*.py")]
    try:
        return [
            (path.name if path.parent == own.parent else f"../{path.name}", data)
            for path, data in ((path, path.read_bytes()) for path in paths)
        ]
    except OSError:
        return []
