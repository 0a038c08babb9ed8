"""What the processes of a history do: functions from a job to a report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from audit.store.faults import LOCKED, Faults, failure
from audit.store.sqlite import SqlitePorts
from audit.store.timing import SYSTEM_TIMING, Timing
from stage3.recovery import recover
from tests.histories.board import Board
from tests.histories.campaign import act_out
from tests.histories.operations import STOP_CODES
from tests.histories.together import together
from tests.histories.world import (
    LOCK_TIMEOUT_S,
    Round,
    World,
    authority_on,
    open_world,
    stop,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.records import Receipt
    from audit.store.faults import Moment
    from stage3.outcome import PlanOutcome
    from tests.histories.world import Player
    from tokens.authority import TokenAuthority

__all__ = ["DONE", "INSIDE_DONE", "PARTS", "Job", "rounds_of", "stop_round"]

Job = dict[str, object]
Report = dict[str, object]

DONE = 62
"""The counter by which a crowd learns that it may go home."""
RECOVERIES = 60
"""The counter of recoveries that have ended."""
INSIDE_DONE = 61
"""The counter that tells that the stopper inside the crowd has finished."""


def rounds_of(job: Job) -> list[Round]:
    given = cast("list[dict[str, object]]", job["rounds"])
    return [Round(**each) for each in given]  # type: ignore[arg-type]  # as made


def meet(board: Board, job: Job, starter: int, number: int) -> None:
    """Wait until all starters have come to this round."""
    total = cast("int", job["total_starters"])
    board.count(starter, number + 1)
    board.wait(
        f"all come to round {number}",
        lambda: all(board.counter(each) > number for each in range(total)),
    )


def stop_round(authority: TokenAuthority, played: Round) -> Receipt:
    """Stop the round's token in the round's way."""
    names = {
        "token": played.token,
        "user": played.user,
        "issuer": f"officer{played.number}",
        "pause": "",
    }
    return stop(authority, played.kind, names[played.kind])


# A crowd of starters -----------------------------------------------------------------


def crowd(job: Job) -> Report:
    """Start plans on several threads until the board says that it is over."""
    first = cast("int", job["process"]) * 16
    hammered, *to_stop = rounds_of(job)
    with Board(Path(str(job["board"]))) as board:
        world = open_world(str(job["url"]), board)
        with world.store:
            player = world.player(f"crowd {first}")
            numbers = range(first, first + cast("int", job["threads"]))
            counts = together(
                partial(stop_inside, world, to_stop, numbers[0]),
                *(partial(hammer, player, board, hammered, n) for n in numbers),
            )
            player.executor.close()
    return {"stops": counts[0], "plans": sum(cast("list[int]", counts[1:]))}


def hammer(player: Player, board: Board, played: Round, number: int) -> int:
    """Start, and start again; a pause stops the starts and not the crowd."""
    count = 0
    while board.counter(DONE) == 0:
        _check_stopped(player.play(played))
        count += 1
        board.count(number, count)
    return count


def _check_stopped(outcome: PlanOutcome) -> None:
    if outcome.error is not None and outcome.error.code not in STOP_CODES:
        raise AssertionError(f"neither allowed nor stopped: {outcome.error}")


def stop_inside(
    world: World, rounds: list[Round], watched: int
) -> list[tuple[int, int]]:
    """Stop tokens from a thread among the starters; give (asked at, done at)."""
    authority = authority_on(world.store, "stops inside")
    stops: list[tuple[int, int]] = []
    for played in rounds:
        now = world.board.counter(watched)
        world.board.wait(
            "the crowd goes on", lambda now=now: world.board.counter(watched) > now + 3
        )
        with world.store.read() as tx:
            asked_at = tx.head().size
        stops.append((asked_at, stop_round(authority, played).leaf_index))
    if rounds:
        world.board.count(INSIDE_DONE, 1)
    return stops


# Recovery against the living ---------------------------------------------------------


def live_on(job: Job) -> Report:
    """Execute plans one after another, while others recover what they can."""
    told: list[str] = []
    with Board(Path(str(job["board"]))) as board:
        world = open_world(str(job["url"]), board)
        with world.store:
            board.wait("somebody recovers", lambda: board.counter(RECOVERIES) > 0)
            for played in rounds_of(job):
                player = world.player(f"lives {played.number}")
                outcome = player.play(played)
                told.append("" if outcome.error is None else outcome.error.code.value)
                player.executor.close()
        board.count(DONE, 1)
    return {"told": told}


def recover_on(job: Job) -> Report:
    """Recover, and make executors, until the board says that it is over."""
    count, closed = 0, 0
    with Board(Path(str(job["board"]))) as board:
        world = open_world(str(job["url"]), board)
        with world.store:
            while board.counter(DONE) == 0:
                closed += len(recover(world.store).closed)
                world.player(f"recovers {count}").executor.close()
                count += 1
                board.count(RECOVERIES, count)
    return {"recoveries": count, "closed": closed}


def abandon(job: Job) -> Report:
    """Leave each plan half way, then close it oneself while others recover it."""
    told: list[str] = []
    ids = cast("list[str]", job["ids"])
    with Board(Path(str(job["board"]))) as board:
        faults, hurry = Faults(), Hurry()
        world = open_world(
            str(job["url"]),
            board,
            SqlitePorts(board.clock, faults.connect, hurry.timing, LOCK_TIMEOUT_S),
        )
        with world.store:
            for played, execution_id in zip(rounds_of(job), ids, strict=True):
                player = world.player(f"abandons {played.number}")
                faults.watch(hurry)
                outcome = player.play(played, execution_id)
                told.append("" if outcome.error is None else outcome.error.code.value)
                faults.heal()
                meet(board, job, 0, played.number)
                if played.number % 2 == 0:
                    player.executor._abandoned.try_to_close_all()
                player.executor.close()
    return {"told": told}


class Hurry:
    """Finds the lock taken after the first commit, and no time left to wait for it.

    Everywhere else the store has all its time, since others really have its lock.
    """

    def __init__(self) -> None:
        self._skew_s = 0.0
        self._has_started = False
        self.timing = Timing(
            monotonic=lambda: SYSTEM_TIMING.monotonic() + self._skew_s,
            pause=SYSTEM_TIMING.pause,
        )

    def __call__(self, moment: Moment) -> None:
        """Let the time run out, then say that the lock is taken."""
        if moment[:2] == ("after", "commit"):
            self._has_started = True
        elif self._has_started and moment[:2] == ("before", "begin immediate"):
            self._has_started = False
            self._skew_s += 2 * LOCK_TIMEOUT_S
            raise failure(LOCKED)


def recover_abandoned(job: Job) -> Report:
    """Recover each round's plan at the moment its owner closes it or goes away."""
    closed: list[str] = []
    with Board(Path(str(job["board"]))) as board:
        world = open_world(str(job["url"]), board)
        with world.store:
            for played in rounds_of(job):
                meet(board, job, 1, played.number)
                closed += recover(world.store).closed
    return {"closed": closed}


PARTS: dict[str, Callable[[Job], Report]] = {
    "act_out": act_out,
    "crowd": crowd,
    "live_on": live_on,
    "recover_on": recover_on,
    "abandon": abandon,
    "recover_abandoned": recover_abandoned,
}
