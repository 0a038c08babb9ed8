"""Entries: each refusal one step each side of its bound."""

import hashlib
import json
from pathlib import Path

import pytest

from audit.entry import (
    HEADROOM_BYTES,
    MAX_ENTRY_BYTES,
    MAX_REASON_LENGTH,
    EntryDraft,
    decode_entry,
    draft_entry,
    encode_entry,
    is_ledger_id,
    ledger_text,
    printable,
)
from audit.errors import EntryRefusedError, LedgerFormatError
from audit.events import AuditEventType, ReasonCode
from audit.merkle import leaf_hash

E = AuditEventType
STREAM = "execution:00112233-4455-6677-8899-aabbccddeeff"
VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/audit/entries.json").read_text("utf-8")
)


def draft(event_type: object = E.EXECUTION_STARTED, **changes: object) -> EntryDraft:
    fields: dict[str, object] = {
        "user_id": "alice",
        "token_hash": "sha256:" + "0" * 64,
        "domain": "apollo",
        "method": "analyze_habits",
        "status": "started",
    }
    return draft_entry(event_type, **{**fields, **changes})  # type: ignore[arg-type]


def encode(entry: EntryDraft, **changes: object) -> bytes:
    place: dict[str, object] = {
        "ledger_id": "ledger-1",
        "stream": STREAM,
        "index": 0,
        "time_us": 0,
        "prev": "",
    }
    return encode_entry(entry, **{**place, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_an_entry_has_the_bytes_and_the_hash_of_the_vector(
    vector: dict[str, str],
) -> None:
    """AUD-3.1, AUD-5.1: written by hand, encoded again from what was read."""
    data = vector["bytes"].encode("ascii")
    entry = decode_entry(data)
    again = draft_entry(
        entry.event_type,
        user_id=entry.user_id,
        token_hash=entry.token_hash,
        domain="" if entry.domain.endswith("+0") else entry.domain,
        method=entry.method,
        status=entry.status,
        reason=entry.reason,
        reason_code=entry.reason_code,
        details=entry.details,
    )

    assert leaf_hash(data).hex() == vector["leaf_hash"]
    assert data == encode_entry(
        again,
        ledger_id=entry.ledger_id,
        stream=entry.stream,
        index=entry.index,
        time_us=entry.time_us,
        prev=entry.prev,
    )


def test_an_entry_has_exactly_its_fifteen_fields() -> None:
    """AUD-3.1."""
    names = """details domain index ledger method prev reason reason_code status
    stream time token type user v"""

    assert list(json.loads(encode(draft()))) == names.split()
    assert json.loads(encode(draft()))["v"] == 1


IMPOSSIBLE: list[tuple[int, str, int]] = [
    (-1, "", 0),
    (0, "0" * 64, 0),
    (1, "", 0),
    (1, "0" * 63, 0),
    (0, "", -1),
    (2**53, "0" * 64, 0),
    (0, "", 2**53),
]


@pytest.mark.parametrize(("index", "prev", "time_us"), IMPOSSIBLE)
def test_an_impossible_place_is_refused(index: int, prev: str, time_us: int) -> None:
    """AUD-3.2."""
    with pytest.raises(EntryRefusedError):
        encode(draft(), index=index, prev=prev, time_us=time_us)


def test_the_outermost_places_are_accepted() -> None:
    """AUD-3.2."""
    most = 2**53 - 1

    assert decode_entry(encode(draft())).prev == ""
    entry = decode_entry(encode(draft(), index=most, time_us=most, prev="f" * 64))
    assert (entry.index, entry.time_us, entry.prev) == (most, most, "f" * 64)


@pytest.mark.parametrize("text", ["a", "a" * 128, "A-z_0.9:@", "sha256:" + "0" * 64])
def test_a_name_of_the_alphabet_is_recorded_as_it_is(text: str) -> None:
    """AUD-3.3."""
    assert ledger_text(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "a" * 129, "a b", "a\n", "é", "a/b", "a+b", "\ud800", "x" * 100_000, "\x00"],
    ids=lambda text: ascii(text)[:20],
)
def test_any_other_name_is_recorded_by_digest_and_length(text: str) -> None:
    """AUD-3.3: the empty name and lone surrogates too; nothing is refused."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    assert ledger_text(text) == f"sha256:{digest}+{len(text)}"
    assert json.loads(encode(draft(user_id=text)))["user"] == ledger_text(text)


def test_text_for_showing_is_escaped_and_cut() -> None:
    """AUD-3.4."""
    assert printable("plain") == "plain"
    assert printable("a\x1b[31m\x7f\n") == "a\\x1b[31m\\x7f\\x0a"
    assert printable("\u202egnp.exe") == "\\u202egnp.exe"
    assert printable("\ud800") == "\\ud800"
    assert printable("x" * 128) == "x" * 128
    assert printable("x" * 129) == "x" * 125 + "..."
    assert len(printable("\u202e" * 128)) == 128


@pytest.mark.parametrize("status", ["denied", "failed", "aborted"])
def test_a_refusal_needs_a_reason_and_a_code(status: str) -> None:
    """AUD-3.5 (rules 4B.2)."""
    kind = {
        "denied": E.EXECUTION_DENIED,
        "failed": E.EXECUTION_COMPLETED,
        "aborted": E.OPERATION_ABORTED,
    }[status]
    code = ReasonCode.INTERRUPTED

    assert draft(kind, status=status, reason="why", reason_code=code)
    with pytest.raises(EntryRefusedError):
        draft(kind, status=status, reason_code=code)
    with pytest.raises(EntryRefusedError):
        draft(kind, status=status, reason="why")


@pytest.mark.parametrize(
    "reason", ["", " ", "   ", "x" * 401, "é", "a\n", "a\x7f", "\u202e", 1, b"x"]
)
def test_a_reason_of_another_form_is_refused(reason: object) -> None:
    """AUD-3.5."""
    with pytest.raises(EntryRefusedError):
        draft(reason=reason)


@pytest.mark.parametrize("reason", ["x", "x" * MAX_REASON_LENGTH, '"\\"', " a ", None])
def test_a_reason_within_the_bounds_is_read_back(reason: str | None) -> None:
    """AUD-3.5."""
    assert decode_entry(encode(draft(reason=reason))).reason == reason


@pytest.mark.parametrize("code", ["INTERRUPTED", "OTHER", 1, E.TOKEN_EXPIRED])
def test_a_code_from_elsewhere_is_refused(code: object) -> None:
    """AUD-2.3, AUD-3.5."""
    with pytest.raises(EntryRefusedError):
        draft(reason_code=code)


WRONG: list[dict[str, object]] = [
    {"event_type": "EXECUTION_STARTED"},
    {"event_type": None},
    {"event_type": []},
    {"event_type": ReasonCode.TOKEN_EXPIRED},
    {"status": "success"},
    {"status": "Started"},
    {"status": None},
    {"status": []},
    {"user_id": None},
    {"user_id": b"alice"},
    {"token_hash": 1},
    {"domain": ["apollo"]},
    {"method": ("x",)},
    {"details": []},
    {"details": [("a", 1)]},
    {"details": "x"},
    {"details": {"a": 1.5}},
    {"details": {1: 1}},
    {"details": {"a": "é"}},
    {"details": {"a": "\n"}},
    {"details": {"a": "\\\n"}},
    {"details": {"a": ["\x7f"]}},
    {"details": {"\x1b": 1}},
    {"details": {"a": "\ud800"}},
    {"details": {"a": 2**53}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=ascii)
def test_fields_of_another_type_or_alphabet_are_refused(
    wrong: dict[str, object],
) -> None:
    """AUD-2.2, AUD-3.7: refused, with our own error, before any lock."""
    with pytest.raises(EntryRefusedError):
        draft(**wrong)


@pytest.mark.parametrize("steps", [None, 0, 257, True, "1", -1])
def test_a_validation_announces_its_steps(steps: object) -> None:
    """AUD-3.7, AUD-4.3: one step each side of the bounds."""
    details = {} if steps is None else {"steps": steps}
    with pytest.raises(EntryRefusedError):
        draft(E.TOKEN_VALIDATION, status="success", details=details)
    good = draft(E.TOKEN_VALIDATION, status="success", details={"steps": 256})
    assert good.steps == 256
    with pytest.raises(EntryRefusedError):
        good.with_details(steps=257)
    assert good.with_details(steps=1).steps == 1
    assert draft(details={"steps": 9}).steps is None
    assert good.event_type is E.TOKEN_VALIDATION


def test_the_largest_draft_still_has_room_for_late_details() -> None:
    """AUD-3.6: one byte each side of the draft's bound, and of the headroom's."""

    def of(length: int) -> EntryDraft:
        return draft(details={"a": "x" * length})

    length = MAX_ENTRY_BYTES - HEADROOM_BYTES
    while True:
        try:
            largest = of(length)
            break
        except EntryRefusedError:
            length -= 1
    with pytest.raises(EntryRefusedError):
        of(length + 1)

    full = largest.with_details(b="y" * (HEADROOM_BYTES - len(',"b":""')))
    with pytest.raises(EntryRefusedError):
        largest.with_details(b="y" * (HEADROOM_BYTES - len(',"b":""') + 1))
    data = encode_entry(
        full,
        ledger_id="l" * 64,
        stream="token:sha256:" + "0" * 64,
        index=2**53 - 1,
        time_us=2**53 - 1,
        prev="0" * 64,
    )
    assert MAX_ENTRY_BYTES - 512 < len(data) <= MAX_ENTRY_BYTES
    assert decode_entry(data).details["b"] == "y" * (HEADROOM_BYTES - 7)


def test_details_are_at_most_32_levels_deep_with_the_entry_around_them() -> None:
    """AUD-1.3, AUD-3.7."""
    value: object = 1
    for _ in range(30):
        value = [value]

    assert decode_entry(encode(draft(details={"a": value})))
    with pytest.raises(EntryRefusedError):
        draft(details={"a": [value]})


def test_a_draft_does_not_follow_changes_of_the_callers_details() -> None:
    """AUD-3.7: what was checked is what is written."""
    details: dict[str, object] = {"a": 1}
    made = draft(details=details)
    details["b"] = 2.5

    assert decode_entry(encode(made.with_details(c=3))).details == {"a": 1, "c": 3}


@pytest.mark.parametrize(
    "late", [{"a": 1.5}, {"a": "é"}, {"\n": 1}, {"a": b""}], ids=ascii
)
def test_late_details_of_another_type_are_refused(late: dict[str, object]) -> None:
    """AUD-3.7."""
    with pytest.raises(EntryRefusedError):
        draft().with_details(**late)  # type: ignore[arg-type]  # that is the point


GOOD = encode(
    draft(
        E.EXECUTION_DENIED,
        status="denied",
        reason='not "found"',
        reason_code=ReasonCode.TOKEN_UNKNOWN,
        details={"n": 7, "s": "x"},
    )
)
VALIDATED = encode(draft(E.TOKEN_VALIDATION, status="success", details={"steps": 3}))

EDITS: list[tuple[bytes, bytes]] = [
    (b'"v":1', b'"v":2'),
    (b'"v":1}', b'"v":1} '),
    (b'"v":1}', b'"v":1,"w":1}'),
    (b'"index":0', b'"index":1'),
    (b'"index":0', b'"index":00'),
    (b'"index":0', b'"index":-0'),
    (b'"time":0', b'"time":9007199254740992'),
    (b'"time":0', b'"time":0.0'),
    (b'"time":0', b'"time":"0"'),
    (b'"prev":""', b'"prev":"' + b"0" * 64 + b'"'),
    (b'"prev":""', b'"prev":null'),
    (b'"user":"alice"', b'"user":""'),
    (b'"user":"alice"', b'"user":"' + b"a" * 129 + b'"'),
    (b'"user":"alice"', b'"user":"al ice"'),
    (b'"user":"alice"', b'"user":"\\u0061lice"'),
    (b'"user":"alice"', b'"user":"sha256:' + b"0" * 64 + b'+01"'),
    (b'"type":"EXECUTION_DENIED"', b'"type":"EXECUTION_STARTED"'),
    (b'"type":"EXECUTION_DENIED"', b'"type":"OTHER"'),
    (b'"status":"denied"', b'"status":"success"'),
    (b'"reason_code":"TOKEN_UNKNOWN"', b'"reason_code":null'),
    (b'"reason_code":"TOKEN_UNKNOWN"', b'"reason_code":"OTHER"'),
    (b'"reason":"not \\"found\\""', b'"reason":null'),
    (b'"reason":"not \\"found\\""', b'"reason":" "'),
    (b'"reason":"not \\"found\\""', b'"reason":""'),
    (b'"reason":"not \\"found\\""', b'"reason":"not \\u0022found\\u0022"'),
    (b'"reason":"not \\"found\\""', b'"reason":"a\\n"'),
    (b'"reason":"not \\"found\\""', b'"reason":"' + b"x" * 401 + b'"'),
    (b'"stream":"execution:', b'"stream":"Execution:'),
    (b'"ledger":"ledger-1"', b'"ledger":"a b"'),
    (b'"ledger":"ledger-1"', b'"ledger":"' + b"l" * 65 + b'"'),
    (b'{"n":7,"s":"x"}', b'{"n":7, "s":"x"}'),
    (b'{"n":7,"s":"x"}', b'{"s":"x","n":7}'),
    (b'{"n":7,"s":"x"}', b'{"n":7,"n":7}'),
    (b'{"n":7,"s":"x"}', b'{"n":7.0,"s":"x"}'),
    (b'{"n":7,"s":"x"}', b'{"n":1.5}'),
    (b'{"n":7,"s":"x"}', b'{"n":1e3}'),
    (b'{"n":7,"s":"x"}', b'{"n":NaN}'),
    (b'{"n":7,"s":"x"}', b'{"n":9007199254740992}'),
    (b'{"n":7,"s":"x"}', b'{"n":[1,-9007199254740992]}'),
    (b'{"n":7,"s":"x"}', b'{"n":' + b"9" * 5000 + b"}"),
    (b'{"n":7,"s":"x"}', b'{"s":"\\n"}'),
    (b'{"n":7,"s":"x"}', b'{"s":"\\u0001"}'),
    (b'{"n":7,"s":"x"}', b'{"s":"\x7f"}'),
    (b'{"n":7,"s":"x"}', '{"s":"é"}'.encode()),
    (b'{"n":7,"s":"x"}', b'{"s":"\\u00e9"}'),
    (b'{"n":7,"s":"x"}', b'{"s":"\n"}'),
    (b'{"n":7,"s":"x"}', b'{"n":' + b"[" * 31 + b"]" * 31 + b"}"),
    (b'{"n":7,"s":"x"}', b'{"n":' + b"[" * 8000 + b"}"),
    (b'{"n":7,"s":"x"}', b"{}{}"),
    (b'{"n":7,"s":"x"}', b"[]"),
    (b'{"n":7,"s":"x"}', b"null"),
]


@pytest.mark.parametrize(("old", "new"), EDITS, ids=lambda b: ascii(b)[2:40])
def test_bytes_that_no_writer_writes_are_refused(old: bytes, new: bytes) -> None:
    """AUD-3.8."""
    assert GOOD.count(old) == 1
    with pytest.raises(LedgerFormatError):
        decode_entry(GOOD.replace(old, new))


def test_what_is_near_the_edits_is_accepted() -> None:
    """AUD-3.8: the other side of the bounds above."""
    for old, new in [
        (b'"time":0', b'"time":9007199254740991'),
        (b'{"n":7,"s":"x"}', b'{"n":[9007199254740991,-9007199254740991]}'),
        (b'{"n":7,"s":"x"}', b'{"n":' + b"[" * 30 + b"]" * 30 + b"}"),
        (b'{"n":7,"s":"x"}', b'{"s":"\\\\ \\" \\\\n"}'),
        (b'{"n":7,"s":"x"}', b"{}"),
        (b'{"n":7,"s":"x"}', b'{"domain":"x","index":0}'),
        (b'"user":"alice"', b'"user":"sha256:' + b"0" * 64 + b'+0"'),
        (b'"reason":"not \\"found\\""', b'"reason":"' + b"x" * 400 + b'"'),
    ]:
        assert decode_entry(GOOD.replace(old, new))


@pytest.mark.parametrize("steps", [b"0", b"257", b"true", b'"3"', b"null"])
def test_a_validation_of_no_possible_length_is_refused(steps: bytes) -> None:
    """AUD-3.7, AUD-3.8."""
    assert decode_entry(VALIDATED).details == {"steps": 3}
    with pytest.raises(LedgerFormatError):
        decode_entry(VALIDATED.replace(b'"steps":3', b'"steps":' + steps))


def test_an_entry_that_is_too_large_is_refused_before_it_is_parsed() -> None:
    """AUD-3.6, AUD-3.8."""
    room = MAX_ENTRY_BYTES - len(GOOD)
    padded = GOOD.replace(b'"s":"x"', b'"s":"x' + b"x" * room + b'"')
    larger = GOOD.replace(b'"s":"x"', b'"s":"x' + b"x" * (room + 1) + b'"')

    assert len(decode_entry(padded).details) == 2
    with pytest.raises(LedgerFormatError, match="at most"):
        decode_entry(larger)


@pytest.mark.parametrize("text", ["a", "a" * 64, "A.b_c-9"])
def test_a_ledger_id_is_a_short_name(text: str) -> None:
    """AUD-7.1."""
    assert is_ledger_id(text)
    assert not is_ledger_id(text + "\n")
    assert not is_ledger_id("")
    assert not is_ledger_id("a" * 65)
