"""The tier for code nobody answers for: each call in a process that is used once.

The host's side: it takes a waiting child, sends the request, reads the reply before the
deadline, looks at how much memory was used, and then kills the child whatever it said.

Spec: ``docs/spec/boxes.md``, BOX-7.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stage3.isolation.events import GUARD_EVENT
from stage3.isolation.interface import (
    BoxInterrupt,
    BoxOutcome,
    InfraFailure,
    ResultRefused,
    Violation,
    ViolationKind,
)
from stage3.isolation.process.endings import violation_of_status
from stage3.isolation.process.frames import (
    Closed,
    Deadline,
    FrameReader,
    Timeout,
    TooLarge,
    send_frame,
)
from stage3.isolation.process.host import Child, Zygote, ZygoteGoneError
from stage3.isolation.process.level import probe
from stage3.isolation.process.replies import MAX_LINE_BYTES, reply_outcome
from stage3.isolation.process.requests import Request

if TYPE_CHECKING:
    from stage2_domains.contract import Budget
    from stage2_domains.registry import RegisteredDomain
    from stage2_domains.source import DomainSource
    from stage3.isolation.interface import Attained
    from stage3.isolation.process.frames import Frame
    from stage3.isolation.process.level import Level

__all__ = ["TIER", "ProcessIsolation"]

TIER: Final = "process"

_MS: Final = 1_000_000
_MIB: Final = 1024 * 1024
_SEND_MS: Final = 20_000
"""How long a child may take to read its request; it is our own code until then."""

_REST_MS: Final = 1_000
"""How long a child may take to be at rest after its reply; usually it is already."""

_RESTING: Final = frozenset({"S", ""})
"""States in which there is nothing to wait for: asleep, or not to be looked at."""

_SLACK_BYTES: Final = 4 * _MIB
"""Memory the box itself may have taken since the zygote was measured."""


class ProcessIsolation:
    """The process box; keeps ``Isolation``.

    Starts nothing until the first call, then keeps ``spares`` idle children until
    ``close``. May be used from several threads; a fork of this process starts a
    zygote of its own.

    Args:
        spares: How many children wait for a call, at least 1.
        level: What the kernel grants; by default found out here, which costs the
            start of an interpreter.

    Raises:
        ValueError: The kernel does not grant what a box needs; ``level.refusal``.
    """

    __slots__ = ("_is_closed", "_level", "_lock", "_pid", "_spares", "_zygote")

    def __init__(self, *, spares: int = 2, level: Level | None = None) -> None:
        self._level = probe() if level is None else level
        if self._level.refusal is not None:
            raise ValueError(self._level.refusal)
        self._spares = max(1, spares)
        self._is_closed = False
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._zygote: Zygote | None = None

    @property
    def tier(self) -> str:
        """``process``."""
        return TIER

    @property
    def attained(self) -> Attained:
        """What the kernel granted on this machine."""
        return {**self._level.attained(), "boundary": True}

    def invoke(
        self,
        domain: RegisteredDomain,
        method: str,
        parameters: bytes,
        *,
        budget: Budget,
    ) -> BoxOutcome:
        """Run one method of one domain in a process of its own.

        Args:
            domain: A domain that was registered for this tier.
            method: One of its methods.
            parameters: Canonical JSON of an object.
            budget: What the call may use; all of it is enforced.

        Returns:
            What came of it; ``InfraFailure`` when the domain was not run.

        Raises:
            BoxInterrupt: A ``KeyboardInterrupt`` arrived during the call.

        Source:
            BOX-7.1 to BOX-7.8.
        """
        sys.audit(GUARD_EVENT, "isolation.invoke")
        source = domain.source
        if domain.tier != TIER or source is None or method not in domain.methods:
            return InfraFailure("the call does not belong in the process box")
        if parameters[:1] + parameters[-1:] != b"{}":
            return InfraFailure("the parameters are not the bytes of a JSON object")
        request = Request(
            source.digest, source.entry, method, budget, source.code, parameters
        )
        try:
            return self._ask(source, request)
        except KeyboardInterrupt:
            raise BoxInterrupt from None

    def close(self) -> None:
        """End the zygote and every child, and wait until they are gone."""
        with self._own_lock():
            self._is_closed = True
            self._discard()

    # One call ---------------------------------------------------------------------

    def _ask(self, source: DomainSource, request: Request) -> BoxOutcome:
        zygote: Zygote | None = None
        child: Child | None = None
        try:
            with self._own_lock():
                zygote, child = self._take()
            if zygote.has(child, source.digest):
                request = request.without_code()
            try:
                _send(child, request.to_bytes())
            except OSError:
                return InfraFailure("the child ended before it was asked")
            deadline = _deadline(request.budget.wall_ms)
            outcome = self._answer(zygote, child, request, deadline)
            self._prepare(zygote, source, outcome)
        except ZygoteGoneError as error:
            with self._lock:
                if self._zygote is zygote:
                    self._discard()
            return InfraFailure(str(error))
        finally:
            if child is not None:
                child.kill()
                child.release()
        return outcome

    def _prepare(
        self, zygote: Zygote, source: DomainSource, outcome: BoxOutcome
    ) -> None:
        """Make ready for the next call: a child, and this source compiled for it.

        The zygote compiles only what a child has compiled without harm before.
        """
        with self._lock:
            if self._zygote is zygote:
                if not isinstance(outcome, Violation):
                    zygote.load(source)
                zygote.top_up(self._spares)

    def _answer(
        self, zygote: Zygote, child: Child, request: Request, deadline: Deadline
    ) -> BoxOutcome:
        budget = request.budget
        cap = MAX_LINE_BYTES + 1 + budget.result_bytes
        frame = FrameReader(cap, deadline).read(child.end)
        seen = _at_rest(child, frame)
        child.kill()
        if isinstance(frame, Closed) or (seen.ended and not seen.more):
            outcome = self._ending(zygote, child)
        elif seen.more:
            outcome = _second_reply(child, budget)
        elif isinstance(frame, bytes) and frame:
            outcome = reply_outcome(frame, budget)
        else:
            outcome = _unsaid(frame, budget)
        if isinstance(outcome, Violation | InfraFailure):
            return outcome
        if seen.busy:
            what = f"busy for {_REST_MS} ms after its answer"
            return Violation(ViolationKind.BUDGET_WALL, what, "budget")
        room = budget.memory_mb * _MIB + _SLACK_BYTES + 4 * len(request.parameters)
        if seen.peak_bytes is not None and seen.peak_bytes - zygote.memory > room:
            used = (seen.peak_bytes - zygote.memory) // _MIB
            what = f"{used} MiB of memory, at most {budget.memory_mb} are allowed"
            return Violation(ViolationKind.BUDGET_MEMORY, what, "budget")
        return outcome

    def _ending(self, zygote: Zygote, child: Child) -> BoxOutcome:
        """Name the end of a child that should have waited to be killed."""
        with self._lock:
            if self._zygote is not zygote:
                return InfraFailure("the box was closed during the call")
            return violation_of_status(zygote.status(child))

    # The zygote -------------------------------------------------------------------

    def _own_lock(self) -> threading.Lock:
        """Return the lock; in a fork of the owner, a new one and no zygote."""
        if self._pid != os.getpid():
            inherited, self._zygote = self._zygote, None
            self._pid, self._lock = os.getpid(), threading.Lock()
            if inherited is not None:
                inherited.abandon()
        return self._lock

    def _take(self) -> tuple[Zygote, Child]:
        zygote = self._ready()
        try:
            return zygote, zygote.take()
        except ZygoteGoneError:
            # Nothing was asked yet, so asking another one is no second attempt.
            self._discard()
            zygote = self._ready()
            return zygote, zygote.take()
        except BaseException:
            # Interrupted half way: nobody knows what was taken in and what was not.
            self._discard()
            raise

    def _ready(self) -> Zygote:
        if self._is_closed:
            raise ZygoteGoneError("the box is closed")
        if self._zygote is not None and not self._zygote.is_alive():
            self._discard()
        if self._zygote is None:
            self._zygote = Zygote(self._level)
            self._zygote.top_up(self._spares)
        return self._zygote

    def _discard(self) -> None:
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.close()


def _send(child: Child, data: bytes) -> None:
    send_frame(child.end, data, deadline=_deadline(_SEND_MS))


def _deadline(wall_ms: int) -> Deadline:
    return Deadline(time.monotonic_ns() + wall_ms * _MS, time.monotonic_ns)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a child was doing when its reply was in.

    Attributes:
        peak_bytes: The most virtual memory it had at once; ``None`` when not known.
        busy: It was not at rest in all the time it was given.
        ended: The process was gone.
        more: It had said something after its reply.
    """

    peak_bytes: int | None
    busy: bool = False
    ended: bool = False
    more: bool = False


def _at_rest(child: Child, frame: Frame) -> _Seen:
    """Wait until a child that has replied is at rest: asleep, gone, or speaking again.

    The filter lets a child sleep in one call only, in which it waits to be killed. One
    that is at rest and silent therefore does nothing more; one that is not has written
    its reply itself and may be hiding what comes after it.

    Source:
        BOX-7.10.
    """
    look = child.look()
    if not isinstance(frame, bytes | TooLarge):
        return _Seen(look.peak_bytes)
    listen = isinstance(frame, bytes)  # else the rest of the frame is still there
    deadline = _deadline(_REST_MS)
    while look.state not in _RESTING and deadline.left_ns():
        if child.stirs(1, listen=listen):
            break
        look = child.look()
    unread = child.unread() if listen else None
    return _Seen(
        look.peak_bytes,
        busy=not deadline.left_ns() and look.state not in _RESTING,
        ended=unread == b"" or child.stirs(0, listen=False),
        more=bool(unread),
    )


def _second_reply(child: Child, budget: Budget) -> Violation:
    """Judge a child that said something after its reply; it has been killed."""
    frame = FrameReader(MAX_LINE_BYTES, _deadline(_REST_MS)).read(child.end)
    outcome = reply_outcome(frame, budget) if isinstance(frame, bytes) else None
    if isinstance(outcome, Violation):
        return outcome
    return Violation(ViolationKind.INTEGRITY, "wrote more than one reply", "integrity")


def _unsaid(frame: Frame, budget: Budget) -> BoxOutcome:
    """Judge a reply that was too late, too large or empty."""
    match frame:
        case Timeout():
            what = f"no answer within {budget.wall_ms} ms"
            return Violation(ViolationKind.BUDGET_WALL, what, "budget")
        case TooLarge(announced=size):
            most = budget.result_bytes
            return ResultRefused(f"{size} bytes, at most {most} are allowed")
        case _:
            return ResultRefused("the box's reply is empty")
