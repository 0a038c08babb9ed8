"""Every attack of the catalogue, run against the process box.

None may change anything of the host. Each runs four times: with the guarded import and
round it, plain and with every exception swallowed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from stage3.isolation.interface import InfraFailure, Violation, ViolationKind
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from tests.attacks.catalogue import ATTACKS
from tests.attacks.process_verdicts import in_a_process
from tests.attacks.process_world import World, run_attack, verdict_of
from tests.attacks.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.attacks.verdicts import Attack

LEVEL = probe()
pytestmark = pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal))

CASES: Final = [
    pytest.param(attack, swallow, id=f"{attack.name}{', swallowed' * swallow}")
    for attack in ATTACKS
    for swallow in (False, True)
]

GUARDED: Final = {
    "read a file": ViolationKind.OPEN,
    "open by file descriptor": ViolationKind.OPEN,
    "read a line through a syntax error": ViolationKind.OPEN,
    "connect a socket": ViolationKind.IMPORT,
    "subprocess.run": ViolationKind.IMPORT,
    "load a library with ctypes": ViolationKind.IMPORT,
    "a thread that stays": ViolationKind.IMPORT,
    "read an environment variable": ViolationKind.IMPORT,
    "a traceback's frame": ViolationKind.INTEGRITY,
    "exec": ViolationKind.INTEGRITY,
    "sleep": ViolationKind.SYSCALL,
    "an infinite loop": ViolationKind.BUDGET_WALL,
    "a loop that swallows every exception": ViolationKind.BUDGET_WALL,
    "a loop inside one call of C": ViolationKind.BUDGET_WALL,
    "an expensive pattern": ViolationKind.BUDGET_WALL,
    "an answer with a finalizer": ViolationKind.OPEN,
    "an attempt at the recursion limit": ViolationKind.OPEN,
}
"""The kind under which an attempt is recorded, swallowed or not."""

ROUND_THE_GUARD: Final = {
    "list a folder": ViolationKind.OPEN,
    "remove a file": ViolationKind.OPEN,
    "ask whether a file exists": ViolationKind.SYSCALL,
    "make a named pipe": ViolationKind.SYSCALL,
    "make a file in memory": ViolationKind.SYSCALL,
    "write to the ledger's descriptor": ViolationKind.SYSCALL,
    "read from the ledger's descriptor": ViolationKind.SYSCALL,
    "close the ledger's descriptor": ViolationKind.SYSCALL,
    "write to standard output": ViolationKind.SYSCALL,
    "os.system": ViolationKind.PROCESS,
    "os.posix_spawn": ViolationKind.PROCESS,
    "os.fork": ViolationKind.PROCESS,
    "os.execv": ViolationKind.PROCESS,
    "os._exit": ViolationKind.PROCESS,
    "os.abort": ViolationKind.SYSCALL,
    "signal itself": ViolationKind.SYSCALL,
    "set an alarm": ViolationKind.SYSCALL,
    "sys._getframe": ViolationKind.INTEGRITY,
    "all objects of the collector": ViolationKind.INTEGRITY,
    "import a module of the standard library": ViolationKind.IMPORT,
    "ask for randomness": ViolationKind.SYSCALL,
}
"""The same for attacks that have the interpreter's own import."""

BY_NAME: Final = {attack.name: attack for attack in ATTACKS}


@pytest.fixture(scope="module")
def box() -> Iterator[ProcessIsolation]:
    made = ProcessIsolation(level=LEVEL)
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World.make(tmp_path_factory.mktemp("world"))
    yield made
    os.close(made.ledger_fd)


@pytest.mark.parametrize(("attack", "swallow"), CASES)
def test_an_attack_reaches_nothing_and_ends_as_the_documentation_says(
    box: ProcessIsolation, world: World, attack: Attack, *, swallow: bool
) -> None:
    """BOX-5.8, BOX-6.5, ISO-2.1.

    Rules 3A.6, 3B.1, 3B.2, 3B row 5, 3B row 6, 3B row 9, 3B row 10, 3B row 12.
    """
    before = world.state()
    outcome = run_attack(box, world, attack, swallow=swallow, guarded=True)

    assert verdict_of(outcome) == in_a_process(attack.name)[swallow], outcome
    assert world.state() == before


@pytest.mark.parametrize(("attack", "swallow"), CASES)
def test_an_attack_that_gets_round_the_guard_reaches_nothing_either(
    box: ProcessIsolation, world: World, attack: Attack, *, swallow: bool
) -> None:
    """BOX-5.4, BOX-5.5: what is left are the hook and the kernel."""
    before = world.state()
    outcome = run_attack(box, world, attack, swallow=swallow, guarded=False)

    assert verdict_of(outcome) != Verdict.MISSED, outcome
    assert not isinstance(outcome, InfraFailure)
    assert world.state() == before


@pytest.mark.parametrize("swallow", [False, True])
@pytest.mark.parametrize(
    ("name", "guarded"),
    [*((name, True) for name in GUARDED), *((name, False) for name in ROUND_THE_GUARD)],
)
def test_an_attempt_is_recorded_under_its_kind(
    box: ProcessIsolation, world: World, name: str, *, guarded: bool, swallow: bool
) -> None:
    """BOX-5.8, BOX-6.5; ISO-1.5; rules 3B.3."""
    outcome = run_attack(box, world, BY_NAME[name], swallow=swallow, guarded=guarded)
    kinds = GUARDED if guarded else ROUND_THE_GUARD

    assert isinstance(outcome, Violation), outcome
    assert outcome.kind is kinds[name]
    assert len(outcome.detail) <= 200


@pytest.mark.parametrize(
    "name",
    [
        "deep recursion of C with the limit raised",
        "recursion that never ends with the limit raised",
    ],
)
def test_recursion_beyond_the_stack_costs_its_own_plan(
    box: ProcessIsolation, world: World, name: str
) -> None:
    """BOX-6.5: the stack ends it on 3.11, a bound of the interpreter's own later."""
    outcome = run_attack(box, world, BY_NAME[name], swallow=False, guarded=False)

    assert isinstance(outcome, Violation), outcome
    assert outcome.kind is ViolationKind.BUDGET_RECURSION


def test_nothing_is_left_of_all_this(box: ProcessIsolation) -> None:
    """BOX-7.6."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    box.close()

    assert len(list(Path("/proc/self/fd").iterdir())) <= before
