"""The console: what goes where, and the progress bar."""

import io
import sys

import pytest

from stage3.cli.output.answers import Answer, Problem
from stage3.cli.output.console import Console, ProgressBar


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_bar_appears_after_a_second_and_is_cleared(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLI-3.5."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = ProgressBar("verifying")

    bar(10, 100)
    early = terminal.getvalue()
    clock[0] += 1.0
    bar(50, 100)
    bar(60, 100)  # too soon after the one before
    bar.clear()

    assert early == ""
    assert terminal.getvalue() == (
        f"\rverifying [{'#' * 15}{'.' * 15}] 50 of 100\r\x1b[K"
    )


def test_no_bar_where_there_is_no_terminal(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """CLI-3.5."""
    bar = ProgressBar("verifying")

    clock[0] += 5.0
    bar(0, 0)
    bar.clear()

    assert capsys.readouterr().err == ""


def test_warnings_and_problems_go_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """CLI-3.2."""
    problem = Problem(code="CODE", sentence="why", exit_code=1, hint="Do that.")
    answer = Answer(document={}, lines=("line",), problem=problem)

    code = Console(as_json=False, run=lambda _: answer).deliver(answer)

    assert code == 1
    assert capsys.readouterr() == ("line\n", "stage3: CODE: why\n  Do that.\n")
