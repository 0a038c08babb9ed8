"""A box seen from outside while it is in use: what the kernel says of its processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from stage2_domains.contract import Budget
from stage3.isolation.interface import Ok, Violation
from stage3.isolation.process import tier as tier_module
from stage3.isolation.process.level import probe
from stage3.isolation.process.tier import ProcessIsolation
from tests.unit.isolation_process.boxed_source import PATIENT, body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage3.isolation.process.host import Child

LEVEL = probe()
pytestmark = pytest.mark.skipif(LEVEL.refusal is not None, reason=str(LEVEL.refusal))

ROOT: Final = Path(__file__).parents[2]
LOOP: Final = body("while True: pass")
BUDGET: Final = Budget(wall_ms=60_000, cpu_s=40, memory_mb=100)
VARIABLE: Final = "STAGE3_TEST_VARIABLE"
WAIT_S: Final = 60


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessIsolation]:
    monkeypatch.setenv(VARIABLE, "of the host")
    made = ProcessIsolation(level=LEVEL)
    yield made
    made.close()


def below(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [one for child in map(int, text.split()) for one in (child, *below(child))]


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return {name: value.strip() for name, _, value in (x.partition(":") for x in lines)}


def limits(pid: int) -> dict[str, tuple[str, str]]:
    lines = Path(f"/proc/{pid}/limits").read_text("ascii").splitlines()[1:]
    return {one[:25].strip(): (one[26:46].strip(), one[47:67].strip()) for one in lines}


def descriptors(pid: int) -> list[str]:
    found = [path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir()]
    return [str(one).partition(":")[0] for one in found]


class Working:
    """A call that loops until it is killed from here."""

    def __init__(
        self, box: ProcessIsolation, monkeypatch: pytest.MonkeyPatch, sent: int
    ) -> None:
        self.asked = threading.Semaphore(0)
        self.children: list[Child] = []
        send = tier_module._send

        def tell(child: Child, data: bytes) -> None:
            self.children.append(child)
            send(child, data)
            self.asked.release()

        monkeypatch.setattr(tier_module, "_send", tell)
        self.outcomes: list[object] = []
        self._caller = threading.Thread(
            target=lambda: self.outcomes.append(
                box.invoke(LOOP, "run", b"{}", budget=BUDGET)
            )
        )
        self._caller.start()
        for _ in range(sent):
            assert self.asked.acquire(timeout=WAIT_S)

    def pid(self) -> int:
        """Return the number of the process that works, once it does."""
        child = self.children[-1]
        text = Path(f"/proc/self/fdinfo/{child.pidfd}").read_text("ascii")
        number = int(text.partition("Pid:")[2].split()[0])
        while "Max cpu time              40 " not in Path(
            f"/proc/{number}/limits"
        ).read_text("ascii"):
            os.sched_yield()
        while status(number).get("Seccomp_filters", "2") != "2":
            os.sched_yield()
        return number

    def end(self) -> None:
        """Kill it and wait for the call."""
        self.children[-1].kill()
        self._caller.join(WAIT_S)


def test_a_working_child_has_nothing_and_may_nothing(
    box: ProcessIsolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOX-1.12, BOX-1.20, BOX-5.4, BOX-5.5."""
    box.invoke(body("return DomainResult(True, {})"), "run", b"{}", budget=PATIENT)
    working = Working(box, monkeypatch, sent=2)
    pid = working.pid()
    try:
        said, bounds = status(pid), limits(pid)

        assert descriptors(pid) == ["socket"]
        assert said["Threads"] == "1"
        assert said["NoNewPrivs"] == "1"
        assert said["Seccomp"] == "2"
        assert {said[f"Cap{which}"] for which in ("Inh", "Prm", "Eff", "Amb")} == {
            "0000000000000000"
        }
        for name in ("Max core file size", "Max file size", "Max processes"):
            assert bounds[name] == ("0", "0"), name
        assert bounds["Max open files"] == ("4", "4")
        assert bounds["Max cpu time"] == ("40", "41")
        room = int(bounds["Max address space"][1])
        assert 300 * 2**20 < room < 450 * 2**20
    finally:
        working.end()
    assert isinstance(working.outcomes[0], Violation)


def test_an_idle_child_is_behind_the_filter_already(box: ProcessIsolation) -> None:
    """BOX-1.20, BOX-5.4, BOX-7.12."""
    box.invoke(body("return DomainResult(True, {})"), "run", b"{}", budget=PATIENT)
    zygote = box._zygote
    assert zygote is not None
    child = zygote.take()
    text = Path(f"/proc/self/fdinfo/{child.pidfd}").read_text("ascii")
    pid = int(text.partition("Pid:")[2].split()[0])
    while status(pid)["State"][0] != "S":
        os.sched_yield()
    said, found = status(pid), descriptors(pid)
    inherited = [os.get_inheritable(one) for one in (child.pidfd, child.end.fileno())]
    child.kill()
    child.release()

    assert said["Seccomp"] == "2"
    assert found == ["socket"]
    assert inherited == [False, False], "by what the host starts"


def test_nothing_of_the_host_is_in_a_zygote(box: ProcessIsolation) -> None:
    """BOX-5.1, BOX-5.4, BOX-5.10."""
    box.invoke(body("return DomainResult(True, {})"), "run", b"{}", budget=PATIENT)
    zygote = box._zygote
    assert zygote is not None
    seen = 0
    for pid in (zygote._process.pid, *below(zygote._process.pid)):
        with suppress(FileNotFoundError, ProcessLookupError):  # it was used already
            found = descriptors(pid)
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            score = Path(f"/proc/{pid}/oom_score_adj").read_text("ascii")
            assert set(found) <= {"socket", "anon_inode", "/dev/null"}
            assert b"of the host" not in environment
            assert score == "1000\n"
            seen += 1
    assert seen >= 2


_FINDS: Final = """
import codecs
sys, os = codecs.sys, codecs.builtins.__import__("os")
return DomainResult(True, {
    "argv": sys.argv, "environ": len(os.environ), "path": sys.path,
    "paths": len(sys.path_importer_cache),
    "streams": [one is None for one in (sys.stdin, sys.stdout, sys.stderr)]})
"""


def test_a_domain_finds_no_way_to_anything(box: ProcessIsolation) -> None:
    """BOX-5.4."""
    outcome = box.invoke(body(_FINDS), "run", b"{}", budget=PATIENT)

    assert isinstance(outcome, Ok), outcome
    assert json.loads(outcome.result)["data"] == {
        "argv": [],
        "environ": 0,
        "path": [],
        "paths": 0,
        "streams": [True, True, True],
    }


_RECORDED: Final = """
import os, sys
from stage3.isolation.process import kernel, zygote
done = []

def record(where, name):
    setattr(where, name, lambda *_, **more: done.append((name, more and str(more))))

for name in ("enter_namespaces", "no_new_privs", "not_dumpable", "limit_resources",
             "landlock_deny_all", "drop_capabilities"):
    record(kernel, name)
for name in ("preload", "_reset_signals", "_become_first"):
    record(zygote, name)

class Zygote:
    def __init__(self, *_):
        done.append(("filters", ""))
    def serve(self):
        print([name for name, _ in done], len(os.environ))

zygote.Zygote = Zygote
ours, theirs = __import__("socket").socketpair()
zygote.main(theirs.detach(), sys.argv[1], sys.argv[2])
"""


_STEPS: Final = """\
_reset_signals enter_namespaces _become_first preload no_new_privs filters not_dumpable
limit_resources landlock_deny_all drop_capabilities"""


@pytest.mark.parametrize(
    ("names", "landlock", "left_out"),
    [("user,pid", "yes", set()), ("", "no", {"_become_first", "landlock_deny_all"})],
)
def test_a_zygote_locks_itself_in_step_by_step(
    names: str, landlock: str, left_out: set[str]
) -> None:
    """BOX-5.1, BOX-5.4, BOX-7.9: what cannot be seen from outside is counted here."""
    done = subprocess.run(
        [sys.executable, "-c", _RECORDED, names, landlock],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )

    steps = [step for step in _STEPS.split() if step not in left_out]
    assert done.stdout.strip() == f"{steps} 0", done.stderr
