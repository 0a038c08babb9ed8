"""The sentences that refuse parameters and results: DOM-5."""

from typing import TypeAlias

import pytest

from stage2_domains.canonical import JsonValue
from stage2_domains.registry import DomainRegistry, RegisteredMethod
from tests.unit.stage2_domains.sample_domains import Sample, schema_of


def method(schema: object = None, **spec: object) -> RegisteredMethod:
    registry = DomainRegistry()
    registry.register(Sample(schema, **spec))
    registered = registry.get("sample")
    assert registered is not None
    return registered.methods["act"]


def sentence(value: JsonValue, schema: object = None) -> str:
    found = method(schema).check_parameters(value)
    assert found is not None
    return found.removeprefix("Parameters of sample.act refused: ").removesuffix(".")


def test_parameters_that_fit_are_not_refused() -> None:
    """DOM-5.1."""
    assert method().check_parameters({"name": "x", "count": 1}) is None


TOP_LEVEL: dict[str, tuple[JsonValue, str]] = {
    "one missing": ({"name": "x"}, "missing 'count'"),
    "all missing": ({}, "missing 'name', 'count'"),
    "one unknown": (
        {"name": "x", "count": 1, "extra": 1},
        "unknown 'extra'; known are 'count', 'name'",
    ),
    "both": (
        {"count": "wrong too", "z": 1, "b": 2},
        "missing 'name'; unknown 'b', 'z'; known are 'count', 'name'",
    ),
    "no object": ([], "expected an object"),
    "nothing": (None, "expected an object"),
}


@pytest.mark.parametrize(("value", "expected"), TOP_LEVEL.values(), ids=TOP_LEVEL)
def test_all_missing_and_unknown_names_are_named(
    value: JsonValue, expected: str
) -> None:
    """DOM-5.1."""
    assert sentence(value) == expected


ITEM = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "m": {}},
    "required": ["n"],
    "additionalProperties": False,
}
Case: TypeAlias = tuple[dict[str, object], JsonValue, str]
DEEPER: dict[str, Case] = {
    "type": ({"type": "string"}, 1, "a: expected string, not integer"),
    "types": (
        {"type": ["string", "null"]},
        [],
        "a: expected string or null, not array",
    ),
    "boolean": ({"type": "integer"}, True, "a: expected integer, not boolean"),
    "null": ({"type": "object"}, None, "a: expected object, not null"),
    "object": ({"type": "number"}, {}, "a: expected number, not object"),
    "number": ({"type": "boolean"}, 1.5, "a: expected boolean, not number"),
    "text": ({"type": "array"}, "x", "a: expected array, not string"),
    "enum": ({"enum": ["x", "y"]}, "z", "a: expected one of 'x', 'y'"),
    "const": ({"const": 7}, 8, "a: expected exactly 7"),
    "minimum": ({"minimum": 3}, 2, "a: expected at least 3"),
    "maximum": ({"maximum": 3}, 4, "a: expected at most 3"),
    "above": ({"exclusiveMinimum": 3}, 3, "a: expected more than 3"),
    "below": ({"exclusiveMaximum": 3}, 3, "a: expected less than 3"),
    "multiple": ({"multipleOf": 5}, 7, "a: expected a multiple of 5"),
    "short": ({"minLength": 2}, "x", "a: fewer characters than 2"),
    "long": ({"maxLength": 2}, "xyz", "a: more characters than 2"),
    "few": ({"minItems": 1}, [], "a: fewer items than 1"),
    "many": ({"maxItems": 1}, [1, 2], "a: more items than 1"),
    "few names": ({"minProperties": 1}, {}, "a: fewer names than 1"),
    "many names": ({"maxProperties": 0}, {"x": 1}, "a: more names than 0"),
    "item": (
        {"items": ITEM},
        [{"n": 1}, {"n": "x"}],
        "a[1].n: expected integer, not string",
    ),
    "missing in an item": ({"items": ITEM}, [{}], "a[0]: missing 'n'"),
    "unknown in an item": (
        {"items": ITEM},
        [{"n": 1, "o": 2}],
        "a[0]: a name that is not known, among 'n', 'o'",
    ),
    "another keyword": ({"not": {}}, 1, "a: does not satisfy 'not'"),
    "alternatives": ({"anyOf": [{"type": "null"}]}, 1, "a: does not satisfy 'anyOf'"),
}


@pytest.mark.parametrize(("schema", "value", "expected"), DEEPER.values(), ids=DEEPER)
def test_the_path_and_the_expectation_are_named(
    schema: dict[str, object], value: JsonValue, expected: str
) -> None:
    """DOM-5.2."""
    assert sentence({"a": value}, schema_of({"a": schema})) == expected


def test_a_sentence_is_bounded_and_shows_no_value() -> None:
    """DOM-5.3."""
    names = {f"\u202e{'n' * 200}{i}": "hunter2" for i in range(5_000)}
    nested = {"a": {"k\n" * 90: "hunter2"}}
    schema = schema_of({"a": {"additionalProperties": {"type": "integer"}}})

    for found in (
        method().check_parameters({**names}),
        method(schema).check_parameters(nested),
        method().check_parameters({"name": "hunter2", "count": "hunter2"}),
    ):
        assert found is not None
        assert len(found) <= 2_000
        assert found.isascii()
        assert found.isprintable()
        assert "hunter2" not in found


def test_of_many_unknown_names_twenty_are_shown() -> None:
    """DOM-5.1."""
    values: dict[str, JsonValue] = {f"x{i:03d}": 1 for i in range(25)}

    found = sentence({**values, "name": "x", "count": 1})

    assert "'x019' and 5 more" in found
    assert "x020" not in found


def test_every_missing_name_is_named_however_many() -> None:
    """DOM-5.1."""
    names = [f"n{i:02d}" for i in range(40)]

    found = sentence({}, schema_of({name: {} for name in names}, required=names))

    assert all(f"'{name}'" in found for name in names)


def test_a_result_is_checked_where_a_schema_is_declared() -> None:
    """DOM-5.4."""
    checked = method(result=schema_of({"n": {"type": "integer"}}, required=["n"]))

    assert method().check_result({"anything": 1}) is None
    assert checked.check_result({"n": 1}) is None
    assert checked.check_result({}) == "Result of sample.act refused: missing 'n'."
    assert checked.check_result({"n": "x"}) == (
        "Result of sample.act refused: n: expected integer, not string."
    )
