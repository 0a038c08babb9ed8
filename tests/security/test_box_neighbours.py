"""What one domain could find of another in the process it runs in.

The attacker switches the tripwire off and has ``ctypes``, which the box itself needs:
nothing of Python holds it back, and it may read every byte of its own memory. What was
in the zygote's memory when it was forked would be there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from stage2_domains.contract import Budget
from stage3.isolation.interface import (
    DomainFailed,
    InfraFailure,
    Ok,
    Violation,
    ViolationKind,
)
from stage3.isolation.process import tier as tier_module
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.boxed_source import PATIENT, domain_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVEL = probe()
pytestmark = pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal))

VICTIM: Final = """
# remark-of-the-victim
from stage2_domains.contract import DomainResult, Stage2Domain

class Boxed(Stage2Domain):
    def invoke(self, method, parameters):
        key = "constant of the victim: 7f3a"
        return DomainResult(True, {"n": len(key) + len(parameters.get_copy())})
"""
BROKEN: Final = VICTIM + "\nthis is no Python\n"
PARAMETERS: Final = b'{"name":"parameter of the victim: 9c41"}'

THIEF: Final = """
import codecs
sys = codecs.sys
load = codecs.builtins.__import__
os, ct = load("os"), sys.modules["ctypes"]
trip = sys.modules["stage3.isolation.process.tripwire"]
from stage2_domains.contract import DomainResult, Stage2Domain

def disarm():
    said, left = trip.reply_and_wait, os._exit
    trip.Tripwire.settle = lambda self: None
    trip.reply_and_wait = os._exit = lambda *_: None
    sys._getframe()
    trip.reply_and_wait, os._exit = said, left

# Written backwards, or it would find the words it is looking for.
WANTED = (
    b"mitciv eht fo tnatsnoc", b"mitciv-eht-fo-kramer", b"mitciv eht fo retemarap")

def texts():
    gc, frame = load("gc"), sys._getframe()
    new = gc.get_objects()
    while frame is not None:
        new.append(frame.f_locals)
        frame = frame.f_back
    known, pages = set(), set()
    while new:
        for one in new:
            known.add(id(one))
            pages.add(id(one) >> 12)
            if type(one) is str:
                yield one.encode("utf-8", "replace")
            elif type(one) is bytes:
                yield one
        new = [one for one in gc.get_referents(*new) if id(one) not in known]
    for page in sorted(pages):
        yield ct.string_at(page << 12, 4096)

class Boxed(Stage2Domain):
    def invoke(self, method, parameters):
        disarm()
        own = parameters.get_copy()["own"].encode()
        found = {word for text in texts() for word in WANTED if word in text[::-1]}
        seen = any(own in text for text in texts())
        return DomainResult(True, {"found": sorted(map(str, found)), "seen": seen})
"""


@pytest.fixture
def box() -> Iterator[ProcessIsolation]:
    made = ProcessIsolation(level=LEVEL)
    yield made
    made.close()


def test_no_domain_finds_the_code_or_the_data_of_another(
    box: ProcessIsolation,
) -> None:
    """BOX-5.2, BOX-5.9: with the means to find its own."""
    for _ in range(6):
        answered = box.invoke(domain_of(VICTIM), "run", PARAMETERS, budget=PATIENT)
        failed = box.invoke(domain_of(BROKEN), "run", PARAMETERS, budget=PATIENT)
        assert isinstance(answered, Ok), answered
        assert isinstance(failed, DomainFailed), failed
    for _ in range(3):
        own = b'{"own":"parameter of the thief: 51d2"}'
        outcome = box.invoke(domain_of(THIEF), "run", own, budget=PATIENT)
        assert isinstance(outcome, Ok), outcome
        assert json.loads(outcome.result)["data"] == {"found": [], "seen": True}


def test_what_cannot_be_compiled_costs_its_own_plan(box: ProcessIsolation) -> None:
    """BOX-5.2: each within the budget, and the next call is none the worse."""
    costly = "x = " + "+".join(["'a'"] * 200_000)
    deep = "x = " + "(" * 150 + ")" * 150 + "\n" + "y = " + "-" * 90_000 + "1"
    large = "\n".join(f"x{n} = b'{n:06d}' * 600" for n in range(20_000))
    for code in (costly, deep, large, "# coding: no_such_codec\n", "\0", "\xff"):
        outcome = box.invoke(domain_of(code), "run", b"{}", budget=PATIENT)
        assert not isinstance(outcome, Ok | InfraFailure), outcome
    answered = box.invoke(domain_of(VICTIM), "run", PARAMETERS, budget=PATIENT)
    assert isinstance(answered, Ok)
    source = domain_of(VICTIM).source
    assert source is not None
    assert source.digest in box._codes


def test_compiling_a_source_runs_none_of_it(box: ProcessIsolation) -> None:
    """BOX-5.2: a module that never ends is compiled, and ends its own call."""
    domain = domain_of("while True: pass")
    outcome = box.invoke(domain, "run", b"{}", budget=Budget(wall_ms=1_000))

    assert isinstance(outcome, Violation)
    assert outcome.kind is ViolationKind.BUDGET_WALL
    assert domain.source is not None
    assert domain.source.digest in box._codes


def test_what_is_kept_of_sources_is_bounded(
    box: ProcessIsolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOX-5.2."""
    monkeypatch.setattr(tier_module, "_KEPT_BYTES", 2_000)
    for n in range(8):
        code = f"{VICTIM}\nnumber = {n}\n"
        outcome = box.invoke(domain_of(code), "run", PARAMETERS, budget=PATIENT)
        assert isinstance(outcome, Ok)

    assert 0 < sum(map(len, box._codes.values())) <= 2_000
