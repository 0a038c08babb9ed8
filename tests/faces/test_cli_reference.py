"""The reference page, the examples and the program say the same."""

import re
import tomllib
from pathlib import Path

import pytest

from audit.errors import AuditError
from audit.events import ReasonCode
from stage2_domains.errors import DomainError
from stage3.cli.commands.demo import DATA_FILES
from stage3.cli.dispatch import command_of
from stage3.cli.errors import CliError
from stage3.cli.grammar import all_parsers
from stage3.cli.output.failures import FAILED_CODES, answer_of, problem_of_plan
from stage3.cli.output.hints import HINTS
from stage3.errors import Stage3Error
from stage3.outcome import PlanError
from tests.faces.cli_runner import EXAMPLES
from tokens.errors import TokenError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
PARSERS = {parser.prog: parser for parser in all_parsers()}
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", PAGE, re.MULTILINE))
INNER = {"FencedError", "Stage3Error", "CliError"}
"""Roots, and what never leaves the executor."""


def below(root: type[Exception]) -> list[type[Exception]]:
    found = [root]
    for one in root.__subclasses__():
        if one.__module__.partition(".")[0] != "tests":
            found += below(one)
    return found


ERRORS = [
    error
    for root in (AuditError, TokenError, Stage3Error, CliError)
    for error in below(root)
    if error.__name__ not in INNER
]


@pytest.mark.parametrize("program", PARSERS)
def test_the_page_has_the_help_of_every_command(program: str) -> None:
    """CLI-1.1."""
    shown = f"### {program}\n\n```text\n{PARSERS[program].format_help()}```\n"

    assert shown in PAGE


def test_the_page_has_no_other_command() -> None:
    assert re.findall(r"^### (.*)$", PAGE, re.MULTILINE) == list(PARSERS)


@pytest.mark.parametrize("program", PARSERS)
def test_every_command_of_the_grammar_does_something(program: str) -> None:
    words = program.removeprefix("stage3").strip()
    group = any(other.startswith(f"{program} ") for other in PARSERS)

    if not group:
        assert callable(command_of(words))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_the_page_has_the_exit_code_of_every_error(error: type[Exception]) -> None:
    """CLI-2.1."""
    problem = answer_of(error("why")).problem
    assert problem is not None

    assert ROWS[problem.code] == str(problem.exit_code)


@pytest.mark.parametrize("code", ReasonCode)
def test_a_plans_code_decides_the_exit_code(code: ReasonCode) -> None:
    """CLI-2.1."""
    problem = problem_of_plan(PlanError(code, "why", 0, "apollo", "x"))

    assert problem.exit_code == (3 if code.value in FAILED_CODES else 1)
    assert (f"`{code.value}`" in PAGE.partition("| code |")[0]) == (
        code.value in FAILED_CODES
    )


def test_every_hint_is_for_a_code_there_is() -> None:
    """CLI-2.2."""
    codes = {code.value for code in ReasonCode} | ROWS.keys()
    codes |= {error.code for error in below(DomainError)}  # type: ignore[attr-defined]

    assert set(HINTS) <= codes


def test_every_command_that_a_hint_names_exists() -> None:
    """CLI-2.2."""
    named = [
        found for text in HINTS.values() for found in re.findall("`([^`]+)`", text)
    ]

    for words in named:
        if words.startswith("stage3 "):
            program = re.match(r"stage3( [a-z]+)*", words)
            assert program is not None
            assert program.group() in PARSERS, words


def test_the_examples_are_what_the_demonstration_runs() -> None:
    """CLI-10.1."""
    shipped = ROOT / "stage3" / "cli" / "demo_data"

    for folder in (EXAMPLES, shipped):
        assert sorted(file.name for file in folder.iterdir()) == sorted(DATA_FILES)
    for name in DATA_FILES:
        assert (EXAMPLES / name).read_bytes() == (shipped / name).read_bytes()


def test_the_console_script_is_the_entry() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert project["scripts"] == {"stage3": "stage3.cli.main:entry"}
