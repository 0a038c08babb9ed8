"""Hephaestus' answers: DOM-8.10 to DOM-8.12."""

import subprocess
import sys
import textwrap
import traceback

import pytest

from stage2_domains.canonical import JsonObject, JsonValue
from stage2_domains.hephaestus.code import MAX_SOURCE
from stage2_domains.hephaestus.issue import HINTS
from tests.unit.stage2_domains.builtin_calls import at, call, refusal


def analyze(code: JsonValue) -> JsonObject:
    found = call("hephaestus", "analyze_code", {"code": code})["analysis"]
    assert isinstance(found, dict)
    return found


SOURCE = '''
"""A module."""
from __future__ import annotations
import os.path, sys
from . import sibling
from ..up import thing

class Public:
    """Documented."""

    def method(self, a, /, b, *c, d, **e):
        for x in a:
            if x and b or c:
                try:
                    pass
                except ValueError:
                    pass
        return [y for y in a if y if b]

    def _private(self): pass

    class Inner:
        async def run(self):
            async with a: return 1 if b else 2

def outer(x={}):
    def inner():
        if x: pass
    try: pass
    except: pass
'''


def test_functions_classes_and_imports_are_measured() -> None:
    """DOM-8.10: all numbers counted by hand."""
    analysis = analyze(SOURCE)
    rows = analysis["functions"]
    assert isinstance(rows, list)
    found = {
        at(row, "name"): tuple(
            at(row, key)
            for key in ("line", "lines", "parameters", "complexity", "nesting")
        )
        for row in rows
    }

    assert found == {
        # for, if, two boolean operators, except, comprehension with two conditions
        "Public.method": (11, 8, 6, 9, 3),
        "Public._private": (20, 1, 1, 1, 0),
        "Public.Inner.run": (23, 2, 1, 2, 1),
        "outer": (26, 5, 1, 2, 1),
        "outer.inner": (27, 2, 0, 2, 1),
    }
    assert analysis["classes"] == [
        {"snippet": "code", "name": "Public", "line": 8, "methods": 2},
        {"snippet": "code", "name": "Public.Inner", "line": 22, "methods": 1},
    ]
    assert analysis["imports"] == [".", "..up", "__future__", "os.path", "sys"]
    missing = analysis["missing_docstrings"]
    assert isinstance(missing, list)
    assert [at(one, "name") for one in missing] == [
        "Public.method", "Public.Inner", "Public.Inner.run", "outer",
    ]  # fmt: skip
    assert analysis["findings"] == [
        {"snippet": "code", "line": 26, "finding": "outer: mutable default value"},
        {"snippet": "code", "line": 30, "finding": "bare except"},
    ]
    assert at(analysis, "snippets", 0, "lines") == 30
    assert at(analysis, "snippets", 0, "blank_lines") == 6
    assert (analysis["mean_complexity"], analysis["highest_complexity"]) == (3.2, 9)


MATCH = """
def f(x):
    match x:
        case 1: pass
        case [a, _]: pass
        case b if b: pass
        case _: pass
"""
COMPLEX = {
    "def f(): pass": (1, 0),
    "def f():\n if a: pass\n elif b: pass\n elif c: pass\n else: pass": (4, 1),
    "def f():\n if a:\n  if b:\n   while c: pass": (4, 3),
    "def f():\n if a: pass\n else:\n  with b: pass": (2, 2),
    "def f(): return (lambda: 1 if a else 2)": (2, 0),
    "def f():\n try: pass\n except A: pass\n except B: pass\n finally: pass": (3, 1),
    "def f(): return a and b and c or d": (4, 0),
    "def f():\n class A:\n  if x: pass": (1, 0),
    MATCH: (4, 1),
}


@pytest.mark.parametrize(("source", "expected"), COMPLEX.items())
def test_complexity_and_nesting_follow_their_definitions(
    source: str, expected: tuple[int, int]
) -> None:
    """DOM-8.10."""
    row = at(analyze(source), "functions", 0)

    assert (at(row, "complexity"), at(row, "nesting")) == expected


def test_what_passes_a_bound_is_a_finding() -> None:
    """DOM-8.10: at the bound nothing is found, one beyond it is."""

    def source(size: int) -> str:
        ifs = "".join(f"    if a{i}: pass\n" for i in range(size))
        return f"def f():\n{ifs}"

    assert analyze(source(9))["findings"] == []
    assert at(analyze(source(10)), "findings", 0, "finding") == (
        "f: complexity 11, more than 10"
    )


@pytest.mark.parametrize(
    ("source", "line", "column", "words"),
    [
        ("x = 1\ny = (\n", 2, 5, "'(' was never closed"),
        ("def f(:\n  pass", 1, 7, "invalid syntax"),
        ("if x:\npass", 2, 1, "after 'if' statement on line 1"),
        ("x = 1\n  y = 2", 2, 2, "unexpected indent"),
        ('"""abc\n', 1, 1, "unterminated triple-quoted string literal"),
        ("a\0b", None, None, "null"),
        ("(" * 300, None, None, "too"),
    ],
)
def test_a_syntax_error_is_reported_as_data(
    source: str, line: int | None, column: int | None, words: str
) -> None:
    """DOM-8.10: with the positions of the source as given."""
    analysis = analyze([{"name": "bad", "code": source}, {"name": "good", "code": "x"}])
    error = at(analysis, "snippets", 0, "syntax_error")

    assert analysis["syntax_errors"] == 1
    assert at(analysis, "snippets", 1, "syntax_error") is None
    assert words in str(at(error, "message"))
    if line is not None:
        assert (at(error, "line"), at(error, "column")) == (line, column)


def test_source_is_accepted_to_the_bound_and_refused_beyond() -> None:
    """DOM-7.6, DOM-8.10."""
    half = "#" * (MAX_SOURCE // 2)
    both: list[JsonValue] = [{"name": "a", "code": half}, {"name": "b", "code": half}]

    assert analyze(both)["functions_count"] == 0
    assert "characters, at most" in refusal(
        "hephaestus", "analyze_code", {"code": [*both, {"name": "c", "code": "#"}]}
    )


def test_empty_source_is_measured() -> None:
    """DOM-8.10."""
    assert analyze("")["missing_docstrings"] == []
    assert analyze([])["lines"] == 0


# --- design ------------------------------------------------------------------


def design(**components: list[str]) -> JsonObject:
    requirements: list[JsonValue] = [
        {"component": name, "depends_on": list(others), "provides": [f"{name} API"]}
        for name, others in components.items()
    ]
    data = call("hephaestus", "design_system", {"requirements": requirements})
    assert data["requirements_count"] == len(components)
    found = data["design"]
    assert isinstance(found, dict)
    return found


def test_layers_stand_on_lower_layers() -> None:
    """DOM-8.11."""
    found = design(a=["b", "c", "x"], b=["d"], c=["d", "b"], d=[], e=["x", "y"])

    assert found["layers"] == [["d", "e"], ["b"], ["c"], ["a"]]
    assert found["cycles"] == []
    assert found["external"] == ["x", "y"]
    assert found["build_order"] == ["d", "b", "c", "a", "e"]
    assert at(found, "interfaces", 0) == {
        "component": "b",
        "provides": ["b API"],
        "used_by": ["a", "c"],
    }
    assert at(found, "components", 1) == {
        "component": "b",
        "layer": 1,
        "outgoing": 1,
        "incoming": 2,
        "instability": 0.333,
    }


def test_every_cycle_is_named_and_shares_a_layer() -> None:
    """DOM-8.11: a pair, a triangle, and one that needs itself."""
    found = design(a=["b"], b=["a", "z"], c=["d", "a"], d=["e"], e=["c"], s=["s"], z=[])

    assert found["cycles"] == [["a", "b"], ["c", "d", "e"], ["s"]]
    assert found["layers"] == [["s", "z"], ["a", "b"], ["c", "d", "e"]]


def test_a_component_named_twice_is_refused() -> None:
    """DOM-7.2, DOM-8.11."""
    twice: list[JsonValue] = [{"component": "a"}, {"component": "a"}]

    assert refusal("hephaestus", "design_system", {"requirements": twice}) == (
        "requirements[1].component: stands twice in the list"
    )


# --- tracebacks ----------------------------------------------------------------


def diagnose(text: str, *projects: str) -> JsonObject:
    given: JsonObject = {"issue": text, "project_paths": list(projects)}
    found = call("hephaestus", "debug_issue", given)["diagnosis"]
    assert isinstance(found, dict)
    return found


def frame(path: str, line: int = 1, function: str = "f") -> str:
    return f'  File "{path}", line {line}, in {function}\n    code()\n'


def report(*frames: str, error: str = "KeyError: 'k'") -> str:
    return f"Traceback (most recent call last):\n{''.join(frames)}{error}\n"


OURS, THEIRS, LIB = "/srv/app/a.py", "/srv/tool/b.py", "/usr/lib/python3.11/json/x.py"
PLACES: dict[str, tuple[list[str], list[str], str | None]] = {
    "innermost of the project": ([OURS, THEIRS], ["/srv/app"], OURS),
    "a relative path": ([OURS, THEIRS], ["app"], OURS),
    "one file": ([OURS, THEIRS], ["/srv/app/a.py/"], OURS),
    "no part of a name": (["/srv/apple/a.py", THEIRS], ["/srv/app"], THEIRS),
    "outside the libraries": ([OURS, THEIRS, LIB], [], THEIRS),
    "libraries only": ([LIB], ["/srv"], LIB),
    "backslashes": (["C:\\app\\a.py", THEIRS], ["C:\\app"], "C:\\app\\a.py"),
    "no frames": ([], [], None),
}


@pytest.mark.parametrize(("paths", "projects", "expected"), PLACES.values(), ids=PLACES)
def test_the_likely_place_is_the_innermost_of_the_project(
    paths: list[str], projects: list[str], expected: str | None
) -> None:
    """DOM-8.12."""
    found = diagnose(report(*map(frame, paths)), *projects)

    place = found["likely_location"]
    assert (None if place is None else at(place, "path")) == expected


def test_the_exception_printed_first_is_the_root_cause() -> None:
    """DOM-8.12."""
    text = (
        report(frame("/a.py"), error="KeyError: 'k'")
        + "\nThe above exception was the direct cause of the following exception:\n\n"
        + report(frame("/b.py"), error="pkg.AppError: first\nsecond line")
        + "\nDuring handling of the above exception, another exception occurred:\n\n"
        + report(frame("/c.py"), error="OSError")
    )

    data = call("hephaestus", "debug_issue", {"issue": text})

    diagnosis = data["diagnosis"]
    assert data["issue"] == "OSError"
    assert at(diagnosis, "root_cause") == "KeyError: 'k'"
    assert at(diagnosis, "hint") == HINTS["KeyError"]
    assert at(diagnosis, "chain") == [
        {"exception": "KeyError: 'k'", "link": None},
        {"exception": "pkg.AppError: first\nsecond line", "link": "cause"},
        {"exception": "OSError", "link": "context"},
    ]


def raised(source: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)],
        capture_output=True,
        check=False,
        text=True,
    )
    return ran.stderr


def test_what_this_interpreter_prints_is_understood() -> None:
    """DOM-8.12: recursion, a syntax error and an exception group."""
    deep = diagnose(raised("def f(): f()\nf()\n"))
    syntax = diagnose(raised("x = (\n"))
    group = diagnose(
        raised("raise ExceptionGroup('two', [ValueError(1), KeyError(2)])")
    )

    assert deep["exception"] == "RecursionError"
    assert isinstance(deep["frames_count"], int)
    assert deep["frames_count"] > 900
    assert syntax["exception"] == "SyntaxError"
    assert at(syntax, "likely_location", "line") == 1
    assert at(syntax, "likely_location", "function") is None
    assert group["root_cause"] == "ExceptionGroup: two (2 sub-exceptions)"


def test_a_traceback_of_this_process_names_the_line_that_raised() -> None:
    """DOM-8.12."""
    try:
        int("x" * 2)
    except ValueError:
        text = traceback.format_exc()

    found = diagnose(text, "tests/unit")

    place = found["likely_location"]
    assert at(place, "function") == (
        "test_a_traceback_of_this_process_names_the_line_that_raised"
    )
    assert at(place, "source") == 'int("x" * 2)'
    assert at(place, "in_project") is True


def test_an_exception_without_a_traceback_is_understood() -> None:
    """DOM-8.12."""
    found = diagnose("it says\n   ModuleNotFoundError: No module named 'x'\nwhy")

    assert found["root_cause"] == "ModuleNotFoundError: No module named 'x'"
    assert found["likely_location"] is None
    assert "no Python traceback" in refusal(
        "hephaestus", "debug_issue", {"issue": "it does not work: help"}
    )
