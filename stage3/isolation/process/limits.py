"""Bounds on what a process may use, which it sets for itself and cannot raise again.

Spec: BOX-1.11.
"""

from __future__ import annotations

import errno
import os
import resource
from dataclasses import dataclass

__all__ = ["Rlimits", "leave_no_core", "limit_call", "limit_resources"]


@dataclass(frozen=True, slots=True)
class Rlimits:
    """Bounds for ``limit_resources``; ``None`` leaves one as it is.

    Attributes:
        address_space: Bytes of virtual memory.
        cpu_s: Seconds of processor time; SIGXCPU there, SIGKILL one second later.
        file_size: Bytes a file may grow to.
        core: Bytes of a core file.
        open_files: One more than the highest descriptor that can be opened.
        processes: Processes and threads of this user; does not bind root.
        stack: Bytes of the main thread's stack.
        locked: Bytes of locked memory.
        queues: Bytes of POSIX message queues.
    """

    address_space: int | None = None
    cpu_s: int | None = None
    file_size: int | None = None
    core: int | None = None
    open_files: int | None = None
    processes: int | None = None
    stack: int | None = None
    locked: int | None = None
    queues: int | None = None


def limit_resources(limits: Rlimits) -> None:
    """Lower limits of this process, for good where it is not privileged.

    A limit that is lower already stays: nothing is ever raised.

    Raises:
        OSError: The kernel refused; EINVAL for a negative number.

    Source:
        BOX-1.11.
    """
    wanted = (
        (resource.RLIMIT_AS, limits.address_space, 0),
        (resource.RLIMIT_CPU, limits.cpu_s, 1),
        (resource.RLIMIT_FSIZE, limits.file_size, 0),
        (resource.RLIMIT_CORE, limits.core, 0),
        (resource.RLIMIT_NOFILE, limits.open_files, 0),
        (resource.RLIMIT_NPROC, limits.processes, 0),
        (resource.RLIMIT_STACK, limits.stack, 0),
        (resource.RLIMIT_MEMLOCK, limits.locked, 0),
        (resource.RLIMIT_MSGQUEUE, limits.queues, 0),
    )
    for which, value, grace in wanted:
        if value is not None:
            _lower(which, value, grace)


def leave_no_core(*, but_dumpable: bool) -> None:
    """Have no core made of this process and its children.

    Args:
        but_dumpable: They are dumpable. Then a limit of 0 keeps files from being
            written, but not a core from the program that ``core_pattern`` may name;
            1 does both, where it is allowed.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    most = 1 if but_dumpable and hard != 0 else 0
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def limit_call(*, address_space: int, cpu_s: int) -> None:
    """Lower the two limits that a call brings along, as ``limit_resources`` does.

    Raises:
        OSError: As there.
    """
    _lower(resource.RLIMIT_AS, address_space, 0)
    _lower(resource.RLIMIT_CPU, cpu_s, 1)


def _lower(which: int, value: int, grace: int) -> None:
    """Lower one limit to ``value``, its hard side to ``value + grace``."""
    if value < 0:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    soft, hard = resource.getrlimit(which)
    new_hard = _lowest(value + grace, hard)
    new_soft = _lowest(value, _lowest(soft, new_hard))
    try:
        resource.setrlimit(which, (new_soft, new_hard))
    except ValueError:  # how the module says EPERM and EINVAL
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM)) from None


def _lowest(value: int, limit: int) -> int:
    return value if limit == resource.RLIM_INFINITY else min(value, limit)
