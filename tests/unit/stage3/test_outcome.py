"""What a caller gets back (EXE-2), and what is not held meanwhile (EXE-5.5)."""

from __future__ import annotations

import dataclasses

import pytest

from audit.events import ReasonCode
from stage3.outcome import PlanDecision, PlanError, PlanOutcome
from stage3.pytest_plugin.harness import Harness
from stage3.pytest_plugin.trails import assert_trail, completed, scope_denied
from stage3.records import EXECUTION, error_of, outcome_text
from tests.unit.stage3.probe_domains import Probe
from tests.unit.stage3.test_trails import between

ANSWER = ("probe", "answer", {"x": 1})


def test_an_outcome_unpacks_into_success_results_and_error() -> None:
    """EXE-2.1, rule 7.2."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ["answer"]})

        success, results, error = harness.run(token, ANSWER)
        assert (success, error) == (True, None)
        assert results == [{"success": True, "data": {"x": 1}, "error": None}]

        success, results, error = harness.run(token, ANSWER, ("probe", "fail", {}))
        assert (success, results) == (False, None)
        assert isinstance(error, PlanError)


def test_an_error_prints_as_its_sentence_and_says_where_it_happened() -> None:
    """EXE-2.2: a name that is not plain is escaped for the caller."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ["answer"]})

        error = harness.run(token, ANSWER, ("\u0430pollo\n", "m", {})).error

        assert error is not None
        assert str(error) == error.sentence
        assert "\\u0430pollo" in str(error)
        assert str(error).isprintable()
        assert (error.code, error.step) == (ReasonCode.DOMAIN_NOT_IN_SCOPE, 1)
        assert (error.domain, error.method) == ("\u0430pollo\n", "m")


def test_an_outcome_has_no_truth_value() -> None:
    """EXE-2.4, ADR 0007."""
    outcome = PlanOutcome(success=True, error=None, execution_id="x")

    with pytest.raises(TypeError, match=r"outcome\.success"):
        bool(outcome)


def test_outcomes_and_decisions_cannot_be_changed() -> None:
    """EXE-2.3."""
    outcome = PlanOutcome(success=False, error=None, execution_id="x")

    with pytest.raises(dataclasses.FrozenInstanceError):
        outcome.success = True  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        PlanDecision(allowed=False, error=None).allowed = True  # type: ignore[misc]


def test_steps_after_the_first_refusal_leave_no_event() -> None:
    """EXE-3.7, rule 7.4."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ["answer"]})

        outcome = harness.run(token, ANSWER, ("hermes", "x", {}), ANSWER, ANSWER)

        assert_trail(outcome, completed("probe.answer"), scope_denied("hermes.x"))


def test_the_first_commit_claims_the_id_with_all_that_was_asked() -> None:
    """EXE-4.1: seen from inside the first step, before anything else is durable."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ["answer"]})
        seen = []

        def look() -> None:
            with harness.store.read() as tx:
                seen.extend(tx.scan(EXECUTION, {"state": "open"}))

        between(harness, look)
        outcome = harness.run(token, ANSWER, ANSWER)

        (row,) = seen
        assert row["execution_id"] == outcome.execution_id
        assert row["token_hash"] == token.token_hash
        assert (row["events"], row["step"], row["epoch"]) == (4, 0, 1)
        assert row["plan_digest"] == harness.plan(ANSWER, ANSWER).digest


def test_no_lock_is_held_while_a_domain_runs() -> None:
    """EXE-5.5: another write goes through, on the very thread of the plan."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ["answer"]})
        sizes = []

        def write() -> None:
            harness.issue("bob")
            sizes.append(harness.log.head().size)

        between(harness, write)

        assert harness.run(token, ANSWER).success
        assert sizes


@pytest.mark.parametrize(
    "error",
    [
        None,
        PlanError(ReasonCode.TOKEN_REVOKED, "token revoked"),
        PlanError(ReasonCode.DOMAIN_FAILED, "it failed", 2, "probe", "fail"),
    ],
)
def test_what_the_row_keeps_of_an_outcome_reads_back(error: PlanError | None) -> None:
    """EXE-4.2."""
    text = outcome_text(error, None if error is None else error.sentence)

    assert error_of(text) == error
