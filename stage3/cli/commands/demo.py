"""``stage3 demo``: the whole story, told by the real commands.

Each step is a command as anybody could type it, run in this process on the files
beside this package, with its real output.

Source: docs/spec/cli.md, CLI-10.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage3.cli.errors import HomeNotEmptyError, OutputFailedError
from stage3.cli.intake.files import new_file, shown
from stage3.cli.output.answers import Answer, Problem
from stage3.cli.output.failures import answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stage3.cli.arguments import Given
    from stage3.cli.dispatch import Command
    from stage3.cli.output.console import Console
    from stage3.cli.output.rendering import Json

__all__ = ["COMMANDS", "DATA_FILES"]

DATA_FILES: Final = (
    "out_of_scope_plan.json",
    "plan.json",
    "schedule_plan.json",
    "token_request.json",
)
"""The files of the demonstration, in ``demo_data``; also in ``examples``."""

_SECRET_BYTES: Final = 32
_CALLER: Final = ("--user", "alice", "--credential", "alice.credential")


@dataclass(slots=True)
class _Story:
    """The steps told so far, and what is printed while they are told."""

    console: Console
    steps: list[Json] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)

    def tell(self, title: str, words: Sequence[str], expected: int = 0) -> Answer:
        """Run one command and show it with its output."""
        shown_words = " ".join(f'"{w}"' if " " in w else w for w in words)
        heading = f"{len(self.steps) + 1}. {title}"
        self.console.say(["", heading, "-" * len(heading), f"$ stage3 {shown_words}"])
        answer = _answer(words, self.console)
        self.console.say(answer.lines)
        if answer.problem is not None:
            self.console.say(_problem_lines(answer.problem))
        if answer.exit_code != expected:
            self.surprises.append(f"step {len(self.steps) + 1} ({title})")
        self.steps.append(
            {
                "title": title,
                "command": ["stage3", *words],
                "exit_code": answer.exit_code,
                "answer": answer.document,
                "error": None if answer.problem is None else answer.problem.document(),
            }
        )
        return answer


def _demo(given: Given, console: Console) -> Answer:
    with _stage(given.folder) as folder:
        story = _Story(console)
        console.say(["A weekly review: one plan, three domains, one signed token."])
        _tell(story)
        kept = given.folder is not None
        if kept:
            lines = ["", f"Everything is kept in {shown(folder)}; go on from there."]
        else:
            lines = ["", "The folder is gone again; `stage3 demo DIR` keeps it."]
    document: dict[str, Json] = {
        "folder": str(folder) if kept else None,
        "steps": story.steps,
    }
    return Answer(document=document, lines=tuple(lines), problem=_surprise(story))


def _tell(story: _Story) -> None:
    story.tell(
        "Make the keys and the store",
        ["init", "--home", "home", "--passphrase-file", "passphrase"],
    )
    issued = story.tell(
        "Issue a token for alice: three domains, 15 minutes",
        [
            *("token", "issue", "--home", "home", "--request", "token_request.json"),
            *("--out", "alice.credential", "--passphrase-file", "passphrase"),
        ],
    )
    ran = story.tell(
        "Run the plan",
        ["plan", "run", "--home", "home", "--plan", "plan.json", *_CALLER],
    )
    story.tell(
        "Read its trail again: 1 + 4 x 3 events",
        ["audit", "trail", "--home", "home", _word(ran, "execution_id")],
    )
    story.tell("Verify the whole ledger", ["audit", "verify", "--home", "home"])
    story.tell(
        "Try a plan with a domain outside the token's scope: refused at step 1",
        ["plan", "run", "--home", "home", "--plan", "out_of_scope_plan.json", *_CALLER],
        expected=1,
    )
    story.tell(
        "Revoke the token",
        [
            *(
                "token",
                "revoke",
                "--home",
                "home",
                "--token",
                _word(issued, "token_hash"),
            ),
            *("--reason", "laptop lost", "--by", "security_admin"),
            *("--passphrase-file", "passphrase"),
        ],
    )
    story.tell(
        "Try the first plan again: nothing starts",
        ["plan", "run", "--home", "home", "--plan", "plan.json", *_CALLER],
        expected=1,
    )
    story.tell("The record has it all", ["audit", "verify", "--home", "home"])


def _answer(words: Sequence[str], console: Console) -> Answer:
    try:
        return console.run(words)
    except Exception as error:  # noqa: BLE001 - shown as the command itself would
        return answer_of(error)


def _word(answer: Answer, name: str) -> str:
    return str(answer.document.get(name, "-"))


def _problem_lines(problem: Problem) -> list[str]:
    lines = ["", f"stage3: {problem.code}: {problem.sentence}"]
    return [*lines, f"exit code {problem.exit_code}"]


def _surprise(story: _Story) -> Problem | None:
    if not story.surprises:
        return None
    return Problem(
        code="DEMO",
        sentence=f"not as it should be: {', '.join(story.surprises)}",
        exit_code=3,
    )


@contextmanager
def _stage(folder: str | None) -> Iterator[Path]:
    """Work in a folder that holds the files of the story, and go back after it."""
    before = Path.cwd()
    with _folder(folder) as place:
        for name in DATA_FILES:
            data = files("stage3.cli").joinpath("demo_data", name).read_bytes()
            with new_file(str(place / name), private=False) as file:
                file.write(data)
        with new_file(str(place / "passphrase"), private=True) as file:
            file.write(os.urandom(_SECRET_BYTES).hex().encode() + b"\n")
        os.chdir(place)
        try:
            yield place
        finally:
            os.chdir(before)


@contextmanager
def _folder(name: str | None) -> Iterator[Path]:
    if name is None:
        with tempfile.TemporaryDirectory(prefix="stage3-demo-") as made:
            yield Path(made)
        return
    try:
        Path(name).mkdir(mode=0o700)
    except FileExistsError as error:
        raise HomeNotEmptyError(
            f"{shown(name)} is there already", hint="Name a new folder."
        ) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a possible name"
        raise OutputFailedError(f"{shown(name)} cannot be made: {why}") from error
    yield Path(name).absolute()


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType({"demo": _demo})
