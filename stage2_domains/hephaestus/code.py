"""The report on one or several Python snippets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stage2_domains.figures import mean, rounded
from stage2_domains.hephaestus.source import FunctionMeasure, Measure, measure
from stage2_domains.sentences import printable

if TYPE_CHECKING:
    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["MAX_SHOWN", "MAX_SOURCE", "analyze_code"]

MAX_SOURCE: Final = 120_000
"""Characters of all snippets together; CPython 3.11 parses a text that is one long
f-string in quadratic time."""

MAX_SHOWN: Final = 200
"""Rows of one kind in a report; the counts always cover everything."""

_LONGEST_NAME: Final = 200
_COMPLEXITY: Final = 10
_LINES: Final = 60
_NESTING: Final = 4
_PARAMETERS: Final = 6


def analyze_code(given: Record) -> Answer:
    """Measure snippets; functions are shown from the most to the least complex."""
    if isinstance(given.raw("code"), str):
        named = [("code", given.text("code"))]
    else:
        named = [(one.text("name"), one.text("code")) for one in given.records("code")]
    length = sum(len(source) for _, source in named)
    if length > MAX_SOURCE:
        raise given.refusal("code", f"{length} characters, at most {MAX_SOURCE}")
    measures = [(name, measure(source)) for name, source in named]
    functions = [(name, one) for name, found in measures for one in found.functions]
    functions.sort(key=lambda pair: -pair[1].complexity)
    complexities = [one.complexity for _, one in functions]
    return {
        "snippets_analyzed": len(measures),
        "analysis": {
            "lines": sum(found.lines for _, found in measures),
            "functions_count": len(functions),
            "classes_count": sum(len(found.classes) for _, found in measures),
            "syntax_errors": sum(found.error is not None for _, found in measures),
            "mean_complexity": rounded(mean(complexities)) if functions else None,
            "highest_complexity": max(complexities, default=None),
            "snippets": [_snippet(name, found) for name, found in measures],
            "functions": [_function(*pair) for pair in functions[:MAX_SHOWN]],
            **_lists(measures),
        },
    }


def _lists(measures: list[tuple[str, Measure]]) -> Answer:
    """Return what is listed over all snippets, in their order."""
    classes = [(name, row) for name, found in measures for row in found.classes]
    undocumented = [
        (name, one) for name, found in measures for one in found.undocumented
    ]
    imports = {one for _, found in measures for one in found.imports}
    findings = [
        (name, line, words)
        for name, found in measures
        for line, words in _findings(found)
    ]
    return {
        "classes": [
            {"snippet": name, "name": _name(row[0]), "line": row[1], "methods": row[2]}
            for name, row in classes[:MAX_SHOWN]
        ],
        "imports": [_name(one) for one in sorted(imports)[:MAX_SHOWN]],
        "missing_docstrings_count": len(undocumented),
        "missing_docstrings": [
            {"snippet": name, "name": _name(one)}
            for name, one in undocumented[:MAX_SHOWN]
        ],
        "findings_count": len(findings),
        "findings": [
            {"snippet": name, "line": line, "finding": words}
            for name, line, words in findings[:MAX_SHOWN]
        ],
    }


def _snippet(name: str, found: Measure) -> Answer:
    error = found.error
    return {
        "name": name,
        "lines": found.lines,
        "blank_lines": found.blank_lines,
        "functions": len(found.functions),
        "classes": len(found.classes),
        "syntax_error": None
        if error is None
        else {"line": error.line, "column": error.column, "message": error.message},
    }


def _function(snippet: str, one: FunctionMeasure) -> Answer:
    return {
        "snippet": snippet,
        "name": _name(one.name),
        "line": one.line,
        "lines": one.lines,
        "parameters": one.parameters,
        "complexity": one.complexity,
        "nesting": one.nesting,
        "has_docstring": one.has_docstring,
    }


def _findings(found: Measure) -> list[tuple[int, str]]:
    """Return line and words of what a reviewer would look at, by line."""
    findings = list(found.findings)
    for one in found.functions:
        name = _name(one.name)
        bounds = (
            ("complexity", one.complexity, _COMPLEXITY),
            ("lines", one.lines, _LINES),
            ("nesting", one.nesting, _NESTING),
            ("parameters", one.parameters, _PARAMETERS),
        )
        findings += [
            (one.line, f"{name}: {what} {value}, more than {bound}")
            for what, value, bound in bounds
            if value > bound
        ]
        findings += [(one.line, f"{name}: {words}") for words in one.findings]
    return sorted(findings)


def _name(name: str) -> str:
    return printable(name, _LONGEST_NAME)
