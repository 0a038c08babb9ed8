"""Our canonical JSON against the `rfc8785` library, on generated values."""

import json

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.canonical import canonical_bytes, parse_canonical

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.text(st.characters(max_codepoint=127), max_size=8), inner, max_size=5
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200)
@given(VALUES)
def test_the_bytes_are_those_of_rfc8785(value: object) -> None:
    """AUD-1.1."""
    assert canonical_bytes(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@settings(max_examples=200)
@given(VALUES)
def test_canonical_bytes_are_read_back_to_the_value(value: object) -> None:
    """AUD-1.5: every canonical form is accepted."""
    data = canonical_bytes(value)  # type: ignore[arg-type]  # of the profile
    assert parse_canonical(data) == json.loads(data) == value


@settings(max_examples=200)
@given(VALUES, st.data())
def test_every_other_spelling_is_refused(value: object, data: st.DataObject) -> None:
    """AUD-1.5: a spelling that reads as the same value but differs is refused."""
    canonical = canonical_bytes(value)  # type: ignore[arg-type]  # of the profile
    spelling = data.draw(
        st.sampled_from(
            [
                json.dumps(value).encode(),
                json.dumps(value, indent=1).encode(),
                json.dumps(value, separators=(",", ":")).encode(),
                b" " + canonical,
                canonical + b"\n",
            ]
        )
    )
    accepted = True
    try:
        parse_canonical(spelling)
    except Exception:  # noqa: BLE001  # any refusal will do here
        accepted = False
    assert accepted == (spelling == canonical)
