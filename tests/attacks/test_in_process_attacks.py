"""Every attack of the catalogue, run against the in-process box.

The expectations are not what one would wish for but what is: a verdict that gets
better is a failure here too, so that ``docs/isolation.md`` stays true.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from stage3.isolation.interface import ViolationKind
from tests.attacks.catalogue import ATTACKS
from tests.attacks.table import rendered_table
from tests.attacks.verdicts import Verdict, expected_at

if TYPE_CHECKING:
    from tests.attacks.verdicts import Attack

ROOT: Final = Path(__file__).parents[2]
VERSION: Final = sys.version_info[:2]
HANG_S: Final = 0.4
DEADLINE_S: Final = 60.0

Told = dict[tuple[str, bool], tuple[str, str]]

CASES: Final = [
    pytest.param(attack, swallow, id=f"{attack.name}{', swallowed' * swallow}")
    for attack in ATTACKS
    for swallow in (False, True)
]

KINDS: Final = {
    "read a file": ViolationKind.OPEN,
    "list a folder": ViolationKind.OPEN,
    "remove a file": ViolationKind.OPEN,
    "open the ledger with sqlite3": ViolationKind.OPEN,
    "read a line through a syntax error": ViolationKind.OPEN,
    "map the ledger into memory": ViolationKind.SYSCALL,
    "change a descriptor's flags": ViolationKind.SYSCALL,
    "connect a socket": ViolationKind.SOCKET,
    "resolve a name": ViolationKind.SOCKET,
    "fetch a URL": ViolationKind.SOCKET,
    "run an asyncio loop": ViolationKind.SOCKET,
    "subprocess.run": ViolationKind.PROCESS,
    "os.system": ViolationKind.PROCESS,
    "os.fork": ViolationKind.PROCESS,
    "os.execv": ViolationKind.PROCESS,
    "signal another process": ViolationKind.SIGNAL,
    "import a module of the standard library": ViolationKind.IMPORT,
    "load a library with ctypes": ViolationKind.SYSCALL,
    "sys._getframe": ViolationKind.INTEGRITY,
    "exec": ViolationKind.INTEGRITY,
    "call a public entry": ViolationKind.INTEGRITY,
    "patch a built-in function": ViolationKind.INTEGRITY,
}


def expected(attack: Attack, *, swallow: bool) -> Verdict:
    return expected_at(attack.swallow if swallow else attack.plain, VERSION)


@pytest.fixture(scope="module")
def told() -> Told:
    """Run all attacks in one program that forks a child for each."""
    jobs = [
        [attack.name, swallow, HANG_S if hangs else DEADLINE_S]
        for attack in ATTACKS
        for swallow in (False, True)
        for hangs in [expected(attack, swallow=swallow) is Verdict.HANGS]
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.boxed_runner"],
        input=json.dumps(jobs),
        capture_output=True,
        check=False,
        cwd=ROOT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, done.stdout.splitlines())
    return {(name, swallow): (verdict, what) for name, swallow, verdict, what in lines}


@pytest.mark.parametrize(("attack", "swallow"), CASES)
def test_an_attack_ends_as_the_documentation_says(
    told: Told, attack: Attack, *, swallow: bool
) -> None:
    """ISO-2.1, ISO-4.1, ISO-7.6; rules 3B."""
    verdict, outcome = told[attack.name, swallow]

    assert verdict == expected(attack, swallow=swallow), outcome


@pytest.mark.parametrize("name", KINDS)
def test_a_stopped_attack_is_recorded_under_its_kind(told: Told, name: str) -> None:
    """ISO-4.3."""
    _, outcome = told[name, True]

    assert f"Violation(kind={KINDS[name]!r}" in outcome


def test_the_names_of_the_attacks_are_unique() -> None:
    names = [attack.name for attack in ATTACKS]

    assert len(names) == len(set(names))


def test_the_documentation_shows_what_the_attacks_show() -> None:
    """ISO-7.6."""
    page = (ROOT / "docs" / "isolation.md").read_text(encoding="utf-8")

    assert rendered_table() in page, "make the table again: python -m tests.attacks"
