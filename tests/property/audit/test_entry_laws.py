"""Laws of entries: one form, read back exactly, and nothing unsafe in any text."""

import json
import unicodedata

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.canonical import canonical_bytes
from audit.entry import (
    MAX_ENTRY_BYTES,
    decode_entry,
    draft_entry,
    encode_entry,
    ledger_text,
    printable,
)
from audit.errors import LedgerFormatError
from tests.oracles.entry_strategies import DETAILS, Fields, entry_fields, places

MANY = settings(max_examples=150)


def encode(fields: Fields, place: dict[str, object]) -> bytes:
    draft = draft_entry(**fields)  # type: ignore[arg-type]  # generated details
    return encode_entry(draft, **place)  # type: ignore[arg-type]  # a table


@MANY
@given(entry_fields(), places())
def test_an_entry_is_the_canonical_form_of_itself(
    fields: Fields, place: dict[str, object]
) -> None:
    """AUD-3.1, AUD-1.1: for our encoder, and for the `rfc8785` library."""
    data = encode(fields, place)
    value = json.loads(data)

    assert data == canonical_bytes(value) == rfc8785.dumps(value)
    assert len(data) <= MAX_ENTRY_BYTES
    assert all(32 <= byte < 127 for byte in data)


@MANY
@given(entry_fields(), places())
def test_an_entry_is_read_back_as_it_was_written(
    fields: Fields, place: dict[str, object]
) -> None:
    """AUD-3.8, and AUD-3.3 for the four names."""
    entry = decode_entry(encode(fields, place))

    assert entry.event_type is fields["event_type"]
    assert (entry.status, entry.reason) == (fields["status"], fields["reason"])
    assert entry.reason_code is fields["reason_code"]
    assert entry.details == fields["details"]
    assert entry.user_id == ledger_text(fields["user_id"])
    assert entry.token_hash == ledger_text(fields["token_hash"])
    assert entry.domain == ledger_text(fields["domain"])
    assert entry.method == ledger_text(fields["method"])
    assert (entry.ledger_id, entry.stream) == (place["ledger_id"], place["stream"])
    assert (entry.index, entry.time_us) == (place["index"], place["time_us"])
    assert entry.prev == place["prev"]
    assert entry.to_event().details == fields["details"]


@MANY
@given(entry_fields(), DETAILS)
def test_adding_details_late_is_having_had_them_from_the_start(
    fields: Fields, more: dict[str, object]
) -> None:
    """AUD-3.6: with_details changes when they are known, not what is written."""
    more = {key: value for key, value in more.items() if key != "steps"}
    place = {"ledger_id": "l", "stream": "platform", "index": 0, "time_us": 1}
    draft = draft_entry(**fields)  # type: ignore[arg-type]  # generated details
    late = draft.with_details(**more)  # type: ignore[arg-type]  # generated

    merged: Fields = {**fields, "details": {**fields["details"], **more}}
    early = draft_entry(**merged)  # type: ignore[arg-type]  # generated details

    assert late == early
    assert encode_entry(late, prev="", **place) == encode_entry(  # type: ignore[arg-type]
        early,
        prev="",
        **place,  # type: ignore[arg-type]
    )
    assert draft.details == fields["details"]


@settings(max_examples=60)
@given(entry_fields(), places(), st.data())
def test_every_single_byte_changed_is_refused_or_another_entry(
    fields: Fields, place: dict[str, object], data: st.DataObject
) -> None:
    """AUD-3.8: what is accepted after an edit is canonical again."""
    good = encode(fields, place)
    at = data.draw(st.integers(0, len(good) - 1))
    edits = [
        good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :],
        good[:at] + good[at + 1 :],
        good[:at]
        + data.draw(st.sampled_from([b" ", b'"', b"\\", b"{}", b"0"]))
        + good[at:],
        good[:at],
        good + good[at:],
    ]
    for edited in edits:
        try:
            entry = decode_entry(edited)
        except LedgerFormatError:
            continue
        assert edited == rfc8785.dumps(json.loads(edited))
        assert edited == good or entry != decode_entry(good)


@MANY
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_arbitrary_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    """AUD-3.8."""
    with pytest.raises(LedgerFormatError):
        decode_entry(data)


HOSTILE = st.text(
    st.characters()
    | st.sampled_from(
        "\x00\x1b\x7f\x85\u200e\u200f\u202a\u202e\u2066\u2069\u061c\ufeff"
    )
    | st.characters(categories=["Cs", "Cf", "Cc"]),
    max_size=200,
)


def is_safe(text: str) -> bool:
    """Whether a terminal shows every character as itself, left to right."""
    return all(
        unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"}
        and unicodedata.bidirectional(c) not in {"R", "AL", "RLE", "RLO", "RLI"}
        and ord(c) < 127
        for c in text
    )


@settings(max_examples=200)
@given(HOSTILE, st.integers(8, 300))
def test_printable_text_is_safe_bounded_and_stable(text: str, limit: int) -> None:
    """AUD-3.4."""
    shown = printable(text, limit)

    assert is_safe(shown)
    assert len(shown) <= limit
    assert printable(shown, limit) == shown
    if text.isascii() and text.isprintable() and len(text) <= limit:
        assert shown == text


@settings(max_examples=200)
@given(HOSTILE)
def test_ledger_text_is_safe_and_of_one_of_two_forms(text: str) -> None:
    """AUD-3.3."""
    recorded = ledger_text(text)

    assert is_safe(recorded)
    assert not set(recorded) & set("\"\\ {}'<>\n")
    assert (recorded == text) == ("+" not in recorded)
    if recorded != text:
        assert recorded.endswith(f"+{len(text)}")
