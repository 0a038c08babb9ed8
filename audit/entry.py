"""One entry of the ledger: drafted before the lock, encoded under it.

``draft_entry`` does everything that can be refused: types, alphabet, bounds. Under
the lock ``encode_entry`` only joins the prepared pieces with what is known there:
place, time, hash of the previous entry. The bytes it gives are canonical JSON, and
they are what is stored and hashed; nothing ever encodes an entry a second time.

Reading back is in ``audit.decoding``, the forms of text in ``audit.text``; their
names can be imported from here as well.

Source: docs/spec/ledger.md, AUD-3.
"""

from json.encoder import encode_basestring
from typing import Final, NamedTuple

from audit.canonical import MAX_INTEGER, JsonValue, canonical_text
from audit.decoding import MAX_ENTRY_BYTES, Entry, decode_entry
from audit.errors import EntryRefusedError
from audit.events import (
    EVENT_TYPES,
    REFUSING_STATUSES,
    STATUSES,
    AuditEventType,
    Details,
    EventType,
    PlatformEventType,
    ReasonCode,
)
from audit.text import (
    MAX_REASON_LENGTH,
    LedgerText,
    is_ledger_id,
    is_plain_json,
    is_reason,
    ledger_text,
    printable,
)
from audit.trail import MAX_STEPS, is_step_count

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

HEADROOM_BYTES: Final = 1_024
"""What a draft leaves free for ``with_details``."""

_ENVELOPE_BYTES: Final = 512
"""More than place, time, ledger id, stream name and previous hash can take."""

_HEX_DIGITS: Final = 64
_TYPES: Final = frozenset({AuditEventType, PlatformEventType})


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


def _text_of(text: object) -> str:
    """Record a caller's string; exactly a string, not what passes for one."""
    if type(text) is not str and type(text) is not LedgerText:
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
    if not is_step_count(steps):
        raise EntryRefusedError(f"details.steps is an integer from 1 to {MAX_STEPS}")
    return steps


def _details_text(fields: dict[str, JsonValue]) -> str:
    """Encode the details; they are the first level inside the entry."""
    text = canonical_text(fields, 1)
    if not is_plain_json(text):
        raise EntryRefusedError("details hold text that is not printable ASCII")
    return text


def _reason_text(reason: str | None, status: str) -> str:
    if reason is None:
        if status in REFUSING_STATUSES:
            raise EntryRefusedError(f"an entry that is {status} needs a reason")
        return "null"
    if not is_reason(reason):
        raise EntryRefusedError(
            f"a reason is 1 to {MAX_REASON_LENGTH} characters of printable ASCII"
        )
    return encode_basestring(reason)


def _code_text(code: ReasonCode | None, status: str) -> str:
    if code is None:
        if status in REFUSING_STATUSES:
            raise EntryRefusedError(f"an entry that is {status} needs a reason code")
        return "null"
    if type(code) is not ReasonCode:
        raise EntryRefusedError("a reason code is one of the closed list")
    return f'"{code.value}"'
