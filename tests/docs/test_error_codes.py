"""``docs/errors.md`` against the code: every code, its exit code, and who shows it."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from audit import errors as audit_errors
from audit.errors import AuditError, AuditWriteError
from audit.events import ReasonCode
from stage2_domains import errors as domain_errors
from stage2_domains.errors import DomainError
from stage3 import errors as stage3_errors
from stage3.cli import errors as cli_errors
from stage3.cli.errors import CliError
from stage3.cli.output.failures import answer_of, problem_of_plan
from stage3.errors import FencedError, Stage3Error
from stage3.outcome import PlanError
from tests.docs.pages import ROOT, tables
from tokens import errors as token_errors
from tokens.errors import TokenError

PAGE: Final = Path("docs/errors.md")
RESERVED: Final = {"PROOF_REFUSED", "DOMAIN_TIMEOUT"}
INSIDE: Final = {FencedError}
NEVER_SEEN: Final = "UNUSABLE_INPUT"  # a domain turns it into its own failure
ROOTS: Final = {
    *(AuditError, AuditWriteError, TokenError, DomainError, Stage3Error, CliError),
}
_SHOWN: Final = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")

TABLES: Final = tables((ROOT / PAGE).read_text("utf-8"))
EXITS, OF_PLANS, OF_EXCEPTIONS, OF_COMMANDS = TABLES
ROWS: Final = [*OF_PLANS, *OF_EXCEPTIONS, *OF_COMMANDS]


def code_of(row: dict[str, str]) -> str:
    return row["code"].strip("`")


def errors_of(module: object) -> Iterator[type[Exception]]:
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, Exception) and kind.__module__ == module.__name__:  # type: ignore[attr-defined]
            yield kind


def test_every_reason_code_has_its_line() -> None:
    assert [code_of(row) for row in OF_PLANS] == [code.value for code in ReasonCode]


@pytest.mark.parametrize("row", OF_PLANS, ids=code_of)
def test_a_plan_that_ends_so_exits_as_the_page_says(row: dict[str, str]) -> None:
    error = PlanError(ReasonCode(code_of(row)), "a sentence")

    assert problem_of_plan(error).exit_code == int(row["exit"])


def test_every_exception_has_its_line() -> None:
    kinds = {
        kind
        for module in (audit_errors, token_errors, domain_errors, stage3_errors)
        for kind in errors_of(module)
    }
    wanted = {(f"`{k.__name__}`", f"`{k.code}`") for k in kinds - ROOTS - INSIDE}  # type: ignore[attr-defined]

    assert {(row["exception"], row["code"]) for row in OF_EXCEPTIONS} == wanted
    text = (ROOT / PAGE).read_text("utf-8")
    for kind in [*ROOTS, *INSIDE]:
        assert f"`{kind.__name__}`" in text
    for kind in ROOTS:
        assert f"`{kind.code}`" in text


@pytest.mark.parametrize("row", OF_EXCEPTIONS, ids=code_of)
def test_a_command_that_an_exception_ends_exits_as_the_page_says(
    row: dict[str, str],
) -> None:
    name = row["exception"].strip("`")
    modules = (audit_errors, token_errors, domain_errors, stage3_errors)
    (kind,) = [getattr(m, name) for m in modules if hasattr(m, name)]

    problem = answer_of(kind("a sentence")).problem

    assert problem is not None
    assert (problem.code, problem.exit_code) == (code_of(row), int(row["exit"]))


def test_every_error_of_the_command_line_has_its_line() -> None:
    listed = {code_of(row): int(row["exit"]) for row in OF_COMMANDS}

    for kind in set(errors_of(cli_errors)) - {CliError}:
        assert listed[kind.code] == kind.exit_code  # type: ignore[attr-defined]


def test_the_page_and_the_reference_of_the_command_line_agree() -> None:
    listed = {
        (code_of(row), int(row["exit"])) for row in [*OF_EXCEPTIONS, *OF_COMMANDS]
    }
    text = (ROOT / "docs/reference/cli.md").read_text("utf-8")
    referred = {
        (code_of(row), int(row["exit"]))
        for table in tables(text)
        for row in table
        if {"code", "exit"} <= set(row)
    }
    never_raised = {(kind.code, 1) for kind in ROOTS} | {(k.code, 3) for k in ROOTS}

    assert referred - listed <= never_raised
    assert {code for code, _ in listed - referred} <= {
        *("VALUE_REFUSED", "UNUSABLE_INPUT"),
        *("REGISTRATION_REFUSED", "SCHEMA_REFUSED", "REGISTRY_FROZEN"),
    }


def test_the_exit_codes_are_those_of_the_program() -> None:
    assert [int(row["exit"]) for row in EXITS] == [0, 1, 2, 3, 130]
    assert {row["exit"] for row in ROWS} <= {row["exit"] for row in EXITS}


@pytest.mark.parametrize("row", ROWS, ids=code_of)
def test_what_shows_a_code_is_there_and_speaks_of_it(row: dict[str, str]) -> None:
    found = _SHOWN.fullmatch(row["shown by"])
    if found is None:
        assert row["shown by"] == "reserved"
        assert code_of(row) in RESERVED
        return
    text = ((ROOT / PAGE).parent / found[2]).read_text("utf-8")

    assert f'"{found[1]}": ' in text or f"def {found[1]}(" in text
    if code_of(row) != NEVER_SEEN:
        assert code_of(row) in text or row.get("exception", "-").strip("`") in text


def test_reserved_codes_are_raised_by_nothing() -> None:
    product = "".join(
        path.read_text("utf-8")
        for package in ("audit", "tokens", "stage2_domains", "stage3")
        for path in (ROOT / package).rglob("*.py")
        if path != ROOT / "audit/events.py"
    )

    assert [code for code in RESERVED if code in product] == []
