"""Read an entry back from its bytes, and prove that they are its canonical form.

By a pattern that shares nothing with the encoder: the frame of an entry is fixed to
the last byte, and the details inside it are parsed and encoded again. It is cheaper
than encoding the whole entry again and as strict.

Source: docs/spec/ledger.md, AUD-3.8.
"""

import re
from json import JSONDecoder, JSONEncoder
from typing import Final, NamedTuple, NoReturn

from audit.canonical import MAX_INTEGER, JsonValue, canonical_text
from audit.errors import LedgerFormatError
from audit.events import (
    EVENT_TYPES,
    REFUSING_STATUSES,
    STATUSES,
    AuditEvent,
    EventType,
    ReasonCode,
)
from audit.text import ESCAPED, is_plain_json, is_reason
from audit.trail import MAX_STEPS, is_step_count

__all__ = ["MAX_ENTRY_BYTES", "Entry", "decode_entry"]

MAX_ENTRY_BYTES: Final = 16_384


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
    is_validated = kind == "TOKEN_VALIDATION" and status == "success"
    if is_validated and not is_step_count(entry.details.get("steps")):
        raise LedgerFormatError(f"details.steps is an integer from 1 to {MAX_STEPS}")
    return entry


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
        reason = ESCAPED.sub(r"\1", quoted)
    if reason is None and status not in REFUSING_STATUSES:
        return None
    if not is_reason(reason):
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
    if not is_same or not is_plain_json(text):
        raise LedgerFormatError("the details are not in canonical form")
    return details


def _refuse_number(_text: str) -> NoReturn:
    raise ValueError


_CODES: Final = {code.value: code for code in ReasonCode}
_NEAR_BOUND: Final = re.compile(r"[:,\[]-?[0-9]{16}")
_SHALLOW: Final = 16
_DECODER: Final = JSONDecoder(parse_float=_refuse_number, parse_constant=_refuse_number)
_ENCODER: Final = JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False
)
