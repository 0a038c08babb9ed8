"""The box under a filter that was there before it, as the profile of a container is."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from typing import Final

import pytest

from stage3.isolation.process.level import probe
from stage3.isolation.process.syscalls import machine
from tests.architecture.source_tree import ROOT
from tests.unit.isolation_process.locked_child import HAS_SECCOMP

pytestmark = [
    pytest.mark.skipif(machine() != "x86_64", reason="the profile has its numbers"),
    pytest.mark.skipif(not HAS_SECCOMP, reason="this kernel has no seccomp filter"),
]

LANDLOCK: Final = (444, 445, 446)
UNSHARE: Final = (272,)
PIDFD_OPEN: Final = (434,)
PIDFD_SEND_SIGNAL: Final = (424,)
PRLIMIT: Final = (302,)
SECCOMP: Final = (317,)
SECCOMP_BY_PRCTL: Final = (-22,)
"""``prctl`` with this first argument; a profile that has an opinion on it is rare."""

PROGRAM: Final = """\
import ctypes, json, struct, sys
refused, error = json.loads(sys.argv[1]), int(sys.argv[2])
load, equal, answer = 0x20, 0x15, 0x06
rules = [(load, 0, 0, 0)]
for number in refused:
    if number < 0:
        rules += [(equal, 0, 4, 157), (load, 0, 0, 16), (equal, 0, 1, -number)]
        rules += [(answer, 0, 0, 0x50000 | error), (load, 0, 0, 0)]
    else:
        rules += [(equal, 0, 1, number), (answer, 0, 0, 0x50000 | error)]
rules.append((answer, 0, 0, 0x7FFF0000))
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in rules))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("rules", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
program = Program(len(rules), ctypes.addressof(text))
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0

from stage2_domains.registry import DomainRegistry
from stage3.tiers import process_tier
domains = DomainRegistry()
domains.register_manifest(sys.argv[3])
weather = domains.get("weather")
box = process_tier()
if isinstance(box, str):
    print(json.dumps({"refusal": box}))
else:
    given = b'{"days":[{"celsius":12,"day":"Mon"}]}'
    ended = box.invoke(weather, "summary", given, budget=weather.budget)
    box.close()
    print(json.dumps({**box.attained, "ended": type(ended).__name__}))
"""


def under(*refused: int, error: int = errno.EPERM) -> dict[str, object]:
    """Make a box and call a domain where these system calls are refused."""
    manifest = ROOT / "examples/third_party_domain/acme_weather/domain.toml"
    words = [json.dumps(refused), str(error), str(manifest)]
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS])
def test_a_profile_that_refuses_namespaces_leaves_the_box_its_walls(error: int) -> None:
    """BOX-1.15: as the profiles of container engines do; calls are answered."""
    found = under(*UNSHARE, error=error)

    assert (found["namespaces"], found["seccomp"]) == ("", True)
    assert found["ended"] == "Ok"


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS])
def test_a_profile_that_knows_no_landlock_is_told_apart(error: int) -> None:
    """BOX-1.15: with Landlock where nothing refuses it."""
    assert under(*LANDLOCK, *UNSHARE, error=error)["landlock_abi"] == 0
    assert under()["landlock_abi"] == probe().landlock_abi


@pytest.mark.parametrize(
    ("refused", "missing"),
    [
        ((*SECCOMP, *SECCOMP_BY_PRCTL), "seccomp"),
        (PRLIMIT, "resource limits"),
        (PIDFD_OPEN, "pidfd_open"),
        (PIDFD_SEND_SIGNAL, "pidfd_send_signal"),
    ],
)
@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS])
def test_a_profile_that_takes_a_needed_call_away_is_a_refusal(
    refused: tuple[int, ...], missing: str, error: int
) -> None:
    """BOX-1.14: no weaker box is made."""
    assert missing in str(under(*refused, error=error)["refusal"])


def test_one_way_to_install_a_filter_is_enough() -> None:
    """BOX-1.14: a profile need not allow ``seccomp`` where it allows ``prctl``."""
    assert under(*SECCOMP)["seccomp"] is True
