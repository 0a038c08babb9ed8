"""Generated fields of entries, legal by construction, for the property tests."""

from typing import TypedDict

from hypothesis import strategies as st

from audit.events import STATUSES, EventType, ReasonCode

PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)
HANDLE = "sha256:" + "0" * 64
NAMES = st.text(
    st.sampled_from("abcxyzABCXYZ0189._:@-"), min_size=1, max_size=128
) | st.text(max_size=140)
REASONS = st.text(PRINTABLE, min_size=1, max_size=400).filter(str.strip)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(PRINTABLE, max_size=20)
)
DETAILS = st.dictionaries(
    st.text(PRINTABLE, max_size=8),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(PRINTABLE, max_size=6), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=5,
)


class Fields(TypedDict):
    """The arguments of ``draft_entry``."""

    event_type: EventType
    user_id: str
    token_hash: str
    domain: str
    method: str
    status: str
    reason: str | None
    reason_code: ReasonCode | None
    details: dict[str, object]


@st.composite
def entry_fields(draw: st.DrawFn) -> Fields:
    """Draw fields that ``draft_entry`` accepts."""
    pairs = [(kind, each) for kind, all_of in STATUSES.items() for each in all_of]
    event_type, status = draw(st.sampled_from(sorted(pairs, key=str)))
    details = draw(DETAILS)
    if (event_type.value, status) == ("TOKEN_VALIDATION", "success"):
        details["steps"] = draw(st.integers(1, 256))
    is_refusal = status in {"denied", "failed", "aborted"}
    codes = st.sampled_from(list(ReasonCode))
    return {
        "event_type": event_type,
        "user_id": draw(NAMES),
        "token_hash": draw(st.just(HANDLE) | NAMES),
        "domain": draw(NAMES),
        "method": draw(NAMES),
        "status": status,
        "reason": draw(REASONS if is_refusal else st.none() | REASONS),
        "reason_code": draw(codes if is_refusal else st.none() | codes),
        "details": details,
    }


@st.composite
def places(draw: st.DrawFn) -> dict[str, object]:
    """Draw the arguments of ``encode_entry`` behind the draft."""
    index = draw(st.integers(0, 3) | st.integers(0, 2**53 - 1))
    digits = st.text("0123456789abcdef", min_size=64, max_size=64)
    return {
        "ledger_id": draw(st.from_regex("[A-Za-z0-9._-]{1,64}", fullmatch=True)),
        "stream": draw(
            st.just("platform")
            | st.uuids().map(lambda uuid: f"execution:{uuid}")
            | digits.map(lambda text: f"token:sha256:{text}")
        ),
        "index": index,
        "time_us": draw(st.integers(0, 2**53 - 1)),
        "prev": draw(digits) if index else "",
    }
