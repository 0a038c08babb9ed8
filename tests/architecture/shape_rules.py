"""Rules about the shape of a file: its docstring, exports, documentation, length.

Each is a function from one file to its findings; ``SHAPE_RULES`` lists them all. Style
beyond this is the linter's.
"""

import ast
from collections.abc import Callable, Iterator
from typing import Final

from tests.architecture.source_tree import Source

__all__ = ["SHAPE_RULES"]

MAX_LINES: Final = 400


def starts_with_docstring_and_exports(source: Source) -> list[str]:
    """Every module says what it is; one that defines anything lists its exports."""
    found = []
    if not ast.get_docstring(source.tree):
        found.append(f"{source.path}:1: no module docstring")
    exports = _exports(source.tree)
    if exports is None and all(map(_says_nothing, source.tree.body)):
        return found
    if exports is None:
        found.append(f"{source.path}:1: no __all__ made of literal names")
    elif exports != sorted(exports, key=_export_order):
        found.append(f"{source.path}:1: __all__ is not sorted")
    return found


def public_things_are_documented(source: Source) -> list[str]:
    """Every public class, function and method has a docstring."""
    return [
        source.at(node, f"{node.name} has no docstring")
        for node in _public_definitions(source.tree)
        if not ast.get_docstring(node)
    ]


def files_are_short(source: Source) -> list[str]:
    """At most 400 lines to a file."""
    count = len(source.text.splitlines())
    if count <= MAX_LINES:
        return []
    return [f"{source.path}:{MAX_LINES}: {count} lines, at most {MAX_LINES}"]


SHAPE_RULES: Final[tuple[Callable[[Source], list[str]], ...]] = (
    starts_with_docstring_and_exports,
    public_things_are_documented,
    files_are_short,
)


def _says_nothing(node: ast.stmt) -> bool:
    """Whether a statement is a docstring or a ``__future__`` import."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _exports(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if not any(ast.unparse(one) == "__all__" for one in targets):
            continue
        if isinstance(node.value, ast.List | ast.Tuple):
            return [ast.literal_eval(item) for item in node.value.elts]
    return None


def _export_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: the order that ruff keeps."""
    if name.isupper():
        return 0, name
    return (1 if name.lstrip("_")[:1].isupper() else 2), name


def _public_definitions(
    tree: ast.Module | ast.ClassDef,
) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name.startswith("_") or _inherits_its_docstring(node):
                continue
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public_definitions(node)


def _inherits_its_docstring(node: ast.FunctionDef | ast.ClassDef) -> bool:
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    return any(
        mark.rpartition(".")[2] in {"deleter", "overload", "override", "setter"}
        for mark in marks
    )
