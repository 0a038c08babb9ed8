"""What a child says when it is done, and what the host makes of such bytes.

A reply is a line of canonical JSON and, where the domain answered, the canonical bytes
of its answer. Any code of the domain can write one too: every reply is read as if it
had been forged, and a forged one is worth no more than an answer.

Spec: BOX-6.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, get_args

from stage2_domains.canonical import MAX_INTEGER, canonical_bytes
from stage2_domains.errors import ValueRefusedError
from stage3.isolation.interface import (
    MAX_DETAIL_CHARS,
    MAX_MESSAGE_CHARS,
    DomainFailed,
    Ok,
    ResultRefused,
    Violation,
    ViolationKind,
    ViolationSource,
)
from stage3.isolation.process.frames import parse_reply

if TYPE_CHECKING:
    from stage2_domains.canonical import JsonObject, JsonValue
    from stage2_domains.contract import Budget

__all__ = [
    "MAX_LINE_BYTES",
    "Compiled",
    "Reply",
    "compiled_outcome",
    "reply_bytes",
    "reply_outcome",
]

Reply: TypeAlias = Ok | DomainFailed | ResultRefused | Violation
"""What a child may say. That the box broke is the host's word alone."""

MAX_LINE_BYTES: Final = 8_192
"""The longest first line of a reply."""

_COMPILED: Final = b'{"outcome":"compiled"}'
_UNSURE: Final = re.compile(rb"[0-9](?:[0-9]{15}|[eE])|\.0[,\]}]|\\u|[\xf0-\xf4]")
"""Where ``_WRITER`` may differ from RFC 8785, or its reader from a careful one.

Integers beyond 2**53 and floats that need an exponent have sixteen digits in a row or
an exponent here; whole floats end in ``.0``; names sort in another order only beyond
the characters of three bytes; halves of characters are written with an escape.
"""
_WRITER: Final = json.JSONEncoder(
    allow_nan=False,
    check_circular=False,
    ensure_ascii=False,
    separators=(",", ":"),
    sort_keys=True,
)
_PRINTABLE: Final = re.compile(r"[ -~]+")
_SOURCES: Final = frozenset(get_args(ViolationSource))
_KINDS: Final = frozenset(map(str, ViolationKind))


@dataclass(frozen=True, slots=True)
class Compiled:
    """A source was compiled.

    Attributes:
        code: What a child can make a code object of. The host never does.
    """

    code: bytes = field(repr=False)


def reply_bytes(outcome: Reply | Compiled) -> bytes:
    """Encode what came of a request; runs in the child."""
    match outcome:
        case Compiled():
            return _COMPILED + b"\n" + outcome.code
        case Ok():
            said: dict[str, object] = {"units": outcome.reported_units}
            return _line("ok", said) + b"\n" + outcome.result
        case DomainFailed():
            said = {"bytes": outcome.output_bytes, "message": outcome.message}
            return _line("failed", said)
        case ResultRefused():
            return _line("refused", {"message": outcome.message})
        case Violation():
            kind, source = str(outcome.kind), outcome.source
            said = {"detail": outcome.detail, "kind": kind, "source": source}
            return _line("violation", said)


def reply_outcome(reply: bytes, budget: Budget) -> Reply:
    """Decode a reply; believes nothing.

    Args:
        reply: The payload of one frame.
        budget: Bounds the answer once more.

    Returns:
        What the reply says; ``ResultRefused`` when it is not exactly what
        ``reply_bytes`` makes.

    Source:
        BOX-6.4.
    """
    line, newline, result = reply.partition(b"\n")
    try:
        said = parse_reply(line[: MAX_LINE_BYTES + 1], depth=1)
        kind = said.pop("outcome", None)
        if kind == "ok" and newline:
            return _ok(said, result, budget)
        if newline:
            kind = None
        return _without_answer(kind, said, budget)
    except ValueRefusedError as error:
        return ResultRefused(f"the box's reply is not a reply: {error}")


def compiled_outcome(reply: bytes, budget: Budget) -> Reply | Compiled:
    """Decode the reply to an order to compile, which no code of a domain wrote.

    Args:
        reply: The payload of one frame.
        budget: As in ``reply_outcome``.
    """
    line, _, code = reply.partition(b"\n")
    if line == _COMPILED and code:
        return Compiled(code)
    outcome = reply_outcome(reply, budget)
    if isinstance(outcome, Ok):
        return ResultRefused("the box's reply is not a reply: nothing was called")
    return outcome


def _line(outcome: str, said: dict[str, object]) -> bytes:
    return canonical_bytes({"outcome": outcome, **said})


def _ok(said: JsonObject, result: bytes, budget: Budget) -> Ok:
    _expect(said, "units")
    units = said["units"]
    if units is not None:
        units = _count(units, MAX_INTEGER)
    if len(result) > budget.result_bytes:
        raise ValueRefusedError(f"{len(result)} bytes of answer")
    answer = _canonical(result, budget.depth)
    _expect(answer, "data", "error", "success")
    data = answer["data"]
    if answer["success"] is not True or answer["error"] is not None:
        raise ValueRefusedError("an answer that is no success")
    if type(data) is not dict:
        raise ValueRefusedError("an answer that is not an object")
    # The rest of the canonical bytes has a fixed length.
    size = len(result) - len(b'{"data":,"error":null,"success":true}')
    return Ok(result, size, units)


def _canonical(result: bytes, depth: int) -> JsonObject:
    """Read an answer that must be canonical.

    Bytes that come out again as they were are canonical, however carelessly they were
    read: no name stood twice, no number lost anything. All others, and those where the
    encoder at hand may write what RFC 8785 would not, are read with care.
    """
    is_shallow = result.count(b"{") + result.count(b"[") <= depth
    if is_shallow and not _UNSURE.search(result):
        with suppress(ValueError):
            text = result.decode()
            answer: JsonValue = json.loads(text)
            if type(answer) is dict and _WRITER.encode(answer) == text:
                return answer
    said = parse_reply(result, depth=depth)
    if canonical_bytes(said) != result:
        raise ValueRefusedError("an answer that is not canonical")
    return said


def _without_answer(kind: JsonValue, said: JsonObject, budget: Budget) -> Reply:
    if kind == "violation":
        return _violation(said)
    if kind == "failed":
        _expect(said, "bytes", "message")
        size = _count(said["bytes"], 2 * budget.result_bytes)
        return DomainFailed(_text(said["message"], MAX_MESSAGE_CHARS), size)
    _expect(said, "message")
    message = _text(said["message"], MAX_MESSAGE_CHARS)
    if kind == "refused":
        return ResultRefused(message)
    raise ValueRefusedError("an unknown outcome")


def _violation(said: JsonObject) -> Violation:
    _expect(said, "detail", "kind", "source")
    kind, source = said["kind"], said["source"]
    if kind not in _KINDS or source not in _SOURCES:
        raise ValueRefusedError("an unknown kind of violation")
    detail = _text(said["detail"], MAX_DETAIL_CHARS)
    named: ViolationSource = source  # type: ignore[assignment]  # one of the list
    return Violation(ViolationKind(str(kind)), detail, named)


def _expect(said: JsonObject, *names: str) -> None:
    if sorted(said) != list(names):
        raise ValueRefusedError("other names than expected")


def _count(value: JsonValue, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueRefusedError("a number out of its bounds")
    return value


def _text(value: JsonValue, most: int) -> str:
    if type(value) is not str or len(value) > most or not _PRINTABLE.fullmatch(value):
        raise ValueRefusedError("a text that is not bounded and printable")
    return value
