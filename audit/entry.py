"""One entry of the ledger: drafted before the lock, encoded under it, read back.

``draft_entry`` does everything that can be refused: types, alphabet, bounds. Under
the lock ``encode_entry`` only joins the prepared pieces with what is known there:
place, time, hash of the previous entry. The bytes it gives are canonical JSON, and
they are what is stored and hashed; nothing ever encodes an entry a second time.

``decode_entry`` proves that bytes are an entry in its one canonical form, by a
pattern that shares nothing with the encoder.

Source: docs/spec/ledger.md, AUD-3.
"""

import re
from functools import lru_cache
from hashlib import sha256
from json import JSONDecoder, JSONEncoder
from json.encoder import encode_basestring
from typing import Final, NamedTuple, NoReturn

from audit.canonical import MAX_INTEGER, JsonValue, canonical_text
from audit.errors import EntryRefusedError, LedgerFormatError
from audit.events import (
    EVENT_TYPES,
    REFUSING_STATUSES,
    STATUSES,
    AuditEvent,
    AuditEventType,
    Details,
    EventType,
    PlatformEventType,
    ReasonCode,
)
from audit.trail import MAX_STEPS

__all__ = [
    "HEADROOM_BYTES",
    "MAX_ENTRY_BYTES",
    "MAX_REASON_LENGTH",
    "Entry",
    "EntryDraft",
    "decode_entry",
    "draft_entry",
    "encode_entry",
    "is_ledger_id",
    "ledger_text",
    "printable",
]

MAX_ENTRY_BYTES: Final = 16_384
HEADROOM_BYTES: Final = 1_024
"""What a draft leaves free for ``with_details``."""

MAX_REASON_LENGTH: Final = 400
_ENVELOPE_BYTES: Final = 512
"""More than place, time, ledger id, stream name and previous hash can take."""

_MAX_TEXT: Final = 128
_HEX_DIGITS: Final = 64

_TEXT: Final = re.compile("[A-Za-z0-9._:@-]{1,128}")
_LEDGER_ID: Final = re.compile("[A-Za-z0-9._-]{1,64}")
_NOT_PRINTABLE: Final = re.compile(r"[^ -~]")
_ESCAPED: Final = re.compile(r'\\(["\\])')


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


class EntryDraft(NamedTuple):
    """An entry but for its place and time. Made by ``draft_entry`` alone.

    ``type`` and ``status`` are checked against the vocabulary; ``steps`` is what a
    successful TOKEN_VALIDATION announces and None for every other entry. ``details``
    is not to be changed; ``pieces`` is the encoded text around place and time.
    """

    type: str
    status: str
    steps: int | None
    details: dict[str, JsonValue]
    pieces: tuple[str, str, str, str, str]

    @property
    def event_type(self) -> EventType:
        """The type as a member of its enumeration."""
        return EVENT_TYPES[self.type]

    def with_details(self, **more: JsonValue) -> "EntryDraft":
        """Give the draft with details that are known only under the lock.

        A name that is there already is replaced. It cannot fail for integers,
        truth values and printable ASCII within ``HEADROOM_BYTES`` in all.

        Raises:
            EntryRefusedError: A value is none of these, or there is no room.
        """
        details = {**self.details, **more}
        text = _details_text(details)
        pieces = (text, *self.pieces[1:])
        if sum(map(len, pieces)) > MAX_ENTRY_BYTES - _ENVELOPE_BYTES:
            raise EntryRefusedError("the details found under the lock do not fit")
        steps = None if self.steps is None else _steps(details)
        return self._replace(steps=steps, details=details, pieces=pieces)


def draft_entry(  # noqa: PLR0913  # these are the fields of an entry
    event_type: EventType,
    *,
    user_id: str,
    token_hash: str,
    domain: str,
    method: str,
    status: str,
    reason: str | None = None,
    reason_code: ReasonCode | None = None,
    details: Details | None = None,
) -> EntryDraft:
    """Check and encode everything of an entry but its place and time.

    Args:
        event_type: One of the closed list.
        user_id: Enters through ``ledger_text``, as do the next three.
        token_hash: The public handle of a token.
        domain: The domain asked for, whether it exists or not.
        method: The method asked for, whether it exists or not.
        status: One that the type may carry.
        reason: A sentence of printable ASCII, 1 to ``MAX_REASON_LENGTH``
            characters, not blank; required for denied, failed and aborted.
        reason_code: From the closed list; required where a reason is.
        details: Metadata in the canonical profile, strings printable ASCII; a
            successful TOKEN_VALIDATION carries the integer ``steps``.

    Raises:
        EntryRefusedError: A field is of the wrong type, size or alphabet, is
            missing, or the entry would be larger than ``MAX_ENTRY_BYTES`` less
            ``HEADROOM_BYTES``.

    Source:
        AUD-3.1 to AUD-3.7.
    """
    texts = [_text_of(text) for text in (user_id, token_hash, domain, method)]
    is_named = type(event_type) in _TYPES and type(status) is str
    if not is_named or status not in STATUSES[event_type]:
        raise EntryRefusedError("no such event, or not with this status")
    name = event_type.value
    fields = _fields_of(details)
    validated = event_type is AuditEventType.TOKEN_VALIDATION and status == "success"
    pieces = (
        _details_text(fields),
        f',"domain":"{texts[2]}","index":',
        f'","method":"{texts[3]}","prev":"',
        (
            f'","reason":{_reason_text(reason, status)}'
            f',"reason_code":{_code_text(reason_code, status)}'
            f',"status":"{status}","stream":"'
        ),
        f',"token":"{texts[1]}","type":"{name}","user":"{texts[0]}","v":1}}',
    )
    if sum(map(len, pieces)) > MAX_ENTRY_BYTES - HEADROOM_BYTES - _ENVELOPE_BYTES:
        raise EntryRefusedError(f"an entry has at most {MAX_ENTRY_BYTES} bytes")
    return EntryDraft(
        name, status, _steps(fields) if validated else None, fields, pieces
    )


def encode_entry(
    draft: EntryDraft,
    *,
    ledger_id: str,
    stream: str,
    index: int,
    time_us: int,
    prev: str,
) -> bytes:
    """Put a draft in its place and give the bytes to store and to hash.

    Args:
        draft: What ``draft_entry`` made.
        ledger_id: As ``is_ledger_id`` demands.
        stream: A name that ``trail.family_of`` knows.
        index: The entry's place in its stream, from 0.
        time_us: Unix microseconds.
        prev: The leaf hash of the stream's previous entry as 64 lower-case hex
            digits; empty for the first.

    Raises:
        EntryRefusedError: The place is not one: a number is negative or too
            large, or a previous hash is missing or superfluous.

    Source:
        AUD-3.1, AUD-3.2.
    """
    # Ledger id and stream need no look: the store checked both when it met them.
    if not (0 <= index <= MAX_INTEGER and 0 <= time_us <= MAX_INTEGER):
        raise EntryRefusedError("index and time are from 0 to 2**53 - 1")
    if len(prev) != (_HEX_DIGITS if index else 0):
        raise EntryRefusedError("the previous hash does not fit the place")
    details, domain, method, middle, last = draft.pieces
    return (
        f'{{"details":{details}{domain}{index},"ledger":"{ledger_id}{method}{prev}'
        f'{middle}{stream}","time":{time_us}{last}'
    ).encode("ascii")


class Entry(NamedTuple):
    """An entry read back from its bytes; every field was checked.

    A named tuple, because the verifier makes one for every entry of a ledger.
    """

    ledger_id: str
    stream: str
    index: int  # type: ignore[assignment]  # hides tuple.index on purpose
    time_us: int
    prev: str
    event_type: EventType
    user_id: str
    token_hash: str
    domain: str
    method: str
    status: str
    reason: str | None
    reason_code: ReasonCode | None
    details: dict[str, JsonValue]

    def to_event(self) -> AuditEvent:
        """Give the entry as the event that callers see."""
        return AuditEvent(
            self.event_type,
            self.time_us,
            self.user_id,
            self.token_hash,
            self.domain,
            self.method,
            self.status,
            self.reason,
            self.reason_code,
            self.details,
        )


def decode_entry(data: bytes) -> Entry:
    """Read an entry from its canonical bytes and from no others.

    Raises:
        LedgerFormatError: The bytes are not one canonical entry that
            ``encode_entry`` could have given.

    Source:
        AUD-3.8.
    """
    # (1) Bound the input before parsing it.
    if len(data) > MAX_ENTRY_BYTES:
        raise LedgerFormatError(f"an entry has at most {MAX_ENTRY_BYTES} bytes")
    if not data.isascii():
        raise LedgerFormatError("an entry is ASCII")
    # (2) The frame: fixed keys in fixed order, each value in its only spelling.
    found = _FRAME.fullmatch(data.decode("ascii"))
    if found is None:
        raise LedgerFormatError("not the fields of an entry in canonical form")
    (details, domain, index, ledger, method, prev, quoted, code, status, stream) = (
        found.group(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    )
    time_us, token, kind, user = found.group(11, 12, 13, 14)
    # (3) The vocabulary, and what belongs together.
    event_type = EVENT_TYPES.get(kind)
    if event_type is None or status not in STATUSES[event_type]:
        raise LedgerFormatError("no such event, or not with this status")
    if (prev == "") != (index == "0"):
        raise LedgerFormatError("the previous hash does not fit the place")
    entry = Entry(
        ledger,
        stream,
        _integer(index),
        _integer(time_us),
        prev,
        event_type,
        user,
        token,
        domain,
        method,
        status,
        _reason_of(quoted, status),
        _code_of(code, status),
        _details_of(details),
    )
    if kind == "TOKEN_VALIDATION" and status == "success":
        _refuse_wrong_steps(entry.details)
    return entry


def _text_of(text: object) -> str:
    """Record a caller's string; exactly a string, not what passes for one."""
    if type(text) is not str:
        raise EntryRefusedError("user, token, domain and method are strings")
    return ledger_text(text)


def _fields_of(details: object) -> dict[str, JsonValue]:
    """Copy the details, so that adding to a draft changes nothing of a caller's."""
    if details is None:
        return {}
    if type(details) is not dict:
        raise EntryRefusedError("details are a dict")
    return dict(details)


def _steps(fields: dict[str, JsonValue]) -> int:
    """Read how many steps a successful TOKEN_VALIDATION announces."""
    steps = fields.get("steps")
    if type(steps) is not int or not 1 <= steps <= MAX_STEPS:
        raise EntryRefusedError(f"details.steps is an integer from 1 to {MAX_STEPS}")
    return steps


def _details_text(fields: dict[str, JsonValue]) -> str:
    """Encode the details; they are the first level inside the entry."""
    text = canonical_text(fields, 1)
    if not _is_plain(text):
        raise EntryRefusedError("details hold text that is not printable ASCII")
    return text


def _is_plain(text: str) -> bool:
    """Tell whether JSON text holds printable ASCII only, spelled or escaped."""
    if not (text.isascii() and text.isprintable()):
        return False
    return "\\" not in text or "\\" not in _ESCAPED.sub("", text)


def _reason_text(reason: str | None, status: str) -> str:
    if reason is None:
        if status in REFUSING_STATUSES:
            raise EntryRefusedError(f"an entry that is {status} needs a reason")
        return "null"
    if not _is_reason(reason):
        raise EntryRefusedError(
            f"a reason is 1 to {MAX_REASON_LENGTH} characters of printable ASCII"
        )
    return encode_basestring(reason)


def _is_reason(reason: object) -> bool:
    if type(reason) is not str or not reason.isascii():
        return False
    is_bounded = len(reason) <= MAX_REASON_LENGTH
    return is_bounded and reason.isprintable() and bool(reason.strip())


def _code_text(code: ReasonCode | None, status: str) -> str:
    if code is None:
        if status in REFUSING_STATUSES:
            raise EntryRefusedError(f"an entry that is {status} needs a reason code")
        return "null"
    if type(code) is not ReasonCode:
        raise EntryRefusedError("a reason code is one of the closed list")
    return f'"{code.value}"'


@lru_cache(maxsize=1024)
def _short_text(text: str) -> str:
    return text if _TEXT.fullmatch(text) else _digest_text(text)


def _digest_text(text: str) -> str:
    # Surrogates pass: a string nobody can encode is recorded like any other.
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"sha256:{digest}+{len(text)}"


def _escape_control(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


_INTEGER: Final = "(0|[1-9][0-9]{0,15})"
_FIELD: Final = (
    '"([A-Za-z0-9._:@-]{1,128}|sha256:[0-9a-f]{64}[+](?:0|[1-9][0-9]{0,15}))"'
)
_STREAM_FIELD: Final = (
    '"(execution:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
    '|token:sha256:[0-9a-f]{64}|platform)"'
)
_QUOTED: Final = r'(?:null|"([ !#-\[\]-~]*(?:\\["\\][ !#-\[\]-~]*)*)")'

_FRAME: Final = re.compile(
    r'\{"details":(\{.*\}),'
    f'"domain":{_FIELD},"index":{_INTEGER},"ledger":"([A-Za-z0-9._-]{{1,64}})",'
    f'"method":{_FIELD},"prev":"([0-9a-f]{{64}}|)","reason":{_QUOTED},'
    '"reason_code":(?:null|"([A-Z_]{1,40})"),"status":"([a-z]{1,16})",'
    f'"stream":{_STREAM_FIELD},"time":{_INTEGER},"token":{_FIELD},'
    f'"type":"([A-Z_]{{1,40}})","user":{_FIELD},"v":1'
    r"\}"
)
"""An entry, its details left open. Where the details end cannot be mistaken: they
are parsed as one JSON object, and what follows them is fixed to the last byte."""


def _integer(digits: str) -> int:
    number = int(digits)
    if number > MAX_INTEGER:
        raise LedgerFormatError("an integer is beyond 2**53 - 1")
    return number


def _reason_of(quoted: str | None, status: str) -> str | None:
    reason = quoted
    if quoted is not None and "\\" in quoted:
        reason = _ESCAPED.sub(r"\1", quoted)
    if reason is None and status not in REFUSING_STATUSES:
        return None
    if not _is_reason(reason):
        raise LedgerFormatError("the reason is missing, blank or too long")
    return reason


def _code_of(code: str | None, status: str) -> ReasonCode | None:
    if code is None and status not in REFUSING_STATUSES:
        return None
    found = None if code is None else _CODES.get(code)
    if found is None:
        raise LedgerFormatError("the reason code is missing or unknown")
    return found


def _details_of(text: str) -> dict[str, JsonValue]:
    """Parse the details and prove that ``text`` is their canonical form."""
    try:
        details: dict[str, JsonValue] = _DECODER.decode(text)
        # The quick encoder spells the profile as ours does (a property of the
        # tests) but has no bounds; where a bound may be near, ours is asked too.
        is_same = _ENCODER.encode(details) == text
        if _NEAR_BOUND.search(text) or text.count("{") + text.count("[") > _SHALLOW:
            canonical_text(details, 1)
    except (ValueError, RecursionError):
        # The parser's message may quote the bytes.
        raise LedgerFormatError("the details are not JSON of this profile") from None
    if not is_same or not _is_plain(text):
        raise LedgerFormatError("the details are not in canonical form")
    return details


def _refuse_wrong_steps(details: dict[str, JsonValue]) -> None:
    try:
        _steps(details)
    except EntryRefusedError as error:
        raise LedgerFormatError(str(error)) from error


def _refuse_number(_text: str) -> NoReturn:
    raise ValueError


_TYPES: Final = frozenset({AuditEventType, PlatformEventType})
_CODES: Final = {code.value: code for code in ReasonCode}
_NEAR_BOUND: Final = re.compile(r"[:,\[]-?[0-9]{16}")
_SHALLOW: Final = 16
_DECODER: Final = JSONDecoder(parse_float=_refuse_number, parse_constant=_refuse_number)
_ENCODER: Final = JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False
)
