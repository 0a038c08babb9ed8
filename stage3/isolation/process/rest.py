"""Looks at a child that has replied, before it is killed.

The filter lets a child sleep in one call only, in which it waits to be killed. One that
is asleep and silent therefore does nothing more. One that has ended, or has said more,
wrote its reply itself, to hide what it did afterwards. One that is on its way still is
looked at again; what it would have done after that dies with it.

Spec: BOX-7.10.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stage3.isolation.interface import Violation, ViolationKind
from stage3.isolation.process.frames import Deadline, FrameReader, TooLarge
from stage3.isolation.process.replies import MAX_LINE_BYTES, reply_outcome

if TYPE_CHECKING:
    from stage2_domains.contract import Budget
    from stage3.isolation.process.frames import Frame
    from stage3.isolation.process.host import Child

__all__ = ["Seen", "at_rest", "second_reply"]

LOOKS: Final = 2
"""How often a child is looked at again that was not at rest, each some 0.05 ms later.

At rest usually takes less. The host does not sleep meanwhile: while a child waits for
the host's processor it does nothing, and is killed before it does.
"""

_ALL_SAID_MS: Final = 1_000
"""How long reading what a killed child had said may take."""

_RESTING: Final = frozenset({"S", ""})
"""States in which nothing is waited for: asleep, or not to be looked at."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a child was doing when its reply was in.

    Attributes:
        peak_bytes: The most virtual memory it had at once; ``None`` when not known.
        cpu_ms: Processor time it has used; ``None`` when not known.
        has_ended: The process was gone.
        said_more: It had said something after its reply.
    """

    peak_bytes: int | None
    cpu_ms: int | None
    has_ended: bool = False
    said_more: bool = False


def at_rest(child: Child, frame: Frame) -> Seen:
    """Look whether a child that has replied is asleep, gone, or speaking again.

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
    for _ in range(LOOKS):
        if look.state in _RESTING or child.stirs(listen=listen):
            break
        look = child.look()
    unread = child.unread() if listen else None
    return Seen(
        look.peak_bytes,
        look.cpu_ms,
        has_ended=unread == b"" or look.is_dying or child.stirs(listen=False),
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
    return Deadline(time.monotonic_ns() + _ALL_SAID_MS * 1_000_000, time.monotonic_ns)
