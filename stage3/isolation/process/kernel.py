"""Thin wrappers of the system calls with which a process locks itself in.

No policy: each function does what its name says for the calling process (or thread,
where it says so) and raises ``OSError`` when the kernel refuses. The order matters:

1. ``enter_namespaces``. Not after ``not_dumpable``, which gives the files of
   ``/proc/self`` to root, and not after ``drop_capabilities``, without which root may
   not be mapped.
2. ``die_with_parent``, in every child again: a fork clears it.
3. ``no_new_privs``; without it the next two are refused to an unprivileged process.
4. ``landlock_deny_all``, ``drop_capabilities``, ``limit_resources``.
5. ``install_filter``, after which nothing here works any more.

Spec: BOX-1.8 to BOX-1.12, BOX-1.17.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal as signals
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage3.isolation.process.bpf import INSTRUCTION_BYTES
from stage3.isolation.process.limits import Rlimits, limit_resources
from stage3.isolation.process.syscalls import NUMBERS, machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "NAMESPACES",
    "Rlimits",
    "die_with_parent",
    "drop_capabilities",
    "dumpable",
    "enter_namespaces",
    "filter_installer",
    "install_filter",
    "landlock_abi",
    "landlock_deny_all",
    "limit_resources",
    "map_identity_ids",
    "no_new_privs",
    "not_dumpable",
    "pidfd_check",
    "pidfd_kill",
    "pidfd_open",
    "unshare",
]

NAMESPACES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "user": 0x1000_0000,
        "pid": 0x2000_0000,
        "net": 0x4000_0000,
        "ipc": 0x0800_0000,
        "uts": 0x0400_0000,
        "mnt": 0x0002_0000,
    }
)
"""Flags for ``unshare``, in the order in which they are asked for."""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_SECCOMP_MODE_FILTER: Final = 2
_MAX_INSTRUCTIONS: Final = 4096

_CAPABILITY_VERSION_3: Final = 0x2008_0522

_LANDLOCK_VERSION: Final = 1  # LANDLOCK_CREATE_RULESET_VERSION
_LANDLOCK_FILES: Final = ((1, 0x1FFF), (2, 1 << 13), (3, 1 << 14), (5, 1 << 15))
"""Since which ABI which rights to files exist."""
_LANDLOCK_NETWORK: Final = (4, 0b11)  # bind and connect TCP
_LANDLOCK_SCOPES: Final = (6, 0b11)  # abstract sockets and signals beyond the domain


class _Filter(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def no_new_privs() -> None:
    """Give up gaining privileges by ``execve``, for this thread and its children.

    Raises:
        OSError: The kernel refused.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def not_dumpable() -> None:
    """Refuse core files and, to other processes of the same user, ``ptrace``.

    Raises:
        OSError: The kernel refused.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def dumpable() -> None:
    """Take ``not_dumpable`` back; a process can be looked at by its user again.

    Raises:
        OSError: The kernel refused.
    """
    _prctl(_PR_SET_DUMPABLE, 1)


def die_with_parent(
    signal: int = signals.SIGKILL, *, parent: int | None = None
) -> None:
    """Have this process killed when the thread that forked it ends.

    The kernel watches the *thread*: a process started from a short-lived thread dies
    with that thread. Fit for children of a process with one thread. It also asks
    whether the dying parent may send the signal: a parent that went behind Landlock
    after the fork may not, one that did so before may.

    Args:
        signal: What is sent.
        parent: The parent's id as seen from here, which the child of a fork knows.
            ``None`` takes the present parent, so that a parent that died before this
            call is not noticed. From inside a new pid namespace a parent outside is
            0, alive or dead: there its end must be noticed by other means.

    Raises:
        ProcessLookupError: The parent has died already; nobody will send anything.
        OSError: The kernel refused.

    Source:
        BOX-1.9.
    """
    expected = os.getppid() if parent is None else parent
    _prctl(_PR_SET_PDEATHSIG, signal)
    if os.getppid() != expected:
        raise ProcessLookupError(errno.ESRCH, "the parent has died already")


def install_filter(program: bytes) -> None:
    """Install a seccomp filter on this thread and what it will start.

    Args:
        program: An array of ``struct sock_filter``.

    Raises:
        OSError: The program is none, or the kernel refused: no seccomp (EINVAL), or
            neither ``no_new_privs`` nor the capability (EACCES).
    """
    filter_installer(program)()


def filter_installer(program: bytes) -> Callable[[], None]:
    """Make ready to install a filter; calling the result does no more than that.

    Args:
        program: As for ``install_filter``.

    Returns:
        A function that installs it on the thread that calls it, and raises what
        ``install_filter`` raises; also in a fork of this process.

    Raises:
        OSError: The length is that of no program (EINVAL).
    """
    count, rest = divmod(len(program), INSTRUCTION_BYTES)
    if rest or not 1 <= count <= _MAX_INSTRUCTIONS:
        raise _error(errno.EINVAL)
    instructions = ctypes.create_string_buffer(program, len(program))
    description = _Filter(count, ctypes.addressof(instructions))
    values = (_SECCOMP_MODE_FILTER, ctypes.addressof(description), 0, 0)
    arguments = tuple(map(ctypes.c_ulong, values))
    option, prctl = ctypes.c_int(_PR_SET_SECCOMP), _libc().prctl

    def install(_kept: object = (instructions, description)) -> None:
        _check(prctl(option, *arguments))

    return install


def landlock_abi() -> int:
    """Return the version of Landlock the kernel offers, at least 1.

    Raises:
        OSError: It offers none: ENOSYS (not built in) or EOPNOTSUPP (switched off).
    """
    return _syscall("landlock_create_ruleset", 0, 0, _LANDLOCK_VERSION)


def landlock_deny_all() -> None:
    """Deny this thread everything the kernel's Landlock can deny.

    What is open already stays usable. The right to a file that no ABI handles (to
    look at its attributes) is not denied.

    Raises:
        OSError: There is no Landlock, or no ``no_new_privs`` (EPERM).

    Source:
        BOX-1.10.
    """
    abi = landlock_abi()
    files = sum(bits for since, bits in _LANDLOCK_FILES if abi >= since)
    network, scopes = (
        bits if abi >= since else 0
        for since, bits in (_LANDLOCK_NETWORK, _LANDLOCK_SCOPES)
    )
    # An older kernel accepts a longer structure when what it does not know is 0.
    attributes = (ctypes.c_uint64 * 3)(files, network, scopes)
    ruleset = _syscall(
        "landlock_create_ruleset",
        ctypes.addressof(attributes),
        ctypes.sizeof(attributes),
        0,
    )
    try:
        _syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def unshare(flags: int) -> None:
    """Move this process into new namespaces (of processes: its next child).

    Args:
        flags: Values of ``NAMESPACES``, or-ed.

    Raises:
        OSError: Not allowed (EPERM), not built in (EINVAL), or too many (ENOSPC).
    """
    _check(_libc().unshare(ctypes.c_int(flags)))


def map_identity_ids(uid: int, gid: int) -> None:
    """Give a new user namespace one user and one group, the same inside as outside.

    Args:
        uid: ``os.geteuid()`` as it was before the ``unshare``.
        gid: ``os.getegid()`` as it was before the ``unshare``.

    Raises:
        OSError: The kernel refused, for example where a security module lets anybody
            have the namespace and nobody use it (EPERM or EACCES).
    """
    _write("/proc/self/setgroups", b"deny")
    _write("/proc/self/uid_map", b"%d %d 1" % (uid, uid))
    _write("/proc/self/gid_map", b"%d %d 1" % (gid, gid))


def enter_namespaces(names: Iterable[str]) -> None:
    """Move into new namespaces, with this user and group in a new one of users.

    Args:
        names: Keys of ``NAMESPACES``.

    Raises:
        OSError: As ``unshare`` and ``map_identity_ids`` do. What was entered before
            the failure stays entered: end the process.
    """
    flags = [NAMESPACES[name] for name in names]
    if not flags:
        return
    uid, gid = os.geteuid(), os.getegid()
    unshare(sum(flags))
    if NAMESPACES["user"] in flags:
        map_identity_ids(uid, gid)


def drop_capabilities() -> None:
    """Give up all capabilities of this thread, root's or a user namespace's.

    Raises:
        OSError: The kernel refused.

    Source:
        BOX-1.12.
    """
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc().capset(header, nothing))


def pidfd_open(pid: int) -> int:
    """Return a new descriptor, closed by ``execve``, that stands for one process.

    Raises:
        OSError: There is no such process (ESRCH), or the kernel is older than 5.3.
    """
    return os.pidfd_open(pid)


def pidfd_check(pidfd: int) -> None:
    """Return if nobody else can have got the number of a process by now.

    Raises:
        ProcessLookupError: It has ended and was waited for.
        OSError: The kernel refused.
    """
    signals.pidfd_send_signal(pidfd, 0)


def pidfd_kill(pidfd: int) -> None:
    """Kill the process a descriptor stands for, and never one that got its number.

    Raises:
        ProcessLookupError: It has ended and was waited for.
        OSError: The kernel refused.

    Source:
        BOX-1.17.
    """
    signals.pidfd_send_signal(pidfd, signals.SIGKILL)


@cache
def _libc() -> ctypes.CDLL:
    """Return the C library this interpreter is linked with."""
    return ctypes.CDLL(None, use_errno=True)


def _write(path: str, data: bytes) -> None:
    """Write a file of the kernel in one call, as it wants it."""
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, data)
    finally:
        os.close(file)


def _prctl(option: int, *values: int) -> None:
    # As unsigned long each: the kernel refuses rubbish in arguments it does not use.
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _check(_libc().prctl(ctypes.c_int(option), *arguments))


def _syscall(name: str, *values: int) -> int:
    """Make a system call that the C library has no function for."""
    here = machine()
    if here is None:
        raise _error(errno.ENOSYS)
    syscall = _libc().syscall
    syscall.restype = ctypes.c_long
    arguments = [ctypes.c_long(value) for value in (NUMBERS[here][name], *values)]
    return _check(syscall(*arguments))


def _check(result: int) -> int:
    if result < 0:
        raise _error(ctypes.get_errno())
    return result


def _error(number: int) -> OSError:
    """Return the subclass of ``OSError`` that belongs to an errno."""
    return OSError(number, os.strerror(number))
