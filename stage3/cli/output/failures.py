"""From an exception or a plan's error to a problem with an exit code.

Source: docs/spec/cli.md, CLI-2; docs/reference/cli.md lists the codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from audit.entry import printable
from audit.errors import AuditError, EntryRefusedError
from stage2_domains.errors import DomainError
from stage3.cli.errors import CliError
from stage3.cli.exits import INFRASTRUCTURE, INTERRUPTED, REFUSED, USAGE
from stage3.cli.output.answers import Answer, Problem
from stage3.cli.output.hints import hint_for
from stage3.errors import Stage3Error
from tokens.errors import TokenError

if TYPE_CHECKING:
    from types import TracebackType

    from stage3.outcome import PlanError

__all__ = ["FAILED_CODES", "answer_of", "problem_of_plan", "refused"]

MAX_SENTENCE: Final = 2_000

FAILED_CODES: Final = frozenset(
    {"AUDIT_UNAVAILABLE", "INTERRUPTED", "ISOLATION_UNAVAILABLE"}
)
"""Codes of a plan that mean a failure of the platform and not a refusal."""


def answer_of(error: BaseException) -> Answer:
    """Give the answer of a command that an exception ended.

    Source:
        CLI-2.1 to CLI-2.4.
    """
    return Answer(document={}, problem=_problem(error))


def refused(code: str, sentence: str) -> Problem:
    """Give the problem of something that was refused."""
    return Problem(
        code=code,
        sentence=printable(sentence, MAX_SENTENCE),
        exit_code=REFUSED,
        hint=hint_for(code),
    )


def problem_of_plan(error: PlanError) -> Problem:
    """Give the problem of a plan that ended without results."""
    code = error.code.value
    return Problem(
        code=code,
        sentence=printable(error.sentence, MAX_SENTENCE),
        exit_code=INFRASTRUCTURE if code in FAILED_CODES else REFUSED,
        hint=hint_for(code),
        place={"step": error.step, "domain": error.domain, "method": error.method},
    )


def _problem(error: BaseException) -> Problem:
    match error:
        case CliError():
            hint = error.hint if error.hint is not None else hint_for(error.code)
            return _known(error, error.code, error.exit_code, hint)
        case TokenError() | Stage3Error() | DomainError():
            return _known(error, error.code, REFUSED, hint_for(error.code))
        case EntryRefusedError():
            # Something given on the command line that no record could hold.
            return _known(error, error.code, USAGE, hint_for(error.code))
        case AuditError():
            return _known(error, error.code, INFRASTRUCTURE, hint_for(error.code))
        case KeyboardInterrupt():
            hint = hint_for("INTERRUPTED")
            return Problem(
                code="INTERRUPTED",
                sentence="stopped by the keyboard",
                exit_code=INTERRUPTED,
                hint=hint,
            )
        case _:
            return Problem(
                code="INTERNAL",
                sentence=f"{type(error).__name__} {_place(error.__traceback__)}",
                exit_code=INFRASTRUCTURE,
                hint=hint_for("INTERNAL"),
            )


def _known(
    error: BaseException, code: str, exit_code: int, hint: str | None
) -> Problem:
    sentence = printable(str(error), MAX_SENTENCE) or code
    return Problem(code=code, sentence=sentence, exit_code=exit_code, hint=hint)


def _place(trace: TracebackType | None) -> str:
    """Say where an exception was raised; its text may hold anything, so never that."""
    if trace is None:
        return "at an unknown place"
    while trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "?")
    return f"in {printable(str(module))}, line {trace.tb_lineno}"
