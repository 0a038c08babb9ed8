"""Whatever is passed in: documented errors, a whole ledger, no latch (EXE-8.4, P10)."""

from __future__ import annotations

import contextlib
import copy
import json
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage3.outcome import PlanOutcome
from stage3.plan import DomainInvocation, ExecutionPlan
from stage3.pytest_plugin.harness import Harness
from stage3.pytest_plugin.strategies import json_values, parameters, plans
from stage3.pytest_plugin.trails import assert_trail, violated
from tests.unit.stage3.probe_domains import Probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage2_domains.parameters import IsolatedParameters

anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.lists(st.text(), max_size=3)
    | st.dictionaries(st.text(), st.integers(), max_size=3)
)
words = st.text(max_size=300) | st.just("\ud800") | st.just("x" * 100_000)
ALL = ["answer", "fail", "raise", "misbehave", "garble", "strict"]


def whole(harness: Harness) -> bool:
    return harness.store.latch is None and harness.log.verify().findings == ()


@settings(max_examples=60)
@given(
    token=words | anything,
    user=words | anything,
    trigger=words | anything,
    plan=plans(max_steps=3) | anything,
    execution_id=st.none() | st.uuids().map(str) | words | anything,
    admission=st.sampled_from(["stepwise", "whole-plan", "both", 1]),
)
def test_execute_plan_raises_only_what_it_documents(
    token: object,
    user: object,
    trigger: object,
    plan: object,
    execution_id: object,
    admission: object,
) -> None:
    with Harness(domains=[Probe()]) as harness:
        size = harness.log.head().size
        try:
            outcome = harness.orchestrator.execute_plan(
                token,
                user,
                trigger,
                plan,
                execution_id=execution_id,
                admission=admission,
            )
        except (TypeError, ValueError):
            assert harness.log.head().size == size
        else:
            assert isinstance(outcome, PlanOutcome)
            assert outcome.error is not None
            assert str(outcome.error).isprintable()
            assert str(outcome.error).isascii()
        assert whole(harness)


@settings(max_examples=60)
@given(domain=words, method=words, given_parameters=parameters() | anything)
def test_execute_under_a_good_token_raises_only_what_it_documents(
    domain: str, method: str, given_parameters: object
) -> None:
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})
        for name, call in ((domain, method), ("probe", "answer")):
            try:
                outcome = harness.orchestrator.execute(
                    token.token_hash,
                    "alice",
                    "direct_command",
                    name,
                    call,
                    given_parameters,
                )
            except ValueError:
                continue
            assert outcome.success or str(outcome.error)
        assert whole(harness)


@settings(max_examples=100)
@given(text=st.text() | st.binary() | json_values().map(json.dumps))
def test_from_json_raises_only_value_error(text: str | bytes) -> None:
    """EXE-1.8."""
    try:
        plan = ExecutionPlan.from_json(text)
    except ValueError:
        return
    assert ExecutionPlan.from_json(plan.to_json()) == plan


@settings(max_examples=100)
@given(plan=plans())
def test_a_plan_survives_its_text_form_and_is_named_by_its_digest(
    plan: ExecutionPlan,
) -> None:
    """EXE-1.7, EXE-1.8."""
    again = ExecutionPlan.from_json(plan.to_json())

    assert again == plan
    assert again.digest == plan.digest


@settings(max_examples=60)
@given(given_parameters=parameters())
def test_nothing_that_went_in_or_came_out_can_be_changed_from_outside(
    given_parameters: dict[str, object],
) -> None:
    """EXE-1.2, EXE-2.3, EXE-6.1."""
    kept = copy.deepcopy(given_parameters)
    invocation = DomainInvocation("probe", "answer", given_parameters)
    spoil(given_parameters)
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ["answer"]})
        outcome = harness.run(token, invocation)
        if not outcome.success:  # larger than the token allows: not the point
            return
        first = copy.deepcopy(outcome.results)
        spoil(outcome.results[0]["data"])
        for event in outcome.trail:
            event.details.clear()

        assert outcome.results == first
        assert invocation == DomainInvocation("probe", "answer", kept)
        assert outcome.trail == harness.log.trail(outcome.execution_id)
        assert whole(harness)


def spoil(value: object) -> None:
    """Change a container as far down as it goes."""
    if isinstance(value, dict):
        for inner in value.values():
            spoil(inner)
        value.clear()
        value["spoiled"] = True
    elif isinstance(value, list):
        for inner in value:
            spoil(inner)
        value.append("spoiled")


# A domain that reaches for what it must not have -------------------------------------


class Reaching(Stage2Domain):
    """Calls whatever it was given, from inside its box, and swallows the answer."""

    name = "reaching"
    methods = {"reach": MethodSpec({"type": "object"})}  # noqa: RUF012

    def __init__(self) -> None:
        self.reach: Callable[[], object] = object

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Try, and look innocent."""
        with contextlib.suppress(BaseException):
            self.reach()
        return DomainResult(success=True, data=parameters.get_copy() | {"m": method})


@pytest.mark.parametrize(
    "call",
    [
        lambda h, t: h.run(t, ("reaching", "reach", {})),
        lambda h, t: h.registry.get_token(t),
        lambda h, t: h.registry.is_revoked(t),
        lambda h, _t: h.registry.get_user_tokens("alice"),
        lambda h, t: h.authority.revoke_token(t, "mine", "reaching"),
        lambda h, _t: h.authority.pause("mine", "reaching"),
        lambda h, _t: h.issue(scope={"reaching": ["reach"]}),
        lambda h, _t: h.log.get_events(),
        lambda h, _t: h.log.verify(),
        lambda h, _t: h.log.head(),
        lambda h, _t: h.store.write().__enter__(),
        lambda h, _t: h.store.read().__enter__(),
        lambda h, _t: h.store.lift_latch(),
        lambda h, _t: h.orchestrator.check_plan(
            "x", "alice", "direct_command", h.plan(("reaching", "reach", {}))
        ),
        lambda _h, _t: sys._getframe(),
    ],
)
def test_a_domain_that_calls_back_is_a_boundary_violation(
    call: Callable[[Harness, str], object],
) -> None:
    """EXE-6.1, rules 3B 1, 2, 4, 7, 8, T9: tokens, log, executor are out of reach."""
    domain = Reaching()
    with Harness(domains=[domain]) as harness:
        token = harness.issue(scope={"reaching": ["reach"]}).token_hash
        harness.orchestrator  # noqa: B018 - made before the domain reaches for it
        tokens = len(harness.authority.list_tokens().tokens)
        domain.reach = lambda: call(harness, token)

        outcome = harness.run(token, ("reaching", "reach", {}))

        assert_trail(outcome, violated("reaching.reach"))
        assert not harness.registry.is_revoked(token)
        assert len(harness.authority.list_tokens().tokens) == tokens
        assert harness.store.latch is None
        assert whole(harness)
