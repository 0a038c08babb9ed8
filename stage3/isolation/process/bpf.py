"""Builds the seccomp filters of a child: what is not listed kills the process.

There are two, since building the first into the kernel is dear and the limits of a call
are known late. The first is installed while the child waits, and lets it set limits and
add a filter besides; the second, a few instructions long, forbids just that. The kernel
goes through both and does the worse of what they say.

Pure: names and numbers in, the bytes of an array of ``struct sock_filter`` out. Both
machines of ``.syscalls`` are little-endian, and so are the bytes.

Every block of the program tests one system call and ends in a return of its own, so
that no jump is longer than its block and the program can be read from top to bottom.

Spec: BOX-1.3 to BOX-1.7, BOX-1.18 to BOX-1.20. Source: linux/filter.h, linux/seccomp.h.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, TypeAlias

from stage3.isolation.process.syscalls import AUDIT_ARCH, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ALLOWED",
    "INSTRUCTION_BYTES",
    "WHILE_WAITING",
    "closing_program",
    "filter_program",
]

INSTRUCTION_BYTES: Final = 8
"""The size of one ``struct sock_filter``."""

ALLOWED: Final = (
    "munmap",
    "brk",
    "mremap",
    "gettimeofday",
    "time",
    "getpid",
    "gettid",
    "rt_sigreturn",
    "restart_syscall",
    "exit",
    "exit_group",
)
"""Allowed with any arguments, where the machine has them. The usual ones come first."""

WHILE_WAITING: Final = ("prctl", "prlimit64")
"""Allowed besides, until ``closing_program`` is installed on top."""

_Instruction: TypeAlias = tuple[int, int, int, int]

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_KILL: Final[_Instruction] = (_RETURN, 0, 0, 0x8000_0000)  # SECCOMP_RET_KILL_PROCESS
_ALLOW: Final[_Instruction] = (_RETURN, 0, 0, 0x7FFF_0000)  # SECCOMP_RET_ALLOW

_AT_NUMBER: Final = 0  # offsetof(struct seccomp_data, nr)
_AT_ARCH: Final = 4
_AT_ARGUMENTS: Final = 16
_X32: Final = 0x4000_0000

_PROT_EXEC: Final = 4
_ADVICE: Final = (4, 8, 14)
"""MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE: what memory allocators ask for.

Others reach beyond the process: as root, MADV_HWPOISON takes pages from the machine.
"""
_WAKING: Final = (1, 129)
"""FUTEX_WAKE, FUTEX_WAKE | FUTEX_PRIVATE_FLAG: what releasing a lock asks for.

There is one thread, so that waiting for a lock would be nothing but a way to sleep:
to be asleep means to have replied, and the host relies on it.
"""
_CLOCKS: Final = 16
"""Clocks of the machine and the caller's own; others belong to some other process."""


def filter_program(machine: str, *, reply_fd: int) -> bytes:
    """Build the first filter, which lets only ``WHILE_WAITING`` pass in addition.

    Args:
        machine: A key of ``syscalls.NUMBERS``.
        reply_fd: The one descriptor that may be read and written, 0 to 2**31 - 1.

    Returns:
        An array of ``struct sock_filter``, for ``kernel.install_filter``.

    Raises:
        ValueError: The machine is unknown, or no descriptor can have this number.

    Source:
        BOX-1.3 to BOX-1.7.
    """
    numbers = _numbers(machine)
    if not 0 <= reply_fd < 2**31:
        raise ValueError("a descriptor is a number from 0 to 2**31 - 1")
    # (1) The numbers below mean something on this machine only.
    program = [(_LOAD, 0, 0, _AT_ARCH), (_EQUAL, 1, 0, AUDIT_ARCH[machine]), _KILL]
    program += [(_LOAD, 0, 0, _AT_NUMBER), (_AT_LEAST, 0, 1, _X32), _KILL]
    # (2) What depends on arguments.
    for name in ("read", "write"):
        program += _when(numbers[name], _first_argument_is(reply_fd))
    for name in ("mmap", "mprotect"):
        program += _when(numbers[name], _not_executable())
    program += _when(numbers["madvise"], _is_listed(2, _ADVICE))
    program += _when(numbers["futex"], _is_listed(1, _WAKING))
    program += _when(numbers["clock_gettime"], _clock_is_nobody_elses())
    # (3) What does not.
    for name in (*ALLOWED, *WHILE_WAITING):
        if name in numbers:
            program += _when(numbers[name], [_ALLOW])
    program.append(_KILL)
    return _packed(program)


def closing_program(machine: str) -> bytes:
    """Build the second filter, which takes ``WHILE_WAITING`` back.

    Args:
        machine: A key of ``syscalls.NUMBERS``.

    Returns:
        As ``filter_program`` does. It is nothing by itself: what it does not name is
        left to the first filter, which also knows the numbering.

    Raises:
        ValueError: The machine is unknown.

    Source:
        BOX-1.20.
    """
    numbers = _numbers(machine)
    program: list[_Instruction] = [(_LOAD, 0, 0, _AT_NUMBER)]
    for name in WHILE_WAITING:
        program += _when(numbers[name], [_KILL])
    program.append(_ALLOW)
    return _packed(program)


def _numbers(machine: str) -> Mapping[str, int]:
    if machine not in NUMBERS:
        raise ValueError("there is no table of system calls for this machine")
    return NUMBERS[machine]


def _packed(program: list[_Instruction]) -> bytes:
    return b"".join(struct.pack("<HBBI", *one) for one in program)


def _when(number: int, block: list[_Instruction]) -> list[_Instruction]:
    """Go through ``block``, which returns, when the call is ``number``."""
    return [(_EQUAL, 0, len(block), number), *block]


def _first_argument_is(value: int) -> list[_Instruction]:
    return [
        _low(0),
        (_EQUAL, 0, 3, value),
        _high(0),
        (_EQUAL, 0, 1, 0),
        _ALLOW,
        _KILL,
    ]


def _not_executable() -> list[_Instruction]:
    """The third argument is the protection; its upper half means nothing."""
    return [_low(2), (_ANY_BIT, 0, 1, _PROT_EXEC), _KILL, _ALLOW]


def _is_listed(argument: int, values: tuple[int, ...]) -> list[_Instruction]:
    """The argument is an ``int``: the kernel looks at its lower half only."""
    count = len(values)
    tests = [(_EQUAL, count - i, 0, value) for i, value in enumerate(values)]
    return [_low(argument), *tests, _KILL, _ALLOW]


def _clock_is_nobody_elses() -> list[_Instruction]:
    """The first argument is an ``int``; a negative one names a process or a file."""
    return [_low(0), (_AT_LEAST, 0, 1, _CLOCKS), _KILL, _ALLOW]


def _low(argument: int) -> _Instruction:
    """Load the lower half of one of the six 64-bit arguments."""
    return (_LOAD, 0, 0, _AT_ARGUMENTS + 8 * argument)


def _high(argument: int) -> _Instruction:
    return (_LOAD, 0, 0, _AT_ARGUMENTS + 8 * argument + 4)
