"""The programs of examples/executors, loaded as modules."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Final

from tests.architecture.source_tree import ROOT

__all__ = ["EXAMPLE", "loaded"]

EXAMPLE: Final = ROOT / "examples" / "executors"


def loaded(path: Path) -> ModuleType:
    """Load a program without running it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
