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
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from stage3.isolation.events import GUARD_EVENT
from stage3.isolation.interface import (
    BoxInterrupt,
    BoxOutcome,
    InfraFailure,
    ResultRefused,
    Usage,
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
from stage3.isolation.process.replies import (
    MAX_LINE_BYTES,
    Compiled,
    compiled_outcome,
    reply_outcome,
)
from stage3.isolation.process.requests import Request
from stage3.isolation.process.rest import at_rest, second_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage2_domains.contract import Budget
    from stage2_domains.registry import RegisteredDomain
    from stage3.isolation.interface import Attained
    from stage3.isolation.process.frames import Frame
    from stage3.isolation.process.level import Level
    from stage3.isolation.process.rest import Seen

__all__ = ["TIER", "ProcessIsolation"]

TIER: Final = "process"

_MS: Final = 1_000_000
_MIB: Final = 1024 * 1024
_SEND_MS: Final = 20_000
"""How long a child may take to read its request; it is our own code until then."""

MAX_CODE_BYTES: Final = 8 * _MIB
"""The most that may come of compiling one source."""

_KEPT_BYTES: Final = 64 * _MIB
"""Compiled sources that are kept for later calls."""

_SLACK_BYTES: Final = 4 * _MIB
"""Memory the box itself may have taken since the zygote was measured."""


_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class _Order(Generic[_Answer]):
    """What is asked of one child, and how its reply is read.

    Attributes:
        request: What it is sent.
        most: Bytes that its reply may have beside the first line.
        judge: Makes an answer of its reply.
    """

    request: Request
    most: int
    judge: Callable[[bytes, Budget], _Answer]


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

    __slots__ = (
        "_codes",
        "_is_closed",
        "_level",
        "_lock",
        "_pid",
        "_spares",
        "_zygote",
    )

    def __init__(self, *, spares: int = 2, level: Level | None = None) -> None:
        self._level = probe() if level is None else level
        if self._level.refusal is not None:
            raise ValueError(self._level.refusal)
        self._spares = max(1, spares)
        self._is_closed = False
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._zygote: Zygote | None = None
        self._codes: dict[str, bytes] = {}

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
            digest=source.digest,
            entry=source.entry,
            method=method,
            budget=budget,
            code=source.code,
            parameters=parameters,
            is_compiled=False,
        )
        try:
            return self._run(request)
        except BoxInterrupt:
            raise
        except KeyboardInterrupt:
            raise BoxInterrupt from None

    def close(self) -> None:
        """End the zygote and every child, and wait until they are gone."""
        with self._own_lock():
            self._is_closed = True
            self._discard()

    # One call ---------------------------------------------------------------------

    def _run(self, request: Request) -> BoxOutcome:
        """Compile what was never called before, in a child of its own; then call."""
        code = self._codes.get(request.digest)
        if code is None:
            order = _Order(request.to_compile(), MAX_CODE_BYTES, compiled_outcome)
            made = self._ask(order)
            if not isinstance(made, Compiled):
                return made
            code = made.code
            self._keep(request.digest, code)
        call = request.with_code(code)
        return self._ask(_Order(call, request.budget.result_bytes, reply_outcome))

    def _keep(self, digest: str, code: bytes) -> None:
        with self._lock:
            self._codes[digest] = code
            while sum(map(len, self._codes.values())) > _KEPT_BYTES:
                del self._codes[next(iter(self._codes))]

    def _ask(self, order: _Order[_Answer]) -> _Answer | BoxOutcome:
        zygote: Zygote | None = None
        child: Child | None = None
        outcome: _Answer | BoxOutcome | None = None
        try:
            with self._own_lock():
                zygote, child = self._take()
            try:
                _send(child, order.request.to_bytes())
            except OSError:
                return InfraFailure("the child ended before it was asked")
            deadline = _deadline(order.request.budget.wall_ms)
            # While the child works: what would have to be done after its reply.
            child.watch()
            self._unless_busy(zygote, zygote.listen)
            outcome = self._answer(zygote, child, order, deadline)
            self._make_ready(zygote)
        except ZygoteGoneError as error:
            with self._lock:
                if self._zygote is zygote:
                    self._discard()
            # What is known of this call stays true without a zygote for the next.
            return InfraFailure(str(error)) if outcome is None else outcome
        except KeyboardInterrupt:
            seen = outcome if isinstance(outcome, Violation) else None
            raise BoxInterrupt(seen) from None
        finally:
            if child is not None:
                child.kill()
                child.release()
        return outcome

    def _make_ready(self, zygote: Zygote) -> None:
        """Have children made for the next calls."""
        self._unless_busy(zygote, partial(zygote.top_up, self._spares))

    def _unless_busy(self, zygote: Zygote, work: Callable[[], None]) -> None:
        """Do what makes the next calls quicker, unless another call has the lock.

        Who has it may be waiting for a child: not on this call's time. A zygote that is
        gone by now costs the next call, not this one.
        """
        if self._lock.acquire(blocking=False):
            try:
                if self._zygote is zygote:
                    with suppress(ZygoteGoneError):
                        work()
            finally:
                self._lock.release()

    def _answer(
        self,
        zygote: Zygote,
        child: Child,
        order: _Order[_Answer],
        deadline: Deadline,
    ) -> _Answer | BoxOutcome:
        budget = order.request.budget
        cap = MAX_LINE_BYTES + 1 + order.most
        frame = FrameReader(cap, deadline).read(child.end)
        outcome: _Answer | BoxOutcome
        if isinstance(frame, bytes) and frame:
            # Judged first: meanwhile the child comes to rest.
            outcome = order.judge(frame, budget)
        else:
            outcome = _unsaid(frame, budget, order.most)
        seen = at_rest(child, frame)
        child.kill()
        wall_ms = budget.wall_ms + (deadline.clock() - deadline.at_ns) // _MS
        cpu_ms = seen.cpu_ms
        if isinstance(frame, Closed) or (seen.has_ended and not seen.said_more):
            outcome, cpu_ms = self._ending(zygote, child)
        elif seen.said_more:
            outcome = second_reply(child, budget)
        if not isinstance(outcome, Violation | InfraFailure):
            outcome = self._excess(zygote, seen, order.request) or outcome
        if not isinstance(outcome, Violation):
            return outcome
        peak_mb = _beyond(zygote, seen)
        return replace(outcome, usage=Usage(wall_ms, cpu_ms, peak_mb))

    def _excess(self, zygote: Zygote, seen: Seen, request: Request) -> Violation | None:
        """Say what a child took too much of, although it answered."""
        budget = request.budget
        room = budget.memory_mb * _MIB + _SLACK_BYTES + request.room
        if seen.peak_bytes is None or seen.peak_bytes - zygote.memory <= room:
            return None
        taken = _beyond(zygote, seen)
        what = f"{taken} MiB of memory, at most {budget.memory_mb} are allowed"
        return Violation(ViolationKind.BUDGET_MEMORY, what, "budget")

    def _ending(
        self, zygote: Zygote, child: Child
    ) -> tuple[Violation | InfraFailure, int | None]:
        """Name the end of a child that should have waited; with its processor time."""
        with self._lock:
            if self._zygote is not zygote:
                return InfraFailure("the box was closed during the call"), None
            ending = zygote.ending(child)
        return violation_of_status(ending.status), ending.cpu_ms

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


def _beyond(zygote: Zygote, seen: Seen) -> int | None:
    """Return the mebibytes a child took beside what the box itself needs."""
    if seen.peak_bytes is None:
        return None
    return max(0, seen.peak_bytes - zygote.memory) // _MIB


def _send(child: Child, data: bytes) -> None:
    send_frame(child.end, data, deadline=_deadline(_SEND_MS))


def _deadline(wall_ms: int) -> Deadline:
    return Deadline(time.monotonic_ns() + wall_ms * _MS, time.monotonic_ns)


def _unsaid(frame: Frame, budget: Budget, most: int) -> BoxOutcome:
    """Judge a reply that was too late, too large or empty."""
    match frame:
        case Timeout():
            what = f"no answer within {budget.wall_ms} ms"
            return Violation(ViolationKind.BUDGET_WALL, what, "budget")
        case TooLarge(announced=size):
            return ResultRefused(f"{size} bytes, at most {most} are allowed")
        case _:
            return ResultRefused("the box's reply is empty")
