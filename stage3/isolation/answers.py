"""Judges what a domain answered and turns it into canonical bytes.

Runs inside the box while the guard is on: reading a hostile object can run its code.
Everything is compared by exact type, since a subclass can lie about itself.

Spec: ``docs/spec/isolation.md``, ISO-6.
"""

from __future__ import annotations

from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Final

from stage2_domains.canonical import MAX_INTEGER, canonical_bytes
from stage2_domains.contract import DomainResult
from stage2_domains.errors import ValueRefusedError
from stage2_domains.sentences import bounded, printable
from stage3.isolation.interface import (
    MAX_MESSAGE_CHARS,
    DomainFailed,
    Ok,
    ResultRefused,
)

if TYPE_CHECKING:
    from stage2_domains.contract import Budget

__all__ = ["failure_of", "outcome_of"]

_SILENT_FAILURE: Final = "no reason was given"
_USAGE_KEY: Final = "output_tokens"
_MAX_NAME: Final = 100

_class_name = type.__dict__["__name__"].__get__
"""Reads a class's name past a metaclass that would compute another."""


class _RefusedError(Exception):
    """Carries the sentence of a refusal to ``outcome_of``; leaves no other way."""


def outcome_of(answer: object, budget: Budget) -> Ok | DomainFailed | ResultRefused:
    """Judge an answer.

    Args:
        answer: What ``invoke`` returned. It is dropped by the caller afterwards.
        budget: Bounds the bytes and the depth of the result.

    Returns:
        ``Ok`` or ``DomainFailed`` as the domain said, ``ResultRefused`` when the
        answer is not what it must be.
    """
    try:
        return _judged(answer, budget)
    except (_RefusedError, ValueRefusedError) as refusal:
        return _refused(str(refusal))
    except Exception as error:  # noqa: BLE001 - reading it ran code of the domain
        return _refused(f"reading it raised {printable(_name(error), _MAX_NAME)}")


def failure_of(error: BaseException) -> DomainFailed:
    """Describe what a domain raised, as ``TypeName: message``.

    The text of an exception is made by code of the domain; when that code raises,
    returns no string or returns nothing, the name of the type has to do.
    """
    name = printable(_name(error), _MAX_NAME)
    try:
        text = str.__str__(str(error))
    except BaseException:  # noqa: BLE001 - an interrupt here is the domain's too
        text = ""
    shown = printable(text.strip(), MAX_MESSAGE_CHARS)
    return DomainFailed(_bounded(f"{name}: {shown}" if shown else name), 0)


def _judged(answer: object, budget: Budget) -> Ok | DomainFailed:
    # (1) ISO-6.1: the exact type, then the plain fields.
    if type(answer) is not DomainResult:
        raise _RefusedError(_wrong_type(answer))
    success, data, error = _fields(answer)
    units = _reported_units(answer.usage)

    # (2) ISO-6.2: canonical bytes, bounded while they are made.
    data_bytes = canonical_bytes(data, max_bytes=budget.result_bytes)
    error_bytes = canonical_bytes(error, max_bytes=budget.result_bytes)
    flag = b"true" if success else b"false"
    result = b'{"data":%b,"error":%b,"success":%b}' % (data_bytes, error_bytes, flag)
    if len(result) > budget.result_bytes:
        raise _RefusedError(
            f"{len(result)} bytes, at most {budget.result_bytes} are allowed"
        )
    if not _is_shallow(data, data_bytes, budget.depth - 1):
        raise _RefusedError(f"more than {budget.depth} levels deep")

    # (3) ISO-6.3: the measure of the limits, and the domain's own word.
    size = len(data_bytes) + (0 if error is None else len(error_bytes))
    if success:
        return Ok(result, size, units)
    shown = printable((error or "").strip(), MAX_MESSAGE_CHARS)
    return DomainFailed(_bounded(shown or _SILENT_FAILURE), size)


def _fields(answer: DomainResult) -> tuple[bool, object, str | None]:
    success, error = answer.success, answer.error
    if type(success) is not bool:
        raise _RefusedError("'success' must be true or false")
    if error is not None and type(error) is not str:
        raise _RefusedError("'error' must be a string or absent")
    if success and error is not None:
        raise _RefusedError("a successful answer carries no 'error'")
    data: object = {} if answer.data is None else answer.data
    if type(data) is not dict:
        raise _RefusedError("'data' must be an object (a plain dict)")
    return success, data, error


def _wrong_type(answer: object) -> str:
    if type(answer) is CoroutineType or type(answer) is GeneratorType:
        # Closing what never ran runs nothing, and keeps a coroutine from complaining
        # that nobody awaited it. What did run may raise; it is refused either way.
        answer.close()
    name = printable(_class_name(type(answer)), _MAX_NAME)
    return f"expected a DomainResult, got an object of type '{name}'"


def _reported_units(usage: object) -> int | None:
    if usage is None:
        return None
    if type(usage) is not dict or tuple(usage) != (_USAGE_KEY,):
        raise _RefusedError(f"'usage' must be absent or {{'{_USAGE_KEY}': a number}}")
    units: object = usage[_USAGE_KEY]
    if type(units) is not int or not 0 <= units <= MAX_INTEGER:
        raise _RefusedError(f"'{_USAGE_KEY}' must be an integer from 0 to 2**53")
    return units


def _is_shallow(data: object, encoded: bytes, depth: int) -> bool:
    """Whether at most ``depth`` containers of ``data`` are inside one another."""
    if encoded.count(b"{") + encoded.count(b"[") <= depth:
        return True
    level: list[object] = [data]
    for _ in range(depth):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        level = inner
    return not any(isinstance(item, dict | list) for item in level)


def _name(error: BaseException) -> str:
    return str(_class_name(type(error)))


def _refused(why: str) -> ResultRefused:
    return ResultRefused(_bounded(why))


def _bounded(sentence: str) -> str:
    return bounded(sentence, MAX_MESSAGE_CHARS)
