"""Calling a built-in method through its declaration, as the executor does."""

from stage2_domains.canonical import JsonObject, JsonValue, canonical_bytes, parse
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.registry import DomainRegistry, RegisteredDomain, RegisteredMethod

REGISTRY = DomainRegistry.builtin()


def domain_of(name: str) -> RegisteredDomain:
    """Return a built-in domain."""
    found = REGISTRY.get(name)
    assert found is not None
    return found


def method_of(domain: str, method: str) -> RegisteredMethod:
    """Return a built-in method."""
    return domain_of(domain).methods[method]


METHODS = [
    (name, method) for name in REGISTRY.names() for method in domain_of(name).methods
]


def call(domain: str, method: str, given: JsonObject) -> JsonObject:
    """Check, call, check again, and return the data as its receiver reads it."""
    registered = method_of(domain, method)
    data = canonical_bytes(given)
    assert registered.check_parameters(parse(data)) is None
    result = domain_of(domain).domain.invoke(method, IsolatedParameters(data))
    assert result.success, result.error
    found = parse(canonical_bytes(result.data))
    assert isinstance(found, dict)
    assert registered.check_result(found) is None
    return found


def refusal(domain: str, method: str, given: JsonObject) -> str:
    """Return why the method refuses parameters that its schema accepts."""
    assert method_of(domain, method).check_parameters(given) is None
    result = domain_of(domain).domain.invoke(method, IsolatedParameters(given))
    assert not result.success
    assert result.data is None
    assert result.error
    return result.error


def at(value: JsonValue, *path: str | int) -> JsonValue:
    """Walk into plain data by names and positions."""
    for step in path:
        if isinstance(step, int):
            assert isinstance(value, list)
            value = value[step]
        else:
            assert isinstance(value, dict)
            value = value[step]
    return value
