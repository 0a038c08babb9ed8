"""The tiers of an orchestrator: made at the first need, refused with the reason."""

from __future__ import annotations

import pytest

from stage3 import tiers as tiers_module
from stage3.isolation.in_process import InProcessIsolation
from stage3.isolation.process.level import probe
from stage3.pytest_plugin.harness import Harness
from stage3.tiers import Tiers
from tests.unit.stage3.guest_domain import Guest

LEVEL = probe()
boxed = pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal))


class Closed(InProcessIsolation):
    """Remembers that it was closed."""

    closed = 0

    def close(self) -> None:
        """Count."""
        Closed.closed += 1


@boxed
def test_a_domain_nobody_answers_for_runs_in_its_box_and_the_record_says_so() -> None:
    """BOX-8.1; DOM-12.1."""
    with Harness() as harness:
        harness.domains.register(Guest())
        token = harness.issue(scope={"guest": ["echo"]}).token_hash
        outcome = harness.run(token, ("guest", "echo", {"n": 1}))
        trail = harness.log.trail(outcome.execution_id)

        assert outcome.success, outcome.error
        assert outcome.results[0]["data"] == {"got": {"n": 1}, "method": "echo"}
        reached = trail[0].details["isolation"]["process"]
        assert reached["seccomp"] is True
        assert reached["boundary"] is True


@boxed
def test_a_violation_in_the_box_ends_the_plan_and_is_recorded() -> None:
    """BOX-8.1; ISO-2.1."""
    with Harness() as harness:
        harness.domains.register(Guest())
        token = harness.issue(scope={"guest": ["echo"]}).token_hash
        outcome = harness.run(token, ("guest", "echo", {"open": "/etc/hostname"}))
        told = [
            event.details
            for event in harness.log.trail(outcome.execution_id)
            if event.event_type.value == "BOUNDARY_VIOLATION"
        ]

    assert outcome.error is not None
    assert outcome.error.code == "BOUNDARY_VIOLATION"
    assert [details["violation_type"] for details in told] == ["open"]
    assert set(told[0]["used"]) == {"wall_ms", "cpu_ms", "peak_mb"}
    assert all(type(used) is int for used in told[0]["used"].values())


@boxed
def test_the_record_says_what_a_call_had_used_as_far_as_it_is_known() -> None:
    """ISO-1.6: nobody knows how much memory a child had taken that is gone."""
    with Harness() as harness:
        harness.domains.register(Guest())
        token = harness.issue(scope={"guest": ["echo"]}).token_hash
        outcome = harness.run(token, ("guest", "echo", {"leave": True}))
        told = [
            event.details["used"]
            for event in harness.log.trail(outcome.execution_id)
            if event.event_type.value == "BOUNDARY_VIOLATION"
        ]

    assert [set(used) for used in told] == [{"wall_ms", "cpu_ms"}]


@boxed
def test_a_call_that_never_ends_is_a_violation_of_its_budget() -> None:
    """ISO-1.7."""
    with Harness() as harness:
        harness.domains.register(Guest())
        token = harness.issue(scope={"guest": ["echo"]}).token_hash
        outcome = harness.run(token, ("guest", "echo", {"loop": True}))
        told = [
            event.details
            for event in harness.log.trail(outcome.execution_id)
            if event.event_type.value == "BOUNDARY_VIOLATION"
        ]

    assert outcome.error is not None
    assert outcome.error.code == "BOUNDARY_VIOLATION"
    assert [one["violation_type"] for one in told] == ["budget.wall"]
    assert told[0]["used"]["wall_ms"] >= Guest.budget.wall_ms


def test_a_box_that_cannot_tell_what_was_used_says_nothing() -> None:
    """ISO-1.6."""
    with Harness() as harness:
        harness.domains.register(Guest(), trusted=True)
        token = harness.issue(scope={"guest": ["echo"]}).token_hash
        outcome = harness.run(token, ("guest", "echo", {"open": "/etc/hostname"}))
        told = [
            event.details
            for event in harness.log.trail(outcome.execution_id)
            if event.event_type.value == "BOUNDARY_VIOLATION"
        ]

    assert len(told) == 1
    assert "used" not in told[0]


def test_a_plan_of_built_in_domains_asks_for_no_box(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """BOX-8.1."""

    def asked() -> None:
        raise AssertionError

    monkeypatch.setattr(tiers_module, "probe", asked)
    with Harness() as harness:
        token = harness.issue(scope={"apollo": ["get_health_info"]}).token_hash
        parameters = harness.domains.get("apollo").methods["get_health_info"].example
        outcome = harness.run(token, ("apollo", "get_health_info", parameters))

    assert outcome.success, outcome.error


def test_a_tier_is_asked_for_once() -> None:
    """BOX-8.1, BOX-8.2."""
    asked: list[str] = []

    def refuse() -> str:
        asked.append("process")
        return "there is no seccomp here"

    tiers = Tiers({"in_process": InProcessIsolation()}, {"process": refuse})

    assert "in_process" in tiers
    assert asked == []
    assert [tiers.why_not("process"), tiers.why_not("process")] == [
        "there is no seccomp here"
    ] * 2
    assert asked == ["process"]
    assert "process" not in tiers
    assert tiers.why_not("wasm") is not None
    with pytest.raises(KeyError):
        tiers["process"]


def test_closing_closes_what_was_made_and_makes_nothing_more() -> None:
    """BOX-7.6, BOX-8.1."""
    tiers = Tiers({}, {"process": Closed, "wasm": Closed})
    assert "process" in tiers
    Closed.closed = 0
    tiers.close()

    assert Closed.closed == 1
    assert "wasm" not in tiers
