"""Runs a seccomp filter as linux/filter.h describes, and says what it ought to do.

Two independent halves: ``run`` knows nothing of what is allowed, ``ought_to_pass``
nothing of how a filter is written. Only the numbers of the calls are shared with the
product, and those are compared with libseccomp's elsewhere.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from stage3.isolation.process.syscalls import NUMBERS

__all__ = ["ALLOW", "KILL_PROCESS", "Call", "instructions", "ought_to_pass", "run"]

ALLOW: Final = 0x7FFF0000
KILL_PROCESS: Final = 0x80000000
ARCH: Final = {"aarch64": 0xC00000B7, "x86_64": 0xC000003E}

FREE: Final = frozenset(
    {"munmap", "mremap", "brk", "exit", "exit_group", "rt_sigreturn"}
    | {"restart_syscall", "gettimeofday", "time", "getpid", "gettid"}
)


class Call(NamedTuple):
    """``struct seccomp_data`` without the instruction pointer."""

    number: int
    arch: int
    arguments: tuple[int, ...] = (0, 0, 0, 0, 0, 0)

    def packed(self) -> bytes:
        """Return the 64 bytes a filter sees."""
        return struct.pack("<IIQ6Q", self.number, self.arch, 0, *self.arguments)


def instructions(program: bytes) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("<HBBI", program))


def run(program: bytes, call: Call) -> int:
    """Return the verdict of ``program``; raises where the kernel would refuse it."""
    data, accumulator, at = call.packed(), 0, 0
    steps = instructions(program)
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        if code == 0x20:
            assert operand % 4 == 0
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif code == 0x06:
            return operand
        elif code == 0x15:
            at += if_true if accumulator == operand else if_false
        elif code == 0x35:
            at += if_true if accumulator >= operand else if_false
        elif code == 0x45:
            at += if_true if accumulator & operand else if_false
        else:
            raise AssertionError(f"no such instruction: {code:#x}")


def ought_to_pass(machine: str, call: Call, reply_fd: int) -> bool:
    """BOX-1.3 to BOX-1.7, BOX-1.18 and BOX-1.19 in words of Python."""
    if call.arch != ARCH[machine] or call.number >= 0x40000000:
        return False
    names = {number: name for name, number in NUMBERS[machine].items()}
    name = names.get(call.number, "?")
    first, second, third, *_ = call.arguments
    allowed = {
        "read": first == reply_fd,
        "write": first == reply_fd,
        "mmap": not third & 0b100,
        "mprotect": not third & 0b100,
        "madvise": third % 2**32 in {4, 8, 14},
        "futex": second % 2**32 in {1, 129},
        "clock_gettime": first % 2**32 < 16,
    }
    return allowed.get(name, name in FREE)
