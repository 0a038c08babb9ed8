"""Canonical JSON, by its vectors and one step each side of its bounds."""

import json
from enum import IntEnum
from pathlib import Path

import pytest

from audit.canonical import MAX_DEPTH, canonical_bytes, parse_canonical
from audit.errors import EntryRefusedError, LedgerFormatError

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/audit/canonical.json").read_text("utf-8")
)


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda v: v["name"])
def test_a_value_has_the_bytes_of_the_vector(vector: dict[str, str]) -> None:
    """AUD-1.1."""
    expected = bytes.fromhex(vector["hex"])

    assert canonical_bytes(json.loads(vector["json"])) == expected
    assert parse_canonical(expected) == json.loads(vector["json"])


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda v: v["name"])
def test_bytes_that_are_not_canonical_are_refused(vector: dict[str, str]) -> None:
    """AUD-1.5, and AUD-1.2 to AUD-1.4 when reading."""
    with pytest.raises(LedgerFormatError):
        parse_canonical(bytes.fromhex(vector["hex"]))


class Seven(IntEnum):
    """An integer that is of another type."""

    SEVEN = 7


class Text(str):
    """A string that is of another type."""

    __slots__ = ()


class Object(dict[str, int]):
    """An object that is of another type."""


REFUSED: list[object] = [
    1.0,
    float("nan"),
    b"x",
    {1},
    {1: 2},
    {Text("a"): 1},
    {"\u00e9": 1},
    object,
]
REFUSED += [
    Seven.SEVEN,
    Text("a"),
    Object(a=1),
    {"a": Object()},
    [1.5],
    {"a": {None: 1}},
]
REFUSED += [2**53, -(2**53), "\ud800", {"\ud800": 1}, ["\udfff"]]


@pytest.mark.parametrize("value", REFUSED, ids=ascii)
def test_what_is_not_of_the_profile_is_refused(value: object) -> None:
    """AUD-1.1, AUD-1.2, AUD-1.4: exact types, bounds, no lone surrogates."""
    with pytest.raises(EntryRefusedError):
        canonical_bytes(value)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("number", [2**53 - 1, -(2**53) + 1, 0, -1])
def test_integers_inside_the_bound_are_accepted(number: int) -> None:
    """AUD-1.2."""
    assert canonical_bytes(number) == str(number).encode()


@pytest.mark.parametrize("make", [lambda v: [v], lambda v: (v,), lambda v: {"a": v}])
def test_nesting_is_bounded(make: object) -> None:
    """AUD-1.3: 32 levels are accepted, 33 are not."""
    value: object = 1
    for _ in range(MAX_DEPTH):
        value = make(value)  # type: ignore[operator]  # a table of functions

    assert canonical_bytes(value)  # type: ignore[arg-type]  # built above
    with pytest.raises(EntryRefusedError):
        canonical_bytes(make(value))  # type: ignore[operator]  # as above


def test_a_refusal_quotes_nothing_of_the_value() -> None:
    """Messages carry no unbounded outside bytes."""
    with pytest.raises(EntryRefusedError) as caught:
        canonical_bytes("secret\ud800" * 1000)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None

    with pytest.raises(LedgerFormatError) as refused:
        parse_canonical(b'{"secret":1,"secret":2}')
    assert "secret" not in str(refused.value)
