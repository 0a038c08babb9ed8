"""The host's handle of a zygote: start it, order children, ask how one ended, end it.

Not safe to share between threads; ``tier`` holds a lock around it.

Spec: BOX-7.
"""

from __future__ import annotations

import array
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from stage2_domains import contract
from stage3.isolation.process import kernel
from stage3.isolation.process.requests import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from stage3.isolation.process.level import Level

__all__ = ["Child", "Ending", "Look", "Zygote", "ZygoteGoneError"]

_START_MS: Final = 20_000
"""How long a zygote or a child may take to be there; usually 0.1 s and 1 ms."""
_END_S: Final = 5.0
_CPU_OF_A_PROCESS: Final = 2
"""CPUCLOCK_SCHED: which clock of a process, in the number that names it."""
_OF_A_CHILD: Final = 2
"""Descriptors that come with a child: its socket, and the one that stands for it."""
_SIZE: Final = array.array("i").itemsize
_ROOM: Final = socket.CMSG_LEN(_OF_A_CHILD * _SIZE)


_FORK: Final = b'{"do":"fork"}'
_TEXT_BYTES: Final = 4_096

_Message: TypeAlias = dict[str, str | int]

_BOOT: Final = """\
import sys
from types import ModuleType
roots = sys.argv[5:]
for name, path in zip(roots[::2], roots[1::2]):
    package = sys.modules[name] = ModuleType(name)
    package.__path__ = [path]
    outer, _, inner = name.rpartition(".")
    if outer:
        setattr(sys.modules[outer], inner, package)
from stage3.isolation.process.zygote import main
main(int(sys.argv[1]), *sys.argv[2:5])
"""
"""Loads modules of these folders and of the standard library, and no others."""


class ZygoteGoneError(Exception):
    """The zygote ended, or does not answer."""


@dataclass(slots=True)
class Child:
    """One idle child.

    Attributes:
        end: The host's end of its socket.
        pidfd: The descriptor that stands for the process.
        pid: Its number within the zygote's namespace.
        number: Its number here, once ``watch`` has found it out; 0 before.
        status: The file that ``watch`` opened, -1 for none.
    """

    end: socket.socket
    pidfd: int
    pid: int
    number: int = 0
    status: int = -1

    def kill(self) -> None:
        """Kill the process, whatever it is doing, and let go of it."""
        with suppress(OSError):
            kernel.pidfd_kill(self.pidfd)

    def release(self) -> None:
        """Close the descriptors."""
        self.end.close()
        os.close(self.pidfd)
        self._forget()

    def watch(self) -> None:
        """Open what ``look`` reads: while the child works, not after it has replied."""
        try:
            self.status = _opened(f"/proc/self/fdinfo/{self.pidfd}")
            self.number = int(_word(os.read(self.status, _TEXT_BYTES), b"Pid:"))
            self._forget()
            self.status = _opened(f"/proc/{self.number}/status")
            kernel.pidfd_check(self.pidfd)  # so the number was its own all the time
        except (OSError, ValueError):
            self._forget()

    def look(self) -> Look:
        """Look at the process: what it is doing, and the most memory it had at once."""
        if self.status < 0:
            self.watch()
        try:
            text = os.pread(self.status, _TEXT_BYTES, 0)
            cpu_ns = time.clock_gettime_ns((~self.number << 3) | _CPU_OF_A_PROCESS)
        except OSError:
            return Look("", None, None)
        peak = _word(text, b"VmPeak:")
        return Look(
            state=_word(text, b"State:").decode(),
            peak_bytes=int(peak) * 1024 if peak else None,
            cpu_ms=cpu_ns // 1_000_000,
        )

    def stirs(self, *, listen: bool) -> bool:
        """Whether it has ended or, if we listen, said something more."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        if listen:
            poll.register(self.end, select.POLLIN)
        return bool(poll.poll(0))

    def unread(self) -> bytes | None:
        """Return a byte that was said and not read; ``b""`` when it is gone."""
        try:
            return self.end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _forget(self) -> None:
        if self.status >= 0:
            os.close(self.status)
            self.status = -1


@dataclass(frozen=True, slots=True)
class Look:
    """What the kernel says of a child at one moment.

    Attributes:
        state: ``S`` asleep, ``R`` busy, ``Z`` ended and so on; "" when it cannot be
            looked at, because it is gone or because this system hides processes.
        peak_bytes: The most virtual memory it had at once; ``None`` when not known.
        cpu_ms: Processor time it has used; ``None`` when not known.
    """

    state: str
    peak_bytes: int | None
    cpu_ms: int | None

    @property
    def is_dying(self) -> bool:
        """Whether its memory is gone already, and it will be."""
        return self.state != "" and self.peak_bytes is None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended.

    Attributes:
        status: Its wait status; ``None`` when nobody knows it.
        cpu_ms: Processor time it had used; ``None`` when not known.
    """

    status: int | None
    cpu_ms: int | None


class Zygote:
    """A running zygote.

    Args:
        level: What the kernel grants.

    Raises:
        ZygoteGoneError: It did not start.
    """

    __slots__ = (
        "_children",
        "_control",
        "_endings",
        "_hangup",
        "_ordered",
        "_process",
        "memory",
    )

    def __init__(self, level: Level) -> None:
        self._children: deque[Child] = deque()
        self._endings: dict[int, Ending] = {}
        self._ordered = 0
        self.memory = 0
        try:
            self._control, theirs = socket.socketpair(
                socket.AF_UNIX, socket.SOCK_SEQPACKET
            )
        except OSError as error:
            raise ZygoteGoneError("the zygote could not be started") from error
        with theirs:
            try:
                self._process = _start(theirs.fileno(), level)
            except OSError as error:
                self._control.close()
                raise ZygoteGoneError("the zygote could not be started") from error
        self._control.settimeout(0)
        self._hangup = select.poll()
        self._hangup.register(self._control, 0)  # a hang-up is always told
        try:
            while not self.memory:
                self._receive()
        except BaseException:
            self.close()
            raise

    def top_up(self, spares: int) -> None:
        """Have children forked until ``spares`` wait; they are not waited for.

        Raises:
            ZygoteGoneError: It is gone.
        """
        while len(self._children) + self._ordered < spares:
            self._send(_FORK)
            self._ordered += 1

    def take(self) -> Child:
        """Return the child that has waited longest, or the next one.

        Raises:
            ZygoteGoneError: It is gone.
        """
        self.top_up(1)
        while not self._children:
            self._receive()
        return self._children.popleft()

    def is_alive(self) -> bool:
        """Whether it is still there."""
        return not self._hangup.poll(0)

    def listen(self) -> None:
        """Take in what it has said by now.

        Raises:
            ZygoteGoneError: It is gone.
        """
        while self._receive(wait_ms=0):
            pass

    def ending(self, child: Child) -> Ending:
        """Return how a child ended that has ended or is about to.

        Raises:
            ZygoteGoneError: It is gone.
        """
        self._send(json.dumps({"do": "status", "pid": child.pid}).encode())
        while child.pid not in self._endings:
            self._receive()
        return self._endings.pop(child.pid)

    def close(self) -> None:
        """End it with all its children, and wait until they are gone."""
        with suppress(ZygoteGoneError):
            self.listen()
        for child in self._children:
            child.kill()
            child.release()
        self._children.clear()
        self._control.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def abandon(self) -> None:
        """Let go of everything in a process that was forked from the owner."""
        for child in self._children:
            child.release()
        self._control.close()
        self._process.returncode = 0  # not a child of this process

    def _send(self, message: bytes) -> None:
        try:
            self._control.send(message)
        except OSError as error:
            raise ZygoteGoneError("the zygote is gone") from error

    def _receive(self, wait_ms: int = _START_MS) -> bool:
        """Take in one message; ``False`` when there is none and none is waited for."""
        if wait_ms and not _is_readable(self._control, wait_ms):
            raise ZygoteGoneError("the zygote does not answer")
        try:
            # Not socket.recv_fds: it takes flags and does not hand them on.
            text, passed, _, _ = self._control.recvmsg(
                MAX_MESSAGE_BYTES, _ROOM, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return False
        except OSError as error:
            raise ZygoteGoneError("the zygote does not answer") from error
        if not text:
            raise ZygoteGoneError("the zygote is gone")
        descriptors = array.array("i")
        for _, _, data in passed:
            descriptors.frombytes(data[: len(data) // _SIZE * _SIZE])
        self._note(cast("_Message", json.loads(text)), list(descriptors))
        return True

    def _note(self, message: _Message, descriptors: list[int]) -> None:
        match message:
            case {"pid": int(pid)}:
                self._ordered -= 1
                self._children.append(_child(pid, descriptors))
            case {"ended": int(pid), "status": int(status), "cpu_ms": int(cpu_ms)}:
                known = status >= 0
                self._endings[pid] = (
                    Ending(status, cpu_ms) if known else Ending(None, None)
                )
            case {"memory": int(memory)}:
                self.memory = memory
            case _:
                raise ZygoteGoneError("the zygote says what it should not")


def _child(pid: int, descriptors: list[int]) -> Child:
    """Make a child of what came; the kernel drops descriptors there is no room for."""
    if len(descriptors) == _OF_A_CHILD:
        end, pidfd = descriptors
        kind = socket.SOCK_STREAM
        return Child(socket.socket(socket.AF_UNIX, kind, fileno=end), pidfd, pid)
    for descriptor in descriptors:
        os.close(descriptor)
    raise ZygoteGoneError("there are no descriptors left for a child")


def _is_readable(control: socket.socket, wait_ms: int) -> bool:
    poll = select.poll()
    poll.register(control, select.POLLIN)
    return bool(poll.poll(wait_ms))


def _opened(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _word(text: bytes, name: bytes) -> bytes:
    """Return the word that follows a name; nothing when there is no such name."""
    return (text.partition(name)[2].split(maxsplit=1) or [b""])[0]


def _start(control: int, level: Level) -> subprocess.Popen[bytes]:
    here = Path(__file__).parent
    isolation = here.parent
    roots = {
        "stage2_domains": Path(contract.__file__).parent,
        "stage3": isolation.parent,
        "stage3.isolation": isolation,
        "stage3.isolation.process": here,
    }
    words = [str(word) for pair in roots.items() for word in pair]
    landlock = "yes" if level.landlock_abi else "no"
    hidden = "yes" if level.is_hidden else "no"
    names = ",".join(level.namespaces)
    command = [sys.executable, "-s", "-P", "-S", "-c", _BOOT]
    return subprocess.Popen(  # noqa: S603 - our interpreter and our text
        [*command, str(control), names, landlock, hidden, *words],
        cwd="/",
        env=_environment(),
        pass_fds=(control,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what is typed for the host is not for its boxes
    )


def _environment() -> dict[str, str]:
    """Return what makes every zygote alike, and where the interpreter's library is."""
    fixed = {"LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "TZ": "UTC"}
    path = os.environ.get("LD_LIBRARY_PATH")
    return fixed if path is None else {**fixed, "LD_LIBRARY_PATH": path}
