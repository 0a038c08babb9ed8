"""Strategies, and the store that fails on purpose (docs/spec/testing.md, TST-3, 4)."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import StoreUnavailableError
from audit.store.faults import (
    DISK_FULL,
    IO_ERROR,
    READ_ONLY,
    Faults,
    Mode,
    open_faulty_store,
)
from audit.store.sqlite import SqliteStore
from stage3.plan import DomainInvocation, ExecutionPlan
from stage3.pytest_plugin import strategies
from stage3.pytest_plugin.harness import Harness, ManualClock
from tests.architecture.source_tree import ROOT
from tokens.model import CapabilityToken

SCOPE = {"apollo": ["analyze_habits", "plan_routine"], "hermes": ["compose_message"]}


@given(token=strategies.tokens())
@settings(max_examples=25)
def test_every_token_drawn_can_be_issued(token: CapabilityToken) -> None:
    """TST-3.1."""
    with Harness() as harness:
        issued = harness.authority.issue_token(token)
        assert harness.registry.get_token(issued.token_hash).user_id == token.user_id


@given(token=strategies.tokens(user="bob", scope=SCOPE))
@settings(max_examples=20)
def test_a_user_and_a_scope_can_be_fixed(token: CapabilityToken) -> None:
    """TST-3.1."""
    assert token.user_id == "bob"
    assert {name: list(found) for name, found in token.method_scope.items()} == SCOPE


@given(plan=strategies.plans(scope=SCOPE, user="bob", max_steps=3))
@settings(max_examples=30)
def test_a_plan_drawn_within_a_scope_stays_within_it(plan: ExecutionPlan) -> None:
    """TST-3.2."""
    assert plan.user_id == "bob"
    assert 1 <= len(plan) <= 3
    for step in plan.get_invocations():
        assert step.method in SCOPE[step.domain]


@given(plan=strategies.plans())
@settings(max_examples=30)
def test_a_plan_drawn_without_a_scope_survives_its_text_form(
    plan: ExecutionPlan,
) -> None:
    """TST-3.2, TST-3.3."""
    assert ExecutionPlan.from_json(plan.to_json()).digest == plan.digest


@given(parameters=strategies.parameters())
@settings(max_examples=30)
def test_parameters_drawn_are_plain_json(parameters: dict[str, object]) -> None:
    """TST-3.3."""
    step = DomainInvocation("a", "b", parameters)
    assert json.loads(json.dumps(parameters)) == step.parameters


def test_names_drawn_without_a_scope_are_of_every_kind() -> None:
    """TST-3.2: not only those that a token could name."""
    found: list[str] = []

    @given(step=strategies.invocations())
    @settings(max_examples=40)
    def look(step: DomainInvocation) -> None:
        found.append(step.domain)

    look()
    assert any(not name.isascii() for name in found)
    assert any(name.isascii() for name in found)


# The store that fails on purpose


def one_block(store: SqliteStore) -> None:
    with store.write() as tx:
        tx.head()


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[tuple[Harness, Faults]]:
    """Give a harness on a file that can be made to fail; one token is issued."""
    clock = ManualClock()
    store, faults = open_faulty_store(f"sqlite:///{tmp_path}/l.db", clock=clock)
    with store, Harness(store=store, clock=clock) as harness:
        harness.issue()
        yield harness, faults


def test_nothing_fails_before_it_is_asked_to_or_after_healing(
    failing: tuple[Harness, Faults],
) -> None:
    """TST-4.1."""
    harness, faults = failing
    harness.issue()
    faults.fail(commit=1, lasting=True)
    with pytest.raises(StoreUnavailableError):
        harness.issue()
    faults.heal()
    harness.store.lift_latch()
    harness.issue()


@pytest.mark.parametrize("code", [DISK_FULL, IO_ERROR, READ_ONLY])
@pytest.mark.parametrize(("mode", "kept"), [("lost", 0), ("reported-lost", 1)])
def test_a_failed_commit_is_lost_or_only_said_to_be(
    failing: tuple[Harness, Faults], mode: Mode, kept: int, code: int
) -> None:
    """TST-4.2: the caller cannot tell them apart."""
    harness, faults = failing
    before = harness.log.head().size
    faults.fail(commit=1, mode=mode, code=code)

    with pytest.raises(StoreUnavailableError) as caught:
        harness.issue()

    assert caught.value.uncertain
    faults.heal()
    assert harness.log.head().size == before + kept


@given(number=st.integers(1, 4), lasting=st.booleans())
@settings(max_examples=10)
def test_exactly_the_commit_of_the_number_fails(number: int, *, lasting: bool) -> None:
    """TST-4.3."""
    store, faults = open_faulty_store("memory:", clock=ManualClock())
    failed = []
    with store:
        faults.fail(commit=number, lasting=lasting)
        for count in range(1, 7):
            try:
                one_block(store)
            except StoreUnavailableError:
                failed.append(count)
                store.lift_latch()

    assert failed == (list(range(number, 7)) if lasting else [number])


def test_no_product_module_knows_of_the_faults() -> None:
    """TST-4.4: they come in by the port, and nothing in production imports them."""
    for package in ("audit", "stage2_domains", "stage3", "tokens"):
        for path in (ROOT / package).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if name not in {
                "audit/store/faults.py",
                "stage3/pytest_plugin/__init__.py",
            }:
                assert "store.faults" not in path.read_text("utf-8"), name
                assert "import faults" not in path.read_text("utf-8"), name
