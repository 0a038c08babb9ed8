"""``stage3 doctor``: what is well, what is not, and what to do about it.

Source: docs/spec/cli.md, CLI-9.
"""

# ruff: noqa: PLC0415 - the driver of a database is an extra, and only then needed

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from audit.clock import system_clock_us
from audit.errors import AuditError
from stage3.cli.checkup.check import fail
from stage3.cli.checkup.installation import home_checks, installation_checks
from stage3.cli.checkup.ledger import store_checks
from stage3.cli.errors import CliError, InputRefusedError
from stage3.cli.home import POSTGRES, home_of, open_given_store, refuse_password
from stage3.cli.output.answers import Answer
from stage3.cli.output.failures import refused
from stage3.cli.output.rendering import one_line, pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stage3.cli.arguments import Given
    from stage3.cli.checkup.check import Check
    from stage3.cli.dispatch import Command
    from stage3.cli.output.console import Console

__all__ = ["COMMANDS"]


def _doctor(given: Given, _console: Console) -> Answer:
    checks = [*installation_checks()]
    if given.store is None:
        checks += home_checks(home_of(given))
    checks += _of_the_store(given)
    failed = sum(check.verdict == "fail" for check in checks)
    return Answer(
        document={"well": not failed, "checks": [one.document() for one in checks]},
        lines=tuple(_lines(checks)),
        problem=refused("DOCTOR", f"{failed} check(s) failed") if failed else None,
    )


def _of_the_store(given: Given) -> list[Check]:
    seen: list[Check] = []
    try:
        if given.store is not None and given.store.startswith(POSTGRES):
            seen += _of_the_server(given.store)
        store = open_given_store(given)
    except (AuditError, CliError) as error:
        todo = getattr(error, "hint", None) or "Check --home, --store and --trust."
        return [*seen, fail("store", str(error), todo)]
    with store:
        return [*seen, *store_checks(store)]


def _of_the_server(url: str) -> Iterator[Check]:
    refuse_password(url)
    try:
        from stage3.cli.checkup.server import server_checks
    except ImportError:
        return  # opening it says what is missing
    from stage3.cli.commands.store import COLLECTIONS

    try:
        yield from server_checks(url, collections=COLLECTIONS, clock=system_clock_us)
    except ValueError as error:
        raise InputRefusedError(str(error)) from error


def _lines(checks: list[Check]) -> Iterator[str]:
    for check, line in zip(
        checks, pairs((check.name, check.finding) for check in checks), strict=True
    ):
        yield f"{check.verdict:<4}  {line}"
        if check.todo is not None:
            yield f"      -> {one_line(check.todo)}"


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType({"doctor": _doctor})
