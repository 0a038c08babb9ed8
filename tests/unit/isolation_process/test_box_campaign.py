"""The process box in the long run: nothing grows, is left or survives.

Each campaign has a short form, which always runs, and the one for ``make nightly``.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from stage2_domains.contract import Budget
from stage3.isolation.interface import DomainFailed, Ok, ResultRefused, Violation
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.box_family import (
    HIDES,
    LEVEL,
    LEVELS,
    family,
    gone,
    inner_number,
    kib,
)
from tests.unit.isolation_process.boxed_source import PATIENT, body, domain_of

if TYPE_CHECKING:
    from stage2_domains.registry import RegisteredDomain
    from stage3.isolation.interface import BoxOutcome

pytestmark = [
    pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal)),
    pytest.mark.skipif(HIDES, reason="this /proc hides the processes of a box"),
]
NIGHTLY = pytest.mark.nightly

SPARES: Final = 2
GONE_S: Final = 10
FEW: Final = 100
NOBODY: Final = -1
TURNS: Final = 3

WAYS: Final[tuple[tuple[RegisteredDomain, type[BoxOutcome], Budget], ...]] = (
    *[(body("return DomainResult(True, {'n': 1})"), Ok, PATIENT)] * 12,
    (body("raise ValueError(method)"), DomainFailed, PATIENT),
    (body("return {'n': 1}"), ResultRefused, PATIENT),
    (body("return DomainResult(True, {'n': 'x' * 500_000})"), Ok, PATIENT),
    (body("import socket"), Violation, PATIENT),
    (body("open('/etc/hostname')"), Violation, PATIENT),
    (
        body("import codecs\ncodecs.builtins.__import__('os').fork()"),
        Violation,
        PATIENT,
    ),
    (body("return DomainResult(True, {'n': len(bytes(10**9))})"), Violation, PATIENT),
    (body("while True: pass"), Violation, Budget(wall_ms=5)),
)


@dataclass(frozen=True)
class Left:
    """What a box has in use between two calls.

    Attributes:
        processes: Living ones below the host.
        zombies: Ended ones below the host that nobody waited for.
        descriptors: Of the host.
        host_kib: Resident memory of the host.
        zygote_kib: The zygote's proportional memory; its resident memory where the
            kernel does not tell.
    """

    processes: int
    zombies: int
    descriptors: int
    host_kib: int
    zygote_kib: int


def memory_kib(pid: int) -> int:
    try:
        return kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")
    except OSError:
        return kib(Path(f"/proc/{pid}/status"), "VmRSS:")


def zygote_of(box: ProcessIsolation) -> int:
    """The process that forks: the first of its namespace, where it has one."""
    assert box._zygote is not None
    outer = box._zygote._process.pid
    first = [pid for pid in family(outer) if inner_number(pid) == 1]
    return first[0] if first else outer


def left(box: ProcessIsolation) -> Left:
    settle(box)
    below = family(os.getpid())
    return Left(
        processes=sum(state != "Z" for state in below.values()),
        zombies=sum(state == "Z" for state in below.values()),
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        host_kib=kib(Path("/proc/self/status"), "VmRSS:"),
        zygote_kib=memory_kib(zygote_of(box)),
    )


def settle(box: ProcessIsolation) -> None:
    """Wait until every child that was ordered is there, and every other is gone."""
    zygote = box._zygote
    assert zygote is not None
    while zygote._ordered:
        zygote._receive()
    waiting = {child.pid for child in zygote._children}
    for pid in family(zygote_of(box)):
        if inner_number(pid) not in waiting:
            gone(pid, GONE_S)
    # It has been told of every end by now; each answer is one more turn of its loop.
    for _ in range(TURNS):
        zygote.ending(replace(zygote._children[0], pid=NOBODY))


@pytest.mark.parametrize("level", ["everything granted", "no namespace"])
@pytest.mark.parametrize(
    ("calls", "points"), [(60, 2), pytest.param(10_000, 5, marks=NIGHTLY)]
)
def test_nothing_grows_however_calls_end(
    level: str, calls: int, points: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """BOX-7.2, BOX-7.6: processes, descriptors and memory, at several points."""
    outside = len(list(Path("/proc/self/fd").iterdir()))
    box = ProcessIsolation(level=LEVELS[level], spares=SPARES)
    seen: list[Left] = []
    for point in range(points + 1):
        for n in range(calls // points):
            domain, kind, budget = WAYS[n % len(WAYS)]
            outcome = box.invoke(domain, "run", b'{"n":1}', budget=budget)
            assert type(outcome) is kind, (n, outcome)
        seen.append(left(box))
        with capsys.disabled():
            if calls > FEW:
                made = calls // points * (point + 1)
                sys.stdout.write(f"\n{made:6} calls, {level}: {seen[-1]}")
    box.close()

    first, last = seen[0], seen[-1]
    parts = 2 if "pid" in LEVELS[level].namespaces else 1
    assert {one.zombies for one in seen} == {0}
    assert {one.processes for one in seen} == {parts + SPARES}
    assert len({one.descriptors for one in seen}) == 1
    assert last.host_kib - first.host_kib < 4_096
    assert last.zygote_kib - first.zygote_kib < 1_024
    assert family(os.getpid()) == {}
    assert len(list(Path("/proc/self/fd").iterdir())) == outside


MARKED: Final = """\
import codecs, decimal, json, math, random, re
from stage2_domains.contract import DomainResult, Stage2Domain

MARK = "left_by_an_earlier_call"
system = vars(codecs)["builtins"].__import__

class Boxed(Stage2Domain):
    kept = []
    def invoke(self, method, parameters):
        os, sys, gc = system("os"), system("sys"), system("gc")
        places = {
            "own module": globals(),
            "built-in names": vars(vars(codecs)["builtins"]),
            "math": vars(math),
            "json": vars(json),
            "modules": sys.modules,
            "environment": os.environ._data,
        }
        found = [name for name, place in places.items() if MARK in place]
        found += ["result"] if hasattr(DomainResult, MARK) else []
        found += ["class"] if Boxed.kept else []
        found += ["callbacks"] if gc.callbacks else []
        state = [decimal.getcontext().prec, sys.getrecursionlimit(), random.random()]
        for place in places.values():
            place[MARK] = MARK
        setattr(DomainResult, MARK, MARK)
        Boxed.kept.append(parameters)
        gc.callbacks.append(print)
        decimal.getcontext().prec = 3
        sys.setrecursionlimit(500)
        random.seed(MARK)
        json.dumps = math.sqrt = re.compile = None
        return DomainResult(True, {"found": found, "state": state})
"""


@pytest.mark.parametrize("calls", [12, pytest.param(2_000, marks=NIGHTLY)])
def test_no_call_finds_what_another_has_left(calls: int) -> None:
    """BOX-5.9, BOX-5.2: in its own module, in others, or in the environment."""
    one, other = domain_of(MARKED), domain_of(MARKED + "# another\n")
    box = ProcessIsolation(level=LEVEL, spares=SPARES)
    results: set[bytes] = set()
    for n in range(calls):
        domain = (one, one, other)[n % 3]
        outcome = box.invoke(domain, "run", b"{}", budget=PATIENT)
        assert type(outcome) is Ok, outcome
        results.add(outcome.result)
    box.close()

    # One result each: what it draws at random depends on the source.
    assert len(results) == 2
    assert all(b'"found":[]' in result for result in results)
