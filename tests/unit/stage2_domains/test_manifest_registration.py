"""Registering manifests: tiers, trust, digests, and installed packages: DOM-9."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stage2_domains.errors import (
    RegistrationError,
    RegistryFrozenError,
    SchemaRefusedError,
)
from stage2_domains.manifest import load_manifest
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.registry import DomainRegistry
from tests.architecture.source_tree import ROOT

WEATHER = ROOT / "examples/third_party_domain/acme_weather"
TRUSTED = """\
name = "sums"
tier = "in_process"
source = "sums.py"
class = "Sums"
[methods.add]
parameters = { type = "object" }
"""
CODE = """\
from dataclasses import dataclass
from stage2_domains.contract import DomainResult

@dataclass
class Sum:
    value: "int"

class Sums:
    def invoke(self, method, parameters):
        total = sum(parameters.get_copy()["numbers"])
        return DomainResult(success=True, data={"sum": Sum(total).value})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "sums.py").write_text(CODE)
    (tmp_path / "domain.toml").write_text(TRUSTED)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize("trusted", [False, True])
def test_a_declared_tier_is_the_tier(*, trusted: bool) -> None:
    """DOM-9.7: also where the operator trusts it; its code is not loaded."""
    registry = DomainRegistry()

    registry.register_manifest(WEATHER, trusted=trusted)

    found = registry.get("weather")
    assert found is not None
    assert (found.tier, found.built_in) == ("process", False)
    manifest = load_manifest(WEATHER)
    assert found.digest == manifest.digest
    assert found.source == manifest.source
    assert found.methods["summary"].example is not None
    stand_in = found.domain.invoke("summary", IsolatedParameters(b"{}"))
    assert (stand_in.success, stand_in.data) == (False, None)


def test_an_in_process_domain_needs_trust_and_nothing_of_it_runs_without(
    folder: Path,
) -> None:
    """DOM-9.8."""
    (folder / "sums.py").write_text("raise SystemExit('executed')")
    registry = DomainRegistry()

    with pytest.raises(RegistrationError, match="trusted=True only if you trust"):
        registry.register_manifest(folder / "domain.toml")

    assert len(registry) == 0


def test_a_trusted_domain_answers_as_its_code(folder: Path) -> None:
    """DOM-9.8: from the very bytes that were read."""
    manifest = load_manifest(folder)
    (folder / "sums.py").write_text("raise SystemExit('other bytes')")
    registry = DomainRegistry()

    registry.register_manifest(manifest, trusted=True)

    found = registry.get("sums")
    assert found is not None
    assert (found.tier, found.source) == ("in_process", None)
    answer = found.domain.invoke("add", IsolatedParameters(b'{"numbers":[2,3]}'))
    assert answer.data == {"sum": 5}


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise KeyError('gone')", "cannot be loaded: KeyError: 'gone'"),
        ("x = 1", "cannot be loaded: AttributeError"),
        ("def f(:", "cannot be loaded: SyntaxError"),
        ("class Sums:\n    def __init__(self, a): ...", "be loaded: TypeError"),
        ("class Sums: ...", "the class 'Sums' has no 'invoke'"),
    ],
)
def test_trusted_code_that_cannot_be_loaded_is_refused(
    code: str, why: str, folder: Path
) -> None:
    """DOM-9.8."""
    (folder / "sums.py").write_text(code)
    registry, before = DomainRegistry(), set(sys.modules)

    with pytest.raises(RegistrationError, match=why):
        registry.register_manifest(folder, trusted=True)

    assert len(registry) == 0
    if "class" not in code and "x" not in code:
        assert set(sys.modules) == before


def test_a_trusted_module_is_imported_by_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DOM-9.8."""
    package = folder / "acme_sums"
    package.mkdir()
    (package / "__init__.py").touch()
    (folder / "sums.py").rename(package / "sums.py")
    monkeypatch.syspath_prepend(str(folder))
    (folder / "domain.toml").write_text(
        TRUSTED.replace('source = "sums.py"', 'module = "acme_sums.sums"')
    )
    registry = DomainRegistry()

    registry.register_manifest(folder, trusted=True)

    assert "acme_sums.sums" in sys.modules
    assert registry.names() == ("sums",)


def test_a_name_is_registered_once_and_a_frozen_registry_refuses() -> None:
    """DOM-6.2, DOM-6.4."""
    registry = DomainRegistry()
    registry.register_manifest(WEATHER)

    with pytest.raises(RegistrationError, match="'weather' is already registered"):
        registry.register_manifest(WEATHER)
    registry.freeze()
    with pytest.raises(RegistryFrozenError):
        registry.register_manifest(WEATHER)


# --- installed packages ------------------------------------------------------------


def install(site: Path, points: str) -> None:
    """Make the metadata of an installed package with these entry points."""
    about = site / "acme_weather-0.1.0.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-weather\n")
    (about / "entry_points.txt").write_text(f"[stage3.domains]\n{points}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages whose package must not be imported."""
    package = tmp_path / "site" / "acme_weather"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    for file in ("domain.toml", "weather.py", "schemas/days.json"):
        (package / file).parent.mkdir(exist_ok=True)
        (package / file).write_bytes((WEATHER / file).read_bytes())
    (package / "schemas" / "summary.json").write_bytes(
        (WEATHER / "schemas" / "summary.json").read_bytes()
    )
    monkeypatch.syspath_prepend(str(package.parent))
    return package.parent


@pytest.mark.parametrize(
    "value", ["acme_weather:domain.toml", "acme_weather", "acme_weather : domain.toml"]
)
def test_installed_domains_are_found_when_asked_and_not_imported(
    value: str, site: Path
) -> None:
    """DOM-9.9."""
    install(site, f"weather = {value}")

    registry = DomainRegistry.with_entry_points()

    assert "weather" not in DomainRegistry.builtin().names()
    assert registry.names() == (*DomainRegistry.builtin().names(), "weather")
    assert "acme_weather" not in sys.modules


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ("rain = acme_weather:domain.toml", "the manifest's name is 'weather'"),
        ("weather = acme_gone", "there is no package 'acme_gone'"),
        ("weather = acme_weather:gone.toml", "'gone.toml' cannot be read"),
        ("weather = acme_weather[extra]", "expected 'package' or 'package:domain.tom"),
        ("weather = acme_weather:../x", "expected 'package' or 'package:domain.toml'"),
        ("weather = acme_weather.__init__", "there is no package"),
    ],
)
def test_an_entry_point_that_is_wrong_is_refused_by_name(
    points: str, why: str, site: Path
) -> None:
    """DOM-9.9."""
    install(site, points)

    with pytest.raises(RegistrationError, match=why) as refused:
        DomainRegistry.with_entry_points()

    name = points.partition(" ")[0]
    assert f"entry point '{name}' of 'acme-weather' in stage3.domains: " in str(
        refused.value
    )


def test_a_schema_of_a_package_is_refused_by_the_packages_name(site: Path) -> None:
    """DOM-9.9: and stays the error of a schema."""
    install(site, "weather = acme_weather")
    days = site / "acme_weather" / "schemas" / "days.json"
    days.write_text('{"type": "object", "pattern": "a+"}')

    with pytest.raises(SchemaRefusedError, match="'weather' of 'acme-weather' in"):
        DomainRegistry.with_entry_points()


def test_a_package_cannot_take_the_name_of_a_domain_that_is_there(site: Path) -> None:
    """DOM-6.2, DOM-9.9."""
    install(site, "apollo = acme_weather")
    manifest = site / "acme_weather" / "domain.toml"
    text = manifest.read_text().replace('name = "weather"', 'name = "apollo"')
    manifest.write_text(text)

    with pytest.raises(RegistrationError, match="installed by 'acme-weather': the"):
        DomainRegistry.with_entry_points()


def test_an_installed_in_process_domain_needs_its_name_among_the_trusted(
    site: Path,
) -> None:
    """DOM-9.8, DOM-9.9."""
    install(site, "sums = acme_weather:sums.toml")
    (site / "acme_weather" / "sums.toml").write_text(TRUSTED)
    (site / "acme_weather" / "sums.py").write_text(CODE)

    with pytest.raises(RegistrationError, match="declares the tier in_process"):
        DomainRegistry.with_entry_points()
    assert "sums" in DomainRegistry.with_entry_points(trusted={"sums"}).names()
