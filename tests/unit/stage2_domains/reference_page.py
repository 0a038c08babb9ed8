"""Writes the reader's page about the built-in domains from what they declare.

Run this file to write ``docs/reference/domains.md`` anew; a test compares the two.
"""

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from stage2_domains.canonical import JsonObject, JsonValue
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.registry import DomainRegistry, RegisteredDomain, RegisteredMethod
from stage2_domains.tabled import TabledDomain

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "domains.md"

INTRODUCTION = """# The built-in domains

Four domains ship with Stage-3. Each method works on its own parameters and nothing
else: no clock, randomness, file or network; the same parameters always give the same
result.
Parameters that are missing or unknown are refused before the domain runs, by name. What
fits the schema and still cannot be used (a date that is none, an unknown topic) gives
an unsuccessful result with one sentence.

Every result also carries `domain` and `method`. In the tables, **bold** names are
required. The same facts are in `stage3 domains describe`, and in Python:

```python
from stage2_domains import DomainRegistry

method = DomainRegistry.builtin().get("apollo").methods["analyze_habits"]
method.parameters    # the JSON Schema of the parameters
method.example       # parameters to try
method.check_parameters({})
# "Parameters of apollo.analyze_habits refused: missing 'habits'."
```
"""


def render() -> str:
    """Return the whole page."""
    registry = DomainRegistry.builtin()
    parts = [INTRODUCTION]
    for name in registry.names():
        found = registry.get(name)
        assert found is not None
        parts.append(f"\n## {name}\n\n{found.domain.__doc__}\n")
        parts.extend(_method(found, method) for method in found.methods.values())
    return "".join(parts)


def _method(found: RegisteredDomain, method: RegisteredMethod) -> str:
    example = method.example
    assert example is not None
    answer = found.domain.invoke(method.name, IsolatedParameters(example))
    assert answer.data is not None
    data = {k: v for k, v in answer.data.items() if k not in ("domain", "method")}
    rows = "\n".join(_rows(method.parameters))
    result = method.result
    assert result is not None
    keys = result["required"]
    assert isinstance(keys, list)
    shown = ", ".join(f"`{key}`" for key in keys if key in data)
    return (
        f"\n### {found.name}.{method.name}\n\n{method.description}\n\n"
        f"{_explained(found, method.name)}"
        f"| parameter | what |\n|---|---|\n{rows}\n\n"
        f"Result: {shown}.\n\n"
        f"Parameters, for example:\n\n```json\n{_json(example)}\n```\n\n"
        f"Result:\n\n```json\n{_json(data)}\n```\n"
    )


def _explained(found: RegisteredDomain, method: str) -> str:
    """Return the docstring of the function that answers, as Markdown."""
    assert isinstance(found.domain, TabledDomain)
    text = inspect.getdoc(found.domain.handlers[method]) or ""
    return f"{text.replace('``', '`')}\n\n"


def _rows(schema: JsonObject, prefix: str = "") -> Iterator[str]:
    properties, required = schema["properties"], schema["required"]
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    ordered = sorted(properties, key=lambda name: (name not in required, name))
    for name in ordered:
        one = properties[name]
        assert isinstance(one, dict)
        path = f"`{prefix}{name}`"
        yield f"| {f'**{path}**' if name in required else path} | {_words(one)} |"
        items = one.get("items")
        if isinstance(items, dict) and items.get("type") == "object":
            yield from _rows(items, f"{prefix}{name}[].")
        elif "properties" in one:
            yield from _rows(one, f"{prefix}{name}.")


def _words(schema: JsonObject) -> str:
    kind = schema.get("type")
    if "enum" in schema:
        values = schema["enum"]
        assert isinstance(values, list)
        return " or ".join(f"`{value}`" for value in values)
    if isinstance(kind, list):
        return " or ".join(str(one) for one in kind) + _limits(schema)
    if kind == "array":
        items = schema.get("items")
        assert isinstance(items, dict)
        inner = "objects" if items.get("type") == "object" else _words(items)
        return f"list of {inner}{_limits(schema)}"
    values = schema.get("additionalProperties")
    if kind == "object" and isinstance(values, dict):
        return f"object of {_words(values)}{_limits(schema)}"
    return f"{kind}{_limits(schema)}"


LIMITS = {
    "minimum": "from {}",
    "maximum": "to {}",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "maxProperties": "at most {} names",
}


def _limits(schema: JsonObject) -> str:
    found = [
        words.format(schema[key]) for key, words in LIMITS.items() if schema.get(key, 0)
    ]
    if schema.get("minimum") == 0:
        found.insert(0, "from 0")
    return f", {' '.join(found)}" if found else ""


def _json(value: dict[str, JsonValue] | dict[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), "utf-8")
