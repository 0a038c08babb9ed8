"""One side of a wire to PostgreSQL: a socket, and the messages that come from it.

Version 3 of the protocol: a letter, four bytes of length, and what it says; but the
first packet of a session has no letter.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FULL_HOUSE", "EndError", "Message", "Side", "message"]

Message = tuple[bytes, bytes]
"""Its type, and all of its bytes."""


class EndError(Exception):
    """This session is over."""


class Side:
    """A socket, and what was received on it and not yet used."""

    def __init__(self, made: socket.socket) -> None:
        self.socket = made
        self._received = b""
        self._waiting: deque[Message] = deque()

    def packet(self) -> bytes:
        """Read the first packet of a session, which has no type."""
        while len(self._received) < 4 or len(self._received) < self._length(0):
            self._received += self._some()
        length = self._length(0)
        packet, self._received = self._received[:length], self._received[length:]
        return packet

    def receive(self) -> None:
        """Read what is there."""
        self._received += self._some()
        while len(self._received) >= 5:
            end = 1 + self._length(1)
            if len(self._received) < end:
                return
            self._waiting.append((self._received[:1], self._received[:end]))
            self._received = self._received[end:]

    def messages(self) -> Iterator[Message]:
        """Give what was received whole, each once."""
        while self._waiting:
            yield self._waiting.popleft()

    def raw(self) -> bytes:
        """Give everything that is there, used or not."""
        data = b"".join(raw for _, raw in self.messages()) + self._received
        self._received = b""
        return data or self._some()

    def send(self, messages: list[Message]) -> None:
        """Send messages as they are."""
        with suppress(OSError):
            self.socket.sendall(b"".join(raw for _, raw in messages))

    def drain(self) -> bytes:
        """Read until the other side is gone."""
        data = b""
        with suppress(EndError, OSError):
            while True:
                data += self._some()
        return data

    def hang_up(self) -> None:
        """Tell the other side that nobody is here, and hear nothing more of it."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go."""
        self.socket.close()

    def _some(self) -> bytes:
        data = self.socket.recv(65_536)
        if not data:
            raise EndError
        return data

    def _length(self, start: int) -> int:
        return int(struct.unpack("!i", self._received[start : start + 4])[0])


def message(kind: bytes, body: bytes) -> bytes:
    """Make a message."""
    return kind + struct.pack("!i", len(body) + 4) + body


FULL_HOUSE: Message = (
    b"E",
    message(b"E", b"SFATAL\0VFATAL\0C53300\0Mtoo many connections\0\0"),
)
