"""Ordinary computation passes the in-process box, on every supported Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from stage2_domains.contract import DomainResult
from stage2_domains.registry import DomainRegistry
from stage3.isolation.in_process import InProcessIsolation
from stage3.isolation.interface import Ok
from tests.attacks.benign_corpus import BENIGN
from tests.unit.isolation.boxed import BUDGET, run_boxed

if TYPE_CHECKING:
    from collections.abc import Callable

BUILT_IN = [
    (domain, method)
    for registry in [DomainRegistry.builtin()]
    for domain in registry.names()
    for method in registry.get(domain).methods
]


@pytest.mark.parametrize("work", BENIGN, ids=lambda work: work.__name__)
def test_ordinary_work_is_not_a_violation(work: Callable[[], object]) -> None:
    """ISO-7.4, ISO-7.5."""
    outcome = run_boxed(lambda _: DomainResult(success=True, data={"made": work()}))

    assert isinstance(outcome, Ok), outcome
    assert json.loads(outcome.result)["data"]["made"] == json.loads(json.dumps(work()))


@pytest.mark.parametrize(("domain", "method"), BUILT_IN)
def test_every_built_in_method_runs_its_example_in_the_box(
    domain: str, method: str
) -> None:
    """ISO-7.5."""
    one = DomainRegistry.builtin().get(domain)
    example = json.dumps(one.methods[method].example).encode()

    outcome = InProcessIsolation().invoke(one, method, example, budget=BUDGET)

    assert isinstance(outcome, Ok), outcome
