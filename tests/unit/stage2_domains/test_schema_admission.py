"""Which schemas a domain may bring: DOM-4."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stage2_domains.admission import MAX_SCHEMA_BYTES, MAX_SUBSCHEMAS
from stage2_domains.errors import RegistrationError, SchemaRefusedError
from stage2_domains.registry import DomainRegistry
from stage2_domains.schema import CompiledSchema
from tests.unit.stage2_domains.sample_domains import Sample, schema_of


def register(schema: object, **spec: object) -> None:
    DomainRegistry().register(Sample(schema, **spec))


NOT_A_SCHEMA: dict[str, object] = {
    "a text": "object",
    "a list": [],
    "for another type": {"type": "array"},
    "for several types": {"type": ["object", "null"]},
    "for any type": {},
    "true": True,
    "another dialect": {
        "type": "object",
        "$schema": "http://json-schema.org/draft-07/schema#",
    },
    "not plain data": schema_of({"a": {"enum": (1, 2)}}),
    "an unknown type": schema_of({"a": {"type": "text"}}),
    "a negative bound": schema_of({"a": {"maxItems": -1}}),
    "required is no list": schema_of({}, required="a"),
    "definitions are a list": schema_of({}, **{"$defs": []}),
    "properties is a list": {"type": "object", "properties": []},
}


@pytest.mark.parametrize("schema", NOT_A_SCHEMA.values(), ids=NOT_A_SCHEMA)
def test_what_is_no_object_schema_of_2020_12_is_refused(schema: object) -> None:
    """DOM-4.1."""
    with pytest.raises(SchemaRefusedError) as caught:
        register(schema)

    assert "parameters of sample.act" in str(caught.value)
    assert isinstance(caught.value, RegistrationError)
    with pytest.raises(SchemaRefusedError, match=r"result of sample\.act"):
        register(None, result=schema)


REFUSED_KEYWORDS: dict[str, dict[str, object]] = {
    "pattern": {"pattern": "^a"},
    "patternProperties": {"patternProperties": {"a": {}}},
    "format": {"format": "date"},
    "$id": {"$id": "https://example.org/x"},
    "$anchor": {"$anchor": "a"},
    "$dynamicAnchor": {"$dynamicAnchor": "a"},
    "$dynamicRef": {"$dynamicRef": "#a"},
    "$recursiveRef": {"$recursiveRef": "#"},
    "unevaluatedProperties": {"unevaluatedProperties": False},
    "unevaluatedItems": {"unevaluatedItems": False},
    "dependencies": {"dependencies": {}},
}
WRAPPED = {
    "properties": lambda inner: schema_of({"a": inner}),
    "items": lambda inner: schema_of({"a": {"type": "array", "items": inner}}),
    "anyOf": lambda inner: schema_of({"a": {"anyOf": [{}, inner]}}),
    "not": lambda inner: schema_of({"a": {"not": inner}}),
    "if": lambda inner: schema_of({}, **{"if": {}, "then": {}, "else": inner}),
    "additionalProperties": lambda inner: schema_of({}, additionalProperties=inner),
    "propertyNames": lambda inner: schema_of({}, propertyNames=inner),
    "prefixItems": lambda inner: schema_of({"a": {"prefixItems": [inner]}}),
    "contains": lambda inner: schema_of({"a": {"contains": inner}}),
    "dependentSchemas": lambda inner: schema_of({}, dependentSchemas={"a": inner}),
    "an unused definition": lambda inner: schema_of({}, **{"$defs": {"x": inner}}),
    "a used definition": lambda inner: schema_of(
        {"a": {"$ref": "#/$defs/x"}}, **{"$defs": {"x": inner}}
    ),
}


@pytest.mark.parametrize("keyword", REFUSED_KEYWORDS)
@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_a_costly_keyword_is_refused_wherever_it_stands(
    keyword: str, wrap: Callable[[object], object]
) -> None:
    """DOM-4.3."""
    with pytest.raises(SchemaRefusedError, match="is not allowed"):
        register(wrap(REFUSED_KEYWORDS[keyword]))


def test_a_property_may_have_the_name_of_a_refused_keyword() -> None:
    """DOM-4.3: a name is not a keyword."""
    names = {name: {"type": "string"} for name in REFUSED_KEYWORDS}

    register(schema_of(names, required=["pattern"]))


REFERENCES = {
    "elsewhere": "https://example.org/schema",
    "a file": "file:///etc/passwd",
    "the whole": "#",
    "an anchor": "#a",
    "into a definition": "#/$defs/x/properties/a",
    "into properties": "#/properties/a",
    "missing": "#/$defs/y",
    "relative": "other.json",
}


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=REFERENCES)
def test_a_reference_to_anything_but_a_definition_is_refused(reference: str) -> None:
    """DOM-4.4."""
    with pytest.raises(SchemaRefusedError, match=r"'\$ref' must name one of"):
        register(schema_of({"a": {"$ref": reference}}, **{"$defs": {"x": {}}}))


def test_a_definition_may_be_used_and_may_not_lead_back_to_itself() -> None:
    """DOM-4.4."""
    point = {"type": "object", "properties": {"x": {"$ref": "#/$defs/number"}}}
    used: dict[str, object] = {"number": {"type": "number"}, "point": point}
    schema = schema_of({"p": {"$ref": "#/$defs/point"}}, **{"$defs": used})
    register(schema)

    used["number"] = {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/point"}]}

    with pytest.raises(SchemaRefusedError, match="refers to itself"):
        register(schema)


def test_references_that_multiply_are_refused() -> None:
    """DOM-4.5: each level doubles, so forty levels are 10^12 subschemas."""
    levels = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)
    }
    schema = schema_of(
        {"a": {"$ref": "#/$defs/d0"}}, **{"$defs": {**levels, "d40": {}}}
    )

    with pytest.raises(SchemaRefusedError, match="more than 2048 subschemas"):
        register(schema)


def test_subschemas_are_accepted_to_the_bound_and_refused_beyond() -> None:
    """DOM-4.5: the root counts as one."""

    def with_values(count: int) -> dict[str, object]:
        return schema_of({"a": {"enum": list(range(count))}})

    register(with_values(MAX_SUBSCHEMAS - 2))
    with pytest.raises(SchemaRefusedError, match="more than 2048 subschemas"):
        register(with_values(MAX_SUBSCHEMAS - 1))


def test_unique_items_need_a_small_bound() -> None:
    """DOM-4.5: comparing every item with every other is quadratic."""

    def unique(**bound: object) -> dict[str, object]:
        return schema_of({"a": {"type": "array", "uniqueItems": True, **bound}})

    register(unique(maxItems=256))
    for schema in (unique(), unique(maxItems=257)):
        with pytest.raises(SchemaRefusedError, match="'uniqueItems' needs"):
            register(schema)


def test_a_schema_is_accepted_to_its_size_and_refused_beyond() -> None:
    """DOM-4.1."""
    frame = len('{"description":"","properties":{},"type":"object"}')
    register(schema_of({}, description="x" * (MAX_SCHEMA_BYTES - frame)))

    with pytest.raises(SchemaRefusedError, match="passes 65536 bytes"):
        register(schema_of({}, description="x" * (MAX_SCHEMA_BYTES - frame + 1)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_nothing_is_retrieved_to_judge_a_value(tmp_path: Path) -> None:
    """DOM-4.2: even for a schema that admission would have refused."""
    there = tmp_path / "there.json"
    there.write_text('{"type": "integer"}', "utf-8")
    compiled = CompiledSchema(
        {"type": "object", "properties": {"a": {"$ref": there.as_uri()}}}
    )

    with pytest.raises(Exception, match="Unresolvable"):
        compiled.refusal({"a": 1})


def test_a_schema_is_compiled_once() -> None:
    """DOM-4.6."""
    compiled = CompiledSchema({"type": "object"})

    assert compiled.compiled() is compiled.compiled()


def test_jsonschema_is_not_imported_before_it_is_needed() -> None:
    """DOM-4.6."""
    program = (
        "import sys; from stage2_domains import DomainRegistry\n"
        "method = DomainRegistry.builtin().get('apollo').methods['plan_routine']\n"
        "assert method.check_parameters({}) and 'jsonschema' not in sys.modules\n"
        "assert method.check_parameters(method.example) is None\n"
        "assert 'jsonschema' in sys.modules\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert (ran.returncode, ran.stderr) == (0, "")
