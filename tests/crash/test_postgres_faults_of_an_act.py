"""Every statement of issuing, stopping, recovering and creating on PostgreSQL.

Each act is one commit: it is there, whole, or it is not; what was acknowledged is
there; and it can be done again (PGS-7.1, PGS-7.2, PGS-1.2, EXE-7.5, EXE-7.6, AUT-4.1).
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from audit.events import AuditEventType, PlatformEventType
from audit.log import AuditEventLog
from audit.store.opening import open_store
from stage3.pytest_plugin.harness import make_token
from stage3.records import EXECUTION
from stage3.recovery import recover
from tests.crash.crash_judge import judge_closed
from tests.crash.crash_scenarios import (
    LIMITS,
    SCOPE,
    authority_on,
    execute,
    executor_on,
)
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
from tokens.state.selector import Selector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audit.store.interface import Store
    from stage3.outcome import PlanOutcome
    from tests.postgres_server import PostgresServer
    from tokens.authority import TokenAuthority

_PATIENCE_S = 60.0
DRY = Fault(-1, Deed.CUT)
EVERYTHING = Selector.everything()


@pytest.fixture(scope="module")
def scene(postgres: PostgresServer) -> Iterator[WiredScene]:
    with wired_scene(postgres) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Act:
    """One act of the authority: what it does, writes, and refuses from then on."""

    do: Callable[[TokenAuthority, str], object]
    writes: AuditEventType | PlatformEventType
    refuses: str | None
    repeats: bool = True
    """Whether doing it again is doing nothing."""


def issue(authority: TokenAuthority, _token: str) -> object:
    token = make_token("alice", SCOPE, resource_limits=LIMITS)
    return authority.issue_token(token).token_hash


def by_token(authority: TokenAuthority, token: str) -> object:
    return authority.revoke_token(token, "lost", "security_admin").leaf_index


def by(selector: Selector) -> Callable[[TokenAuthority, str], object]:
    return lambda authority, _token: (
        authority.revoke(selector, "left", "security_admin").leaf_index
    )


def pause(authority: TokenAuthority, _token: str) -> object:
    return authority.pause("drill", "security_admin").leaf_index


def resume(authority: TokenAuthority, _token: str) -> object:
    return authority.resume("drill is over", "security_admin").leaf_index


_TOKEN, _PLATFORM = AuditEventType, PlatformEventType
_OUT = "TOKEN_REVOKED"
_REVOKED = _PLATFORM.SELECTOR_REVOKED
ACTS = {
    "issue": Act(issue, _TOKEN.TOKEN_ISSUED, None, repeats=False),
    "revoke a token": Act(by_token, _TOKEN.TOKEN_REVOKED, _OUT),
    "revoke a user": Act(by(Selector.user("alice")), _REVOKED, _OUT),
    "revoke all": Act(by(EVERYTHING), _REVOKED, _OUT),
    "pause": Act(pause, _PLATFORM.PLATFORM_PAUSED, "PLATFORM_PAUSED"),
    "resume": Act(resume, _PLATFORM.PLATFORM_RESUMED, None),
}


def entries_of(store: Store, kind: AuditEventType | PlatformEventType) -> int:
    return sum(
        record.event_type is kind for record in AuditEventLog(store).get_records()
    )


def refusal_code(store: Store, seed: str, token: str) -> str | None:
    """Try to start something under the token; nothing may run where it is refused."""
    calls: list[int] = []
    with executor_on(store, f"prober {seed}", calls.append) as executor:
        outcome = execute(executor, token, fresh_id())
    assert calls == ([0, 1, 2] if outcome.success else [])
    return None if outcome.error is None else outcome.error.code.value


@dataclass(slots=True)
class Told:
    """What the caller of an act was told, and what the server did meanwhile."""

    answers: list[object] = field(default_factory=list)
    moments: list[str] = field(default_factory=list)
    commits: int = 0

    def result(self) -> str:
        """Say it in a word."""
        return "done" if self.answers else f"refused, {self.commits} commits"


def in_trouble(scene: WiredScene, fault: Fault, act: Callable[[Store], object]) -> Told:
    """Open the store by the wire and do something; only failures latch."""
    told = Told()

    def do() -> None:
        with open_store(scene.wired) as store:
            stood = store.latch
            try:
                told.answers.append(act(store))
            finally:
                assert fault.deed not in BLOCKING or store.latch in (None, stood)

    scene.wire.watch(fault)
    error = refusal_of(do)
    assert (error is None) or fault.hit is not None, error
    told.moments = scene.wire.moments
    told.commits = scene.wire.commits.count(COMMITTED)
    scene.wire.watch(None)
    scene.settle()
    return told


# Acts of the authority ------------------------------------------------------------


def attempt(scene: WiredScene, name: str, fault: Fault) -> Told:
    """Do one act in trouble, judge what is left, and do it again."""
    act = ACTS[name]
    seed = scene.next_point(is_first=act.repeats)
    token = scene.token(seed)
    if name == "resume":
        pause(authority_on(scene.store, f"pauser {seed}"), token)
    before = entries_of(scene.store, act.writes)

    told = in_trouble(
        scene, fault, lambda store: act.do(authority_on(store, f"act {seed}"), token)
    )

    with open_store(scene.wired) as store:
        judge(store, act, told, entries_of(store, act.writes) - before)
        is_stopped = (told.commits == 1) != (name == "resume")
        refuses = "PLATFORM_PAUSED" if name == "resume" else act.refuses
        expected = refuses if is_stopped else None
        assert recover(store).closed == ()
        assert refusal_code(store, seed, token) == expected
        again = act.do(authority_on(store, f"again {seed}"), token)
        if act.repeats:
            assert entries_of(store, act.writes) - before == 1
            assert told.answers in ([], [again])
            assert refusal_code(store, seed, token) == act.refuses
        if name == "pause":
            resume(authority_on(store, f"resumer {seed}"), token)
        assert AuditEventLog(store).verify()
    return told


def judge(store: Store, act: Act, told: Told, written: int) -> None:
    """It is there or it is not, and it is there if it was acknowledged."""
    assert AuditEventLog(store).verify()
    assert told.commits == written
    assert written in ({1} if told.answers else {0, 1})
    if act.writes is _TOKEN.TOKEN_ISSUED:
        for issued in told.answers:
            assert refusal_code(store, f"new {issued}", str(issued)) is None


def places_of(moments: list[str], sign: str) -> list[int]:
    """Give the moments from the first that has this sign; how it opens is known."""
    first = next(place for place, name in enumerate(moments) if sign in name)
    return [place for place in unlike(moments) if place >= first]


@pytest.mark.parametrize("name", ACTS)
def test_an_act_in_trouble_at_its_commit_is_done_whole_or_not_at_all(
    scene: WiredScene, name: str, figure: Callable[[str, object], None]
) -> None:
    dry = attempt(scene, name, DRY)
    assert (dry.commits, len(dry.answers)) == (1, 1)
    at = dry.moments.index(f"before {COMMITTED}")
    faults = [(at, Deed.FULL), (at + 1, Deed.CUT)]
    tally = suffer(
        dry.moments, faults, lambda fault, _: attempt(scene, name, fault).result()
    )
    figure(f"faults of an act on PostgreSQL: {name}", tally)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ACTS)
def test_an_act_in_any_trouble_at_any_moment_is_done_whole_or_not_at_all(
    scene: WiredScene, name: str, figure: Callable[[str, object], None]
) -> None:
    dry = attempt(scene, name, DRY)
    faults = faults_at(dry.moments, places_of(dry.moments, "read committed"))
    tally = suffer(
        dry.moments, faults, lambda fault, _: attempt(scene, name, fault).result()
    )
    figure(f"faults of an act on PostgreSQL: {name}, at any moment", tally)


# Recovery -------------------------------------------------------------------------


def left_open(scene: WiredScene, seed: str) -> list[tuple[str, str]]:
    """Leave two plans, in their first and second step: their owner is cut off there."""
    plans = [(scene.token(f"{seed} {step}"), fresh_id()) for step in range(2)]
    both, here = threading.Barrier(2), threading.local()

    def called(number: int) -> None:
        if number == here.step:
            if both.wait(_PATIENCE_S) == 0:
                assert scene.terminate() >= 2
            both.wait(_PATIENCE_S)

    with executor_on(scene.store, f"cut off {seed}", called) as executor:

        def run(step: int) -> PlanOutcome:
            here.step = step
            return execute(executor, *plans[step])

        with ThreadPoolExecutor(2) as threads:
            for outcome in threads.map(run, range(2)):
                assert outcome.error is not None
                assert (outcome.error.code, outcome.results) == ("INTERRUPTED", None)
    return plans


def recovered(store: Store) -> object:
    return recover(store).closed


def attempt_recovery(scene: WiredScene, fault: Fault) -> Told:
    plans = left_open(scene, scene.next_point(is_first=True))
    ids = sorted(execution_id for _, execution_id in plans)

    with open_store(scene.wired) as store:
        store.raise_latch("the drill's latch")

    told = in_trouble(scene, fault, recovered)

    assert told.answers in ([], [tuple(ids)])
    with open_store(scene.wired) as store:
        assert AuditEventLog(store).verify()
        closed = min(told.commits, 2)
        assert closed_in(store, ids) == closed
        stood = store.latch is not None
        assert stood == (not told.answers)
        report = recover(store)
        assert len(report.closed) == 2 - closed
        assert report.latch_lifted == stood
        assert store.latch is None
        for step, (token, execution_id) in enumerate(plans):
            judge_closed(store, token, step + 1, execution_id)
        assert closed_in(store, ids) == 2
        assert AuditEventLog(store).verify()
    return told


def closed_in(store: Store, ids: list[str]) -> int:
    """How many of them are closed; each of those by exactly one ABORTED."""
    count = 0
    with store.read() as tx:
        rows = [tx.get(EXECUTION, each) for each in ids]
    for each, row in zip(ids, rows, strict=True):
        is_closed = row is not None and row["state"] == "closed"
        aborted = _TOKEN.OPERATION_ABORTED
        events = [event.event_type for event in AuditEventLog(store).trail(each)]
        assert events.count(aborted) == is_closed
        count += is_closed
    return count


def test_recovery_in_trouble_at_its_commits_closes_each_plan_once(
    scene: WiredScene, figure: Callable[[str, object], None]
) -> None:
    dry = attempt_recovery(scene, DRY)
    assert dry.commits == 3
    at = [i for i, name in enumerate(dry.moments) if name == f"after {COMMITTED}"]
    faults = faults_at(dry.moments, at, [Deed.CUT])
    tally = suffer(
        dry.moments, faults, lambda fault, _: attempt_recovery(scene, fault).result()
    )
    figure("faults of a recovery on PostgreSQL", tally)


@pytest.mark.nightly
def test_recovery_in_any_trouble_at_any_moment_closes_each_plan_once(
    scene: WiredScene, figure: Callable[[str, object], None]
) -> None:
    dry = attempt_recovery(scene, DRY)
    faults = faults_at(dry.moments, places_of(dry.moments, "rollback"))
    tally = suffer(
        dry.moments, faults, lambda fault, _: attempt_recovery(scene, fault).result()
    )
    figure("faults of a recovery on PostgreSQL, at any moment", tally)


# Creation -------------------------------------------------------------------------


def first_token(store: Store) -> object:
    executor_on(store, "first executor", lambda _step: None).close()
    return issue(authority_on(store, "first issuer"), "")


def attempt_creation(scene: WiredScene, fault: Fault) -> Told:
    scene.next_schema()

    told = in_trouble(scene, fault, first_token)

    with open_store(scene.wired) as store:
        recover(store)
        assert AuditEventLog(store).verify()
        # The key is registered by a commit of its own.
        assert entries_of(store, _TOKEN.TOKEN_ISSUED) == max(0, told.commits - 1)
        assert told.commits == 2 or not told.answers
        token = issue(authority_on(store, "second issuer"), "")
        for usable in (token, *told.answers):
            assert refusal_code(store, f"{usable}", str(usable)) is None
        assert AuditEventLog(store).verify()
    return told


def test_a_ledger_in_trouble_in_the_making_can_be_made_again(
    scene: WiredScene, figure: Callable[[str, object], None]
) -> None:
    dry = attempt_creation(scene, DRY)
    at = [i for i, name in enumerate(dry.moments) if "after commit" in name]
    assert len(at) >= 2
    faults = faults_at(dry.moments, [at[0] // 2, *at], [Deed.CUT])
    tally = suffer(
        dry.moments, faults, lambda fault, _: attempt_creation(scene, fault).result()
    )
    figure("faults of a creation on PostgreSQL", tally)


@pytest.mark.nightly
def test_a_ledger_in_any_trouble_in_the_making_can_be_made_again(
    scene: WiredScene, figure: Callable[[str, object], None]
) -> None:
    dry = attempt_creation(scene, DRY)
    faults = faults_at(dry.moments, unlike(dry.moments))
    tally = suffer(
        dry.moments, faults, lambda fault, _: attempt_creation(scene, fault).result()
    )
    figure("faults of a creation on PostgreSQL, at any moment", tally)
