"""``stage3 doctor``: what is well, what is not, and what to do about it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from audit.errors import AuditError
from stage3.cli.checkup.check import fail
from stage3.cli.checkup.installation import home_checks, installation_checks
from stage3.cli.checkup.ledger import store_checks
from stage3.cli.errors import CliError
from stage3.cli.home import home_of, open_given_store
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
    try:
        store = open_given_store(given)
    except (AuditError, CliError) as error:
        todo = getattr(error, "hint", None) or "Check --home, --store and --trust."
        return [fail("store", str(error), todo)]
    with store:
        return list(store_checks(store))


def _lines(checks: list[Check]) -> Iterator[str]:
    for check, line in zip(
        checks, pairs((check.name, check.finding) for check in checks), strict=True
    ):
        yield f"{check.verdict:<4}  {line}"
        if check.todo is not None:
            yield f"      -> {one_line(check.todo)}"


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType({"doctor": _doctor})
