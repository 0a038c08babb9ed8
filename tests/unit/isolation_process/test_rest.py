"""The look at a child that has replied, on children that only seem to do something."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from stage3.isolation.process.frames import Closed, Timeout, TooLarge
from stage3.isolation.process.host import Look
from stage3.isolation.process.rest import LOOKS, Seen, at_rest

if TYPE_CHECKING:
    from stage3.isolation.process.frames import Frame
    from stage3.isolation.process.host import Child

ASLEEP = Look("S", 100, 5)
BUSY = Look("R", 100, 5)
DYING = Look("R", None, 6)
HIDDEN = Look("", None, None)
QUIET = Seen(100, 5)


@dataclass
class Shown:
    """A child that is seen doing one thing after another, the last one for good."""

    looks: list[Look]
    said: bytes | None = None
    ended: bool = False
    asked: list[str] = field(default_factory=list)

    def look(self) -> Look:
        """As ``Child`` does."""
        self.asked.append("look")
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def stirs(self, *, listen: bool) -> bool:
        """As ``Child`` does."""
        return self.ended or (listen and self.said is not None)

    def unread(self) -> bytes | None:
        """As ``Child`` does."""
        self.asked.append("unread")
        return self.said


def seen(child: Shown, frame: Frame = b"{}") -> Seen:
    return at_rest(cast("Child", child), frame)


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        (Shown([ASLEEP]), QUIET),
        (Shown([BUSY, ASLEEP]), QUIET),
        (Shown([BUSY, BUSY, ASLEEP]), QUIET),
        (Shown([BUSY]), QUIET),
        (Shown([HIDDEN]), Seen(None, None)),
        (Shown([DYING]), Seen(None, 6, has_ended=True)),
        (Shown([BUSY, DYING]), Seen(None, 6, has_ended=True)),
        (Shown([Look("Z", None, 6)]), Seen(None, 6, has_ended=True)),
        (Shown([HIDDEN], ended=True), Seen(None, None, has_ended=True)),
        (Shown([HIDDEN], b""), Seen(None, None, has_ended=True)),
        (Shown([ASLEEP], b"x"), Seen(100, 5, said_more=True)),
        (Shown([BUSY], b"x"), Seen(100, 5, said_more=True)),
        (Shown([DYING], b"x"), Seen(None, 6, has_ended=True, said_more=True)),
    ],
)
def test_a_child_is_at_rest_gone_or_speaking_again(
    child: Shown, expected: Seen
) -> None:
    """BOX-7.10."""
    assert seen(child) == expected


def test_a_child_that_is_busy_is_looked_at_three_times() -> None:
    """BOX-7.10: and the first that is at rest ends it."""
    busy, soon = Shown([BUSY]), Shown([BUSY, ASLEEP])
    seen(busy)
    seen(soon)

    assert busy.asked.count("look") == 1 + LOOKS == 3
    assert soon.asked.count("look") == 2


@pytest.mark.parametrize("frame", [Timeout(4), Closed(0)])
def test_a_child_that_did_not_reply_is_looked_at_once(frame: Frame) -> None:
    """BOX-7.4: its time is up."""
    child = Shown([BUSY], b"x")

    assert seen(child, frame) == QUIET
    assert child.asked == ["look"]


def test_what_was_not_read_of_a_reply_that_is_too_large_is_no_second_one() -> None:
    """BOX-4.2, BOX-7.10."""
    child = Shown([BUSY], b"x")

    assert seen(child, TooLarge(99)) == QUIET
    assert "unread" not in child.asked
    assert seen(Shown([DYING], b"x"), TooLarge(99)).has_ended
