"""Text in the ledger: what a caller's string becomes before it is written or shown.

Source: docs/spec/ledger.md, AUD-3.3 to AUD-3.5 and AUD-3.7.
"""

import re
from functools import lru_cache
from hashlib import sha256
from typing import Final

__all__ = [
    "ESCAPED",
    "MAX_REASON_LENGTH",
    "LedgerText",
    "is_ledger_id",
    "is_plain_json",
    "is_reason",
    "ledger_text",
    "printable",
]

MAX_REASON_LENGTH: Final = 400

ESCAPED: Final = re.compile(r'\\(["\\])')
"""The only two escapes that JSON text of printable ASCII needs."""

_MAX_TEXT: Final = 128
_TEXT: Final = re.compile("[A-Za-z0-9._:@-]{1,128}")
_LEDGER_TEXT: Final = re.compile(
    r"[A-Za-z0-9._:@-]{1,128}|sha256:[0-9a-f]{64}\+[1-9][0-9]{0,8}"
)
_LEDGER_ID: Final = re.compile("[A-Za-z0-9._-]{1,64}")
_NOT_PRINTABLE: Final = re.compile(r"[^ -~]")


class LedgerText(str):
    """A string read from the ledger: it has its form already and keeps it.

    Without this, what recovery copies from one entry into the next would be taken for
    a caller's string, and a digest would be digested again.
    """

    __slots__ = ()


def is_ledger_id(text: str) -> bool:
    """Tell whether a ledger may have this id: ``[A-Za-z0-9._-]{1,64}``."""
    return _LEDGER_ID.fullmatch(text) is not None


def ledger_text(text: str) -> str:
    """Give the form in which a caller's string enters the ledger.

    Returns:
        The string itself if it matches ``[A-Za-z0-9._:@-]{1,128}``, else
        ``sha256:<64 hex digits>+<length in characters>``. No string that is
        recorded as it is can look like that: ``+`` is not in the alphabet.

    Source:
        AUD-3.3.
    """
    if type(text) is LedgerText and _LEDGER_TEXT.fullmatch(text):
        return str(text)
    return _short_text(text) if len(text) <= _MAX_TEXT else _digest_text(text)


def printable(text: str, limit: int = 128) -> str:
    """Give a string that is safe to show: ASCII, no control, no bidi character.

    Other characters become backslash escapes; what is longer than ``limit``
    ends in ``...`` and has exactly ``limit`` characters.

    Source:
        AUD-3.4.
    """
    # Escaping never shortens, so the rest of a huge string is never looked at.
    escaped = text[: limit + 1].encode("ascii", "backslashreplace").decode("ascii")
    escaped = _NOT_PRINTABLE.sub(_escape_control, escaped)
    return escaped if len(escaped) <= limit else escaped[: limit - 3] + "..."


def is_plain_json(text: str) -> bool:
    """Tell whether JSON text holds printable ASCII only, spelled or escaped."""
    if not (text.isascii() and text.isprintable()):
        return False
    return "\\" not in text or "\\" not in ESCAPED.sub("", text)


def is_reason(reason: object) -> bool:
    """Tell whether this is a sentence the ledger takes: short, plain, not blank."""
    if type(reason) is not str or not reason.isascii():
        return False
    is_bounded = len(reason) <= MAX_REASON_LENGTH
    return is_bounded and reason.isprintable() and bool(reason.strip())


@lru_cache(maxsize=1024)
def _short_text(text: str) -> str:
    return text if _TEXT.fullmatch(text) else _digest_text(text)


def _digest_text(text: str) -> str:
    # Surrogates pass: a string nobody can encode is recorded like any other.
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"sha256:{digest}+{len(text)}"


def _escape_control(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"
