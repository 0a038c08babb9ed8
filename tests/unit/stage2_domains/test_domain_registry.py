"""The registry: DOM-6."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType, ModuleType

import pytest

from stage2_domains.contract import Budget, DomainResult, MethodSpec, Stage2Domain
from stage2_domains.errors import RegistrationError, RegistryFrozenError
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.registry import MAX_METHODS, MAX_NAME, DomainRegistry
from tests.unit.stage2_domains.sample_domains import CLOSED, Sample

SPEC = MethodSpec(parameters=CLOSED)

WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "no domain": (object, "expected an instance"),
    "the class itself": (lambda: Sample, "expected an instance"),
    "no name": (lambda: Sample(name=None), "ASCII identifier"),
    "an empty name": (lambda: Sample(name=""), "ASCII identifier"),
    "a dotted name": (lambda: Sample(name="a.b"), "ASCII identifier"),
    "a look-alike": (lambda: Sample(name="\u0430pollo"), "ASCII identifier"),
    "a long name": (lambda: Sample(name="a" * (MAX_NAME + 1)), "more than 64"),
    "no methods": (lambda: Sample(methods={}), "must declare its methods"),
    "a list of methods": (lambda: Sample(methods=["act"]), "must declare its methods"),
    "a wrong method name": (lambda: Sample(methods={"a b": SPEC}), "ASCII identifier"),
    "a number for a name": (lambda: Sample(methods={1: SPEC}), "ASCII identifier"),
    "a bare schema": (lambda: Sample(methods={"a": CLOSED}), "by a MethodSpec"),
    "too many methods": (
        lambda: Sample(methods={f"m{i}": SPEC for i in range(MAX_METHODS + 1)}),
        "more than 64 methods",
    ),
    "a description that is no text": (lambda: Sample(description=1), "short text"),
    "a long description": (lambda: Sample(description="x" * 2_001), "short text"),
    "an example of no object": (lambda: Sample(example=[]), "expected an object"),
    "an example that is not plain": (lambda: Sample(example={"a": {1}}), "a set"),
    "an example that does not fit": (
        lambda: Sample(example={"name": "x"}),
        "missing 'count'",
    ),
}


@pytest.mark.parametrize(("make", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_declaration_is_refused_and_leaves_nothing(
    make: Callable[[], Stage2Domain], words: str
) -> None:
    """DOM-6.1, DOM-6.2."""
    registry = DomainRegistry()

    with pytest.raises(RegistrationError, match=words):
        registry.register(make())

    assert registry.names() == ()


def test_the_bounds_themselves_are_accepted() -> None:
    """DOM-6.1."""
    registry = DomainRegistry()

    registry.register(Sample(name="a" * MAX_NAME, description="x" * 2_000))
    registry.register(
        Sample(name="_b", methods={f"m{i}": SPEC for i in range(MAX_METHODS)})
    )

    assert len(registry) == 2


@pytest.mark.parametrize(
    "budget",
    [
        None,
        {"wall_ms": 1},
        Budget(wall_ms=0),
        Budget(cpu_s=-1),
        Budget(memory_mb=True),
        Budget(result_bytes=2**31 + 1),
        Budget(depth=33),
        Budget(wall_ms=1.5),  # type: ignore[arg-type]  # the point of the test
    ],
)
def test_a_wrong_budget_is_refused(budget: Budget) -> None:
    """DOM-6.1."""
    domain = Sample()
    domain.budget = budget

    with pytest.raises(RegistrationError, match="budget"):
        DomainRegistry().register(domain)


def test_a_name_is_registered_once() -> None:
    """DOM-6.2."""
    registry = DomainRegistry()
    first = Sample()
    registry.register(first)

    with pytest.raises(RegistrationError, match="already registered"):
        registry.register(Sample())
    builtin = DomainRegistry.builtin()
    with pytest.raises(RegistrationError, match="already registered"):
        builtin.register(Sample(name="apollo"))

    found = registry.get("sample")
    assert found is not None
    assert found.domain is first


def test_only_a_trusted_domain_runs_in_the_process_of_the_executor() -> None:
    """DOM-6.3."""
    registry = DomainRegistry.builtin()
    registry.register(Sample())
    registry.register(Sample(name="known"), trusted=True)

    tiers = {name: registry.get(name) for name in registry.names()}

    assert {name: one.tier for name, one in tiers.items() if one} == {
        "apollo": "in_process",
        "dionysus": "in_process",
        "hephaestus": "in_process",
        "hermes": "in_process",
        "known": "in_process",
        "sample": "process",
    }
    assert [name for name, one in tiers.items() if one and one.built_in] == [
        "apollo", "dionysus", "hephaestus", "hermes",
    ]  # fmt: skip


def test_the_number_of_domains_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """DOM-6.2."""
    monkeypatch.setattr("stage2_domains.registry.MAX_DOMAINS", 2)
    registry = DomainRegistry()
    registry.register(Sample(name="a"))
    registry.register(Sample(name="b"))

    with pytest.raises(RegistrationError, match="at most 2 domains"):
        registry.register(Sample(name="c"))


def test_a_frozen_registry_refuses_registration() -> None:
    """DOM-6.4."""
    registry = DomainRegistry()
    assert not registry.is_frozen
    registry.freeze()
    registry.freeze()

    with pytest.raises(RegistryFrozenError):
        registry.register(Sample())

    assert registry.is_frozen
    assert registry.names() == ()


def test_names_are_compared_exactly() -> None:
    """DOM-6.2; rules 2B.7."""
    registry = DomainRegistry.builtin()

    for name in ("Apollo", "apollo ", "apol", "", "\u0430pollo"):
        assert registry.get(name) is None


def test_what_is_changed_afterwards_changes_nothing_inside() -> None:
    """DOM-6.5."""
    schema: dict[str, object] = {"type": "object", "properties": {"a": {}}}
    example: dict[str, object] = {"a": [1]}
    methods = {"act": MethodSpec(parameters=schema, example=example)}
    registry = DomainRegistry()
    domain = Sample(methods=methods)
    registry.register(domain)
    found = registry.get("sample")
    assert found is not None
    method = found.methods["act"]

    schema["required"] = ["b"]
    example["a"] = 2
    methods.clear()
    domain.name = "other"
    method.parameters["properties"] = {}
    assert method.example is not None
    method.example["a"] = 3

    assert method.check_parameters({}) is None
    assert method.parameters == {"type": "object", "properties": {"a": {}}}
    assert method.example == {"a": [1]}
    assert method.result is None
    assert list(found.methods) == ["act"]
    assert isinstance(found.methods, MappingProxyType)
    assert registry.names() == ("sample",)


# --- the digest --------------------------------------------------------------

SOURCE = """
from stage2_domains.contract import Budget, DomainResult, MethodSpec, Stage2Domain


class Made(Stage2Domain):
    name = "made"
    methods = {"act": MethodSpec(parameters={"type": "object"})}

    def invoke(self, method, parameters):
        return DomainResult(True, {})
"""


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("made_domain", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["made_domain"] = module
    spec.loader.exec_module(module)
    return module


def digest_of(path: Path, source: str, *, trusted: bool = True) -> str:
    path.write_text(source, "utf-8")
    try:
        domain = load(path).Made()
        registry = DomainRegistry()
        registry.register(domain, trusted=trusted)
    finally:
        del sys.modules["made_domain"]
    found = registry.get(domain.name)
    assert found is not None
    return found.digest


CHANGES = {
    "source": ("DomainResult(True, {})", "DomainResult(True, {'a': 1})"),
    "comment": ("class Made", "# a word\nclass Made"),
    "name": ('"made"', '"maid"'),
    "method": ('"act"', '"do"'),
    "schema": ('"type": "object"', '"type": "object", "maxProperties": 1'),
    "budget": ("    name", "    budget = Budget(cpu_s=1)\n    name"),
}


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
def test_the_digest_changes_with_what_the_domain_is(
    tmp_path: Path, before: str, after: str
) -> None:
    """DOM-6.6."""
    first = digest_of(tmp_path / "made.py", SOURCE)

    assert digest_of(tmp_path / "made.py", SOURCE.replace(before, after)) != first
    assert digest_of(tmp_path / "made.py", SOURCE) == first
    assert first.startswith("sha256:")
    assert len(first) == 71


def test_the_digest_changes_with_the_tier(tmp_path: Path) -> None:
    """DOM-6.6."""
    path = tmp_path / "made.py"

    assert digest_of(path, SOURCE) != digest_of(path, SOURCE, trusted=False)


class Typed(Sample):
    """As if it were typed at a prompt: its module has no source."""


Typed.__module__ = "no_such_module"


def digest_without_source(domain: Sample, *, trusted: bool = True) -> str:
    registry = DomainRegistry()
    registry.register(domain, trusted=trusted)
    found = registry.get(domain.name)
    assert found is not None
    return found.digest


def with_budget(domain: Sample) -> Sample:
    domain.budget = Budget(cpu_s=3)
    return domain


def test_each_part_of_the_declaration_counts_where_there_is_no_source() -> None:
    """DOM-6.6: nothing else than the part named differs."""
    digests = {
        "plain": digest_without_source(Typed()),
        "name": digest_without_source(Typed(name="other")),
        "method": digest_without_source(Typed(methods={"do": SPEC})),
        "parameters": digest_without_source(Typed({"type": "object"})),
        "result": digest_without_source(Typed(result={"type": "object"})),
        "budget": digest_without_source(with_budget(Typed())),
        "source": digest_without_source(Sample()),
    }

    assert len(set(digests.values())) == len(digests)
    assert digest_without_source(Typed(dict(CLOSED))) == digests["plain"]


def test_the_source_is_read_and_not_executed(tmp_path: Path) -> None:
    """DOM-6.6: the file says something else by the time it is read."""
    path = tmp_path / "made.py"
    path.write_text(SOURCE, "utf-8")
    module = load(path)
    path.write_text("raise SystemExit('executed')", "utf-8")

    DomainRegistry().register(module.Made())
    path.unlink()
    DomainRegistry().register(module.Made(), trusted=True)

    del sys.modules["made_domain"]


def test_the_digests_of_the_built_in_domains_differ_and_repeat() -> None:
    """DOM-6.6."""
    first, second = DomainRegistry.builtin(), DomainRegistry.builtin()
    digests = [
        (found.digest, again.digest)
        for name in first.names()
        if (found := first.get(name)) and (again := second.get(name))
    ]

    assert all(one == other for one, other in digests)
    assert len({one for one, _ in digests}) == 4


def test_registering_runs_nothing_of_the_domain() -> None:
    """DOM-6.6."""

    class Loud(Stage2Domain):
        name = "loud"
        methods = MappingProxyType({"act": SPEC})

        def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
            raise AssertionError(method, parameters)

    registry = DomainRegistry()
    registry.register(Loud(), trusted=True)

    assert registry.names() == ("loud",)
    assert repr(registry) == "DomainRegistry(loud)"
