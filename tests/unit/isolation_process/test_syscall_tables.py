"""The numbers of system calls against two sources that are not ours."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from stage3.isolation.process import syscalls
from stage3.isolation.process.bpf import ALLOWED
from stage3.isolation.process.syscalls import AUDIT_ARCH, NUMBERS

HEADERS: Final = (
    Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    Path("/usr/include/asm/unistd_64.h"),
)
NO_SUCH_CALL: Final = -1
"""``__NR_SCMP_ERROR``; what another machine has but this one has not is below it."""


def libseccomp() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp.so.2 is not installed: the tables were not compared")


@pytest.mark.parametrize("machine", list(NUMBERS))
def test_the_table_agrees_with_libseccomp(machine: str) -> None:
    """BOX-1.1."""
    resolve = libseccomp().seccomp_syscall_resolve_name_arch
    resolve.argtypes, resolve.restype = [ctypes.c_uint32, ctypes.c_char_p], ctypes.c_int
    arch = AUDIT_ARCH[machine]
    theirs = {name: resolve(arch, name.encode()) for name in NUMBERS[machine]}
    if theirs["landlock_create_ruleset"] == NO_SUCH_CALL:  # before version 2.5.2
        theirs |= {n: NUMBERS[machine][n] for n in theirs if n.startswith("landlock_")}
    assert theirs == NUMBERS[machine]


def test_time_is_the_only_call_that_one_machine_has_not() -> None:
    """BOX-1.1, BOX-1.6."""
    assert set(NUMBERS["x86_64"]) - set(NUMBERS["aarch64"]) == {"time"}
    assert set(NUMBERS["aarch64"]) <= set(NUMBERS["x86_64"])
    assert set(ALLOWED) <= set(NUMBERS["x86_64"])
    resolve = libseccomp().seccomp_syscall_resolve_name_arch
    assert resolve(ctypes.c_uint32(AUDIT_ARCH["aarch64"]), b"time") < 0


def test_the_table_agrees_with_the_header_of_the_kernel() -> None:
    """BOX-1.1."""
    header = next((path for path in HEADERS if path.exists()), None)
    if header is None:
        pytest.skip("asm/unistd_64.h is not installed: the table was not compared")
    lines = re.findall(r"#define __NR_(\w+) (\d+)", header.read_text("ascii"))
    theirs = {name: int(number) for name, number in lines}
    ours = NUMBERS["x86_64"]
    assert {name: theirs.get(name, ours[name]) for name in ours} == ours
    assert set(ALLOWED) <= set(theirs)


@pytest.mark.parametrize(
    ("system", "size", "name", "found"),
    [
        ("linux", 2**63 - 1, "x86_64", "x86_64"),
        ("linux", 2**63 - 1, "aarch64", "aarch64"),
        ("linux", 2**63 - 1, "aarch64_be", None),
        ("linux", 2**63 - 1, "armv7l", None),
        ("linux", 2**31 - 1, "x86_64", None),
        ("darwin", 2**63 - 1, "x86_64", None),
        ("freebsd14", 2**63 - 1, "x86_64", None),
    ],
)
def test_only_a_known_machine_has_a_name(
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    size: int,
    name: str,
    found: str | None,
) -> None:
    """BOX-1.2."""
    real = os.uname()
    fake = os.uname_result((*real[:4], name))
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(sys, "maxsize", size)
    monkeypatch.setattr(os, "uname", lambda: fake)
    assert syscalls.machine() == found
