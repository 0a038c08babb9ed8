"""Standard output and standard error, which may be closed, full or a pipe that ended.

Source: docs/spec/cli.md, CLI-3.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from stage3.cli.errors import OutputFailedError
from stage3.cli.exits import INFRASTRUCTURE
from stage3.cli.output.answers import Problem
from stage3.cli.output.rendering import json_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stage3.cli.output.answers import Answer
    from stage3.cli.output.rendering import Json

__all__ = ["Console", "ProgressBar"]

_BAR_AFTER_S: Final = 1.0
_BAR_EVERY_S: Final = 0.1
_BAR_WIDTH: Final = 30


class ProgressBar:
    """Shows on a terminal how far something is, once it took a second.

    Calling it with what is done and what there is moves it; ``clear`` removes it.
    """

    __slots__ = ("_doing", "_is_shown", "_next_s")

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._next_s = time.monotonic() + _BAR_AFTER_S
        self._is_shown = False

    def __call__(self, done: int, total: int) -> None:
        """Move to ``done`` of ``total``."""
        now_s = time.monotonic()
        if now_s < self._next_s or not _is_terminal():
            return
        self._next_s = now_s + _BAR_EVERY_S
        self._is_shown = True
        share = min(1.0, done / total) if total else 1.0
        bar = ("#" * round(share * _BAR_WIDTH)).ljust(_BAR_WIDTH, ".")
        _complain(f"\r{self._doing} [{bar}] {done} of {total}")

    def clear(self) -> None:
        """Remove the bar, if it was ever shown."""
        if self._is_shown:
            _complain("\r\x1b[K")


class Console:
    """Where a command's output goes: for people, or for machines.

    Args:
        as_json: For machines.
        run: Runs another command, by its words, and gives its answer; the
            demonstration is made of commands.
    """

    __slots__ = ("_as_json", "run")

    def __init__(
        self, *, as_json: bool, run: Callable[[Sequence[str]], Answer]
    ) -> None:
        self._as_json = as_json
        self.run: Final = run

    def say(self, lines: Iterable[str]) -> None:
        """Print lines for people at once; machines get the document at the end.

        Raises:
            OutputFailedError: They could not be written.
        """
        if not self._as_json:
            _print("".join(f"{line}\n" for line in lines))

    def deliver(self, answer: Answer) -> int:
        """Print an answer; give the exit code.

        Source:
            CLI-3.1, CLI-3.2, CLI-2.5.
        """
        try:
            if self._as_json:
                _print(json_line(_document(answer)) + "\n")
            else:
                self.say(answer.lines)
        except OutputFailedError as error:
            # A reader that had enough (`| head`) is told nothing.
            if not isinstance(error.__cause__, BrokenPipeError):
                _complain(_text(_output_failed(error)))
            return INFRASTRUCTURE
        for warning in answer.warnings:
            _complain(f"stage3: {warning}\n")
        if answer.problem is not None and not self._as_json:
            _complain(_text(answer.problem))
        return answer.exit_code


def _document(answer: Answer) -> Json:
    if answer.problem is None:
        return answer.document
    return {**answer.document, "error": answer.problem.document()}


def _text(problem: Problem) -> str:
    text = f"stage3: {problem.code}: {problem.sentence}\n"
    return text if problem.hint is None else f"{text}  {problem.hint}\n"


def _output_failed(error: OutputFailedError) -> Problem:
    return Problem(
        code=error.code,
        sentence=str(error),
        exit_code=error.exit_code,
        hint="The command itself was carried out; only its output is lost.",
    )


def _print(text: str) -> None:
    if sys.stdout is None:
        raise OutputFailedError("standard output is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise OutputFailedError(f"standard output cannot be written: {why}") from error
    except ValueError as error:
        raise OutputFailedError("standard output is closed") from error


def _complain(text: str) -> None:
    """Write to standard error as far as that is possible."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        return


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False
