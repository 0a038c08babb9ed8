"""What pydantic finds wrong with a file, as one sentence of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from audit.entry import printable

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["first_finding"]

_MAX_PLACE: Final = 100


def first_finding(error: ValidationError) -> str:
    """Name the first place that is wrong and why; never the value that stands there."""
    findings = error.errors(
        include_url=False, include_context=False, include_input=False
    )
    first = findings[0]
    place = printable(".".join(str(part) for part in first["loc"]), _MAX_PLACE)
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    why = first["msg"][:1].lower() + first["msg"][1:]
    return f"{place}: {why}{more}" if place else f"{why}{more}"
