"""Where a command starts: words in, an exit code out, and never a traceback.

Nothing heavy is imported before the words are understood. Every exception ends here
as one sentence with a code.

Source: docs/spec/cli.md, CLI-1 and CLI-2.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from stage3.cli.arguments import parse
from stage3.cli.exits import INTERRUPTED, OK
from stage3.cli.parsers import HelpRequested

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stage3.cli.arguments import Given
    from stage3.cli.output.answers import Answer
    from stage3.cli.output.console import Console

__all__ = ["entry", "main"]

_STANDARD_OUTPUT = 1


def entry() -> None:
    """Run the command line of this process and leave it with the exit code."""
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    _let_go_of_output()
    sys.exit(code)


def main(words: Sequence[str]) -> int:
    """Run one command; its output goes to standard output and error.

    Args:
        words: The arguments, without the program's name.

    Returns:
        The exit code, one of ``stage3.cli.exits``.

    Source:
        CLI-1.1, CLI-2.1 to CLI-2.5.
    """
    as_json = "--json" in words
    try:
        given = parse(words)
        answer = _run(given, _console(as_json=as_json))
    except HelpRequested as asked:
        return _help(asked.text)
    except BaseException as error:  # noqa: BLE001 - the outermost frame: all ends here
        from stage3.cli.output.failures import answer_of  # noqa: PLC0415 - rarely needed

        answer = answer_of(error)
    return _console(as_json=as_json).deliver(answer)


def _help(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        # Once more the long way, which says what is wrong.
        from stage3.cli.output.answers import Answer  # noqa: PLC0415 - rarely needed

        answer = Answer(document={}, lines=tuple(text.splitlines()))
        return _console(as_json=False).deliver(answer)
    return OK


def _run(given: Given, console: Console) -> Answer:
    from stage3.cli.dispatch import command_of  # noqa: PLC0415 - help does without

    return command_of(given.command)(given, console)


def _console(*, as_json: bool) -> Console:
    from stage3.cli.output.console import Console  # noqa: PLC0415 - help does without

    console = Console(as_json=as_json, run=lambda words: _run(parse(words), console))
    return console


def _let_go_of_output() -> None:
    """Flush now; what cannot be flushed must not be tried again at the very end."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STANDARD_OUTPUT)
