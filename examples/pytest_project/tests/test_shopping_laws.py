"""What holds for every plan, token and basket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from stage3.pytest_plugin import Harness, assert_trail, completed
from stage3.pytest_plugin.strategies import plans, tokens

from shopping.domain import Shopping

if TYPE_CHECKING:
    from stage3 import ExecutionPlan
    from tokens import CapabilityToken

SCOPE = {"shopping": ["total", "too_expensive"]}
ITEMS = st.lists(
    st.fixed_dictionaries(
        {"name": st.text("abc", min_size=1), "cents": st.integers(0, 10_000)}
    ),
    min_size=1,
    max_size=5,
)


@given(items=ITEMS)
@settings(max_examples=20, deadline=None)
def test_the_total_is_the_sum(items: list[dict[str, object]]) -> None:
    with Harness(domains=[Shopping()]) as harness:
        step = ("shopping", "total", {"items": items})

        outcome = harness.run(harness.issue(scope=SCOPE), step)

        assert_trail(outcome, completed("shopping.total"))
        (result,) = outcome.results
        assert result["data"] == {"cents": sum(item["cents"] for item in items)}


@given(token=tokens(user="alice", scope=SCOPE), plan=plans(scope=SCOPE))
@settings(max_examples=20, deadline=None)
def test_whatever_is_asked_ends_with_a_record_that_is_whole(
    token: CapabilityToken, plan: ExecutionPlan
) -> None:
    with Harness(domains=[Shopping()]) as harness:
        issued = harness.authority.issue_token(token)

        outcome = harness.orchestrator.execute_plan(
            issued.token_hash, "alice", token.allowed_trigger_types[0], plan
        )

        assert outcome.success or outcome.error.code
        assert outcome.trail == harness.log.trail(outcome.execution_id)
        assert harness.log.verify()
