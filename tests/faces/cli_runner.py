"""Running the command line inside this process, and a world to run it in."""

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from stage3.cli.main import main
from tokens.keystore import Stretching, load_key, save_key

__all__ = ["PASSPHRASE", "Ran", "World", "run"]

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - of no key in use
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "weekly_review"


@dataclass(frozen=True, slots=True)
class Ran:
    """How one command ended."""

    code: int
    out: str
    err: str


def run(*words: str) -> Ran:
    """Run one command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return Ran(code, out.getvalue(), err.getvalue())


def _seal_cheaply(file: Path) -> None:
    """Seal a key again so that unsealing it takes no time; the tests do it often."""
    key = load_key(file, PASSPHRASE.encode())
    file.unlink()
    cheap = Stretching(memory_kib=8, passes=1, lanes=1)
    save_key(file, key, PASSPHRASE.encode(), stretching=cheap)


@dataclass(frozen=True, slots=True)
class World:
    """A folder with a home, a passphrase, a credential and the example files."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "World":
        """Make one with the real commands."""
        world = cls(folder)
        for file in EXAMPLES.glob("*.json"):
            shutil.copy(file, folder)
        (folder / "passphrase").write_text(f"{PASSPHRASE}\n")
        made = run("init", "--home", world["place"], *world.unsealing())
        assert made.code == 0, made.err
        for file in (folder / "place" / "keys").iterdir():
            _seal_cheaply(file)
        world.issue("alice.credential")
        return world

    def __getitem__(self, name: str) -> str:
        return str(self.folder / name)

    def copied(self, folder: Path) -> "World":
        """Give a copy that may be changed."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return World(folder)

    def unsealing(self) -> tuple[str, str]:
        """Give the words that unseal the keys."""
        return "--passphrase-file", self["passphrase"]

    def here(self) -> tuple[str, str]:
        """Give the words that name the home."""
        return "--home", self["place"]

    def issue(self, name: str) -> None:
        """Issue the token of the example into a file."""
        request = self["token_request.json"]
        words = ("--request", request, "--out", self[name], *self.unsealing())
        issued = run("token", "issue", *self.here(), *words)
        assert issued.code == 0, issued.err

    def run_plan(self, plan: str = "plan.json", *more: str) -> Ran:
        """Run a plan as alice."""
        caller = ("--user", "alice", "--credential", self["alice.credential"])
        return run("plan", "run", *self.here(), "--plan", self[plan], *caller, *more)
