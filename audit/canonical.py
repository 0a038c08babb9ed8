"""Canonical JSON for the ledger: a restricted profile of RFC 8785.

Objects with ASCII keys, arrays, strings, integers below 2**53 in magnitude,
true, false and null. No floats: what two encoders could write in two ways does
not exist here, so one value has exactly one sequence of bytes.

Source: docs/spec/ledger.md, AUD-1.
"""

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import Final, TypeAlias

from audit.errors import EntryRefusedError, LedgerFormatError

__all__ = [
    "MAX_DEPTH",
    "MAX_INTEGER",
    "JsonScalar",
    "JsonValue",
    "canonical_bytes",
    "canonical_text",
    "parse_canonical",
]

JsonScalar: TypeAlias = str | int | bool | None
JsonValue: TypeAlias = JsonScalar | Sequence["JsonValue"] | Mapping[str, "JsonValue"]

MAX_DEPTH: Final = 32
"""Containers inside containers, the outermost counted."""

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer, and the negative of the smallest (RFC 8785 3.2.2.3)."""


def canonical_bytes(value: JsonValue) -> bytes:
    """Encode a value in its one canonical form.

    Args:
        value: A ``dict`` with ASCII string keys, ``list``, ``tuple``, ``str``,
            ``int``, ``bool`` or ``None``, exactly these types, at most
            ``MAX_DEPTH`` deep.

    Raises:
        EntryRefusedError: Another type, a key that is not ASCII, an integer of
            2**53 or more in magnitude, a lone surrogate, too deep.

    Source:
        AUD-1.1 to AUD-1.4; RFC 8785 section 3.2.
    """
    text = canonical_text(value)
    try:
        return text.encode()
    except UnicodeEncodeError:
        # The exception holds the text, which may be long: it is not chained.
        raise EntryRefusedError("a lone surrogate has no encoding") from None


def canonical_text(value: object, depth: int = 0) -> str:
    """Encode a value as text; ``depth`` is how many containers are around it.

    Raises:
        EntryRefusedError: As ``canonical_bytes``, lone surrogates excepted:
            those show when the text is turned into bytes.
    """
    # `type(x) is` and not isinstance: a subclass may print itself differently.
    kind = type(value)
    if kind is str:
        return encode_basestring(value)  # type: ignore[arg-type]  # exactly a str
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:  # type: ignore[operator]
            raise EntryRefusedError("an integer is beyond 2**53 - 1 in magnitude")
        return str(value)
    if value is None or kind is bool:
        return "null" if value is None else "true" if value else "false"
    if depth >= MAX_DEPTH:
        raise EntryRefusedError(f"more than {MAX_DEPTH} levels deep")
    return _container_text(value, depth + 1)


def parse_canonical(data: bytes) -> JsonValue:
    """Read a value from its canonical bytes and from no others.

    Raises:
        LedgerFormatError: The bytes are not JSON, or another sequence of bytes
            is the canonical form of the value they hold (white space, key
            order, repeated keys, needless escapes, floats).

    Source:
        AUD-1.5.
    """
    try:
        value: JsonValue = json.loads(data.decode())
        again = canonical_bytes(value)
    except (ValueError, RecursionError) as error:
        # A fresh message: the parser's may quote the bytes.
        raise LedgerFormatError(f"not canonical JSON: {type(error).__name__}") from None
    if again != data:
        raise LedgerFormatError("not the canonical form of its value")
    return value


def _container_text(value: object, depth: int) -> str:
    """Encode an object or an array, itself ``depth`` deep."""
    if type(value) is dict:
        parts = [
            f"{encode_basestring(key)}:{canonical_text(value[key], depth)}"
            for key in _sorted_keys(value)
        ]
        return "{" + ",".join(parts) + "}"
    if type(value) is list or type(value) is tuple:
        return "[" + ",".join([canonical_text(item, depth) for item in value]) + "]"
    raise EntryRefusedError(f"{type(value).__name__[:64]} is not a JSON type")


def _sorted_keys(value: dict[object, object]) -> list[str]:
    """Order the keys; for ASCII the order of UTF-16 units is that of text."""
    keys = [key for key in value if type(key) is str and key.isascii()]
    if len(keys) != len(value):
        raise EntryRefusedError("a key is not an ASCII string")
    return sorted(keys)
