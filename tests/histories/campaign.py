"""A campaign: some processes start under a script's tokens while they are stopped.

In each of two processes there is one thread that stops things when the script says so,
and some that start plans as fast as they can: mostly under the tokens whose turn it is,
now and then under ones that are stopped already or come later; some under an execution
id that others use at the same time, one in a few of those for another plan.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, cast

from stage3.plan import DomainInvocation, ExecutionPlan
from tests.histories.board import Board
from tests.histories.operations import STOP_CODES
from tests.histories.recorder import Recorder
from tests.histories.script import BOTH, Script
from tests.histories.together import together
from tests.histories.world import authority_on, open_world, stop
from tests.histories.wrong_registries import REGISTRIES

if TYPE_CHECKING:
    from tests.histories.operations import Subject
    from tests.histories.script import Cue
    from tests.histories.world import Player, World

__all__ = ["PROCESSES", "Job", "act_out"]

Job = dict[str, object]

PROCESSES = 2
_TICK_US = 50_000
"""How far the clock of the ledger moves with each stop."""
_EXPECTED = STOP_CODES | {
    "",
    "LIMIT_INVOCATIONS",
    "LIMIT_EXECUTIONS",
    "LIMIT_TOTAL",
    "LIMIT_FREQUENCY",
    "EXECUTION_ID_CONFLICT",
    "EXECUTION_IN_PROGRESS",
}
_UNAVAILABLE = "AUDIT_UNAVAILABLE"
"""The first use of a token that has been revoked: the grammar of the ledger refuses it
even to an executor that would let it through."""
_IDS = 6
"""So many execution ids are in use at a time."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the threads of one process have in common."""

    world: World
    script: Script
    recorder: Recorder
    process: int
    threads: int
    seed: int
    expected: frozenset[str]

    @property
    def board(self) -> Board:
        """The words that all processes share."""
        return self.world.board

    def starts(self) -> int:
        """How many steps have started in all processes."""
        return sum(self.board.state(2 * each) for each in range(self._starters))

    def attempts(self) -> list[int]:
        """How many plans each starter has asked for."""
        return [self.board.state(2 * each + 1) for each in range(self._starters)]

    @property
    def _starters(self) -> int:
        return PROCESSES * self.threads

    def count(self, starter: int, starts: int, attempts: int) -> None:
        """Tell the others; each starter has two words of its own."""
        self.board.set_state(2 * starter, starts)
        self.board.set_state(2 * starter + 1, attempts)


def act_out(job: Job) -> dict[str, object]:
    """Play one process's part of a campaign, and write down what it saw."""
    with Board(Path(str(job["board"]))) as board:
        world = open_world(str(job["url"]), board)
        process, threads = cast("int", job["process"]), cast("int", job["threads"])
        recorder = Recorder()
        with world.store:
            script = Script.from_json(job["script"])
            seed = cast("int", job["seed"])
            registry = str(job["registry"])
            make = REGISTRIES[registry]
            expected = _EXPECTED if registry == "right" else _EXPECTED | {_UNAVAILABLE}
            stage = Stage(world, script, recorder, process, threads, seed, expected)
            player = world.player(
                f"plays {seed} {process}",
                lambda store: make(store, board, len(script.cues)),
                recorder,
            )
            numbers = range(process * threads, (process + 1) * threads)
            together(
                partial(stop_all, stage),
                *(partial(start_on, stage, player, number) for number in numbers),
            )
            player.executor.close()
        recorder.history.write(Path(str(job["history"])))
    return {}


# Stopping -----------------------------------------------------------------------------


def stop_all(stage: Stage) -> None:
    """Do what the script says, when it says so, after all that comes before it."""
    board = stage.board
    authority = authority_on(stage.world.store, f"stops {stage.seed} {stage.process}")
    caller = f"stopper {stage.process}"
    for number, cue in enumerate(stage.script.cues):
        if cue.by in (stage.process, BOTH):
            board.wait(f"cue {number}", partial(_is_due, stage, number, cue))
            if cue.kind == "resume" and cue.generation % 4:
                _wait_for_attempts(stage)
            stage.recorder.stop(
                caller,
                (cue.kind, cue.name),
                lambda cue=cue: stop(authority, cue.kind, cue.name),
            )
            if cue.by == stage.process:
                board.advance(_TICK_US)
        board.count(stage.process, number + 1)


def _is_due(stage: Stage, number: int, cue: Cue) -> bool:
    return stage.board.progress() >= number and stage.starts() >= cue.after


def _wait_for_attempts(stage: Stage) -> None:
    """Wait until everybody has been refused, or led astray, once more."""
    before = stage.attempts()

    def all_went_on() -> bool:
        now = stage.attempts()
        return all(after > since for after, since in zip(now, before, strict=True))

    stage.board.wait("all have tried", all_went_on)


# Starting -----------------------------------------------------------------------------


def start_on(stage: Stage, player: Player, starter: int) -> None:
    """Start, and start again, until the script is at its end; then once more each."""
    random = Random(f"{stage.seed} {starter}")  # noqa: S311 - the same each time
    caller = f"starter {starter} {threading.get_ident()}"
    starts, attempts = 0, 0
    cues = stage.script.cues
    while (done := stage.board.progress()) < len(cues):
        generation = cues[done].generation + random.choice((0,) * 14 + (-1, 1))
        starts += _ask(stage, player, caller, generation, random)
        attempts += 1
        stage.count(starter, starts, attempts)
    for subject in stage.script.generation(cues[-1].generation):
        _ask_for(stage, player, (caller, subject, "", 0))


def _ask(
    stage: Stage, player: Player, caller: str, generation: int, random: Random
) -> int:
    tokens = stage.script.generation(generation)
    if random.random() > 0.2:
        return _ask_for(stage, player, (caller, random.choice(tokens), "", 0))
    slot = random.randrange(_IDS)
    execution_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{tokens[0].token} {slot}"))
    variant = int(random.random() < 0.2)
    return _ask_for(stage, player, (caller, tokens[slot], execution_id, variant))


def _ask_for(
    stage: Stage, player: Player, wanted: tuple[str, Subject, str, int]
) -> int:
    """Ask for a plan and give the number of its steps that were started."""
    caller, subject, execution_id, variant = wanted
    steps = 1 + sum(subject.token.encode()) % 3
    step = DomainInvocation("racer", "run", {"variant": variant})
    plan = ExecutionPlan(subject.user, [step] * steps)
    attempt = stage.recorder.attempt(
        caller,
        (subject.token, f"{subject.token} {variant}", execution_id),
        lambda: player.executor.execute_plan(
            subject.token,
            subject.user,
            "direct_command",
            plan,
            execution_id=execution_id or None,
        ),
    )
    if attempt.code not in stage.expected:
        raise AssertionError(f"neither allowed nor stopped: {attempt}")
    return len(attempt.entered)
