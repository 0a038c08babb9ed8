"""The methods of a manifest: their schemas, inline or in files, and their examples.

Spec: DOM-9.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stage2_domains.admission import MAX_SCHEMA_BYTES, narrow, snapshot
from stage2_domains.canonical import canonical_bytes, parse
from stage2_domains.contract import MethodSpec
from stage2_domains.errors import RegistrationError, ValueRefusedError
from stage2_domains.package_files import read_below
from stage2_domains.schema import CompiledSchema, check_schema
from stage2_domains.sentences import bounded

if TYPE_CHECKING:
    from pathlib import Path

    from stage2_domains.canonical import JsonObject, JsonValue
    from stage2_domains.manifest_keys import Table

__all__ = ["MAX_EXAMPLES", "DomainExample", "read_methods"]

MAX_EXAMPLES: Final = 32
"""The most examples of one method."""

_MAX_METHODS: Final = 64
_MAX_TEXT: Final = 2_000
_METHOD_KEYS: Final = frozenset({"description", "examples", "parameters", "result"})
_EXAMPLE_KEYS: Final = frozenset({"error", "parameters", "result"})


@dataclass(frozen=True, slots=True)
class DomainExample:
    """One example of a method, and what it must give, if it says so.

    Attributes:
        method: The method's name.
        parameters: Canonical bytes of the parameters.
        result: Canonical bytes of the data it must give, or ``None``.
        error: The sentence it must fail with, or ``None``.
    """

    method: str
    parameters: bytes
    result: bytes | None = None
    error: str | None = None


def read_methods(
    table: Table, folder: Path, files: dict[str, bytes]
) -> tuple[dict[str, MethodSpec], tuple[DomainExample, ...]]:
    """Read every method.

    Args:
        table: The table ``methods``.
        folder: The manifest's folder, for schema files.
        files: Receives the bytes of each schema file.

    Raises:
        RegistrationError: A key or an example is not acceptable.
        SchemaRefusedError: A schema is not.

    Source:
        DOM-9.3.
    """
    if not 0 < len(table.names()) <= _MAX_METHODS:
        raise RegistrationError(
            bounded(f"{table.at('NAME')}: expected 1 to {_MAX_METHODS} methods")
        )
    methods: dict[str, MethodSpec] = {}
    examples: list[DomainExample] = []
    for name in table.names():
        if not name.isascii() or not name.isidentifier():
            raise table.refusal(name, "a method's name must be an ASCII identifier")
        one = table.table(name)
        one.only(_METHOD_KEYS)
        parameters = _schema(one, "parameters", folder, files)
        result = _schema(one, "result", folder, files) if one.has("result") else None
        found = _examples(one, name, parameters, result)
        methods[name] = MethodSpec(
            parameters=parameters,
            result=result,
            description=one.text("description", _MAX_TEXT, default=""),
            example=_shown_example(found),
        )
        examples += found
    return methods, tuple(examples)


def _schema(
    method: Table, key: str, folder: Path, files: dict[str, bytes]
) -> JsonObject:
    value = method.raw(key)
    if isinstance(value, str):
        try:
            if not value.endswith(".json"):
                raise method.refusal(key, "expected a table or a file '....json'")
            data = read_below(folder, value, MAX_SCHEMA_BYTES)
            files[f"schema {value}"] = data
            value = parse(data)
        except RegistrationError as error:
            raise method.named(key, error) from error
        except ValueRefusedError as error:
            raise method.refusal(key, str(error)) from error
    what = method.at(key)
    schema = snapshot(value, what)
    narrow(schema, what)
    check_schema(schema, what)
    return schema


def _examples(
    method: Table, name: str, parameters: JsonObject, result: JsonObject | None
) -> list[DomainExample]:
    checked = CompiledSchema(parameters)
    answered = None if result is None else CompiledSchema(result)
    found = []
    for one in method.tables("examples", MAX_EXAMPLES):
        one.only(_EXAMPLE_KEYS)
        if one.has("result") and one.has("error"):
            raise one.refusal("error", "an example has a result or an error")
        given = _judged(one, "parameters", checked)
        data = _judged(one, "result", answered) if one.has("result") else None
        error = one.text("error", _MAX_TEXT) if one.has("error") else None
        found.append(DomainExample(name, given, data, error))
    return found


def _judged(example: Table, key: str, schema: CompiledSchema | None) -> bytes:
    value: JsonValue = example.raw(key)
    if not isinstance(value, dict):
        raise example.refusal(key, "expected a table")
    refusal = schema.refusal(value) if schema else None
    if refusal:
        raise example.refusal(key, refusal)
    return canonical_bytes(value)


def _shown_example(examples: list[DomainExample]) -> JsonObject | None:
    """Return the first example that is meant to succeed, as a plan may begin with."""
    for one in examples:
        value = parse(one.parameters) if one.error is None else None
        if isinstance(value, dict):
            return value
    return None
