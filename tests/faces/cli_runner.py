"""Running the command line inside this process, and a world to run it in."""

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from stage3.cli.main import main
from tokens.keystore import Stretching, load_key, save_key

__all__ = [
    "EXAMPLES",
    "PASSPHRASE",
    "WHY",
    "Ran",
    "World",
    "as_json",
    "code_of",
    "document",
    "revoke",
    "run",
    "token_hash",
]

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - of no key in use
WHY = ("--reason", "exercise", "--by", "security_admin")
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


def document(ran: Ran) -> dict[str, object]:
    """Give the JSON document of a command."""
    found: dict[str, object] = json.loads(ran.out)
    return found


def as_json(world: World, *words: str) -> dict[str, object]:
    """Run a command with --json and give its document."""
    return document(run("--json", *words, *world.here()))


def revoke(world: World, *selector: str) -> Ran:
    """Revoke what is selected."""
    return run("token", "revoke", *world.here(), *selector, *WHY, *world.unsealing())


def token_hash(world: World) -> str:
    """Give the hash of the newest token."""
    tokens = as_json(world, "token", "list")["tokens"]
    assert isinstance(tokens, list)
    return str(tokens[0]["token_hash"])


def code_of(ran: Ran) -> str:
    """Give the code on standard error, or nothing."""
    return ran.err.split(":")[1].strip() if ran.err else ""
