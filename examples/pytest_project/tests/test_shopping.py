"""One plan after another, each with exactly the trail that it must leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from stage3.pytest_plugin import (
    assert_trail,
    completed,
    failed,
    limit_denied,
    parameters_refused,
    refused,
    scope_denied,
)

if TYPE_CHECKING:
    from stage3.pytest_plugin import Harness

SCOPE = {"shopping": ["total", "too_expensive"]}
BASKET = [{"name": "bread", "cents": 390}, {"name": "piano", "cents": 1_200_000}]
TOTAL = ("shopping", "total", {"items": BASKET})
OUTLIERS = ("shopping", "too_expensive", {"items": BASKET, "bound_cents": 5_000})


def test_two_steps_answer_in_their_order(harness: Harness) -> None:
    outcome = harness.run(harness.issue(scope=SCOPE), TOTAL, OUTLIERS)

    assert_trail(
        outcome, completed("shopping.total"), completed("shopping.too_expensive")
    )
    assert [result["data"] for result in outcome.results] == [
        {"cents": 1_200_390},
        {"names": ["piano"]},
    ]


def test_a_misspelled_parameter_is_named_and_nothing_runs(harness: Harness) -> None:
    step = ("shopping", "total", {"itmes": BASKET})

    outcome = harness.run(harness.issue(scope=SCOPE), step)

    assert_trail(outcome, parameters_refused("shopping.total"))
    assert "itmes" in str(outcome.error)


def test_an_empty_basket_fails_in_our_words_and_ends_the_plan(harness: Harness) -> None:
    empty = ("shopping", "total", {"items": []})

    outcome = harness.run(harness.issue(scope=SCOPE), TOTAL, empty, OUTLIERS)

    assert_trail(
        outcome,
        completed("shopping.total"),
        failed("shopping.total", "DOMAIN_FAILED"),
    )
    assert "the basket is empty" in str(outcome.error)
    assert outcome.results is None


def test_a_token_for_one_method_does_not_open_the_other(harness: Harness) -> None:
    token = harness.issue(scope={"shopping": ["total"]})

    outcome = harness.run(token, TOTAL, OUTLIERS)

    assert_trail(
        outcome,
        completed("shopping.total"),
        scope_denied("shopping.too_expensive", "METHOD_NOT_IN_SCOPE"),
    )


def test_the_third_step_is_one_too_many(harness: Harness) -> None:
    token = harness.issue(scope=SCOPE, resource_limits={"max_invocations": 2})

    outcome = harness.run(token, TOTAL, TOTAL, TOTAL)

    assert_trail(
        outcome,
        completed("shopping.total"),
        completed("shopping.total"),
        limit_denied("shopping.total", "LIMIT_INVOCATIONS"),
    )


@pytest.mark.parametrize(("seconds", "allowed"), [(59.999999, True), (60, False)])
def test_a_token_ends_to_the_microsecond(
    harness: Harness, seconds: float, *, allowed: bool
) -> None:
    token = harness.issue(scope=SCOPE, duration_seconds=60)
    harness.clock.advance(seconds)

    outcome = harness.run(token, TOTAL)

    assert outcome.success is allowed
    if not allowed:
        assert_trail(outcome, refused("TOKEN_EXPIRED"))


def test_nothing_starts_after_a_revocation(harness: Harness) -> None:
    token = harness.issue(scope=SCOPE)
    harness.authority.revoke_token(token.token_hash, "test", "security_admin")

    assert_trail(harness.run(token, TOTAL), refused("TOKEN_REVOKED"))
    assert harness.log.verify()
