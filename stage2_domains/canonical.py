"""Plain data as canonical bytes (RFC 8785), and back.

Parameters and results cross the border of a domain as these bytes and never as
live objects. What is accepted is exactly JSON: ``dict`` with ``str`` keys,
``list``, ``str``, ``int`` of at most 2**53 either way, finite ``float``, ``bool``
and ``None``. Subclasses are refused, since a subclass can run code while it is read.

This is not a general JSON encoder: it refuses rather than converts.

Spec: DOM-1.
"""

from __future__ import annotations

import json
import math
from itertools import chain
from json.encoder import encode_basestring
from typing import Final, NoReturn, TypeAlias

from stage2_domains.errors import ValueRefusedError
from stage2_domains.sentences import printable

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_INTEGER",
    "JsonObject",
    "JsonValue",
    "canonical_bytes",
    "number_text",
    "parse",
]

JsonValue: TypeAlias = (
    "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
)
JsonObject: TypeAlias = dict[str, JsonValue]

MAX_DEPTH: Final = 32
"""Containers inside one another, the outermost counted as 1."""

MAX_INTEGER: Final = 2**53
"""The largest integer magnitude that every JSON reader keeps exactly."""

MAX_BYTES: Final = 16 * 1024 * 1024
"""The size bound where the caller names none."""

_PLAIN_TYPES: Final = frozenset({dict, list, str, int, float, bool, type(None)})
_MAX_PATH: Final = 200

_PLAIN_ENCODER: Final = json.JSONEncoder(
    allow_nan=False,
    check_circular=False,
    ensure_ascii=False,
    separators=(",", ":"),
    sort_keys=True,
)
_PLAIN_FROM: Final = 1e-4
_PLAIN_BELOW: Final = 1e16


def canonical_bytes(value: object, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Encode ``value`` as RFC 8785 canonical JSON.

    Args:
        value: Plain data, at most ``MAX_DEPTH`` containers deep. It is read once
            and not kept.
        max_bytes: The most the encoding may take.

    Returns:
        UTF-8 bytes; equal values give equal bytes on every platform.

    Raises:
        ValueRefusedError: The value is not plain data, too deep, too large, holds
            a non-finite float, an integer beyond 2**53 or a lone surrogate. The
            message names the path to the offending value, never the value.

    Source:
        RFC 8785 section 3.2; DOM-1.1 to DOM-1.6.
    """
    if _is_plain(value, max_bytes):
        encoded = _utf8(_PLAIN_ENCODER.encode(value))
        # A lone surrogate is left to the walk below, which knows its path.
        if encoded is not None and len(encoded) <= max_bytes:
            return encoded
    encoder = _Encoder(max_bytes)
    encoder.encode(value, ())
    return "".join(encoder.parts).encode()


def parse(data: bytes, *, max_bytes: int = MAX_BYTES) -> JsonValue:
    """Read JSON into fresh plain data, refusing whatever could mean two things.

    Args:
        data: UTF-8 JSON, canonical or not, without a byte order mark.
        max_bytes: The most that is parsed.

    Returns:
        Plain data. An integer literal beyond 2**53 comes back as the ``float``
        whose canonical form it is; ``canonical_bytes`` gives the same bytes again.

    Raises:
        ValueRefusedError: Not JSON, not UTF-8, a name twice in one object, ``NaN``
            or an infinity, an integer no double holds, a lone surrogate, more than
            ``MAX_DEPTH`` deep, or too large.

    Source:
        RFC 8259; RFC 7493 (I-JSON) section 2; DOM-1.7.
    """
    if len(data) > max_bytes:
        raise ValueRefusedError(f"{len(data)} bytes of JSON, at most {max_bytes}")
    try:
        value: JsonValue = json.loads(
            data.decode(),
            object_pairs_hook=_unique_pairs,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_exact,
        )
    except ValueRefusedError:
        raise
    except RecursionError:
        raise ValueRefusedError(f"more than {MAX_DEPTH} levels deep") from None
    except json.JSONDecodeError as error:
        raise ValueRefusedError(f"not JSON at character {error.pos}") from None
    except ValueError:
        raise ValueRefusedError("not UTF-8 JSON") from None
    _check_parsed(value, data)
    return value


def number_text(number: float) -> str:
    """Write a finite double the way ECMAScript does.

    Raises:
        ValueRefusedError: ``number`` is NaN or infinite.

    Source:
        RFC 8785 section 3.2.2.3; ECMA-262 Number::toString.
    """
    if not math.isfinite(number):
        raise ValueRefusedError("a number must be finite")
    if number == 0:
        return "0"
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    sign = "-" if number < 0 else ""
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """Put the decimal point after ``point`` of the significant ``digits``."""
    count = len(digits)
    if count <= point <= 21:  # noqa: PLR2004 - the bound in ECMA-262
        return digits + "0" * (point - count)
    if 0 < point <= 21:  # noqa: PLR2004 - the bound in ECMA-262
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:  # noqa: PLR2004 - the bound in ECMA-262
        return f"0.{'0' * -point}{digits}"
    head = digits if count == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{head}e{point - 1:+d}"


# --- the fast path -----------------------------------------------------------


def _is_plain(value: object, max_bytes: int) -> bool:
    """Whether ``json.dumps`` writes ``value`` exactly as RFC 8785 does.

    Looks at one level of the tree after another, so that the work per value is
    done by C loops. A value counts for at least one byte, hence more values than
    ``max_bytes`` are never visited, however often a container is shared.
    """
    level: list[object] = [value]
    budget = max_bytes
    for _ in range(MAX_DEPTH + 1):
        types = set(map(type, level))
        if not types <= _PLAIN_TYPES or not _plain_scalars(level, types):
            return False
        dicts = [item for item in level if type(item) is dict]
        lists = [item for item in level if type(item) is list]
        if not dicts and not lists:
            return True
        budget -= sum(map(len, dicts)) + sum(map(len, lists))
        if budget < 0 or not _plain_keys(dicts):
            return False
        below = chain.from_iterable(one.values() for one in dicts)
        level = [*below, *chain.from_iterable(lists)]
    return False


def _plain_scalars(level: list[object], types: set[type]) -> bool:
    """Whether the numbers of one level print alike in Python and ECMAScript."""
    if int in types:
        integers = [item for item in level if type(item) is int]
        if max(integers) > MAX_INTEGER or min(integers) < -MAX_INTEGER:
            return False
    # Between these bounds ``repr`` uses no exponent; an integral double prints
    # ``.0`` in Python only. NaN and the infinities fail the comparison.
    return float not in types or all(
        _PLAIN_FROM <= abs(item) < _PLAIN_BELOW and not item.is_integer()
        for item in level
        if type(item) is float
    )


def _plain_keys(dicts: list[dict[object, object]]) -> bool:
    """Whether all keys are strings that sort alike by code point and by UTF-16."""
    for one in dicts:
        if set(map(type, one)) - {str}:
            return False
        joined = "".join(map(str, one))
        # The two orders differ only where a character needs two code units.
        if not joined.isascii() and max(joined) > "\uffff":
            return False
    return True


# --- the path that knows where it is -----------------------------------------

_Path: TypeAlias = tuple[str | int, ...]


class _Encoder:
    """Writes one value piece by piece; the complete rules, and every refusal."""

    def __init__(self, max_bytes: int) -> None:
        self.parts: list[str] = []
        self._left = max_bytes
        self._max_bytes = max_bytes

    def encode(self, value: object, path: _Path) -> None:
        """Append the text of ``value``, which stands at ``path``."""
        kind = type(value)
        if kind is str:
            self._put(_text(str(value), path), path)
        elif value is None or kind is bool:
            self._put({None: "null", True: "true", False: "false"}[value], path)  # type: ignore[index]  # the test above leaves these three
        elif isinstance(value, int) and kind is int:
            self._put(_integer(value, path), path)
        elif isinstance(value, float) and kind is float:
            self._put(_float(value, path), path)
        elif isinstance(value, dict) and kind is dict:
            self._object(value, path)
        elif isinstance(value, list) and kind is list:
            self._array(value, path)
        else:
            _refuse(path, f"a {printable(kind.__name__)} is not plain JSON data")

    def _object(self, value: dict[object, object], path: _Path) -> None:
        _check_depth(path)
        names: list[str] = []
        for name in value:
            if type(name) is not str:
                _refuse(path, "every key must be a string")
            names.append(name)
        for name in names:
            _text(name, (*path, name))
        names.sort(key=_utf16)
        for index, name in enumerate(names):
            here = (*path, name)
            opening = "," if index else "{"
            self._put(f"{opening}{encode_basestring(name)}:", here)
            self.encode(value[name], here)
        self._put("}" if names else "{}", path)

    def _array(self, value: list[object], path: _Path) -> None:
        _check_depth(path)
        for index, item in enumerate(value):
            here = (*path, index)
            self._put("," if index else "[", here)
            self.encode(item, here)
        self._put("]" if value else "[]", path)

    def _put(self, text: str, path: _Path) -> None:
        self._left -= len(text) if text.isascii() else len(text.encode())
        if self._left < 0:
            _refuse(path, f"here the value passes {self._max_bytes} bytes")
        self.parts.append(text)


def _utf16(text: str) -> bytes:
    """Return the sort key of RFC 8785 section 3.2.3: UTF-16 code units."""
    return text.encode("utf-16-be")


def _text(value: str, path: _Path) -> str:
    if _utf8(value) is None:
        _refuse(path, "the text holds a lone surrogate")
    return encode_basestring(value)


def _integer(value: int, path: _Path) -> str:
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        _refuse(path, "an integer must lie within 2**53 of zero")
    return str(value)


def _float(value: float, path: _Path) -> str:
    if not math.isfinite(value):
        _refuse(path, "a number must be finite")
    return number_text(value)


def _check_depth(path: _Path) -> None:
    if len(path) >= MAX_DEPTH:
        _refuse(path, f"more than {MAX_DEPTH} levels deep")


def _refuse(path: _Path, why: str) -> NoReturn:
    """Refuse, naming the place in the manner of ``$.habits[3].name``."""
    where = "$"
    for step in path:
        where += f"[{step}]" if isinstance(step, int) else f".{printable(step, 40)}"
        if len(where) > _MAX_PATH:
            where = f"{where[:_MAX_PATH]}..."
            break
    raise ValueRefusedError(f"{where}: {why}")


def _utf8(text: str) -> bytes | None:
    """Return the bytes of ``text``, or ``None`` when it holds a lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


# --- reading -------------------------------------------------------------------


def _unique_pairs(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueRefusedError("a name stands twice in one object")
    return found


def _refuse_constant(_text: str) -> NoReturn:
    raise ValueRefusedError("NaN and infinities are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueRefusedError("a number is too large for a double")
    return number


def _exact(text: str) -> int | float:
    """Read an integer literal without losing any of it."""
    if len(text) <= 15:  # noqa: PLR2004 - fifteen digits are always within 2**53
        return int(text)
    # 21 digits and a sign are the longest canonical form without an exponent.
    if len(text) <= 22:  # noqa: PLR2004
        number = int(text)
        if -MAX_INTEGER <= number <= MAX_INTEGER:
            return number
        if number_text(float(number)) == text:
            return float(number)
    raise ValueRefusedError("an integer is too large to be kept exactly")


def _check_parsed(value: JsonValue, data: bytes) -> None:
    """Refuse depth and lone surrogates, when the bytes leave room for either."""
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH or b"\\u" in data:
        level: list[JsonValue] = [value]
        for _ in range(MAX_DEPTH + 1):
            texts = [item for item in level if isinstance(item, str)]
            dicts = [item for item in level if isinstance(item, dict)]
            names = chain.from_iterable(dicts)
            if _utf8("".join(chain(texts, names))) is None:
                raise ValueRefusedError("a text holds a lone surrogate")
            lists = [item for item in level if isinstance(item, list)]
            if not dicts and not lists:
                return
            below = chain.from_iterable(one.values() for one in dicts)
            level = [*below, *chain.from_iterable(lists)]
        raise ValueRefusedError(f"more than {MAX_DEPTH} levels deep")
