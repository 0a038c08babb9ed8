"""Each code that the command line itself can end with is brought about here."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from stage3.cli.commands import demo, domain_tests
from stage3.cli.main import main
from stage3.isolation.in_process import InProcessIsolation
from stage3.isolation.interface import ResultRefused
from stage3.pytest_plugin.harness import Harness

ID = "3f0c2b4e-8c1a-4b6e-9f00-0123456789ab"
HERE = "--store sqlite:///l.db --no-trust"
RUN = f"plan run {HERE} --plan plan.json --user alice --credential"
Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Story:
    """A command, what is done before it, and how it ends."""

    words: str
    code: str
    exit_code: int
    before: Callable[[Patch], object] = lambda _patch: None


def edit_the_ledger(_patch: Patch) -> None:
    database = sqlite3.connect("l.db", isolation_level=None)
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    for (name,) in names.fetchall():
        database.execute(f'DROP TRIGGER "{name}"')
    database.execute("UPDATE entry SET time_us = time_us + 1 WHERE leaf_index = 1")
    database.close()


def raising(error: BaseException) -> Callable[[Patch], object]:
    def command_of(_words: str) -> object:
        raise error

    def patch(patch: Patch) -> None:
        patch.setattr("stage3.cli.dispatch.command_of", command_of)

    return patch


def going_wrong(patch: Patch) -> None:
    patch.setattr(demo, "_tell", lambda story: story.surprises.append("step 1"))


def break_a_new_domain(patch: Patch) -> None:
    assert main(["domains", "new", "new", "--name", "words"]) == 0
    broken = _Broken()
    patch.setattr(domain_tests, "box_of", lambda _tier: broken)


class _Broken(InProcessIsolation):
    """A box that finds the domain wanting."""

    def invoke(self, *_: object, **_more: object) -> ResultRefused:  # type: ignore[override]  # any call
        return ResultRefused("as said")


STORIES = {
    "no command": Story("tokn list", "USAGE", 2),
    "a plan that is no plan": Story(f"{RUN} good", "INPUT_REFUSED", 2),
    "no home": Story("token list --home gone", "HOME_MISSING", 2),
    "a home that is there": Story("init --home .", "HOME_NOT_EMPTY", 2),
    "a hash for a credential": Story(f"{RUN} hash", "CREDENTIAL_REFUSED", 1),
    "an unknown execution": Story(f"audit trail {ID} {HERE}", "EXECUTION_UNKNOWN", 1),
    "a ledger that was edited": Story(
        f"audit verify {HERE}", "LEDGER_NOT_WHOLE", 1, edit_the_ledger
    ),
    "an unwell home": Story("doctor --home gone", "DOCTOR", 1),
    "an example that fails": Story(
        "domains test new/domain.toml", "DOMAIN_TEST", 1, break_a_new_domain
    ),
    "no store": Story(
        "audit head --store sqlite:///gone.db --no-trust", "STORE_MISSING", 3
    ),
    "nowhere to write": Story(
        "plan new --user alice --step apollo.plan_routine --out gone/plan.json",
        "OUTPUT_FAILED",
        3,
    ),
    "a demonstration that goes wrong": Story("demo", "DEMO", 3, going_wrong),
    "a defect": Story("domains list", "INTERNAL", 3, raising(RuntimeError("secret"))),
    "the keyboard": Story(
        "domains list", "INTERRUPTED", 130, raising(KeyboardInterrupt())
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_command_ends_with_its_code(
    name: str, tmp_path: Path, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CLI-2.1, CLI-2.2: exit code, code and sentence; never a traceback."""
    story = STORIES[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STAGE3_HOME", raising=False)
    with Harness("sqlite:///l.db") as harness:
        issued = harness.issue()
    Path("good").write_text(issued.credential)
    Path("hash").write_text(issued.token_hash)
    Path("plan.json").write_text("[]" if "no plan" in name else harness_plan())
    story.before(monkeypatch)

    code = main(story.words.split())

    printed = capsys.readouterr()
    assert code == story.exit_code
    (line,) = [line for line in printed.err.splitlines() if line.startswith("stage3: ")]
    assert line.startswith(f"stage3: {story.code}: ")
    assert "Traceback" not in printed.err
    assert "secret" not in printed.err


def harness_plan() -> str:
    """Write a plan that could run."""
    with Harness() as harness:
        return harness.plan(("apollo", "analyze_habits", {})).to_json()
