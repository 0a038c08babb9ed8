"""Numbers of system calls, per machine, as Linux fixed them for ever.

Pure data. ``x86_64`` has its own table; ``aarch64`` uses the generic one, where some
old calls (``time``) do not exist. A number that is not here is not allowed by the
filter of ``stage3.isolation.process.bpf`` and not made by ``.kernel``.

Spec: BOX-1.1.
"""

from __future__ import annotations

import os
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AUDIT_ARCH", "NUMBERS", "machine"]

AUDIT_ARCH: Final[Mapping[str, int]] = MappingProxyType(
    {"aarch64": 0xC000_00B7, "x86_64": 0xC000_003E}
)
"""What ``struct seccomp_data.arch`` holds: ELF machine, 64 bits, little-endian."""

NUMBERS: Final[Mapping[str, Mapping[str, int]]] = MappingProxyType(
    {
        "aarch64": MappingProxyType(
            {
                "brk": 214,
                "clock_gettime": 113,
                "exit": 93,
                "exit_group": 94,
                "futex": 98,
                "getpid": 172,
                "gettid": 178,
                "gettimeofday": 169,
                "landlock_create_ruleset": 444,
                "landlock_restrict_self": 446,
                "madvise": 233,
                "mmap": 222,
                "mprotect": 226,
                "mremap": 216,
                "munmap": 215,
                "prctl": 167,
                "prlimit64": 261,
                "read": 63,
                "restart_syscall": 128,
                "rt_sigreturn": 139,
                "sendmsg": 211,
                "write": 64,
            }
        ),
        "x86_64": MappingProxyType(
            {
                "brk": 12,
                "clock_gettime": 228,
                "exit": 60,
                "exit_group": 231,
                "futex": 202,
                "getpid": 39,
                "gettid": 186,
                "gettimeofday": 96,
                "landlock_create_ruleset": 444,
                "landlock_restrict_self": 446,
                "madvise": 28,
                "mmap": 9,
                "mprotect": 10,
                "mremap": 25,
                "munmap": 11,
                "prctl": 157,
                "prlimit64": 302,
                "read": 0,
                "restart_syscall": 219,
                "rt_sigreturn": 15,
                "sendmsg": 46,
                "time": 201,
                "write": 1,
            }
        ),
    }
)
"""Machine to name to number."""


def machine() -> str | None:
    """Return the key of this process in the tables, ``None`` when it has none.

    A 32-bit interpreter on a 64-bit kernel has none: it makes other system calls than
    the name of the kernel's machine says.

    Source:
        BOX-1.2.
    """
    if sys.platform != "linux" or sys.maxsize <= 2**32:
        return None
    name = os.uname().machine
    return name if name in NUMBERS else None
