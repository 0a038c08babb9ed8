"""Ordinary computation passes the process box too: one that kills all is no box."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from stage3.isolation.interface import Ok
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from tests.attacks import benign_corpus
from tests.unit.isolation_process.boxed_source import PATIENT, domain_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEVEL = probe()
pytestmark = pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal))

CODE: Final = (
    Path(benign_corpus.__file__).read_text("utf-8")
    + """
from stage2_domains.contract import DomainResult, Stage2Domain

class Boxed(Stage2Domain):
    def invoke(self, method, parameters):
        work = globals()[parameters.get_copy()["work"]]
        return DomainResult(True, {"made": work()})
"""
)


@pytest.fixture(scope="module")
def box() -> Iterator[ProcessIsolation]:
    made = ProcessIsolation(level=LEVEL)
    yield made
    made.close()


@pytest.mark.parametrize("work", benign_corpus.BENIGN, ids=lambda work: work.__name__)
def test_ordinary_work_is_done_in_a_process(
    box: ProcessIsolation, work: Callable[[], object]
) -> None:
    """BOX-1.6, BOX-5.3."""
    asked = json.dumps({"work": work.__name__}).encode()
    outcome = box.invoke(domain_of(CODE), "run", asked, budget=PATIENT)

    assert isinstance(outcome, Ok), outcome
    made = json.loads(outcome.result)["data"]["made"]
    assert made == json.loads(json.dumps(work()))
