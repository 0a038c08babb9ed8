"""Frames from a peer that means no good, and replies that could mean two things."""

from __future__ import annotations

import array
import contextlib
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stage2_domains.canonical import MAX_DEPTH, canonical_bytes
from stage2_domains.errors import ValueRefusedError
from stage3.isolation.process.frames import (
    MAX_FRAME_BYTES,
    Closed,
    Deadline,
    Frame,
    FrameReader,
    Timeout,
    TooLarge,
    parse_reply,
    send_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CAP: Final = 1000
SOON_NS: Final = 30 * 1_000_000
LONG_NS: Final = 20 * 1_000_000_000

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def within(left_ns: int) -> Deadline:
    return Deadline(time.monotonic_ns() + left_ns, time.monotonic_ns)


def read(source: socket.socket, *, cap: int = CAP, left_ns: int = LONG_NS) -> Frame:
    return FrameReader(cap, within(left_ns)).read(source)


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def header(length: int) -> bytes:
    return length.to_bytes(4, "big")


@pytest.mark.parametrize("payload", [b"", b"x", b"\0\0\0\5", bytes(range(256)) * 3])
@pytest.mark.parametrize("way", ["socket", "descriptor", "deadline"])
def test_what_is_sent_is_what_is_read(pair: Pair, payload: bytes, way: str) -> None:
    """BOX-4.1."""
    ours, theirs = pair
    if way == "descriptor":
        send_frame(theirs.fileno(), payload)
    else:
        deadline = within(LONG_NS) if way == "deadline" else None
        send_frame(theirs, payload, deadline=deadline)
    assert read(ours) == payload


def test_the_length_stands_in_front_big_endian(pair: Pair) -> None:
    """BOX-4.1."""
    ours, theirs = pair
    send_frame(theirs, b"a" * 258)
    assert ours.recv(1000) == b"\0\0\1\2" + b"a" * 258


def test_one_frame_is_read_and_what_follows_stays(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(header(2) + b"ab" + header(1) + b"c")
    assert (read(ours), read(ours)) == (b"ab", b"c")


@pytest.mark.parametrize(
    ("length", "passes"),
    [(CAP, True), (CAP + 1, False), (2**31, False), (MAX_FRAME_BYTES, False)],
)
def test_the_cap_is_held_before_the_body_is_read(
    pair: Pair, length: int, *, passes: bool
) -> None:
    """BOX-4.2: the body is still in the socket, and no room was made for it."""
    ours, theirs = pair
    theirs.sendall(header(length) + b"b" * CAP)
    found = read(ours)
    if passes:
        assert found == b"b" * CAP
    else:
        assert found == TooLarge(length)
        assert ours.recv(2 * CAP) == b"b" * CAP


@pytest.mark.parametrize(
    ("sent", "received"),
    [(b"", 0), (b"\0", 1), (b"\0\0\0", 3), (header(5), 4), (header(5) + b"four", 8)],
)
def test_late_and_gone_are_two_things(pair: Pair, sent: bytes, received: int) -> None:
    """BOX-4.3, BOX-4.5: with how much had come."""
    ours, theirs = pair
    theirs.sendall(sent)
    started = time.monotonic_ns()
    assert read(ours, left_ns=SOON_NS) == Timeout(received)
    assert time.monotonic_ns() - started >= SOON_NS
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent)
        theirs.close()
        assert read(ours) == Closed(received)


def test_a_connection_that_is_reset_counts_as_gone(pair: Pair) -> None:
    """BOX-4.5: what the peer left unread resets the connection when it ends."""
    ours, theirs = pair
    ours.sendall(b"never read")
    theirs.close()
    assert read(ours) == Closed(0)


def test_a_passed_deadline_is_not_waited_for(pair: Pair) -> None:
    """BOX-4.3: also when everything is there; one nanosecond earlier it counts."""
    ours, theirs = pair
    theirs.sendall(header(1) + b"a")
    late = FrameReader(CAP, Deadline(100, lambda: 100))
    assert late.read(ours) == Timeout(0)
    early = FrameReader(CAP, Deadline(100, lambda: 99))
    assert early.read(ours) == b"a"


def test_dripping_does_not_move_the_deadline(pair: Pair) -> None:
    """BOX-4.3: one more byte at every look at the clock; the tenth look is too late."""
    ours, theirs = pair
    bytes_to_come = iter(header(200) + b"b" * 200)
    looks = 0

    def dripping() -> int:
        nonlocal looks
        looks += 1
        theirs.sendall(bytes([next(bytes_to_come)]))
        return looks

    assert FrameReader(CAP, Deadline(10, dripping)).read(ours) == Timeout(9)


def test_descriptors_do_not_arrive(pair: Pair) -> None:
    """BOX-4.4: the one that was sent along is closed by the kernel."""
    ours, theirs = pair
    reader, writer = os.pipe()
    rights = array.array("i", [writer])
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
    theirs.sendmsg([header(1) + b"a"], ancillary)
    os.close(writer)
    before = open_descriptors()
    assert read(ours) == b"a"
    assert open_descriptors() <= before
    assert os.read(reader, 1) == b""  # nobody holds the other end
    os.close(reader)


def test_a_peer_that_does_not_read_costs_its_deadline(pair: Pair) -> None:
    """BOX-4.6."""
    ours, theirs = pair
    with pytest.raises(TimeoutError):
        send_frame(ours, bytes(10_000_000), deadline=within(SOON_NS))
    theirs.close()


@pytest.mark.parametrize("left_ns", [None, LONG_NS])
def test_sending_to_nobody_is_an_error(pair: Pair, left_ns: int | None) -> None:
    """BOX-4.6."""
    ours, theirs = pair
    theirs.close()
    with pytest.raises(BrokenPipeError):
        send_frame(ours, b"a", deadline=None if left_ns is None else within(left_ns))


def test_a_descriptor_has_no_deadline(pair: Pair) -> None:
    with pytest.raises(ValueError, match="deadline"):
        send_frame(pair[0].fileno(), b"", deadline=within(LONG_NS))


def test_a_payload_no_header_can_announce_is_refused(pair: Pair) -> None:
    """BOX-4.1; the length lies, so that four gigabytes need not exist."""

    class Huge(bytes):
        def __len__(self) -> int:
            return MAX_FRAME_BYTES + 1

    with pytest.raises(ValueError, match="too long"):
        send_frame(pair[0], Huge())


def test_a_socket_that_does_not_block_is_waited_for_all_the_same(pair: Pair) -> None:
    ours, theirs = pair
    ours.settimeout(0)
    theirs.sendall(header(3) + b"ab")
    assert read(ours, left_ns=SOON_NS) == Timeout(6)


@given(st.binary(max_size=60), st.integers(0, 40))
@settings(max_examples=100)
def test_any_bytes_end_in_one_of_the_four(data: bytes, cap: int) -> None:
    """BOX-4.1 to BOX-4.5, against a reading in one line."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.close()
        found = read(ours, cap=cap)
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4:
        assert found == Closed(len(data))
    elif length > cap:
        assert found == TooLarge(length)
    elif len(data) - 4 < length:
        assert found == Closed(len(data))
    else:
        assert found == data[4 : 4 + length]


REFUSED: Final[dict[str, bytes]] = {
    "nothing": b"",
    "no JSON": b"{",
    "more after it": b"{}{}",
    "a list": b"[]",
    "a string": b'"a"',
    "null": b"null",
    "NaN": b'{"a":NaN}',
    "an infinity": b'{"a":-Infinity}',
    "a number beyond all": b'{"a":1e999}',
    "a name twice": b'{"a":1,"a":1}',
    "a name twice, far inside": b'{"a":[{"b":{"c":1,"\\u0063":2}}]}',
    "a lone surrogate": b'{"a":"\\ud800"}',
    "a lone surrogate as a name": b'{"\\udfff":1}',
    "a large integer": b'{"a":9007199254740993}',
    "a very large integer": b'{"a":' + b"9" * 5000 + b"}",
    "no UTF-8": b'{"a":"\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a control character": b'{"a":"\n"}',
    "too deep for anybody": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "lists too deep for anybody": b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "openings alone": b'{"a":' + b"[" * 1_000_000,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_reply_that_is_not_plain_is_refused(name: str) -> None:
    """BOX-4.7."""
    with pytest.raises(ValueRefusedError):
        parse_reply(REFUSED[name])


@pytest.mark.parametrize("depth", [1, 2, 5, MAX_DEPTH])
@pytest.mark.parametrize("nest", [lambda v: {"a": v}, lambda v: [v]])
def test_the_depth_is_held_to_the_level(
    depth: int, nest: Callable[[object], object]
) -> None:
    """BOX-4.7: one step each side of the bound."""
    value: object = 1
    for _ in range(depth - 1):
        value = nest(value)
    data = b'{"a":1,"top":' + canonical_bytes(value) + b"}"
    assert parse_reply(data, depth) == {"a": 1, "top": value}
    deeper = b'{"top":[' + canonical_bytes(value) + b"]}"
    with pytest.raises(ValueRefusedError, match=f"more than {depth} levels"):
        parse_reply(deeper, depth)


@pytest.mark.parametrize("depth", [-1, 0, MAX_DEPTH + 1])
def test_a_depth_that_cannot_be_held_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match="depth must be"):
        parse_reply(b"{}", depth)


PLAIN: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=4), PLAIN, max_size=4))
@settings(max_examples=100)
def test_plain_data_comes_back_as_it_was(value: dict[str, object]) -> None:
    """BOX-4.7."""
    assert parse_reply(canonical_bytes(value)) == value


@given(
    st.binary(max_size=80) | st.text('{}[]",:1eu\\dN a', max_size=60).map(str.encode)
)
@settings(max_examples=200)
def test_any_bytes_end_in_data_or_in_a_refusal(data: bytes) -> None:
    """BOX-4.7."""
    with contextlib.suppress(ValueRefusedError):
        assert type(parse_reply(data)) is dict
