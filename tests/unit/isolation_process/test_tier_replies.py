"""A reply is judged as if the domain had written it, byte by byte."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stage2_domains.canonical import canonical_bytes
from stage2_domains.contract import Budget
from stage2_domains.errors import ValueRefusedError
from stage3.isolation.interface import (
    DomainFailed,
    Ok,
    ResultRefused,
    Violation,
    ViolationKind,
)
from stage3.isolation.process.endings import violation_of_status
from stage3.isolation.process.frames import parse_reply
from stage3.isolation.process.replies import (
    Compiled,
    compiled_outcome,
    reply_bytes,
    reply_outcome,
)
from stage3.isolation.process.requests import Request

BUDGET = Budget(result_bytes=100, depth=4)
RESULT = b'{"data":{"a":1},"error":null,"success":true}'
OUTCOMES = [
    Ok(RESULT, len(b'{"a":1}'), None),
    Ok(RESULT, len(b'{"a":1}'), 7),
    DomainFailed("ValueError: x", 12),
    ResultRefused("not this"),
    Violation(ViolationKind.OPEN, "open: x", "hook"),
]
OK = b'{"outcome":"ok","units":null}\n'

NO_REPLIES = [
    b"",
    b"\n",
    b"[]",
    b"{}",
    b"null\n" + RESULT,
    OK[:-1],
    OK,
    OK + b"{}",
    OK + RESULT + b" ",
    OK + RESULT.replace(b"true", b"false"),
    OK + RESULT.replace(b"null", b'"x"'),
    OK + RESULT.replace(b'{"a":1}', b"[]"),
    OK + RESULT.replace(b'{"a":1}', b"null"),
    OK + RESULT.replace(b'{"a":1}', b'{"a": 1}'),
    OK + RESULT.replace(b'{"a":1}', b'{"a":1,"a":1}'),
    OK + RESULT.replace(b'{"a":1}', b'{"a":NaN}'),
    OK + RESULT.replace(b'{"a":1}', b'{"a":"\\ud800"}'),
    OK + RESULT.replace(b'{"a":1}', b'{"a":[[[1]]]}'),
    OK + RESULT.replace(b'{"a":1}', b'{"a":"' + b"x" * 100 + b'"}'),
    OK.replace(b"null", b"-1") + RESULT,
    OK.replace(b"null", b"true") + RESULT,
    OK.replace(b"null", b"9007199254740993") + RESULT,
    b'{"message":"x","outcome":"else"}',
    b'{"message":"","outcome":"refused"}',
    b'{"message":"x\\u0000","outcome":"refused"}',
    b'{"message":"x","outcome":"refused"}\n',
    b'{"message":"x","more":1,"outcome":"refused"}',
    b'{"bytes":201,"message":"x","outcome":"failed"}',
    b'{"message":"' + b"x" * 2_001 + b'","outcome":"refused"}',
    b'{"message":"' + b"x" * 9_000 + b'","outcome":"refused"}',
    b'{"detail":"x","kind":"evil","outcome":"violation","source":"hook"}',
    b'{"detail":"x","kind":"open","outcome":"violation","source":"evil"}',
    b'{"detail":"x","kind":["open"],"outcome":"violation","source":"hook"}',
    b'{"detail":"' + b"x" * 201 + b'","kind":"open","outcome":"violation",'
    b'"source":"hook"}',
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda one: type(one).__name__)
def test_what_a_child_says_is_what_the_host_hears(outcome: Ok) -> None:
    """BOX-6.4."""
    assert reply_outcome(reply_bytes(outcome), BUDGET) == outcome


@pytest.mark.parametrize("reply", NO_REPLIES)
def test_whatever_is_not_exactly_a_reply_is_refused(reply: bytes) -> None:
    """BOX-6.4."""
    assert isinstance(reply_outcome(reply, BUDGET), ResultRefused)


@settings(max_examples=200)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.tuples(
            st.sampled_from([reply_bytes(outcome) for outcome in OUTCOMES]),
            st.integers(0, 80),
            st.binary(max_size=3),
        ).map(lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + 1 :]),
    )
)
def test_no_bytes_make_the_host_fail(reply: bytes) -> None:
    """BOX-6.4."""
    outcome = reply_outcome(reply, BUDGET)

    assert isinstance(outcome, type(OUTCOMES[0]) | ResultRefused | DomainFailed) or (
        type(outcome) is Violation
    )
    assert repr(outcome).isprintable()


@pytest.mark.parametrize(
    ("status", "kind", "source"),
    [
        (int(signal.SIGSYS), ViolationKind.SYSCALL, "seccomp"),
        (int(signal.SIGXCPU), ViolationKind.BUDGET_CPU, "budget"),
        (int(signal.SIGSEGV), ViolationKind.BUDGET_RECURSION, "signal"),
        (int(signal.SIGKILL), ViolationKind.SIGNAL, "signal"),
        (0, ViolationKind.PROCESS, "trap"),
        (3 << 8, ViolationKind.PROCESS, "trap"),
        (None, ViolationKind.TRAP, "trap"),
    ],
)
def test_an_end_without_a_reply_is_named_from_its_status(
    status: int | None, kind: ViolationKind, source: str
) -> None:
    """BOX-6.5."""
    found = violation_of_status(status)

    assert (found.kind, found.source) == (kind, source)
    assert os.WIFSIGNALED(int(signal.SIGSYS))


def test_a_request_arrives_as_it_was_sent() -> None:
    """BOX-5.7."""
    request = Request(
        digest="sha256:0",
        entry="A.B",
        method="run",
        budget=BUDGET,
        code=b"a\nb",
        parameters=b'{"x":"\n"}',
        is_compiled=True,
    )
    order = request.to_compile()

    assert Request.from_bytes(request.to_bytes()) == request
    assert Request.from_bytes(order.to_bytes()) == order
    assert (order.is_compiled, order.parameters) == (False, b"")
    assert order.with_code(b"c") == replace(order, code=b"c", is_compiled=True)


def test_the_reply_to_an_order_to_compile_is_code_or_a_failure() -> None:
    """BOX-5.2."""
    made = Compiled(b"\0\n\xff")

    assert compiled_outcome(reply_bytes(made), BUDGET) == made
    assert type(reply_outcome(reply_bytes(made), BUDGET)) is ResultRefused
    for outcome in OUTCOMES:
        found = compiled_outcome(reply_bytes(outcome), BUDGET)
        assert found == outcome or isinstance(outcome, Ok)
        assert not isinstance(found, Ok | Compiled)
    for no_code in (b"", b'{"outcome":"compiled"}', b'{"outcome":"compiled"}\n'):
        assert type(compiled_outcome(no_code, BUDGET)) is ResultRefused


ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.integers(-(2**54), 2**54) | st.integers(),
        st.floats(),
        st.text(st.characters(), max_size=3),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def read_with_care(result: bytes) -> bytes | None:
    """Return what the strict reader and the encoder make of an answer."""
    try:
        return canonical_bytes(parse_reply(result))
    except ValueRefusedError:
        return None


@given(ANYTHING, st.sampled_from(["as we write it", "as it is", "with escapes"]))
@settings(max_examples=200)
def test_an_answer_counts_when_reading_it_with_care_gives_it_again(
    value: object, manner: str
) -> None:
    """BOX-6.4: reading an honest answer quickly accepts nothing more."""
    text = json.dumps(
        {"data": {"a": value}, "error": None, "success": True},
        separators=(",", ":"),
        ensure_ascii=manner == "with escapes",
    )
    result = text.encode("utf-8", "surrogatepass")
    if manner == "as we write it":
        result = read_with_care(result) or result
    outcome = reply_outcome(OK + result, Budget())

    assert isinstance(outcome, Ok) is (read_with_care(result) == result)
