"""From an exception to a problem."""

import re

import pytest

from audit.errors import EntryRefusedError, StoreBusyError
from stage3.cli.errors import CliError, UsageError
from stage3.cli.output.answers import Problem
from stage3.cli.output.failures import answer_of
from tokens.errors import TokenSignatureError, TokenUnknownError


def problem_of(error: BaseException) -> Problem:
    problem = answer_of(error).problem
    assert problem is not None
    return problem


def fail(text: str) -> None:
    raise ZeroDivisionError(text)


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (UsageError("why"), "USAGE", 2),
        (EntryRefusedError("why"), "ENTRY_REFUSED", 2),
        (StoreBusyError("why"), "STORE_BUSY", 3),
        (TokenSignatureError("why"), "TOKEN_SIGNATURE", 1),
        (TokenUnknownError("why"), "TOKEN_UNKNOWN", 1),
    ],
)
def test_a_known_error_keeps_its_code_and_sentence(
    error: Exception, code: str, exit_code: int
) -> None:
    """CLI-2.1."""
    problem = problem_of(error)

    assert (problem.code, problem.sentence, problem.exit_code) == (
        code,
        "why",
        exit_code,
    )


def test_a_defect_shows_its_place_and_never_its_text() -> None:
    """CLI-2.3."""
    with pytest.raises(ZeroDivisionError) as raised:
        fail("SECRET")
    problem = problem_of(raised.value)

    assert (problem.code, problem.exit_code) == ("INTERNAL", 3)
    assert re.fullmatch(r"ZeroDivisionError in \S+, line \d+", problem.sentence)
    assert problem_of(MemoryError()).sentence == "MemoryError at an unknown place"


def test_the_keyboard_ends_with_130() -> None:
    """CLI-2.4."""
    assert problem_of(KeyboardInterrupt()).exit_code == 130


def test_a_sentence_is_one_line_and_bounded() -> None:
    """CLI-2.2 and CLI-3.3."""
    sentence = problem_of(CliError("a\nb\x1b" + 9_000 * "c")).sentence

    assert sentence.startswith(r"a\x0ab\x1bccc")
    assert len(sentence) == 2_000


def test_an_error_without_words_says_its_code() -> None:
    assert problem_of(UsageError("")).sentence == "USAGE"
