"""A JSON Schema compiled once, and refusals a person understands.

``jsonschema`` takes long to import, so it is imported when the first schema is
compiled. Nothing is ever retrieved: the compiled schema resolves references within
itself only.

Spec: DOM-4, DOM-5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stage2_domains.errors import SchemaRefusedError
from stage2_domains.sentences import bounded, listed, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, ValidationError

    from stage2_domains.canonical import JsonObject, JsonValue

__all__ = ["CompiledSchema", "check_schema"]

_MAX_NAME: Final = 60


class CompiledSchema:
    """Judges values against one schema, compiling it at the first use.

    Compiling twice in two threads gives two equal validators, one of which stays.
    """

    __slots__ = ("_closed", "_known", "_required", "_schema", "_validator")

    def __init__(self, schema: JsonObject) -> None:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        self._schema = schema
        self._known = tuple(properties) if isinstance(properties, dict) else ()
        self._required = tuple(map(str, required)) if isinstance(required, list) else ()
        self._closed = schema.get("additionalProperties") is False
        self._validator: Draft202012Validator | None = None

    def refusal(self, value: JsonValue) -> str | None:
        """Return ``None``, or why ``value`` is refused, in one bounded phrase.

        All missing and all unknown top-level names are named; otherwise the first
        difference is, by its path and what was expected. Values are never shown.

        Source:
            DOM-5.1 to DOM-5.4.
        """
        if not isinstance(value, dict):
            return "expected an object"
        parts = []
        missing = [name for name in self._required if name not in value]
        if missing:
            parts.append(f"missing {listed(missing, len(missing))}")
        unknown = sorted(set(value).difference(self._known)) if self._closed else []
        if unknown:
            parts.append(f"unknown {listed(unknown)}; known are {listed(self._known)}")
        if parts:
            return bounded("; ".join(parts))
        first = next(self.compiled().iter_errors(value), None)
        return None if first is None else bounded(_phrase(first))

    def compiled(self) -> Draft202012Validator:
        """Return the validator, compiling it if nobody has yet."""
        if self._validator is None:
            self._validator = _compile(self._schema)
        return self._validator


def check_schema(schema: JsonObject, what: str) -> None:
    """Judge whether ``schema`` is valid draft 2020-12.

    Raises:
        SchemaRefusedError: It is not; the message says where and by which keyword.
    """
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - validator compilation
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415 - the same

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise SchemaRefusedError(
            bounded(f"{what} is not valid JSON Schema 2020-12: {_phrase(error)}")
        ) from None


def _compile(schema: JsonObject) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - validator compilation
    from referencing import Registry  # noqa: PLC0415 - the same

    # An empty registry retrieves nothing; the default one would.
    return Draft202012Validator(schema, registry=Registry())


# --- phrases -----------------------------------------------------------------


def _phrase(error: ValidationError | SchemaError) -> str:
    """Say where and what was expected, without showing the value."""
    where = _path(error.absolute_path)
    keyword = str(error.validator)
    expected: object = error.validator_value
    phrase = _PHRASES.get(keyword)
    if phrase is None:
        return f"{where}: does not satisfy '{printable(keyword)}'"
    return f"{where}: {phrase(expected, error.instance)}"


def _path(steps: Iterable[str | int]) -> str:
    where = ""
    for step in steps:
        if isinstance(step, int):
            where += f"[{step}]"
        else:
            where += f".{printable(step, _MAX_NAME)}" if where else printable(step)
    return bounded(where, 200) or "the value"


def _type(expected: object, instance: object) -> str:
    names = [expected] if isinstance(expected, str) else _sequence(expected)
    return f"expected {' or '.join(map(str, names))}, not {_type_name(instance)}"


def _enum(expected: object, _instance: object) -> str:
    return f"expected one of {listed(map(str, _sequence(expected)))}"


def _required(expected: object, instance: object) -> str:
    held = instance if isinstance(instance, dict) else {}
    missing = [str(name) for name in _sequence(expected) if name not in held]
    return f"missing {listed(missing)}"


def _closed(_expected: object, instance: object) -> str:
    held = instance if isinstance(instance, dict) else {}
    return f"a name that is not known, among {listed(sorted(map(str, held)))}"


def _says(text: str) -> Callable[[object, object], str]:
    """Make a phrase of ``text`` and the bound the schema sets."""

    def say(expected: object, _instance: object) -> str:
        return f"{text} {printable(str(expected))}"

    return say


_PHRASES: Final[dict[str, Callable[[object, object], str]]] = {
    "additionalProperties": _closed,
    "const": _says("expected exactly"),
    "enum": _enum,
    "exclusiveMaximum": _says("expected less than"),
    "exclusiveMinimum": _says("expected more than"),
    "maxItems": _says("more items than"),
    "maxLength": _says("more characters than"),
    "maxProperties": _says("more names than"),
    "maximum": _says("expected at most"),
    "minItems": _says("fewer items than"),
    "minLength": _says("fewer characters than"),
    "minProperties": _says("fewer names than"),
    "minimum": _says("expected at least"),
    "multipleOf": _says("expected a multiple of"),
    "required": _required,
    "type": _type,
}


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _type_name(instance: object) -> str:
    if instance is None:
        return "null"
    if isinstance(instance, list):
        return "array"
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return names.get(
        type(instance), "array" if isinstance(instance, list) else "object"
    )
