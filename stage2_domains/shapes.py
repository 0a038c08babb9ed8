"""Short words for the JSON Schemas of the built-in domains.

Each function returns a new schema (draft 2020-12) as plain data. Every text, list
and number has a bound, so that the work of a method has one.
"""

from __future__ import annotations

from typing import TypeAlias

__all__ = [
    "Shape",
    "answer",
    "choice",
    "flag",
    "integer",
    "listing",
    "mapping",
    "number",
    "record",
    "text",
]

Shape: TypeAlias = dict[str, object]


def text(most: int, least: int = 1) -> Shape:
    """Return the shape of a string of ``least`` to ``most`` characters."""
    return {"type": "string", "minLength": least, "maxLength": most}


def integer(least: int, most: int) -> Shape:
    """Return the shape of a whole number, both bounds included."""
    return {"type": "integer", "minimum": least, "maximum": most}


def number(least: float, most: float) -> Shape:
    """Return the shape of a number, both bounds included."""
    return {"type": "number", "minimum": least, "maximum": most}


def flag() -> Shape:
    """Return the shape of ``true`` or ``false``."""
    return {"type": "boolean"}


def choice(*values: str) -> Shape:
    """Return the shape of one of ``values``."""
    return {"enum": list(values)}


def listing(items: Shape, most: int, least: int = 0) -> Shape:
    """Return the shape of a list of ``least`` to ``most`` items."""
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def mapping(values: Shape, most: int) -> Shape:
    """Return the shape of an object with any names and at most ``most`` of them."""
    return {"type": "object", "additionalProperties": values, "maxProperties": most}


def record(
    required: dict[str, Shape], optional: dict[str, Shape] | None = None
) -> Shape:
    """Return the shape of an object with exactly these names."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def answer(**types: str) -> Shape:
    """Return the shape of a result: ``domain``, ``method`` and names with types."""
    names = {"domain": "string", "method": "string", **types}
    return record({name: {"type": kind} for name, kind in names.items()})
