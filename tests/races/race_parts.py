"""What the processes of a race do. Each part is a function from a job to a report."""

from __future__ import annotations

import os
import threading
import traceback
from collections import Counter
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from audit.store.faults import LOCKED, Faults, failure
from audit.store.timing import SYSTEM_TIMING, Timing
from stage3.recovery import recover
from tests.races.race_board import OPEN, STOPPED, Board
from tests.races.race_mutants import make_registry
from tests.races.race_world import (
    LOCK_TIMEOUT_S,
    Round,
    World,
    authority_on,
    key_of,
    open_world,
)
from tokens.state.selector import Selector

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.records import Receipt
    from audit.store.faults import Moment
    from stage3.outcome import PlanOutcome
    from tests.races.race_world import Player
    from tokens.authority import TokenAuthority

__all__ = ["DONE", "INSIDE_DONE", "PARTS", "Job", "rounds_of", "stop"]

Job = dict[str, object]
Report = dict[str, object]

STOP_CODES = {"TOKEN_REVOKED", "PLATFORM_PAUSED", "KEY_NOT_TRUSTED"}
_MOST_ATTEMPTS = 100_000
DONE = 62
"""The counter by which a crowd learns that it may go home."""
RECOVERIES = 60
"""The counter of recoveries that have ended."""
INSIDE_DONE = 61
"""The counter that tells that the stopper inside the crowd has finished."""


def rounds_of(job: Job) -> list[Round]:
    given = cast("list[dict[str, object]]", job["rounds"])
    return [Round(**each) for each in given]  # type: ignore[arg-type]  # as made


def together(*tasks: Callable[[], object]) -> list[object]:
    """Run each on a thread of its own; the failure that came first is raised.

    The others wait in vain for one that failed, so theirs would only hide it.
    """
    with ThreadPoolExecutor(len(tasks)) as pool:
        futures = [pool.submit(each) for each in tasks]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for each in done:
            if each.exception() is not None:
                traceback.print_exception(each.exception())
                os._exit(1)
        return [each.result() for each in futures]


# Starts against stops ----------------------------------------------------------------


@dataclass
class Tally:
    """What one process saw of the races between starts and stops."""

    board: Board
    allowed_after_return: list[int] = field(default_factory=list)
    calls_after_return: int = 0
    calls: int = 0
    attempts: int = 0
    stops: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def began(self, number: int) -> None:
        """Count a domain call, at the very moment before the box is entered."""
        is_after = self.board.state(number) == STOPPED
        with self._lock:
            self.calls += 1
            self.calls_after_return += is_after

    def attempted(self, number: int, *, was_stopped: bool, is_allowed: bool) -> None:
        with self._lock:
            self.attempts += 1
            if was_stopped and is_allowed:
                self.allowed_after_return.append(number)


def starts_and_stops(job: Job) -> Report:
    """Start under each token until it is refused; stop every second one."""
    starters = cast("list[int]", job["starters"])
    total = cast("int", job["total_starters"])
    with Board(Path(str(job["board"]))) as board:
        world = open_world(str(job["ledger"]), board)
        tally = Tally(board)
        with world.store:
            registry = make_registry(str(job["registry"]), world, rounds_of(job))
            player = world.player(f"starts {starters}", registry, tally.began)
            together(
                partial(stop_rounds, world, job, total, tally),
                *(partial(start_rounds, player, job, each, tally) for each in starters),
            )
            player.executor.close()
        return {
            "allowed_after_return": tally.allowed_after_return,
            "calls_after_return": tally.calls_after_return,
            "calls": tally.calls,
            "attempts": tally.attempts,
            "stops": tally.stops,
        }


def start_rounds(player: Player, job: Job, starter: int, tally: Tally) -> None:
    board = tally.board
    for played in rounds_of(job):
        number = played.number
        board.wait(f"round {number} opens", lambda n=number: board.state(n) >= OPEN)
        for attempt in range(_MOST_ATTEMPTS):
            was_stopped = board.state(number) == STOPPED
            outcome = player.play(played)
            is_stopped = stopped_by(outcome)
            tally.attempted(number, was_stopped=was_stopped, is_allowed=not is_stopped)
            board.count(2 * starter, number * _MOST_ATTEMPTS + attempt + 1)
            if is_stopped:
                break
        board.count(2 * starter + 1, number + 1)


def stopped_by(outcome: PlanOutcome) -> bool:
    if outcome.success:
        return False
    if outcome.error is None or outcome.error.code not in STOP_CODES:
        raise AssertionError(f"neither allowed nor stopped: {outcome.error}")
    return True


def stop_rounds(world: World, job: Job, total: int, tally: Tally) -> None:
    """Stop the rounds of this process's parity, in the thick of it."""
    board = world.board
    authority = authority_on(world.store, f"stops {job['parity']}")
    rounds = rounds_of(job)
    for place, played in enumerate(rounds):
        number = played.number
        if number % 2 != job["parity"]:
            continue
        board.wait(f"round {number} opens", lambda n=number: board.state(n) >= OPEN)
        # Everybody has started once or more; where they stand now is up to them.
        warm = number * _MOST_ATTEMPTS + 1 + number // 2 % 3
        board.wait(
            "all have started",
            lambda w=warm: all(board.counter(2 * s) >= w for s in range(total)),
        )
        tally.stops[str(number)] = stop(authority, played).leaf_index
        board.set_state(number, STOPPED)
        board.wait(
            "all were refused",
            lambda n=number: all(board.counter(2 * s + 1) > n for s in range(total)),
        )
        if played.kind == "pause":
            authority.resume("the race is over", "referee")
        if place + 1 < len(rounds):
            board.set_state(rounds[place + 1].number, OPEN)


def stop(authority: TokenAuthority, played: Round) -> Receipt:
    """Stop the round's token in the round's way."""
    why, who = "race", "referee"
    if played.kind == "token":
        return authority.revoke_token(played.token, why, who)
    if played.kind == "pause":
        return authority.pause(why, who)
    selectors = {
        "user": Selector.user(played.user),
        "issuer": Selector.issuer(f"officer{played.number}"),
        "key": Selector.key(key_of(f"key{played.number}", "issue").kid),
        "all": Selector.everything(),
    }
    return authority.revoke(selectors[played.kind], why, who)


# Contests for what a limit leaves ----------------------------------------------------


def contest(job: Job) -> Report:
    """Everybody tries every token a number of times, starting together."""
    starters = cast("list[int]", job["starters"])
    with Board(Path(str(job["board"]))) as board:
        world = open_world(str(job["ledger"]), board)
        with world.store:
            player = world.player(f"contest {starters}")
            codes = together(
                *(partial(contest_rounds, player, board, job, s) for s in starters)
            )
            player.executor.close()
        return {"codes": codes}


def contest_rounds(
    player: Player, board: Board, job: Job, starter: int
) -> dict[str, list[str]]:
    codes: dict[str, list[str]] = {}
    for played in rounds_of(job):
        meet(board, job, starter, played.number)
        mine = codes[str(played.number)] = []
        for _ in range(cast("int", job["attempts"])):
            outcome = player.play(played)
            mine.append("" if outcome.error is None else outcome.error.code.value)
            if starter == 0 and played.kind == "frequency":
                board.advance(1_000_000)
    return codes


def meet(board: Board, job: Job, starter: int, number: int) -> None:
    """Wait until all starters have come to this round."""
    total = cast("int", job["total_starters"])
    board.count(starter, number + 1)
    board.wait(
        f"all come to round {number}",
        lambda: all(board.counter(each) > number for each in range(total)),
    )


# One execution id, asked for by everybody --------------------------------------------


def same_id(job: Job) -> Report:
    """Everybody asks for the same execution at once; the last for another plan."""
    starters = cast("list[int]", job["starters"])
    ids = cast("list[str]", job["ids"])
    calls: Counter[int] = Counter()
    guard = threading.Lock()

    def began(number: int) -> None:
        with guard:
            calls[number] += 1

    def ask(starter: int) -> list[list[object]]:
        told: list[list[object]] = []
        for played, execution_id in zip(rounds_of(job), ids, strict=True):
            variant = int(starter == int(str(job["different"])))
            meet(board, job, starter, played.number)
            outcome = player.play(played, execution_id, variant)
            code = None if outcome.error is None else outcome.error.code.value
            told.append([outcome.success, outcome.replayed, code])
        return told

    with Board(Path(str(job["board"]))) as board:
        world = open_world(str(job["ledger"]), board)
        with world.store:
            player = world.player(f"asks {starters}", None, began)
            told = together(*(partial(ask, starter) for starter in starters))
            player.executor.close()
    return {"told": told, "calls": {str(n): count for n, count in calls.items()}}


# A crowd of starters -----------------------------------------------------------------


def crowd(job: Job) -> Report:
    """Start plans on several threads until the board says that it is over."""
    first = cast("int", job["process"]) * 16
    hammered, *to_stop = rounds_of(job)
    with Board(Path(str(job["board"]))) as board:
        world = open_world(str(job["ledger"]), board)
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
        stopped_by(player.play(played))
        count += 1
        board.count(number, count)
    return count


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
        stops.append((asked_at, stop(authority, played).leaf_index))
    if rounds:
        world.board.count(INSIDE_DONE, 1)
    return stops


# Recovery against the living ---------------------------------------------------------


def live_on(job: Job) -> Report:
    """Execute plans one after another, while others recover what they can."""
    told: list[str] = []
    with Board(Path(str(job["board"]))) as board:
        world = open_world(str(job["ledger"]), board)
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
        world = open_world(str(job["ledger"]), board)
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
        world = open_world(str(job["ledger"]), board, faults.connect, hurry.timing)
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
        world = open_world(str(job["ledger"]), board)
        with world.store:
            for played in rounds_of(job):
                meet(board, job, 1, played.number)
                closed += recover(world.store).closed
    return {"closed": closed}


PARTS: dict[str, Callable[[Job], Report]] = {
    "starts_and_stops": starts_and_stops,
    "contest": contest,
    "same_id": same_id,
    "crowd": crowd,
    "live_on": live_on,
    "recover_on": recover_on,
    "abandon": abandon,
    "recover_abandoned": recover_abandoned,
}
