"""Which JSON Schemas a domain may bring.

The schemas of a domain that is not built in are somebody else's program, and they
run in the executor: a pattern can take exponential time, a reference can reach out
or blow up, a comparison of every item with every other is quadratic. So the
dialect is narrowed to what costs at most (size of the schema, references
expanded) times (size of the value).

This judges only the shape of a schema; that it is valid draft 2020-12 is judged by
``jsonschema`` when it is compiled.

Spec: DOM-4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stage2_domains.canonical import canonical_bytes, parse
from stage2_domains.errors import SchemaRefusedError, ValueRefusedError
from stage2_domains.sentences import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stage2_domains.canonical import JsonObject, JsonValue

__all__ = [
    "DIALECT",
    "MAX_SCHEMA_BYTES",
    "MAX_SUBSCHEMAS",
    "narrow",
    "snapshot",
]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MAX_SCHEMA_BYTES: Final = 64 * 1024
MAX_SUBSCHEMAS: Final = 2_048
"""Subschemas and listed values, each counted once per reference that leads to it."""

MAX_UNIQUE_ITEMS: Final = 256

_REFUSED: Final = frozenset(
    {
        "$anchor",
        "$dynamicAnchor",
        "$dynamicRef",
        "$id",
        "$recursiveAnchor",
        "$recursiveRef",
        "$vocabulary",
        "dependencies",
        "format",
        "pattern",
        "patternProperties",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_ONE: Final = (
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
)
_MANY: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED: Final = ("dependentSchemas", "properties")
_LISTS: Final = ("enum", "required")


def snapshot(schema: object, what: str) -> JsonObject:
    """Copy a schema into plain data nobody else holds.

    Args:
        schema: The schema as declared.
        what: Words that name it in a refusal.

    Raises:
        SchemaRefusedError: It is not plain data of at most ``MAX_SCHEMA_BYTES``, is
            not an object, is not for objects, or names another dialect.
    """
    try:
        copy = parse(canonical_bytes(schema, max_bytes=MAX_SCHEMA_BYTES))
    except ValueRefusedError as error:
        raise SchemaRefusedError(f"{what}: {error}") from error
    if not isinstance(copy, dict) or copy.get("type") != "object":
        raise SchemaRefusedError(f"{what} must be a schema with type 'object'")
    if copy.get("$schema", DIALECT) != DIALECT:
        raise SchemaRefusedError(f"{what} must use the dialect {DIALECT}")
    return copy


def narrow(schema: JsonObject, what: str) -> None:
    """Refuse a schema that could reach out, recurse or cost too much.

    Args:
        schema: A snapshot.
        what: Words that name it in a refusal.

    Raises:
        SchemaRefusedError: It uses a keyword that is not allowed, a reference that
            is not ``#/$defs/<name>``, a reference that leads back to itself,
            ``uniqueItems`` without a small ``maxItems``, or more than
            ``MAX_SUBSCHEMAS`` subschemas once references are expanded.

    Source:
        DOM-4.3 to DOM-4.5.
    """
    definitions = schema.get("$defs", {})
    if not isinstance(definitions, dict):
        raise SchemaRefusedError(f"{what}: '$defs' must be an object")
    count = 0
    pending: list[tuple[JsonValue, tuple[str, ...]]] = [(schema, ())]
    # A definition nothing refers to is judged as well.
    pending.extend((one, ()) for one in definitions.values())
    while pending:
        current, trail = pending.pop()
        count += 1
        if not isinstance(current, dict):
            continue
        _check_keywords(current, what)
        count += sum(_length(current.get(name)) for name in _LISTS)
        if count > MAX_SUBSCHEMAS:
            raise SchemaRefusedError(f"{what}: more than {MAX_SUBSCHEMAS} subschemas")
        pending.extend((child, trail) for child in _children(current))
        if "$ref" in current:
            pending.append(_resolve(current["$ref"], definitions, trail, what))


def _check_keywords(schema: JsonObject, what: str) -> None:
    for name in sorted(_REFUSED.intersection(schema)):
        raise SchemaRefusedError(f"{what}: the keyword '{name}' is not allowed")
    most = schema.get("maxItems")
    small = isinstance(most, int) and most <= MAX_UNIQUE_ITEMS
    if schema.get("uniqueItems") and not small:
        raise SchemaRefusedError(
            f"{what}: 'uniqueItems' needs 'maxItems' of at most {MAX_UNIQUE_ITEMS}"
        )


def _resolve(
    reference: JsonValue,
    definitions: Mapping[str, JsonValue],
    trail: tuple[str, ...],
    what: str,
) -> tuple[JsonValue, tuple[str, ...]]:
    """Return the definition referred to, and the references that led to it."""
    text = reference if isinstance(reference, str) else ""
    name = text.removeprefix("#/$defs/")
    if name == text or name not in definitions:
        shown = printable(text)
        raise SchemaRefusedError(
            f"{what}: '$ref' must name one of '#/$defs/...', not '{shown}'"
        )
    if name in trail:
        raise SchemaRefusedError(
            f"{what}: the definition '{printable(name)}' refers to itself"
        )
    return definitions[name], (*trail, name)


def _children(schema: JsonObject) -> Iterator[JsonValue]:
    for keyword in _ONE:
        if keyword in schema:
            yield schema[keyword]
    for keyword in _MANY:
        several = schema.get(keyword)
        if isinstance(several, list):
            yield from several
    for keyword in _NAMED:
        named = schema.get(keyword)
        if isinstance(named, dict):
            yield from named.values()


def _length(value: JsonValue) -> int:
    return len(value) if isinstance(value, list) else 0
