"""Plain data as canonical bytes: DOM-1."""

import json
import struct
from enum import IntEnum

import pytest

from stage2_domains.canonical import (
    MAX_DEPTH,
    MAX_INTEGER,
    canonical_bytes,
    number_text,
    parse,
)
from stage2_domains.errors import DomainError, ValueRefusedError

# RFC 8785 appendix B: the double's bits, and its canonical text.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_a_double_is_written_as_in_the_appendix_of_the_rfc(
    bits: str, text: str
) -> None:
    """DOM-1.2, DOM-1.7."""
    (number,) = struct.unpack(">d", bytes.fromhex(bits))

    assert number_text(number) == text
    assert canonical_bytes(number) == text.encode()
    assert canonical_bytes(parse(text.encode())) == text.encode()


def test_names_are_sorted_as_in_the_example_of_the_rfc() -> None:
    """DOM-1.3; RFC 8785 section 3.2.3."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]

    encoded = canonical_bytes(dict.fromkeys(names, 0))

    assert list(json.loads(encoded)) == [
        "\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33",
    ]  # fmt: skip


def test_the_literals_of_the_rfc_have_the_bytes_of_the_rfc() -> None:
    """DOM-1.2; RFC 8785 section 3.2.4."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27],
        "string": '\u20ac$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }

    assert canonical_bytes(value) == (
        b'{"literals":[null,true,false],'
        b'"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


class Seven(IntEnum):
    """An integer of another type."""

    SEVEN = 7


class Text(str):
    """A text of another type."""

    __slots__ = ()


class Object(dict[str, int]):
    """An object of another type."""


class Numbers(list[int]):
    """A list of another type."""


class Real(float):
    """A number of another type."""


REFUSED: dict[str, tuple[object, str]] = {
    "a tuple": ((1,), "$: a tuple"),
    "bytes": ({"a": b"x"}, "$.a: a bytes"),
    "a set": ([[{1}]], "$[0][0]: a set"),
    "a function": (len, "$: a builtin_function_or_method"),
    "an enum": ({"a": [0, Seven.SEVEN]}, "$.a[1]: a Seven"),
    "a str subclass": ([Text("x")], "$[0]: a Text"),
    "a dict subclass": (Object(), "$: a Object"),
    "a list subclass": (Numbers(), "$: a Numbers"),
    "a float subclass": (Real(1), "$: a Real"),
    "a name that is no str": ({1: 2}, "$: every key must be a string"),
    "a name of another type": ({Text("a"): 2}, "$: every key must be a string"),
    "nan": ({"a": float("nan")}, "$.a: a number must be finite"),
    "infinity": ([float("-inf")], "$[0]: a number must be finite"),
    "a large integer": ([MAX_INTEGER + 1], "$[0]: an integer"),
    "a small integer": ([-MAX_INTEGER - 1], "$[0]: an integer"),
    "a lone surrogate": ({"a": "x\ud800"}, "$.a: the text holds a lone surrogate"),
    "a lone surrogate in a name": ({"\udc00": 1}, "$.\\udc00: the text holds"),
}


@pytest.mark.parametrize(("value", "start"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_plain_data_is_refused_with_its_path(
    value: object, start: str
) -> None:
    """DOM-1.1, DOM-1.2, DOM-1.3, DOM-1.6."""
    with pytest.raises(ValueRefusedError) as caught:
        canonical_bytes(value)

    assert str(caught.value).startswith(start)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, DomainError)


def test_the_bounds_themselves_are_accepted() -> None:
    """DOM-1.2: one step on this side of each bound."""
    assert canonical_bytes([MAX_INTEGER, -MAX_INTEGER]) == (
        b"[9007199254740992,-9007199254740992]"
    )
    assert canonical_bytes([-0.0, 1.0, 1e16, 1e-4, 9.9e-5]) == (
        b"[0,1,10000000000000000,0.0001,0.000099]"
    )


def nested(depth: int, *, of: type) -> object:
    value: object = 0
    for _ in range(depth):
        value = [value] if of is list else {"a": value}
    return value


@pytest.mark.parametrize("of", [list, dict])
@pytest.mark.parametrize("odd", [0, 1.0])
def test_depth_is_accepted_to_the_bound_and_refused_beyond(
    of: type, odd: float
) -> None:
    """DOM-1.4, on both ways through the encoder and when reading."""
    fits, deeper = nested(MAX_DEPTH, of=of), nested(MAX_DEPTH + 1, of=of)

    assert parse(canonical_bytes(fits)) == fits
    with pytest.raises(ValueRefusedError, match="more than 32 levels deep"):
        canonical_bytes(deeper)
    with pytest.raises(ValueRefusedError, match="more than 32 levels deep"):
        canonical_bytes([odd, deeper])
    with pytest.raises(ValueRefusedError, match="more than 32 levels deep"):
        parse(json.dumps(deeper).encode())


def test_bytes_are_accepted_to_the_bound_and_refused_beyond() -> None:
    """DOM-1.5."""
    for value in ({"a": ["\u20ac", 1]}, {"a": ["\u20ac", 1.0]}):
        size = len(canonical_bytes(value))

        assert len(canonical_bytes(value, max_bytes=size)) == size
        with pytest.raises(ValueRefusedError, match=f"passes {size - 1} bytes"):
            canonical_bytes(value, max_bytes=size - 1)
    assert parse(b"[1, 2]", max_bytes=6) == [1, 2]
    with pytest.raises(ValueRefusedError, match="6 bytes of JSON, at most 5"):
        parse(b"[1, 2]", max_bytes=5)


def test_a_long_path_is_cut() -> None:
    """DOM-1.6."""
    value: object = {1}
    for _ in range(20):
        value = {"k" * 30: value}

    with pytest.raises(ValueRefusedError) as caught:
        canonical_bytes(value)

    assert len(str(caught.value)) < 300
    assert "k...: a set" in str(caught.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_only_finite_numbers_have_a_text(number: float) -> None:
    """DOM-1.2."""
    with pytest.raises(ValueRefusedError):
        number_text(number)


def test_shared_and_cyclic_containers_end_at_the_bound() -> None:
    """DOM-1.5: thirty levels of ten references to one list are 10^30 values."""
    shared: object = 0
    for _ in range(30):
        shared = [shared] * 10
    cyclic: list[object] = []
    cyclic.append(cyclic)

    with pytest.raises(ValueRefusedError, match="bytes"):
        canonical_bytes(shared, max_bytes=10_000)
    with pytest.raises(ValueRefusedError, match="levels deep"):
        canonical_bytes(cyclic)


def test_a_refusal_shows_no_value_and_is_bounded() -> None:
    """DOM-1.6."""
    value = {"\u202e" + "k" * 10_000: {"secret-value": object()}}

    with pytest.raises(ValueRefusedError) as caught:
        canonical_bytes({"a" * 500: value})

    message = str(caught.value)
    assert len(message) < 400
    assert message.isascii()
    assert message.isprintable()
    with pytest.raises(ValueRefusedError) as caught:
        canonical_bytes({"token": ("hunter2",)})
    assert "hunter2" not in str(caught.value)


UNREADABLE = {
    "nothing": b"",
    "not JSON": b"{a:1}",
    "trailing": b"{} {}",
    "not UTF-8": b'"\xff"',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "a name twice": b'{"a":1,"a":1}',
    "a name twice, escaped": b'{"a":1,"\\u0061":1}',
    "NaN": b"[NaN]",
    "Infinity": b"-Infinity",
    "a float beyond doubles": b"1e400",
    "an integer no double holds": b"9007199254740993",
    "an integer of many digits": b"1" * 5_000,
    "an integer not in canonical form": b"295147905179352825856",
    "a lone surrogate": b'["\\ud800"]',
    "a lone surrogate in a name": b'{"\\udfff":1}',
    "very deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_bytes_that_could_mean_two_things_are_refused(data: bytes) -> None:
    """DOM-1.4, DOM-1.7."""
    with pytest.raises(ValueRefusedError):
        parse(data)


def test_an_escaped_pair_of_surrogates_is_one_character() -> None:
    """DOM-1.7: only a lone surrogate is refused."""
    assert parse(b' ["\\ud83d\\ude00", 1.5] ') == ["\U0001f600", 1.5]
