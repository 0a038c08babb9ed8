"""The host's side of the box when the host itself is in trouble.

What happens around a call must neither be laid at the domain's door nor hide what the
domain did, and it ends in an outcome like every other.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from stage2_domains.contract import Budget
from stage3.isolation.interface import (
    BoxInterrupt,
    InfraFailure,
    Ok,
    Violation,
    ViolationKind,
)
from stage3.isolation.process import tier as tier_module
from stage3.isolation.process.host import Child, Ending, Zygote, ZygoteGoneError
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.boxed_source import PATIENT, body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage3.isolation.interface import BoxOutcome

LEVEL = probe()
pytestmark = pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal))

ROOT: Final = Path(__file__).parents[2]
ANSWER: Final = body("return DomainResult(True, {})")
LOOP: Final = body("while True: pass")
LEAVING: Final = body(
    "import codecs\ncodecs.builtins.__import__('os').getppid()\n"
    "return DomainResult(True, {})"
)


@pytest.fixture
def box() -> Iterator[ProcessIsolation]:
    made = ProcessIsolation(level=LEVEL)
    yield made
    made.close()


def call(box: ProcessIsolation, domain: object = ANSWER) -> BoxOutcome:
    return box.invoke(domain, "run", b"{}", budget=PATIENT)  # type: ignore[arg-type]


def below(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [one for child in map(int, text.split()) for one in (child, *below(child))]


def test_a_key_pressed_for_the_host_is_not_the_domains_doing(
    box: ProcessIsolation,
) -> None:
    """BOX-7.11: a terminal interrupts everything in its foreground."""
    call(box)
    for pid in below(os.getpid()):
        with suppress(ProcessLookupError):  # it was used already
            assert os.getsid(pid) != os.getsid(0)
            os.kill(pid, signal.SIGINT)

    assert isinstance(call(box), Ok)
    outcome = box.invoke(LOOP, "run", b"{}", budget=Budget(wall_ms=50))
    assert isinstance(outcome, Violation)
    assert outcome.kind is ViolationKind.BUDGET_WALL


def test_what_the_host_ignores_still_ends_a_child() -> None:
    """BOX-7.11: ignored and blocked signals are inherited by whatever is started."""
    before = signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU})
    box = ProcessIsolation(level=LEVEL)
    try:
        budget = Budget(wall_ms=60_000, cpu_s=1)
        outcome = box.invoke(LOOP, "run", b"{}", budget=budget)
    finally:
        box.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGXCPU, before)

    assert isinstance(outcome, Violation)
    assert outcome.kind is ViolationKind.BUDGET_CPU


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Leave the host room for so many more descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        with suppress(OSError):
            for _ in range(128):
                taken.append(os.dup(0))  # noqa: PERF401 - kept when it fails half way
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("count", range(6))
@pytest.mark.parametrize("started", [False, True])
def test_a_host_without_descriptors_gets_an_outcome(
    box: ProcessIsolation, count: int, *, started: bool
) -> None:
    """BOX-7.5; ISO-1.1."""
    if started:
        call(box)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with descriptors_left(count):
        outcomes = [call(box) for _ in range(5)]

    assert {type(outcome) for outcome in outcomes} <= {Ok, InfraFailure}
    assert isinstance(call(box), Ok)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 7


def test_a_child_ends_with_its_zygote_where_there_are_no_namespaces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """BOX-1.9, BOX-5.1."""
    box = ProcessIsolation(level=replace(LEVEL, namespaces=()))
    call(box)
    children: list[int] = []
    send = tier_module._send

    def kill_the_zygote(child: Child, data: bytes) -> None:
        send(child, data)
        children.append(os.dup(child.pidfd))
        assert box._zygote is not None
        box._zygote._process.kill()

    monkeypatch.setattr(tier_module, "_send", kill_the_zygote)
    outcome = box.invoke(LOOP, "run", b"{}", budget=PATIENT)
    gone = [select.select([child], [], [], 30)[0] for child in children]
    for child in children:
        os.close(child)
    box.close()

    assert isinstance(outcome, InfraFailure), outcome
    assert all(gone)


_FORKS: Final = """
import os
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.boxed_source import PATIENT, body
box = ProcessIsolation(level=probe())
box.invoke(body("return DomainResult(True, {})"), "run", b"{}", budget=PATIENT)
fork = os.fork()
if fork:
    print(fork, flush=True)
os.read(0, 1)
os._exit(0)
"""


def test_a_fork_of_the_host_keeps_no_box_alive() -> None:
    """BOX-5.1: it has the host's end of every descriptor, and is not the host."""
    command = [sys.executable, "-c", _FORKS]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        assert host.stdin is not None
        fork = int(host.stdout.readline())
        left = [os.pidfd_open(pid) for pid in below(host.pid) if pid != fork]
        host.kill()
        gone = [select.select([one], [], [], 30)[0] for one in left]
        for one in left:
            os.close(one)
        host.stdin.close()

    assert len(gone) >= 2
    assert all(gone)


def test_an_attempt_is_not_lost_with_the_zygote(
    box: ProcessIsolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOX-7.5; ISO-2.1: what is known of a call stays true without a next one."""
    call(box, LEAVING)

    def gone(*_: object) -> None:
        raise ZygoteGoneError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(Zygote, "ending", lambda *_: Ending(int(signal.SIGSYS), 1))
        patch.setattr(ProcessIsolation, "_make_ready", gone)
        outcome = call(box, LEAVING)

    assert isinstance(outcome, Violation), outcome
    assert isinstance(call(box), Ok)


def test_an_interrupted_call_leaves_no_process_that_works(
    box: ProcessIsolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOX-7.3, BOX-7.8: one that loops does not notice that nobody listens."""
    children: list[int] = []
    call(box)
    send = tier_module._send

    def interrupted(child: Child, data: bytes) -> None:
        children.append(os.dup(child.pidfd))
        send(child, data)
        if len(children) == 2:  # the first compiles
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tier_module, "_send", interrupted)
        with pytest.raises(BoxInterrupt):
            box.invoke(LOOP, "run", b"{}", budget=PATIENT)
    gone = [select.select([child], [], [], 10)[0] for child in children]
    for child in children:
        os.close(child)

    assert all(gone)


def test_a_domain_of_another_box_is_not_run_in_this_one(box: ProcessIsolation) -> None:
    """BOX-7.1: also where it has a source that could be."""
    assert isinstance(call(box, replace(ANSWER, tier="wasm")), InfraFailure)
    assert isinstance(call(box, replace(ANSWER, tier="in_process")), InfraFailure)


def test_an_attempt_is_not_lost_in_an_interrupt(
    box: ProcessIsolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOX-7.8; ISO-2.3."""
    call(box, LEAVING)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProcessIsolation, "_make_ready", interrupted)
        with pytest.raises(BoxInterrupt) as caught:
            call(box, LEAVING)

    assert caught.value.violation is not None
    assert caught.value.violation.kind is ViolationKind.SYSCALL
    assert isinstance(call(box), Ok)
