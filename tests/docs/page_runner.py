"""Doing what a page says, in a folder of its own, in the order of the page.

- A ``python`` block runs; all blocks of a page share their names.
- A ``console`` or ``sh`` block: lines ``$ stage3 ...`` (and the few harmless commands
  below) run; what the page shows below a command is compared with what came, where
  ``...`` stands for anything and spaces do not count. ``HASH`` and ``EXECUTION_ID``
  in a command stand for the last ones that were printed.
- ``<!-- file: NAME -->`` above a block: the block is the content of that file.
- ``<!-- pytest -->`` above a python block: it is a test module, and pytest must pass.
- ``<!-- sql: LOGIN in DATABASE -->`` above an ``sql`` block: its statements run there.
  A page with such a block has a PostgreSQL of its own. Its pages call it
  ``db.example``; every login that they make can log in.
- ``<!-- not run -->`` above a block: it is not run.
"""

import os
import re
import subprocess
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg

from tests.docs.pages import ROOT, Block, blocks
from tests.postgres_server import PASSWORD, PostgresServer

__all__ = ["HARMLESS", "SQL_NOTE", "PageRunner", "shows"]

HARMLESS: Final = ("stage3", "printf", "cat", "cp", "ls")
"""The commands that are run; others are shown only."""

NOT_RUN: Final = "not run"
SQL_NOTE: Final = re.compile(r"sql: (\w+) in (\w+)")
_LOGINS: Final = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper"
_SERVER: Final = "@db.example/"
_HASH: Final = re.compile(r"(?m)^token_hash\s+(sha256:[0-9a-f]{64})$")
_EXECUTION: Final = re.compile(r"(?m)^execution\s+([0-9a-f-]{36})$")


@dataclass
class PageRunner:
    """One page, being done in ``folder``."""

    page: Path
    folder: Path
    server: PostgresServer | None = None
    ran: int = 0
    _known: dict[str, str] = field(default_factory=dict)
    _names: types.ModuleType | None = None

    def run(self) -> None:
        """Do the page, and fail at the first thing that is not as it says."""
        text = (ROOT / self.page).read_text("utf-8")
        for block in blocks(text):
            self._do(block)
        if any(self.folder.glob("test_*.py")):
            self._pytest()

    def _do(self, block: Block) -> None:
        if block.note == NOT_RUN:
            return
        if block.note.startswith("file: "):
            (self.folder / block.note.removeprefix("file: ")).write_text(block.text)
        elif block.note == "pytest":
            (self.folder / f"test_page_{block.line}.py").write_text(block.text)
        elif block.language == "python":
            self._python(block)
        elif block.language in {"console", "sh"}:
            self._console(block)
        elif (where := SQL_NOTE.fullmatch(block.note)) is not None:
            self._sql(block, *where.groups())

    def _sql(self, block: Block, login: str, database: str) -> None:
        assert self.server is not None
        address = self.server.url(database, user=login)
        with psycopg.connect(address, autocommit=True) as session:
            for statement in re.split(r";\s*\n", block.text):
                session.execute(statement.encode())
        for (name,) in self.server.execute(_LOGINS):
            self.server.execute(f"ALTER ROLE {name} PASSWORD '{PASSWORD}'")
        self.ran += 1

    def _python(self, block: Block) -> None:
        if self._names is None:
            name = f"page_{self.page.stem.replace('-', '_')}"
            self._names = types.ModuleType(name)
            self._names.__file__ = str(self.folder / f"{name}.py")
            sys.modules[name] = self._names
        # As many empty lines before it as the page has, so that errors name its line.
        source = "\n" * (block.line - 1) + block.text
        Path(str(self._names.__file__)).write_text(block.text)
        code = compile(source, str(self.page), "exec", dont_inherit=True)
        exec(code, vars(self._names))  # noqa: S102 - the page's own example
        self.ran += 1

    def _console(self, block: Block) -> None:
        for command, expected in _commands(block.text):
            if command.split()[0] in HARMLESS:
                self._command(command, expected, block.line)

    def _command(self, command: str, expected: str, line: int) -> None:
        for word, value in self._known.items():
            command = command.replace(word, value)
        done = subprocess.run(
            ["sh", "-c", command.replace(_SERVER, "@/")],  # noqa: S607 - what the page says
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        came = done.stdout + done.stderr
        where = f"{self.page}:{line}: $ {command}\n{came}"
        refused = re.search(r"(?m)^stage3: [A-Z_]+: ", expected) is not None
        assert (done.returncode != 0) is refused, where
        assert not expected or shows(expected, came), f"{where}\nexpected\n{expected}"
        self._remember(came)
        self.ran += 1

    def _remember(self, came: str) -> None:
        if hashes := _HASH.findall(came):
            self._known["HASH"] = hashes[0]
        if executions := _EXECUTION.findall(came):
            self._known["EXECUTION_ID"] = executions[-1]

    def _environment(self) -> dict[str, str]:
        scripts = Path(sys.executable).parent
        kept = {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C"}
        if self.server is not None:
            kept |= {"PGHOST": str(self.server.folder), "PGPASSWORD": PASSWORD}
        return {**kept, "PYTHONPATH": str(ROOT)}

    def _pytest(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
            cwd=self.folder,
            env={**self._environment(), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.ran += 1


def shows(expected: str, came: str) -> bool:
    """Say whether the page shows what came, but for ``...`` and the amount of space."""
    pattern = re.escape(" ".join(expected.split())).replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, " ".join(came.split())) is not None


def _commands(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), ""))
        elif found and found[-1][0].endswith("\\"):
            command = found[-1][0].removesuffix("\\") + line.strip()
            found[-1] = (command, "")
        elif found:
            command, expected = found[-1]
            found[-1] = (command, f"{expected}{line}\n")
    return [(command, expected.strip()) for command, expected in found]
