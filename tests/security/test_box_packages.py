"""Packages that are not what their digest says, or ask for more than a machine has."""

from __future__ import annotations

import importlib.util
import marshal
import sys
from typing import TYPE_CHECKING, Final

import pytest

from stage2_domains.contract import Budget, DomainResult, MethodSpec, Stage2Domain
from stage2_domains.errors import RegistrationError
from stage2_domains.manifest import load_manifest
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.registry import DomainRegistry

if TYPE_CHECKING:
    from pathlib import Path

CODE: Final = """
from stage2_domains.contract import DomainResult

class Said:
    def invoke(self, method, parameters):
        return DomainResult(True, {"word": "as read"})
"""
MANIFEST: Final = """
name = "said"
tier = "in_process"
module = "%s.said"
class = "Said"
[methods.run]
parameters = { type = "object" }
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a package of a name nobody has loaded, and forget it afterwards."""
    name = f"acme_{tmp_path.name.replace('-', '_')}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "said.py").write_text(CODE)
    (folder / "domain.toml").write_text(MANIFEST % name)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for module in (name, f"{name}.said"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return folder


def word(registry: DomainRegistry) -> object:
    found = registry.get("said")
    assert found is not None
    answer = found.domain.invoke("run", IsolatedParameters(b"{}"))
    assert answer.data is not None
    return answer.data["word"]


def other(code: str) -> str:
    return code.replace("as read", "another")


def test_code_that_was_compiled_before_is_not_what_runs(package: Path) -> None:
    """DOM-9.8: Python would believe a file that says it needs no checking."""
    source = package / "said.py"
    compiled = compile(other(CODE), str(source), "exec")
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    cached = importlib.util.cache_from_source(str(source))
    (package / "__pycache__").mkdir()
    with open(cached, "wb") as file:  # noqa: PTH123 - a name as text
        file.write(head + marshal.dumps(compiled))
    registry = DomainRegistry()
    registry.register_manifest(package, trusted=True)

    assert word(registry) == "as read"


def test_code_that_changed_since_it_was_read_is_not_what_runs(package: Path) -> None:
    """DOM-9.8."""
    manifest = load_manifest(package)
    (package / "said.py").write_text(other(CODE))
    registry = DomainRegistry()
    registry.register_manifest(manifest, trusted=True)

    assert word(registry) == "as read"


def test_a_module_that_is_loaded_must_still_be_what_was_read(package: Path) -> None:
    """DOM-9.8: nobody else can be told to load it again."""
    first, second = DomainRegistry(), DomainRegistry()
    first.register_manifest(package, trusted=True)
    second.register_manifest(package, trusted=True)
    (package / "said.py").write_text(other(CODE))

    assert word(first) == word(second) == "as read"
    with pytest.raises(RegistrationError, match="loaded already"):
        DomainRegistry().register_manifest(package, trusted=True)


class Greedy(Stage2Domain):
    """Declares a budget; never runs."""

    name = "greedy"
    methods = {"run": MethodSpec({"type": "object"})}  # noqa: RUF012 - as the contract asks

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Never run."""
        raise AssertionError((method, parameters))


MOST: Final = {
    "wall_ms": 3_600_000,
    "cpu_s": 3_600,
    "memory_mb": 16_384,
    "result_bytes": 64 * 1024 * 1024,
    "depth": 32,
    "fuel": 2**31,
}


@pytest.mark.parametrize("key", MOST)
def test_no_budget_is_larger_than_a_host_can_bear(key: str) -> None:
    """DOM-6.7: the host makes room for an answer as large as was declared."""
    DomainRegistry().register(Greedy(Budget(**{key: MOST[key]})), trusted=True)
    with pytest.raises(RegistrationError, match=f"{key}.*{MOST[key]}"):
        DomainRegistry().register(Greedy(Budget(**{key: MOST[key] + 1})), trusted=True)
