"""Python source measured through its syntax tree; the source is never run.

Lines, functions, classes, imports, cyclomatic complexity (McCabe, IEEE Trans.
Software Eng. SE-2:308, 1976), nesting and missing docstrings. A syntax error is a
finding, not a failure.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from stage2_domains.hephaestus.parsing import ADDED_LINES, SourceError, parse_source

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FunctionMeasure", "Measure", "measure"]

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_Scope: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_BRANCHES: Final = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.IfExp,
    ast.comprehension,
)
_NESTING: Final = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.TryStar,
    ast.Match,
)


@dataclass(frozen=True, slots=True)
class FunctionMeasure:
    """One function; nested functions are measured by themselves."""

    name: str
    """Qualified, as in ``Class.method``."""
    line: int
    lines: int
    parameters: int
    complexity: int
    nesting: int
    has_docstring: bool
    findings: tuple[str, ...]


@dataclass(slots=True)
class Measure:
    """One source text."""

    lines: int
    blank_lines: int
    error: SourceError | None = None
    """Where the source is not Python."""
    functions: list[FunctionMeasure] = field(default_factory=list)
    classes: list[tuple[str, int, int]] = field(default_factory=list)
    """Qualified name, line, number of methods."""
    imports: list[str] = field(default_factory=list)
    undocumented: list[str] = field(default_factory=list)
    """Public things without a docstring, the module as ``<module>``."""
    findings: list[tuple[int, str]] = field(default_factory=list)
    """Line and words."""


def measure(source: str) -> Measure:
    """Measure one source text of any content."""
    rows = source.splitlines()
    blank = sum(1 for row in rows if not row.strip())
    found = Measure(lines=len(rows), blank_lines=blank)
    tree = parse_source(source)
    if isinstance(tree, SourceError):
        found.error = tree
    else:
        _measure_tree(tree, found)
    return found


def _measure_tree(tree: ast.Module, found: Measure) -> None:
    if tree.body and ast.get_docstring(tree, clean=False) is None:
        found.undocumented.append("<module>")
    imports: set[str] = set()
    for node, scope, public in _walk(tree):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imports.add("." * node.level + (node.module or ""))
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            found.findings.append((node.lineno - ADDED_LINES, "bare except"))
        elif isinstance(node, _Scope):
            _measure_scope(node, scope, found, public=public)
    found.imports = sorted(imports)


def _walk(tree: ast.Module) -> Iterator[tuple[ast.AST, str, bool]]:
    """Give each node with the name of its scope and whether that scope is public.

    In source order, without recursion: a tree can be deeper than the stack.
    """
    pending: list[tuple[ast.AST, str, bool]] = [(tree, "", True)]
    while pending:
        node, scope, public = pending.pop()
        yield node, scope, public
        if isinstance(node, _Scope):
            scope = f"{scope}.{node.name}" if scope else node.name
            # What is defined inside a function cannot be reached from outside.
            is_class = isinstance(node, ast.ClassDef)
            public = public and is_class and not node.name.startswith("_")
        children = [(child, scope, public) for child in ast.iter_child_nodes(node)]
        pending.extend(reversed(children))


def _measure_scope(node: _Scope, scope: str, found: Measure, *, public: bool) -> None:
    name = f"{scope}.{node.name}" if scope else node.name
    documented = ast.get_docstring(node, clean=False) is not None
    if public and not node.name.startswith("_") and not documented:
        found.undocumented.append(name)
    if isinstance(node, ast.ClassDef):
        methods = sum(isinstance(child, _Function) for child in node.body)
        found.classes.append((name, node.lineno - ADDED_LINES, methods))
        return
    complexity, nesting = _branching(node)
    found.functions.append(
        FunctionMeasure(
            name=name,
            line=node.lineno - ADDED_LINES,
            lines=(node.end_lineno or node.lineno) - node.lineno + 1,
            parameters=_parameters(node.args),
            complexity=complexity,
            nesting=nesting,
            has_docstring=documented,
            findings=tuple(_mutable_defaults(node.args)),
        )
    )


def _branching(function: _Function) -> tuple[int, int]:
    """Return cyclomatic complexity and the deepest nesting of statements."""
    complexity, deepest = 1, 0
    pending: list[tuple[ast.AST, int]] = [(child, 0) for child in function.body]
    while pending:
        node, depth = pending.pop()
        if isinstance(node, _Scope):
            continue
        complexity += _decisions(node)
        if isinstance(node, _NESTING):
            depth += 1
            deepest = max(deepest, depth)
        for child in ast.iter_child_nodes(node):
            # ``elif`` is an ``If`` alone in ``orelse``: it nests no deeper.
            is_elif = isinstance(node, ast.If) and node.orelse == [child]
            below = depth - (is_elif and isinstance(child, ast.If))
            pending.append((child, below))
    return complexity, deepest


def _decisions(node: ast.AST) -> int:
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    if isinstance(node, ast.match_case):
        pattern = node.pattern
        catches_all = isinstance(pattern, ast.MatchAs) and pattern.pattern is None
        return 0 if catches_all and node.guard is None else 1
    return int(isinstance(node, _BRANCHES))


def _parameters(given: ast.arguments) -> int:
    named = len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs)
    return named + (given.vararg is not None) + (given.kwarg is not None)


def _mutable_defaults(given: ast.arguments) -> Iterator[str]:
    for default in (*given.defaults, *given.kw_defaults):
        if isinstance(default, ast.List | ast.Dict | ast.Set):
            yield "mutable default value"
