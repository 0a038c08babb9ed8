"""Looks at a child that has replied, before it is killed.

The filter lets a child sleep in one call only, in which it waits to be killed. One that
is asleep and silent therefore does nothing more. One that is not has written its reply
itself, and may be hiding what it does afterwards.

Spec: BOX-7.10.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

from stage3.isolation.interface import Violation, ViolationKind
from stage3.isolation.process.frames import Deadline, FrameReader, TooLarge
from stage3.isolation.process.replies import MAX_LINE_BYTES, reply_outcome

if TYPE_CHECKING:
    from stage2_domains.contract import Budget
    from stage3.isolation.process.frames import Frame
    from stage3.isolation.process.host import Child

__all__ = ["REST_MS", "Seen", "at_rest", "second_reply"]

REST_MS: Final = 1_000
"""How long a child may take to be at rest after its reply; usually it is already."""

_AT_ONCE: Final = 10
"""Looks that follow each other at once, since a child at rest makes no noise."""

_RESTING: Final = frozenset({"S", ""})
"""States in which there is nothing to wait for: asleep, or not to be looked at."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a child was doing when its reply was in.

    Attributes:
        peak_bytes: The most virtual memory it had at once; ``None`` when not known.
        cpu_ms: Processor time it has used; ``None`` when not known.
        is_busy: It was not at rest in all the time it was given.
        has_ended: The process was gone.
        said_more: It had said something after its reply.
    """

    peak_bytes: int | None
    cpu_ms: int | None
    is_busy: bool = False
    has_ended: bool = False
    said_more: bool = False


def at_rest(child: Child, frame: Frame) -> Seen:
    """Wait until a child that has replied is asleep, gone, or speaking again.

    Args:
        child: It has not been killed yet.
        frame: What it said; one that said nothing is looked at and not waited for.

    Source:
        BOX-7.3, BOX-7.10.
    """
    look = child.look()
    if not isinstance(frame, bytes | TooLarge):
        return Seen(look.peak_bytes, look.cpu_ms)
    listen = isinstance(frame, bytes)  # else the rest of the frame is still there
    deadline = _deadline()
    patience = chain(repeat(0, _AT_ONCE), repeat(1))
    while look.state not in _RESTING and deadline.left_ns():
        if child.stirs(next(patience), listen=listen):
            break
        os.sched_yield()
        look = child.look()
    unread = child.unread() if listen else None
    return Seen(
        look.peak_bytes,
        look.cpu_ms,
        is_busy=look.state not in _RESTING and not deadline.left_ns(),
        has_ended=unread == b"" or child.stirs(0, listen=False),
        said_more=bool(unread),
    )


def second_reply(child: Child, budget: Budget) -> Violation:
    """Judge a child that said something after its reply; it has been killed."""
    frame = FrameReader(MAX_LINE_BYTES, _deadline()).read(child.end)
    outcome = reply_outcome(frame, budget) if isinstance(frame, bytes) else None
    if isinstance(outcome, Violation):
        return outcome
    return Violation(ViolationKind.INTEGRITY, "wrote more than one reply", "integrity")


def _deadline() -> Deadline:
    return Deadline(time.monotonic_ns() + REST_MS * 1_000_000, time.monotonic_ns)
