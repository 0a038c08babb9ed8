"""Limits are judged to the very last one, on a real ledger too (AUT-7; rules 2C).

Two threads read the counters of a token before either of them writes: the executor goes
one beyond the limit, and the checker says so.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from stage3.plan import DomainInvocation, ExecutionPlan
from tests.histories.check_limits import misspent
from tests.histories.ledger_lines import read_lines
from tests.histories.operations import NEVER, Subject
from tests.histories.script import issue_generation
from tests.histories.stores import STORE_KINDS, place_for
from tests.histories.world import World, open_world
from tests.histories.wrong_registries import StaleCounters

LIMITS = ("invocations", "executions", "total", "frequency")
ATTEMPTS = 8
"""More than any of the limits allows to two threads."""


def limited(world: World, limit: str) -> Subject:
    """Issue tokens until there is one with this limit."""
    for generation in range(4):
        for subject in issue_generation(world.store, generation):
            if getattr(subject, limit) != NEVER:
                return subject
    raise AssertionError(limit)


def overspend(world: World, subject: Subject) -> None:
    """Ask for the same from two threads that always read together."""
    player = world.player("spends", lambda store: StaleCounters(store, threads=2))
    plan = ExecutionPlan(subject.user, [DomainInvocation("racer", "run", {})])

    def attempt() -> None:
        for _ in range(ATTEMPTS):
            player.executor.execute_plan(
                subject.token, subject.user, "direct_command", plan
            )

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(attempt), pool.submit(attempt)]:
            done.result()
    player.executor.close()


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("kind", STORE_KINDS)
def test_a_registry_that_counts_before_the_lock_is_caught(
    kind: str, limit: str
) -> None:
    with place_for(kind) as place:
        world = open_world(place.url, place.board)
        with world.store as store:
            subject = limited(world, limit)
            overspend(world, subject)
            lines = read_lines(store)

    faults = misspent(lines, {subject.token: subject})

    # A total is overspent by reserving what another has reserved, or charged, already.
    told = {f"beyond LIMIT_{limit.upper()}"}
    told |= {"reserved another amount than there was"} if limit == "total" else set()
    assert any(fault.partition(":")[0] in told for fault in faults)
