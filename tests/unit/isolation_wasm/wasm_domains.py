"""Domains of the wasm tier for tests, made of text or bytes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from stage2_domains.source import DomainSource

if TYPE_CHECKING:
    from stage2_domains.registry import RegisteredDomain

__all__ = ["boxed"]


def boxed(text: str | bytes) -> RegisteredDomain:
    """Return a domain with the methods that programs in tests have."""
    import wasmtime  # noqa: PLC0415 - where it is not installed, nobody calls this

    code = bytes(wasmtime.wat2wasm(text)) if isinstance(text, str) else text
    domain = SimpleNamespace(
        source=DomainSource(kind="wasm", code=code, entry=""),
        tier="wasm",
        methods=dict.fromkeys(("run", "describe", "count")),
    )
    return cast("RegisteredDomain", domain)
