"""The zygote: loads everything once, then forks a child for each order of the host.

Run by ``host`` as a program of its own, with an explicit environment and one control
descriptor; it is spawned, never forked from the host. Nothing of a domain ever reaches
it, neither code nor data: every child starts from the same memory, and no domain can
find anything of another in it. It has one thread and ends with its host: the host's
end of the control socket closes, or the host's own process ends.

Spec: BOX-5.
"""

from __future__ import annotations

import array
import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, cast

from stage3.isolation.process import kernel
from stage3.isolation.process.bpf import closing_program, filter_program
from stage3.isolation.process.child import Filters, run_child
from stage3.isolation.process.limits import leave_no_core
from stage3.isolation.process.preload import preload
from stage3.isolation.process.requests import MAX_MESSAGE_BYTES
from stage3.isolation.process.syscalls import machine
from stage3.isolation.process.tripwire import REPLY_FD

__all__ = ["Zygote", "main"]

_KEPT_ENDINGS: Final = 1_024


class Zygote:
    """The loop and what it remembers: living children, and how others ended.

    Attributes:
        makes_dumpable: Whether the host could not look at its children otherwise.
    """

    def __init__(self, control: socket.socket, host: int) -> None:
        here = machine()
        if here is None:
            raise OSError("no table of system calls")
        self._control = control
        self._host = host
        self.makes_dumpable = False
        self._filters = Filters(
            waiting=kernel.filter_installer(filter_program(here, reply_fd=REPLY_FD)),
            closing=kernel.filter_installer(closing_program(here)),
        )
        self._children: dict[int, int] = {}
        self._endings: dict[int, tuple[int, int]] = {}
        self._memory = _virtual_memory()
        self._poll = select.poll()
        for descriptor in (control.fileno(), host):
            self._poll.register(descriptor, select.POLLIN)

    def serve(self) -> None:
        """Obey the host until it is gone."""
        self._tell({"memory": self._memory})
        present = True
        while present:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._children:
                    self._reap(descriptor)
                elif descriptor == self._host:
                    present = False
                else:
                    present = self._obey() and present
        self._end_children()

    def _obey(self) -> bool:
        """Take one message; ``False`` when the host has closed its end."""
        text = self._control.recv(MAX_MESSAGE_BYTES)
        if not text:
            return False
        message = cast("dict[str, str | int]", json.loads(text))
        match message["do"]:
            case "fork":
                self._fork()
            case "status":
                self._status(int(message["pid"]))
            case _:
                return False
        return True

    def _fork(self) -> None:
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._be_child(theirs.fileno(), parent)
        theirs.close()
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)
        self._tell({"pid": pid}, ours.fileno(), pidfd)
        ours.close()

    def _be_child(self, end: int, parent: int) -> NoReturn:
        try:
            kernel.die_with_parent(parent=parent)
            if self.makes_dumpable:
                kernel.dumpable()
            run_child(end, self._filters, self._memory)
        finally:
            os._exit(1)

    def _status(self, pid: int) -> None:
        """Report how a child ended that the host knows to be ending."""
        for pidfd, known in tuple(self._children.items()):
            if known == pid:
                self._reap(pidfd)
        status, cpu_ms = self._endings.pop(pid, (-1, 0))
        self._tell({"ended": pid, "status": status, "cpu_ms": cpu_ms})

    def _reap(self, pidfd: int) -> None:
        pid = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status, used = os.wait4(pid, 0)
        self._endings[pid] = (status, int((used.ru_utime + used.ru_stime) * 1_000))
        if len(self._endings) > _KEPT_ENDINGS:
            del self._endings[next(iter(self._endings))]

    def _end_children(self) -> None:
        for pidfd in self._children:
            with suppress(OSError):
                kernel.pidfd_kill(pidfd)
        for pidfd in tuple(self._children):
            self._reap(pidfd)

    def _tell(self, message: dict[str, str | int], *descriptors: int) -> None:
        rights = array.array("i", descriptors)
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
        with suppress(BrokenPipeError, ConnectionResetError):
            self._control.sendmsg([json.dumps(message).encode()], passed)


def main(control: int, namespaces: str, landlock: str, hidden: str = "no") -> None:
    """Be the zygote; the program ends when this returns.

    Args:
        control: The descriptor of the control socket.
        namespaces: Names of what to enter, joined by commas.
        landlock: ``yes`` where the kernel grants it.
        hidden: ``yes`` where the host can look at dumpable children only.

    Source:
        BOX-5.1 to BOX-5.3.
    """
    host = os.pidfd_open(os.getppid())
    _reset_signals()
    _go_first()
    names = tuple(filter(None, namespaces.split(",")))
    kernel.enter_namespaces(names)
    if "pid" in names:
        _become_first(control, host)
    preload()
    kernel.no_new_privs()
    zygote = Zygote(socket.socket(fileno=control), host)
    zygote.makes_dumpable = hidden == "yes"
    kernel.not_dumpable()
    kernel.limit_resources(kernel.Rlimits(file_size=0))
    leave_no_core(but_dumpable=zygote.makes_dumpable)
    if landlock == "yes":
        kernel.landlock_deny_all()
    kernel.drop_capabilities()
    os.environ.clear()
    gc.collect()
    gc.freeze()
    zygote.serve()


def _reset_signals() -> None:
    """Let no key that is pressed for the host end a call, nor what the host ignores."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


def _go_first() -> None:
    """Have the kernel end boxes before their host when memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def _become_first(control: int, host: int) -> None:
    """Go on as the first process of the new namespace; the old one waits for it.

    When the first process ends, the kernel ends every other one of its namespace.
    """
    first = os.fork()
    if first == 0:
        kernel.die_with_parent()
        return
    os.close(control)
    os.close(host)
    _, status = os.waitpid(first, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _virtual_memory() -> int:
    pages = Path("/proc/self/statm").read_text("ascii").split()[0]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:5])
