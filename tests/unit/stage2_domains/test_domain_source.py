"""A domain's code as data: read from its module, judged, and never run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stage2_domains.contract import DomainResult
from stage2_domains.errors import RegistrationError
from stage2_domains.registry import DomainRegistry
from stage2_domains.source import (
    ALLOWED_IMPORTS,
    MAX_SOURCE_BYTES,
    DomainSource,
    is_importable,
)
from tests.unit.stage2_domains import sample_domains
from tests.unit.stage2_domains.sample_domains import Sample


class Typed(Sample):
    """As if it were typed at a prompt: its module has no source."""


Typed.__module__ = "no_such_module"


def python(code: bytes = b"", entry: str = "Made", **more: object) -> DomainSource:
    return DomainSource(kind="python", code=code, entry=entry, **more)  # type: ignore[arg-type]  # may be wrong on purpose


def test_a_domain_that_is_not_trusted_is_registered_with_its_module() -> None:
    """DOM-12.1."""
    registry = DomainRegistry()
    registry.register(Sample())
    found = registry.get("sample")

    assert found is not None
    assert found.source is not None
    assert found.source.code == Path(sample_domains.__file__).read_bytes()
    assert found.source.entry == "Sample"


def test_a_trusted_domain_runs_as_the_object_it_is() -> None:
    """DOM-12.1."""
    registry = DomainRegistry()
    registry.register(Sample(), trusted=True)
    found = registry.get("sample")

    assert found is not None
    assert found.source is None


def test_a_class_without_a_source_file_is_refused_with_what_to_do() -> None:
    """DOM-12.2."""
    with pytest.raises(RegistrationError, match=r"no source file.*trusted=True"):
        DomainRegistry().register(Typed())


def test_a_class_within_a_function_is_refused_with_what_to_do() -> None:
    """DOM-12.2."""

    class Local(Sample):
        """Nobody finds this by its name."""

    with pytest.raises(RegistrationError, match=r"top of its module.*trusted=True"):
        DomainRegistry().register(Local())


@pytest.mark.parametrize("entry", ["", ".", "a.", "a b", "1a", "é", "a..b", "a\n"])
def test_an_entry_that_names_no_class_is_refused(entry: str) -> None:
    """DOM-12.2."""
    with pytest.raises(RegistrationError):
        python(entry=entry)


def test_the_source_has_a_bound() -> None:
    """DOM-12.2."""
    python(b"#" * MAX_SOURCE_BYTES)
    with pytest.raises(RegistrationError, match="at most"):
        python(b"#" * (MAX_SOURCE_BYTES + 1))


def test_an_import_that_no_box_offers_is_refused_by_name() -> None:
    """DOM-12.3."""
    assert python(imports=("decimal",)).imports == ("decimal",)
    with pytest.raises(RegistrationError, match="'socket'"):
        python(imports=("decimal", "socket"))


def test_the_digest_covers_every_part() -> None:
    """DOM-12.4."""
    plain = python()
    others = [
        python(b"x"),
        python(entry="Other"),
        python(imports=("json",)),
        DomainSource(kind="wasm", code=b"", entry="Made"),
    ]

    assert len({plain.digest, *(one.digest for one in others)}) == 5
    assert python().digest == plain.digest
    with pytest.raises(dataclasses.FrozenInstanceError):
        plain.digest = ""  # type: ignore[misc]  # what is tried


def test_only_the_contract_and_harmless_modules_may_be_imported() -> None:
    """DOM-12.3."""
    allowed = ["json", "collections.abc", "stage2_domains", "stage2_domains.contract"]
    refused = ["os", "sys", "socket", "ctypes", "stage2_domains.registry", "json.tool"]

    assert all(map(is_importable, allowed))
    assert not any(map(is_importable, refused))
    assert ALLOWED_IMPORTS.isdisjoint({"os", "sys", "gc", "builtins", "importlib"})
    assert DomainResult.__module__ == "stage2_domains.contract"
