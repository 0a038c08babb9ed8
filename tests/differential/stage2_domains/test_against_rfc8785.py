"""Canonical bytes against another implementation of RFC 8785: DOM-1."""

import struct

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from stage2_domains.canonical import canonical_bytes, number_text, parse

SAFE = 2**53 - 1
texts = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-SAFE, SAFE)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
@settings(max_examples=200)
def test_values_have_the_same_bytes(value: object) -> None:
    """DOM-1.1, DOM-1.2, DOM-1.3."""
    assert canonical_bytes(value) == rfc8785.dumps(value)  # type: ignore[arg-type]  # plain data


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=50, max_size=50))
def test_doubles_of_any_bits_have_the_same_text(bits: list[bytes]) -> None:
    """DOM-1.2: fifty doubles at a time, from anywhere in the range."""
    for (number,) in (struct.unpack(">d", one) for one in bits):
        if number - number == 0:
            text = number_text(number)
            assert text.encode() == rfc8785.dumps(number)
            assert canonical_bytes(parse(text.encode())) == text.encode()
            assert float(text) == number


@given(st.integers(0, 2**53 - 1), st.integers(-330, 300))
def test_doubles_near_the_changes_of_form_have_the_same_text(
    digits: int, exponent: int
) -> None:
    """DOM-1.2."""
    number = float(f"{digits}e{exponent}")
    if number != float("inf"):
        assert number_text(number).encode() == rfc8785.dumps(number)
