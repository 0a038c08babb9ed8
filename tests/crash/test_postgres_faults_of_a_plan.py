"""Every statement of a plan on PostgreSQL: lost, unheard of, refused, or cut off.

PGS-7.1, PGS-7.2, EXE-7.2, EXE-7.3, EXE-4.2, EXE-5.3. From connecting to the answer and
to the closing of the store; what was durable is what the server has committed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from audit.errors import StoreBusyError
from audit.log import AuditEventLog
from audit.store.opening import open_store
from stage3.recovery import recover
from tests.crash.crash_judge import events_in, judge_closed, judge_repeat
from tests.crash.crash_scenarios import STEPS, execute, executor_on
from tests.crash.wire import COMMITTED, Deed
from tests.crash.wired_scene import (
    BLOCKING,
    Fault,
    WiredScene,
    faults_at,
    fresh_id,
    refusal_of,
    suffer,
    unlike,
    wired_scene,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audit.store.interface import Store
    from stage3.orchestrator import Stage3Orchestrator
    from stage3.outcome import PlanOutcome
    from tests.postgres_server import PostgresServer

DRY = -1
FIGURE = "faults of a plan on PostgreSQL"


@pytest.fixture(scope="module")
def scene(postgres: PostgresServer) -> Iterator[WiredScene]:
    with wired_scene(postgres) as made:
        yield made


@dataclass(slots=True)
class Attempt:
    """One plan in trouble, and what its caller saw of it."""

    scene: WiredScene
    fault: Fault
    seed: str
    token: str
    stays: bool = False
    execution_id: str = field(default_factory=fresh_id)
    calls: list[int] = field(default_factory=list)
    outcome: PlanOutcome | None = None
    moments: list[str] = field(default_factory=list)
    commits: int = 0

    def make(self) -> None:
        """Open, execute and close; or, whoever stays, go on where it was."""
        self.scene.wire.watch(self.fault)
        with open_store(self.scene.wired) as store:
            called = self.calls.append
            with executor_on(store, f"executor {self.seed}", called) as executor:
                self.outcome = execute(executor, self.token, self.execution_id)
                judge_latch(store, self)
                if self.stays:
                    self.look()
                    go_on(store, executor, self)
        self.look()

    def look(self) -> None:
        """Take over what the wire has seen, once."""
        if not self.moments:
            self.moments = self.scene.wire.moments
            self.commits = self.scene.wire.commits.count(COMMITTED)
            self.scene.wire.watch(None)

    def result(self) -> str:
        """Say what its caller was told."""
        if self.outcome is None:
            return "raised"
        if self.outcome.error is None:
            return "success"
        return self.outcome.error.code.lower()


def attempt(scene: WiredScene, fault: Fault, *, stays: bool = False) -> Attempt:
    seed = scene.next_point()
    made = Attempt(scene, fault, seed, scene.token(seed), stays)
    error = refusal_of(made.make)
    assert (error is None) == (made.outcome is not None), error
    made.look()
    judge(made)
    return made


def judge_latch(store: Store, made: Attempt) -> None:
    """Only what fails latches; and what is lost at a commit always does."""
    if made.fault.deed in BLOCKING:
        assert store.latch is None
    elif made.fault.hit in {f"before {COMMITTED}", f"after {COMMITTED}"}:
        assert store.latch is not None


def go_on(store: Store, executor: Stage3Orchestrator, made: Attempt) -> None:
    """The same process asks again, at once and once the store was recovered."""
    if store.latch is not None:
        again = execute(executor, made.token, made.execution_id)
        assert again.error is not None
        assert again.error.code == "AUDIT_UNAVAILABLE"
        # The owner lives, so what it has begun is its own to close.
        assert recover(store).closed == ()
        assert store.latch is None
    before = len(made.calls)
    again = execute(executor, made.token, made.execution_id)
    assert again.success == (made.commits in {0, STEPS + 1})
    assert again.replayed == (made.commits > 0)
    assert len(made.calls) - before == (0 if made.commits else STEPS)
    made.commits = made.commits or STEPS + 1


def judge(made: Attempt) -> None:
    """Nothing acknowledged is lost, nothing is run twice, nothing is left open."""
    scene, commits = made.scene, made.commits
    judge_calls(made)
    if made.outcome is not None and made.outcome.success:
        assert commits == STEPS + 1
    elif made.outcome is not None and made.outcome.error is not None:
        assert made.outcome.error.code == "AUDIT_UNAVAILABLE"
        assert made.outcome.results is None
    scene.settle()
    with open_store(scene.wired) as store:
        log = AuditEventLog(store)
        assert log.verify()
        if not made.stays:
            assert events_in(store, made.execution_id) == (0, 4, 8, 12, 13)[commits]
            is_open = 1 <= commits <= STEPS
            assert recover(store).closed == ((made.execution_id,) if is_open else ())
            assert store.latch is None
        judge_closed(store, made.token, commits, made.execution_id)
        assert recover(store).closed == ()
        judge_repeat(store, made.token, commits, made.execution_id)
        assert log.verify()


def judge_calls(made: Attempt) -> None:
    """No call before the commit of its start was told, and no call twice."""
    assert made.calls == list(range(len(made.calls)))
    started = min(made.commits, STEPS)
    is_unheard = made.fault.hit == f"after {COMMITTED}" or made.fault.deed is Deed.LATE
    if not made.stays and made.outcome is not None:
        assert len(made.calls) in {started, started - is_unheard}


def dry_run(scene: WiredScene) -> list[str]:
    made = attempt(scene, Fault(DRY, Deed.CUT))
    assert made.commits == STEPS + 1
    assert made.result() == "success"
    return made.moments


def trouble_in(scene: WiredScene, moments: list[str]) -> Callable[[Fault, int], str]:
    """Every other one stays where it is; but who has to do with closing, closes."""
    closing = len(moments) - moments[::-1].index(f"after {COMMITTED}")

    def meet(fault: Fault, number: int) -> str:
        stays = number % 2 == 1 and fault.place < closing
        return attempt(scene, fault, stays=stays).result()

    return meet


def test_a_plan_in_trouble_at_its_commits_and_locks_is_on_record_as_it_was(
    scene: WiredScene, figure: Callable[[str, object], None]
) -> None:
    """Every kind of trouble at the second commit; each other place has one of them."""
    moments = dry_run(scene)
    commits = [i for i, name in enumerate(moments) if name.endswith(f" {COMMITTED}")]
    others = [i for i, name in enumerate(moments) if "advisory" in name]
    faults = faults_at(moments, commits[2:4])
    faults += faults_at(moments, [*commits[:2], *commits[4:], *others[::8]], [Deed.CUT])
    figure(FIGURE, suffer(moments, faults, trouble_in(scene, moments)))


@pytest.mark.nightly
def test_a_plan_in_any_trouble_at_any_moment_is_on_record_as_it_was(
    scene: WiredScene, figure: Callable[[str, object], None]
) -> None:
    """Inside of blocks twice, so that who stays and who goes meets each of them."""
    moments = dry_run(scene)
    faults = faults_at(moments, unlike(moments))
    first = next(i for i, name in enumerate(moments) if "read committed" in name)
    again = faults_at(moments, range(first, len(moments)))[1:]
    meet = trouble_in(scene, moments)
    figure(f"{FIGURE}, at any moment", suffer(moments, faults, meet))
    figure(f"{FIGURE}, in its blocks", suffer(moments, again, meet))


# A commit that arrives late --------------------------------------------------------


@pytest.mark.parametrize("number", range(STEPS + 1))
def test_a_commit_that_arrives_when_its_owner_has_given_up_is_waited_for(
    scene: WiredScene, number: int
) -> None:
    """PGS-5.1: until it has come or gone, locks keep everybody from guessing.

    Those of its streams; and without them, those of its rows and keys.
    """
    moments = dry_run(scene)
    at = [i for i, name in enumerate(moments) if name == f"before {COMMITTED}"][number]
    scene.wire.arrives.clear()
    made = in_limbo(scene, Fault(at, Deed.LATE))

    with open_store(scene.direct, lock_timeout_s=0.2) as store:
        assert events_in(store, made.execution_id) == (0, 4, 8, 12)[number]
        guess = refusal_of(lambda: abort_or_ask(store, made))
        assert isinstance(guess, StoreBusyError)
        assert store.latch is None
    scene.wire.arrives.set()
    made.scene.settle()
    made.moments, made.commits = scene.wire.moments, scene.wire.commits.count(COMMITTED)
    scene.wire.watch(None)

    assert made.commits == number + 1
    judge(made)


def in_limbo(scene: WiredScene, fault: Fault) -> Attempt:
    seed = scene.next_point()
    made = Attempt(scene, fault, seed, scene.token(seed))
    scene.wire.watch(fault)
    with open_store(scene.wired) as store:
        called = made.calls.append
        with executor_on(store, f"executor {seed}", called) as executor:
            made.outcome = execute(executor, made.token, made.execution_id)
    return made


def abort_or_ask(store: Store, made: Attempt) -> None:
    """Recover the execution, or, where nothing is known of it, begin it."""
    seed = f"guessing {made.seed}"
    with executor_on(store, seed, lambda _step: None) as executor:
        outcome = execute(executor, made.token, made.execution_id)
    assert outcome.error is not None
    assert outcome.error.code == "AUDIT_UNAVAILABLE"
    raise StoreBusyError(outcome.error.sentence)
