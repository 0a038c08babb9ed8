"""Tries what the kernel grants, in a process that is thrown away afterwards.

Run by ``level.probe`` and nothing else. Each attempt is made in a fork of its own,
since what is given up cannot be taken back; this process has one thread, so it may.
What counts is what was seen to work: a filter that does not kill is no filter.

Spec: BOX-1.13, BOX-1.15.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
from typing import TYPE_CHECKING, Final

from stage3.isolation.process import kernel
from stage3.isolation.process.bpf import closing_program, filter_program
from stage3.isolation.process.syscalls import machine

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["report"]

_GRANTED: Final = 0
_REFUSED: Final = 1
_REPLY: Final = b"alive"
_PATIENCE_MS: Final = 5_000


def report() -> str:
    """Try everything and describe what worked.

    Returns:
        A JSON object: ``hidden``, ``seccomp``, ``no_new_privs``, ``limits``, ``pidfd``,
        ``proc`` (booleans), ``landlock_abi`` (0 for none) and ``namespaces`` (a list of
        names).
    """
    granted = {
        "hidden": _is_hidden(),
        "landlock_abi": _landlock(),
        "limits": _works(_limits),
        "namespaces": _namespaces(),
        "no_new_privs": _works(kernel.no_new_privs),
        "pidfd": _works(_kill_a_child),
        "proc": _works(_look_at_oneself),
        "seccomp": _seccomp(),
    }
    return json.dumps(granted)


def _seccomp() -> bool:
    """Whether the filters let the reply pass and kill at the first thing else."""
    here = machine()
    if here is None:
        return False
    reader, writer = os.pipe()

    def reply_then_step_out() -> None:
        kernel.no_new_privs()
        kernel.install_filter(filter_program(here, reply_fd=writer))
        kernel.install_filter(closing_program(here))
        os.write(writer, _REPLY)
        os.getppid()

    status = _status_of(reply_then_step_out)
    os.close(writer)
    said = os.read(reader, len(_REPLY))
    os.close(reader)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS
    return killed and said == _REPLY


def _landlock() -> int:
    """Return the ABI of a Landlock that was seen to deny, 0 for none."""

    def deny_and_look() -> None:
        kernel.no_new_privs()
        kernel.landlock_deny_all()
        try:
            os.close(os.open("/", os.O_RDONLY))
        except PermissionError:
            return
        raise OSError(errno.ENOTSUP, "Landlock denies nothing")

    try:
        abi = kernel.landlock_abi()
    except OSError:
        return 0
    return abi if _works(deny_and_look) else 0


def _limits() -> None:
    kernel.limit_resources(kernel.Rlimits(cpu_s=60, file_size=0, core=0, processes=0))
    kernel.limit_resources(kernel.Rlimits(address_space=2**40))


def _kill_a_child() -> None:
    """End a child by the descriptor that stands for it, and see it gone."""
    reader, _writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(reader, 1)  # for ever: it holds the other end itself
        os._exit(_REFUSED)
    try:
        gone = _gone(kernel.pidfd_open(child))
    except OSError:
        gone = False
    if not gone:
        os.kill(child, signal.SIGKILL)  # not waited for yet, so the number is its own
        raise OSError(errno.ENOTSUP, "the child lives on")


def _gone(pidfd: int) -> bool:
    kernel.pidfd_kill(pidfd)
    ending = select.poll()
    ending.register(pidfd, select.POLLIN)
    return bool(ending.poll(_PATIENCE_MS))


def _is_hidden() -> bool:
    """Whether ``/proc`` hides a process of ours that is not dumpable."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            kernel.not_dumpable()
            os.write(told, _REPLY)
            os.read(os.pipe()[0], 1)  # for ever: it holds the other end itself
        finally:
            os._exit(_REFUSED)
    os.close(told)
    os.read(ready, len(_REPLY))
    os.close(ready)
    try:
        os.close(os.open(f"/proc/{child}/status", os.O_RDONLY))
    except OSError:
        return True
    finally:
        os.kill(child, signal.SIGKILL)  # not waited for yet, so the number is its own
        os.waitpid(child, 0)
    return False


def _look_at_oneself() -> None:
    os.close(os.open("/proc/self/statm", os.O_RDONLY))


def _namespaces() -> list[str]:
    """Return the names of the namespaces that are granted together.

    A user namespace that nobody may be mapped into makes everything after it worse;
    it is left out then, and the others are tried without it.
    """
    names = [*kernel.NAMESPACES]
    with_user = _granted_after([], names[:1])
    return _granted_after(with_user, names[1:])


def _granted_after(base: list[str], names: list[str]) -> list[str]:
    """Return ``base`` and those of ``names`` that can be had on top, one by one."""
    found = base
    for name in names:
        if _works(_entering([*found, name])):
            found = [*found, name]
    return found


def _entering(names: list[str]) -> Callable[[], None]:
    return lambda: kernel.enter_namespaces(names)


def _works(attempt: Callable[[], None]) -> bool:
    status = _status_of(attempt)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == _GRANTED


def _status_of(attempt: Callable[[], None]) -> int:
    """Make an attempt in a fork and return how that ended, as ``waitpid`` says it."""
    child = os.fork()
    if child == 0:
        code = _REFUSED
        try:
            attempt()
            code = _GRANTED
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]
