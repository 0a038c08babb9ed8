"""Frames between the host and a box: four bytes of length, then that many bytes.

The host's side believes nothing: a length is compared with the cap before a byte of
the body is read, the deadline is for the whole frame however slowly it drips, bytes
are received without ancillary data, so that no descriptor can arrive, and a reply is
strict JSON.

Spec: BOX-4.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias

from stage2_domains.canonical import MAX_DEPTH, parse
from stage2_domains.errors import ValueRefusedError

if TYPE_CHECKING:
    from stage2_domains.canonical import JsonObject, JsonValue

__all__ = [
    "HEADER_BYTES",
    "MAX_FRAME_BYTES",
    "Closed",
    "Deadline",
    "Frame",
    "FrameReader",
    "MonotonicNs",
    "Timeout",
    "TooLarge",
    "parse_reply",
    "send_frame",
]

HEADER_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 2**32 - 1
"""The longest payload a header can announce."""

MonotonicNs: TypeAlias = Callable[[], int]
"""A clock that never goes back, in nanoseconds, such as ``time.monotonic_ns``."""

_NS_PER_MS: Final = 1_000_000
_MAX_WAIT_MS: Final = 3_600_000
_GONE: Final = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN})


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of a monotonic clock.

    Attributes:
        at_ns: The moment; it has passed when the clock shows it.
        clock: The clock it is a moment of.
    """

    at_ns: int
    clock: MonotonicNs

    def left_ns(self) -> int:
        """Return how many nanoseconds are left, at least 0."""
        return max(0, self.at_ns - self.clock())


@dataclass(frozen=True, slots=True)
class Timeout:
    """The deadline passed before the frame was complete.

    Attributes:
        received: Bytes that had come, header included.
    """

    received: int


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The header announced more than the cap; nothing of the body was read.

    Attributes:
        announced: The length in the header, in bytes.
    """

    announced: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The other side is gone, and the frame is not complete.

    Attributes:
        received: Bytes that had come, header included; 0 when nothing was said.
    """

    received: int


Frame: TypeAlias = bytes | Timeout | TooLarge | Closed
"""A payload, or why there is none."""


def send_frame(
    to: socket.socket | int, payload: bytes, *, deadline: Deadline | None = None
) -> None:
    """Send one frame completely.

    Args:
        to: A stream socket, or a descriptor that is written with ``write`` alone,
            which is all that a locked-down child may do.
        payload: At most ``MAX_FRAME_BYTES``.
        deadline: When to give up; only for sockets. ``None`` waits as long as the
            socket or descriptor does.

    Raises:
        ValueError: The payload is too long, or a descriptor was given a deadline.
        TimeoutError: The deadline passed.
        OSError: The other side is gone.

    Source:
        BOX-4.1, BOX-4.6.
    """
    if len(payload) > MAX_FRAME_BYTES:
        raise ValueError("the payload is too long for a frame")
    rest = memoryview(len(payload).to_bytes(HEADER_BYTES, "big") + payload)
    if isinstance(to, int):
        if deadline is not None:
            raise ValueError("only a socket can be sent to with a deadline")
        while rest:
            rest = rest[os.write(to, rest) :]
    elif deadline is None:
        to.sendall(rest)
    else:
        _send_before(to, rest, deadline)


class FrameReader:
    """Reads one frame from a hostile peer.

    Args:
        cap_bytes: The longest payload that is read, at most ``MAX_FRAME_BYTES``.
        deadline: When the whole frame must have come.
    """

    __slots__ = ("_cap_bytes", "_deadline")

    def __init__(self, cap_bytes: int, deadline: Deadline) -> None:
        self._cap_bytes = cap_bytes
        self._deadline = deadline

    def read(self, source: socket.socket) -> Frame:
        """Read one frame from a stream socket, blocking or not.

        What follows the frame stays in the socket.

        Raises:
            OSError: The socket is none, or this side has closed it.

        Source:
            BOX-4.2 to BOX-4.5.
        """
        header = memoryview(bytearray(HEADER_BYTES))
        ended = self._fill(source, header, 0)
        if ended is not None:
            return ended
        length = int.from_bytes(header, "big")
        if length > self._cap_bytes:
            return TooLarge(length)
        body = bytearray(length)
        return self._fill(source, memoryview(body), HEADER_BYTES) or bytes(body)

    def _fill(
        self, source: socket.socket, room: memoryview, before: int
    ) -> Timeout | Closed | None:
        """Fill ``room``; ``before`` bytes of the frame came earlier."""
        filled = 0
        while filled < len(room):
            if self._deadline.left_ns() == 0:
                return Timeout(before + filled)
            count = _receive(source, room[filled:])
            if count == 0:
                return Closed(before + filled)
            filled += count or 0
            if count is None:
                _wait(source, select.POLLIN, self._deadline)
        return None


def parse_reply(data: bytes, depth: int = MAX_DEPTH) -> JsonObject:
    """Read a reply as strict JSON with an object at the top.

    Args:
        data: A payload; the caller has bounded its length.
        depth: Containers inside one another that are allowed, 1 to ``MAX_DEPTH``,
            the outermost counted as 1.

    Returns:
        Fresh plain data.

    Raises:
        ValueRefusedError: As ``stage2_domains.canonical.parse`` does (no UTF-8, NaN,
            duplicate names, lone surrogates, integers that are not kept exactly), or
            no object, or too deep.
        ValueError: ``depth`` is out of its bounds.

    Source:
        BOX-4.7.
    """
    if not 1 <= depth <= MAX_DEPTH:
        raise ValueError(f"depth must be from 1 to {MAX_DEPTH}")
    value = parse(data, max_bytes=len(data))
    if not isinstance(value, dict):
        raise ValueRefusedError("a reply must be an object")
    if _is_deeper(value, depth):
        raise ValueRefusedError(f"more than {depth} levels deep")
    return value


def _is_deeper(value: JsonObject, depth: int) -> bool:
    """Whether more than ``depth`` containers are inside one another."""
    level: list[JsonValue] = [value]
    for _ in range(depth):
        dicts = chain.from_iterable(x.values() for x in level if isinstance(x, dict))
        lists = chain.from_iterable(x for x in level if isinstance(x, list))
        level = [x for x in chain(dicts, lists) if isinstance(x, dict | list)]
        if not level:
            return False
    return True


def _wait(who: socket.socket, event: int, deadline: Deadline) -> None:
    """Wait until the socket is ready or the deadline has passed, or an hour."""
    poll = select.poll()
    poll.register(who, event)
    # Rounded up: a wait that ends early would only be repeated.
    poll.poll(min(-(-deadline.left_ns() // _NS_PER_MS), _MAX_WAIT_MS))


def _receive(source: socket.socket, room: memoryview) -> int | None:
    """Receive what is there; 0 when the peer is gone, ``None`` when nothing is."""
    try:
        return source.recv_into(room, 0, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno in _GONE:
            return 0
        raise


def _send_before(to: socket.socket, rest: memoryview, deadline: Deadline) -> None:
    while rest:
        if deadline.left_ns() == 0:
            raise TimeoutError(errno.ETIMEDOUT, "the other side does not read")
        try:
            rest = rest[to.send(rest, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            _wait(to, select.POLLOUT, deadline)
