"""Runs a few lines of Python in a process of their own, as this user or as nobody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from stage3.isolation.process.syscalls import machine

__all__ = ["HAS_LANDLOCK", "HAS_SECCOMP", "HAS_USERS", "USERS", "python"]

ROOT: Final = Path(__file__).parents[3]
USERS: Final = ("this_user", "nobody")
"""Where the tests run unprivileged, both are the same."""

# What the machine has is asked without the code under test, so that breaking that code
# makes tests fail and not vanish.


def _lists(path: str, word: str) -> bool:
    try:
        return word in Path(path).read_text("ascii")
    except OSError:
        return False


def _maps_users() -> bool:
    program = shutil.which("unshare")
    if program is None:
        return False
    command = [program, "--user", "--map-root-user", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


HAS_SECCOMP: Final = machine() is not None and _lists(
    "/proc/sys/kernel/seccomp/actions_avail", "kill_process"
)
HAS_LANDLOCK: Final = _lists("/sys/kernel/security/lsm", "landlock")
HAS_USERS: Final = _maps_users()

_PRELUDE: Final = """\
import ctypes, decimal, gc, hashlib, json, mmap, os, re, resource, signal, socket
import subprocess, sys, threading, time
'x'.encode('idna'); 'x'.encode('ascii')  # nobody may be unable to load these
sys.path.insert(0, {root!r})
from stage3.isolation.process import bpf, frames, kernel, level, syscalls, trial
libc = ctypes.CDLL(None, use_errno=True)
if {nobody!r} and os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    libc.prctl(4, 1, 0, 0, 0)  # dumpable again, as after an execve
def lock(reply_fd=1):
    kernel.no_new_privs()
    machine = syscalls.machine()
    kernel.install_filter(bpf.filter_program(machine, reply_fd=reply_fd))
    kernel.install_filter(bpf.closing_program(machine))
"""


def python(code: str, *, user: str = "this_user") -> subprocess.CompletedProcess[bytes]:
    """Run ``code`` after a prelude with ``lock()`` and the modules of the box."""
    prelude = _PRELUDE.format(root=str(ROOT), nobody=user == "nobody")
    return subprocess.run(
        [sys.executable, "-X", "faulthandler=0", "-c", prelude + code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
