"""The process box as a whole: what it starts, what it leaves, and who may stop it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
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
)
from stage3.isolation.process import tier as tier_module
from stage3.isolation.process.level import Level, probe
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.box_family import HIDES
from tests.unit.isolation_process.boxed_source import PATIENT, body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage3.isolation.process.host import Child

LEVEL = probe()
pytestmark = pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal))

ROOT: Final = Path(__file__).parents[3]
ANSWER = body("return DomainResult(True, {'n': parameters.get_copy()['n']})")
LOOP = body("while True: pass")
CALL_S: Final = 60

HOST: Final = """
import sys, os
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.boxed_source import PATIENT, body
"""


@pytest.fixture
def box() -> Iterator[ProcessIsolation]:
    made = ProcessIsolation(level=LEVEL)
    yield made
    made.close()


def answer(box: ProcessIsolation, n: int = 1) -> object:
    return box.invoke(ANSWER, "run", b'{"n":%d}' % n, budget=PATIENT)


def descendants(of: int) -> list[int]:
    """Every process below one, dead ones that nobody asked for included."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text("ascii", "replace")
            except OSError:
                continue
            parents[int(entry.name)] = int(text.rpartition(")")[2].split()[1])
    found, level = [], [of]
    while level:
        level = [pid for pid, parent in parents.items() if parent in level]
        found += level
    return found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_started_before_the_first_call(box: ProcessIsolation) -> None:
    """BOX-7.2."""
    assert descendants(os.getpid()) == []
    answer(box)
    assert descendants(os.getpid()) != []


def test_two_hundred_calls_leave_nothing_behind(box: ProcessIsolation) -> None:
    """BOX-7.6."""
    before = descriptors()
    outcomes = [answer(box, n) for n in range(200)]

    assert all(isinstance(outcome, Ok) for outcome in outcomes)
    assert len(descendants(os.getpid())) <= 2 + 2 + 2
    box.close()
    assert descendants(os.getpid()) == []
    assert descriptors() == before


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1])


@pytest.mark.nightly
def test_ten_thousand_calls_leave_nothing_behind(box: ProcessIsolation) -> None:
    """BOX-7.6."""
    for n in range(200):
        answer(box, n)
    before, pages = descriptors(), resident_pages()
    outcomes = {type(answer(box, n)) for n in range(10_000)}

    assert outcomes == {Ok}
    assert len(descendants(os.getpid())) <= 2 + 2 + 2
    assert descriptors() <= before + 2 * 2
    assert resident_pages() - pages < 1_024


def test_closing_is_final_and_may_be_repeated(box: ProcessIsolation) -> None:
    """BOX-7.6."""
    answer(box)
    box.close()
    box.close()

    assert isinstance(answer(box), InfraFailure)
    assert descendants(os.getpid()) == []


def test_closing_ends_a_call_that_is_running(
    box: ProcessIsolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOX-7.6."""
    asked = threading.Event()
    send = tier_module._send

    def tell(*arguments: object) -> None:
        send(*arguments)
        asked.set()

    monkeypatch.setattr(tier_module, "_send", tell)
    outcomes: list[object] = []
    caller = threading.Thread(
        target=lambda: outcomes.append(
            box.invoke(LOOP, "run", b"{}", budget=Budget(wall_ms=CALL_S * 1000))
        )
    )
    caller.start()
    assert asked.wait(CALL_S)
    box.close()
    caller.join(CALL_S)

    assert len(outcomes) == 1
    assert isinstance(outcomes[0], InfraFailure | Violation)
    assert descendants(os.getpid()) == []


def test_four_threads_share_one_box(box: ProcessIsolation) -> None:
    """BOX-7.7."""
    outcomes: list[tuple[int, object]] = []

    def work(first: int) -> None:
        for n in range(first, first + 10):
            outcomes.append((n, answer(box, n)))  # noqa: PERF401 - seen as they come

    threads = [threading.Thread(target=work, args=(10 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(CALL_S)

    assert len(outcomes) == 40
    assert all(b'"n":%d}' % n in getattr(one, "result", b"") for n, one in outcomes)


def test_a_thread_that_ends_takes_no_zygote_with_it(box: ProcessIsolation) -> None:
    """BOX-7.7: the kernel would watch the thread that started a process."""
    first = threading.Thread(target=answer, args=(box,))
    first.start()
    first.join(CALL_S)
    before = set(descendants(os.getpid()))
    assert isinstance(answer(box), Ok)

    assert before & set(descendants(os.getpid()))


def test_a_killed_zygote_is_replaced_at_the_next_call(box: ProcessIsolation) -> None:
    """BOX-7.5."""
    answer(box)
    zygote = box._zygote
    assert zygote is not None
    zygote._process.kill()
    zygote._process.wait()
    # What is below it dies a moment later, so the first call may still meet it.
    outcomes = [answer(box) for _ in range(3)]

    assert all(isinstance(outcome, Ok | InfraFailure) for outcome in outcomes)
    assert isinstance(outcomes[2], Ok)


def test_a_child_that_dies_idle_is_no_violation(box: ProcessIsolation) -> None:
    """BOX-7.5."""
    answer(box)
    zygote = box._zygote
    assert zygote is not None
    zygote.top_up(3)
    while zygote._ordered:
        zygote._receive()
    for child in zygote._children:
        child.kill()
        select.select([child.pidfd], [], [], CALL_S)
    outcomes = [answer(box) for _ in range(4)]

    assert isinstance(outcomes[0], InfraFailure)
    assert isinstance(outcomes[3], Ok)


def test_an_interrupt_kills_the_child_and_goes_on(
    box: ProcessIsolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOX-7.8; ISO-2.3."""
    answer(box)

    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tier_module.FrameReader, "read", interrupted)
        with pytest.raises(BoxInterrupt):
            box.invoke(LOOP, "run", b"{}", budget=PATIENT)

    assert isinstance(answer(box), Ok)


def test_a_box_needs_what_the_kernel_must_grant() -> None:
    """BOX-7.9."""
    nothing = Level(
        seccomp=False,
        no_new_privs=True,
        landlock_abi=0,
        namespaces=(),
        machine="x86_64",
        refusal="there is no seccomp here",
    )
    with pytest.raises(ValueError, match="no seccomp"):
        ProcessIsolation(level=nothing)


def test_the_level_reached_is_told(box: ProcessIsolation) -> None:
    """BOX-7.9."""
    assert box.tier == "process"
    assert box.attained["seccomp"] is True
    assert box.attained["boundary"] is True


def test_it_works_without_namespaces_and_landlock() -> None:
    """BOX-7.9."""
    least = Level(
        seccomp=True,
        no_new_privs=True,
        landlock_abi=0,
        namespaces=(),
        machine=LEVEL.machine,
        refusal=None,
    )
    box = ProcessIsolation(level=least)
    outcomes = [answer(box), box.invoke(LOOP, "run", b"{}", budget=Budget(wall_ms=50))]
    box.close()

    assert isinstance(outcomes[0], Ok)
    assert isinstance(outcomes[1], Violation)
    assert descendants(os.getpid()) == []


@pytest.mark.parametrize("is_hidden", [False, True])
def test_a_child_that_must_be_seen_leaves_no_core(is_hidden: bool) -> None:  # noqa: FBT001 - a case
    """BOX-1.21: one byte is what no core fits into, nor is handed to a program."""
    if HIDES and not is_hidden:
        pytest.skip("this /proc hides the child")
    box = ProcessIsolation(level=replace(LEVEL, is_hidden=is_hidden))
    try:
        answer(box)
        zygote = box._zygote
        assert zygote is not None
        child = zygote.take()
        core = core_limits(child)
        child.kill()
        child.release()
    finally:
        box.close()

    assert core == [str(int(is_hidden))] * 2


def core_limits(child: Child) -> list[str]:
    """Look as soon as it can be looked at: it may have been forked just now."""
    for _ in range(1_000_000):
        child.watch()
        if child.status >= 0:
            break
        os.sched_yield()
    text = Path(f"/proc/{child.number}/limits").read_text("ascii")
    (line,) = (line for line in text.splitlines() if line.startswith("Max core"))
    return line.split()[4:6]


def test_a_fork_of_the_host_has_a_box_of_its_own(box: ProcessIsolation) -> None:
    """BOX-7.7."""
    answer(box)
    pid = os.fork()
    if pid == 0:
        good = isinstance(answer(box), Ok)
        box.close()
        os._exit(0 if good else 1)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert isinstance(answer(box), Ok)


def host(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOST + code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def ends(pids: list[int]) -> bool:
    """Wait, by descriptors, until every one of these processes has ended."""
    for pid in pids:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ready, _, _ = select.select([pidfd], [], [], CALL_S)
        os.close(pidfd)
        if not ready:
            return False
    return True


def test_killing_the_host_leaves_no_child() -> None:
    """BOX-5.1."""
    running = host("""
box = ProcessIsolation(level=probe())
box.invoke(body("return DomainResult(True, {})"), "run", b"{}", budget=PATIENT)
print("ready", flush=True)
box.invoke(body("while True: pass"), "run", b"{}", budget=PATIENT)
""")
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    left = descendants(running.pid)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    running.stdout.close()

    assert left
    assert ends(left)


NOBODY: Final = {"user": 65534, "group": 65534, "extra_groups": []}
UNPRIVILEGED: Final = """
import os, sys
from types import SimpleNamespace
from stage2_domains.contract import Budget
from stage2_domains.source import DomainSource
from stage3.isolation.process.tier import ProcessIsolation

HEAD = (
    "from stage2_domains.contract import DomainResult, Stage2Domain\\n"
    "class Boxed(Stage2Domain):\\n    def invoke(self, method, parameters):\\n        "
)
HUNGRY = (
    "try:\\n            kept = bytearray(100 << 20)\\n"
    "        except MemoryError:\\n            pass\\n"
    "        return DomainResult(True, {})"
)
box = ProcessIsolation()

def call(text, wall_ms=30_000):
    source = DomainSource(kind="python", code=(HEAD + text).encode(), entry="Boxed")
    domain = SimpleNamespace(source=source, tier="process", methods={"run": None})
    budget = Budget(wall_ms=wall_ms)
    found = box.invoke(domain, "run", b"{}", budget=budget)
    return getattr(found, "kind", type(found).__name__)

print(
    os.geteuid(),
    call("return DomainResult(True, {})"),
    call("open('/etc/hostname')"),
    call("import codecs; codecs.builtins.__import__('os').getppid()"),
    call("while True: pass", 50),
    call(HUNGRY),
)
box.close()
"""


def interpreter_for_nobody() -> str | None:
    """Find an interpreter that a user without rights may start."""
    for path in (sys.executable, "/usr/bin/python3"):
        text = "import sys; sys.exit(sys.version_info < (3, 11))"
        try:
            tried = subprocess.run([path, "-c", text], check=False, **NOBODY)
        except OSError:
            continue
        if tried.returncode == 0:
            return path
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_works_for_a_user_without_rights() -> None:
    """BOX-7.9; BOX-1.21, where this machine hides processes."""
    interpreter = interpreter_for_nobody()
    if interpreter is None:
        pytest.skip("no interpreter that a user without rights may start")
    done = subprocess.run(
        [interpreter, "-c", UNPRIVILEGED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=CALL_S,
        check=False,
        **NOBODY,
    )

    assert done.stdout == "65534 Ok open syscall budget.wall budget.memory\n", (
        done.stderr
    )
