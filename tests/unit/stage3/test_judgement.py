"""What an answer costs, and when it is withheld (EXE-6.3 to EXE-6.6, rules 2C, T2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.events import ReasonCode
from stage2_domains.registry import DomainRegistry
from stage3.admission import ReadyStep, make_ready
from stage3.errors import FencedError
from stage3.isolation.interface import (
    BoxOutcome,
    DomainFailed,
    InfraFailure,
    Ok,
    ResultRefused,
    Violation,
    ViolationKind,
)
from stage3.journal import Claim, Journal
from stage3.judgement import judge
from stage3.plan import DomainInvocation
from stage3.pytest_plugin.harness import Harness
from stage3.pytest_plugin.trails import assert_trail, completed
from stage3.records import EXECUTION
from tests.unit.stage3.probe_domains import Probe
from tokens.limits import Limits, parse_frequency

LIMITS = Limits(10, 100, 1_000, parse_frequency("1 per 1 second"))
RESULT = b'{"data":{"a":1},"error":null,"success":true}'


def ready(*, trusted: bool) -> ReadyStep:
    domains = DomainRegistry()
    domains.register(Probe(), trusted=trusted)
    step = DomainInvocation("probe", "answer", {})
    return make_ready(3, step, domains.get, lambda _tier: None)


@pytest.mark.parametrize(
    ("size", "units"), [(0, 0), (1, 1), (4, 1), (5, 2), (399, 100), (400, 100)]
)
def test_an_answer_that_fits_is_kept_and_costs_its_size(size: int, units: int) -> None:
    """EXE-6.5: a quarter of the bytes, rounded up."""
    judged = judge(Ok(RESULT, size, None), ready(trusted=True), LIMITS, 100)

    assert judged.failure is None
    assert (judged.result, judged.units, judged.charged) == (RESULT, units, units)


@pytest.mark.parametrize(
    ("size", "reserved", "code"),
    [
        (401, 100, ReasonCode.LIMIT_RESPONSE),
        (401, 50, ReasonCode.LIMIT_RESPONSE),
        (201, 50, ReasonCode.LIMIT_TOTAL),
    ],
)
def test_an_answer_that_does_not_fit_is_withheld_and_costs_its_reservation(
    size: int, reserved: int, code: ReasonCode
) -> None:
    """EXE-6.3: per response before total (rule 2C.4); never cut short (2C.2)."""
    judged = judge(Ok(RESULT, size, None), ready(trusted=True), LIMITS, reserved)

    assert judged.failure is not None
    assert judged.failure.code is code
    assert (judged.result, judged.charged) == (None, reserved)


def test_units_that_a_domain_reports_count_only_where_it_is_trusted() -> None:
    """EXE-6.5."""
    answer = Ok(RESULT, 40, 7)

    assert judge(answer, ready(trusted=True), LIMITS, 100).charged == 7
    assert judge(answer, ready(trusted=False), LIMITS, 100).charged == 10


@pytest.mark.parametrize(
    ("answer", "code", "charged"),
    [
        (DomainFailed("no habits", 8), "DOMAIN_FAILED", 2),
        (DomainFailed("no habits", 4_000), "DOMAIN_FAILED", 60),
        (ResultRefused("not a result"), "RESULT_REFUSED", 60),
        (InfraFailure("the box broke"), "ISOLATION_UNAVAILABLE", 60),
        (Violation(ViolationKind.OPEN, "open: x", "hook"), "BOUNDARY_VIOLATION", 60),
    ],
)
def test_whatever_is_no_answer_is_a_failure_with_a_sentence_and_a_price(
    answer: BoxOutcome, code: str, charged: int
) -> None:
    """EXE-6.4, EXE-6.6, rule C25."""
    judged = judge(answer, ready(trusted=True), LIMITS, 60)

    assert judged.result is None
    assert judged.failure is not None
    assert (judged.failure.code, judged.charged) == (code, charged)
    assert "probe.answer" in judged.failure.sentence
    assert (judged.violation is answer) == isinstance(answer, Violation)


def test_a_domains_words_reach_the_caller_but_not_the_record() -> None:
    """P10, EXE-5.7."""
    judged = judge(DomainFailed("hunter2", 7), ready(trusted=True), LIMITS, 60)

    assert judged.failure is not None
    assert "hunter2" in judged.failure.sentence
    assert "hunter2" not in judged.failure.record


@pytest.mark.parametrize("change", ["epoch", "events", "state", "gone"])
def test_an_owner_whose_row_changed_is_fenced(change: str) -> None:
    """EXE-7.4: epoch, length and state each fence on their own."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ["answer"]})
        outcome = harness.run(token, ("probe", "answer", {}))
        assert_trail(outcome, completed("probe.answer"))
        token_hash = "sha256:" + "0" * 64
        claim = Claim(outcome.execution_id, token_hash, "", "", "", b"", "", "", 1)
        journal = Journal(claim, epoch=1, size=5)
        key = (claim.execution_id,)
        with harness.store.write() as tx:
            tx.update(EXECUTION, key, {"state": "open"})
            journal.fence(tx)
            if change == "gone":
                fresh = "00000000-0000-4000-8000-000000000000"
                journal.claim = replace(claim, execution_id=fresh)
            else:
                other: dict[str, int | str] = {
                    "epoch": 2,
                    "events": 6,
                    "state": "closed",
                }
                tx.update(EXECUTION, key, {change: other[change]})

            with pytest.raises(FencedError):
                journal.fence(tx)
