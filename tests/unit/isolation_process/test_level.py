"""What the kernel grants: found by trying, refused where a wall is missing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

import pytest

from stage3.isolation.process import level
from stage3.isolation.process.kernel import NAMESPACES
from stage3.isolation.process.level import Level, level_of, probe
from stage3.isolation.process.syscalls import machine
from tests.unit.isolation_process.box_family import HIDES
from tests.unit.isolation_process.locked_child import HAS_SECCOMP, USERS, python

WHOLE: Final[dict[str, object]] = {
    "hidden": False,
    "landlock_abi": 7,
    "limits": True,
    "namespaces": ["user", "pid"],
    "no_new_privs": True,
    "pidfd": True,
    "proc": True,
    "seccomp": True,
}
REQUIRED: Final = ("limits", "no_new_privs", "pidfd", "proc", "seccomp")


def judged(**changes: object) -> Level:
    return level_of(json.dumps(WHOLE | changes).encode(), "x86_64")


def tried(code: str = "", *, user: str = "this_user") -> dict[str, object]:
    ended = python(f"{code}\nprint(trial.report())", user=user)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert isinstance(found, dict)
    return found


def test_a_whole_report_is_a_level_without_refusal() -> None:
    """BOX-1.14, BOX-1.15."""
    whole = judged()
    assert whole.refusal is None
    assert dict(whole.attained()) == {
        "landlock_abi": 7,
        "machine": "x86_64",
        "namespaces": "user pid",
        "no_new_privs": True,
        "seccomp": True,
    }


@pytest.mark.parametrize("missing", REQUIRED)
@pytest.mark.parametrize("value", [False, None, 0, 1, "true"])
def test_a_required_wall_that_is_missing_is_a_refusal(
    missing: str, value: object
) -> None:
    """BOX-1.14."""
    found = judged(**{missing: value})
    assert found.refusal is not None
    assert missing.replace("limits", "resource limits") in found.refusal
    assert found.attained()["refusal"] == found.refusal


@pytest.mark.parametrize("change", [{"landlock_abi": 0}, {"namespaces": []}])
def test_a_further_wall_that_is_missing_is_none(change: dict[str, object]) -> None:
    """BOX-1.15."""
    assert judged(**change).refusal is None


@pytest.mark.parametrize(
    "report", [b"", b"{}", b"[]", b"null", b"1", b"\xff", b'{"seccomp":true}']
)
def test_a_report_that_cannot_be_read_is_a_refusal(report: bytes) -> None:
    """BOX-1.14."""
    found = level_of(report, "x86_64")
    assert found.refusal is not None
    assert not found.seccomp


def test_the_probe_of_this_machine_agrees_with_a_trial() -> None:
    """BOX-1.13."""
    found, report = probe(), tried()
    assert found.machine == machine()
    assert (found.seccomp, found.landlock_abi, list(found.namespaces)) == (
        report["seccomp"],
        report["landlock_abi"],
        report["namespaces"],
    )
    assert set(found.namespaces) <= set(NAMESPACES)


def test_the_probe_changes_nothing_here() -> None:
    """BOX-1.13: also when it is called beside other threads."""

    def look() -> tuple[object, ...]:
        status = Path("/proc/self/status").read_text("ascii")
        kept = ("NoNewPrivs", "Seccomp", "Cap")
        lines = [line for line in status.splitlines() if line.startswith(kept)]
        links = [str(path.readlink()) for path in Path("/proc/self/ns").iterdir()]
        return (*lines, *sorted(links))

    before, found = look(), []
    threads = [threading.Thread(target=lambda: found.append(probe())) for _ in "12"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert look() == before
    assert found[0] == found[1]


@pytest.mark.parametrize("user", USERS)
def test_the_required_walls_stand_for_every_user(user: str) -> None:
    """BOX-1.14: neither root nor a namespace is needed for them."""
    if not HAS_SECCOMP:
        pytest.skip("this kernel lists no seccomp filter that kills")
    found = tried(user=user)
    assert all(found[name] is True for name in REQUIRED)


@pytest.mark.parametrize("user", USERS)
def test_without_user_namespaces_the_box_still_stands(user: str) -> None:
    """BOX-1.15: refused as the kernel does it, and as a security module does it."""
    if not HAS_SECCOMP:
        pytest.skip("this kernel lists no seccomp filter that kills")
    for refusing in (
        (
            "real = kernel.unshare\n"
            "def unshare(flags):\n"
            "    if flags & 0x10000000: raise PermissionError(1, 'no')\n"
            "    real(flags)\n"
            "kernel.unshare = unshare"
        ),
        (
            "def refuse(uid, gid): raise PermissionError(13, 'no')\n"
            "kernel.map_identity_ids = refuse"
        ),
    ):
        found = tried(refusing, user=user)
        names = found["namespaces"]
        assert isinstance(names, list)
        assert "user" not in names
        assert all(found[name] is True for name in REQUIRED)
        if user == "nobody":
            assert names == []


@pytest.mark.parametrize(
    ("breaking", "name", "value"),
    [
        ("kernel.install_filter = lambda program: None", "seccomp", False),
        ("kernel.landlock_deny_all = lambda: None", "landlock_abi", 0),
        ("kernel.landlock_abi = lambda: os.stat('/nowhere')", "landlock_abi", 0),
        ("kernel.limit_resources = lambda limits: os.stat('/no')", "limits", False),
        ("kernel.no_new_privs = lambda: os.stat('/no')", "no_new_privs", False),
        ("trial.machine = lambda: None", "seccomp", False),
        ("kernel.pidfd_open = lambda pid: os.stat('/no')", "pidfd", False),
        ("kernel.pidfd_kill = lambda pidfd: os.stat('/no')", "pidfd", False),
        (
            "kernel.pidfd_kill = lambda pidfd: None\ntrial._PATIENCE_MS = 1",
            *("pidfd", False),
        ),
        ("trial.os.open = lambda *_: os.stat('/no')", "proc", False),
        (
            (
                "trial.filter_program = lambda machine, reply_fd: "
                "bpf.filter_program(machine, reply_fd=reply_fd + 1)"
            ),
            "seccomp",
            False,
        ),
    ],
)
def test_what_does_not_work_is_not_granted(
    breaking: str, name: str, value: object
) -> None:
    """BOX-1.13: a call that succeeds and does nothing is no wall."""
    assert tried(breaking)[name] == value


def test_another_system_or_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """BOX-1.2, BOX-1.14."""
    monkeypatch.setattr(level, "machine", lambda: None)
    unknown = probe()
    assert (unknown.machine, unknown.seccomp) == (None, False)
    assert unknown.refusal == "this machine has no table of system calls"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert probe().refusal == "the process box needs Linux"


@pytest.mark.skipif(machine() is None, reason="nothing is tried on this machine")
@pytest.mark.parametrize("path", ["", "/nowhere/python", "/bin/false", "/bin/true"])
def test_a_trial_that_cannot_be_made_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """BOX-1.14."""
    monkeypatch.setattr(sys, "executable", path)
    assert probe().refusal is not None


@pytest.mark.skipif(machine() is None, reason="nothing is tried on this machine")
def test_the_trial_gets_no_environment_and_none_of_our_other_modules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """BOX-1.16."""
    calls: list[tuple[list[str], dict[str, str]]] = []
    loaded: list[bytes] = []
    real = subprocess.run

    def spying(
        command: list[str], *, env: dict[str, str], **options: object
    ) -> subprocess.CompletedProcess[bytes]:
        calls.append((command, env))
        told = "\nprint(*sorted(sys.modules), file=sys.stderr)"
        longer = [*command[:4], command[4] + told, *command[5:]]
        ended: subprocess.CompletedProcess[bytes] = real(longer, env=env, **options)  # type: ignore[call-overload]  # as they came
        loaded.extend(ended.stderr.split())
        return ended

    monkeypatch.setenv("SECRET", "s")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/lib")
    monkeypatch.setattr(subprocess, "run", spying)
    assert probe().machine is not None
    ((command, environment),) = calls
    assert environment == {"LD_LIBRARY_PATH": "/lib"}
    assert command[1:4] == ["-I", "-S", "-c"]
    ours = {name.decode() for name in loaded if name.startswith((b"stage", b"audit"))}
    box = "stage3.isolation.process"
    needed = ("bpf", "kernel", "limits", "syscalls", "trial")
    modules = {f"{box}.{name}" for name in needed}
    assert ours == {"stage3", "stage3.isolation", box} | modules
    assert b"site" not in loaded


@pytest.mark.parametrize("told", [True, False])
def test_what_this_proc_hides_is_part_of_the_level(told: bool) -> None:  # noqa: FBT001 - a case
    """BOX-1.21."""
    assert judged(hidden=told).is_hidden is told


@pytest.mark.skipif(machine() is None, reason="nothing is tried on this machine")
@pytest.mark.parametrize("finds", ["0", "os.stat('/no')"])
def test_that_a_process_cannot_be_looked_at_is_found_out(finds: str) -> None:
    """BOX-1.21."""
    ended = python(
        f"real = trial.os.open\n"
        f"trial.os.open = lambda path, how: {finds} or real(path, how)\n"
        "os.write(1, str(trial._is_hidden()).encode())"
    )
    expected = HIDES or finds != "0"
    assert ended.stdout == str(expected).encode(), ended.stderr
