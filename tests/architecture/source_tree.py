"""The product's source files, parsed once, for the rules of this folder.

Nothing here is a test; the rules are in ``source_rules`` and the tests that apply and
break them in ``test_source_rules``.
"""

import ast
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = [
    "PACKAGES",
    "ROOMS_ARE_COMPLETE",
    "ROOT",
    "Source",
    "parse_source",
    "product_sources",
]

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("audit", "stage2_domains", "stage3", "tokens")

ROOMS_ARE_COMPLETE: Final = True
"""While False, modules that the contracts name and nobody wrote yet are passed over."""


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed file; ``path`` is relative to the repository, with slashes."""

    path: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """The dotted name, as in ``audit.store.sqlite``."""
        dotted = self.path.removesuffix(".py").replace("/", ".")
        return dotted.removesuffix(".__init__")

    @property
    def package(self) -> str:
        """The import package the file belongs to."""
        return self.path.partition("/")[0]

    def is_below(self, *prefixes: str) -> bool:
        """Whether the module is one of ``prefixes`` or inside one of them."""
        return any(
            self.module == prefix or self.module.startswith(f"{prefix}.")
            for prefix in prefixes
        )

    def at(self, node: ast.AST, message: str) -> str:
        """A finding as a person reads it: file, line, sentence."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {message}"


def parse_source(path: str, text: str) -> Source:
    """Parse ``text`` as if it were the file ``path`` of the repository."""
    return Source(path, text, ast.parse(text, filename=path))


@functools.cache
def product_sources() -> tuple[Source, ...]:
    """Every Python file of the four packages, in a stable order."""
    files = sorted(file for name in PACKAGES for file in (ROOT / name).rglob("*.py"))
    return tuple(
        parse_source(file.relative_to(ROOT).as_posix(), file.read_text("utf-8"))
        for file in files
    )
