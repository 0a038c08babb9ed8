"""Laws of plain data and parameters: DOM-1, DOM-2."""

import json
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from stage2_domains import canonical
from stage2_domains.canonical import MAX_INTEGER, canonical_bytes, parse
from stage2_domains.errors import ValueRefusedError
from stage2_domains.parameters import IsolatedParameters

texts = st.text(st.characters(codec="utf-8"), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=20,
)
anything = st.recursive(
    scalars
    | st.floats()
    | st.integers()
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.tuples(st.integers()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


def outcome(encode: Callable[[], bytes]) -> bytes | str:
    try:
        return encode()
    except ValueRefusedError as error:
        return str(error)


@given(values)
def test_what_is_written_reads_back_and_is_written_the_same(value: object) -> None:
    """DOM-1.7."""
    data = canonical_bytes(value)

    assert parse(data) == value
    assert canonical_bytes(parse(data)) == data
    assert json.loads(data, parse_int=float) == value


@given(values)
def test_the_fast_way_and_the_complete_way_agree(value: object) -> None:
    """DOM-1.2, DOM-1.3: whatever the fast way takes, it writes the same."""
    encoder = canonical._Encoder(canonical.MAX_BYTES)
    encoder.encode(value, ())

    assert "".join(encoder.parts).encode() == canonical_bytes(value)


@given(anything, st.integers(0, 200))
@settings(max_examples=200)
def test_both_ways_refuse_alike(value: object, bound: int) -> None:
    """DOM-1.1, DOM-1.5: the fast way accepts nothing that the complete way refuses."""

    def complete() -> bytes:
        encoder = canonical._Encoder(bound)
        encoder.encode(value, ())
        return "".join(encoder.parts).encode()

    expected = outcome(complete)

    assert outcome(lambda: canonical_bytes(value, max_bytes=bound)) == expected
    assert isinstance(expected, str) or len(expected) <= bound


@given(
    st.binary(max_size=60)
    | texts.map(str.encode)
    | values.map(json.dumps).map(str.encode)
)
@settings(max_examples=200)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """DOM-1.7: nothing else comes out of the reader."""
    try:
        value = parse(data)
    except ValueRefusedError:
        return
    assert parse(canonical_bytes(value)) == value


@given(st.dictionaries(texts, values, max_size=4))
def test_parameters_give_back_what_they_were_given(value: dict[str, object]) -> None:
    """DOM-2.1, DOM-2.3."""
    parameters = IsolatedParameters(value)
    copy = parameters.get_copy()
    copy.clear()

    assert parameters.get_copy() == value
    size = len(canonical_bytes(value))
    assert repr(parameters) == f"IsolatedParameters(<{size} bytes>)"
