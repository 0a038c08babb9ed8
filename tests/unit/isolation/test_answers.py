"""Which answers are taken, which are refused, and what they measure."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stage2_domains.canonical import canonical_bytes
from stage2_domains.contract import Budget, DomainResult
from stage3.isolation.answers import outcome_of
from stage3.isolation.interface import DomainFailed, Ok, ResultRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

BUDGET = Budget()


def answer(success: object = True, data: object = None, **more: object) -> DomainResult:  # noqa: FBT002 - as a domain writes it
    return DomainResult(success, data, **more)  # type: ignore[arg-type]  # wrong on purpose


def nested(levels: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(levels - 1):
        value = {"x": value}
    return value


async def later() -> DomainResult:
    raise AssertionError("ran")


def stepwise() -> Iterator[int]:
    yield 1
    raise AssertionError("ran")


class OwnDict(dict[str, object]):
    """A dict of its own kind."""


class OwnText(str):
    """A string of its own kind."""

    __slots__ = ()


class OwnNumber(int):
    """A number of its own kind."""


class OwnAnswer(DomainResult):
    """An answer of its own kind."""


REFUSED = {
    "none": None,
    "a dict": {"success": True},
    "a tuple": (True, {}, None),
    "the class itself": DomainResult,
    "a subclass": OwnAnswer(success=True),
    "success 1": answer(1),
    "success None": answer(None),
    "success text": answer("true"),
    "data a list": answer(data=[1]),
    "data a text": answer(data="x"),
    "data a subclass": answer(data=OwnDict()),
    "data a mapping of its own": answer(data=type("Mapping", (), {})()),
    "bytes inside": answer(data={"x": b""}),
    "a tuple inside": answer(data={"x": ()}),
    "a set inside": answer(data={"x": set()}),
    "a subclass of dict inside": answer(data={"x": OwnDict()}),
    "a subclass of str inside": answer(data={"x": OwnText("y")}),
    "a subclass of int inside": answer(data={"x": OwnNumber(1)}),
    "a function inside": answer(data={"x": len}),
    "a key that is a number": answer(data={1: 1}),
    "a key of its own kind": answer(data={OwnText("x"): 1}),
    "not a number": answer(data={"x": float("nan")}),
    "infinity": answer(data={"x": float("-inf")}),
    "an integer beyond 2**53": answer(data={"x": 2**53 + 1}),
    "a lone surrogate": answer(data={"x": "\ud800"}),
    "a lone surrogate as key": answer(data={"\udfff": 1}),
    "too deep": answer(data=nested(32)),
    "error not a text": answer(success=False, error=ValueError("x")),
    "error of its own kind": answer(success=False, error=OwnText("x")),
    "error with a lone surrogate": answer(success=False, error="\ud800"),
    "success with an error": answer(error="but"),
    "success with an empty error": answer(error=""),
    "failure with data that is none": answer(success=False, data=[1], error="x"),
    "failure with data that cannot be": answer(success=False, data={"x": b""}),
    "usage a number": answer(usage=5),
    "usage a list": answer(usage=[("output_tokens", 1)]),
    "usage empty": answer(usage={}),
    "usage with another name": answer(usage={"tokens": 1}),
    "usage with one name more": answer(usage={"output_tokens": 1, "input": 1}),
    "usage negative": answer(usage={"output_tokens": -1}),
    "usage true": answer(usage={"output_tokens": True}),
    "usage a float": answer(usage={"output_tokens": 1.0}),
    "usage beyond 2**53": answer(usage={"output_tokens": 2**53 + 1}),
    "usage a number of its own kind": answer(usage={"output_tokens": OwnNumber(1)}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_answer_that_is_not_what_it_must_be_is_refused(what: str) -> None:
    """ISO-6.1, ISO-6.2, ISO-1.2."""
    outcome = outcome_of(REFUSED[what], BUDGET)

    assert isinstance(outcome, ResultRefused)
    assert outcome.message
    assert outcome.message.isascii()
    assert outcome.message.isprintable()
    assert len(outcome.message) <= 2_000


TAKEN = {
    "no data": (answer(), {}),
    "empty data": (answer(data={}), {}),
    "every kind of value": (
        answer(data={"x": [None, True, 1, 1.5, "é", {}, []]}),
        {"x": [None, True, 1, 1.5, "é", {}, []]},
    ),
    "an integer of 2**53": (answer(data={"x": -(2**53)}), {"x": -(2**53)}),
    "just not too deep": (answer(data=nested(31)), nested(31)),
}


@pytest.mark.parametrize("what", TAKEN)
def test_an_answer_of_plain_data_is_taken(what: str) -> None:
    """ISO-6.1, ISO-6.2: one step this side of each bound."""
    given_answer, data = TAKEN[what]

    outcome = outcome_of(given_answer, BUDGET)

    assert isinstance(outcome, Ok)
    expected = {"data": data, "error": None, "success": True}
    assert json.loads(outcome.result) == expected


@pytest.mark.parametrize(
    ("usage", "units"),
    [
        (None, None),
        ({"output_tokens": 0}, 0),
        ({"output_tokens": 7}, 7),
        ({"output_tokens": 2**53}, 2**53),
    ],
)
def test_units_that_a_domain_reports_are_passed_on(
    usage: object, units: int | None
) -> None:
    """ISO-6.1."""
    outcome = outcome_of(answer(usage=usage), BUDGET)

    assert isinstance(outcome, Ok)
    assert outcome.reported_units == units


@pytest.mark.parametrize("depth", [2, 3, 5, 32])
def test_the_depth_is_the_budgets_with_the_outermost_object_counted(depth: int) -> None:
    """ISO-6.2: one step each side of the bound."""
    budget = Budget(depth=depth)

    taken = outcome_of(answer(data=nested(depth - 1)), budget)
    refused = outcome_of(answer(data=nested(depth)), budget)

    assert isinstance(taken, Ok)
    assert isinstance(refused, ResultRefused)
    assert "levels deep" in refused.message


def test_lists_count_as_levels() -> None:
    """ISO-6.2."""
    deep = answer(data={"x": [[[1]], 1, {}]})

    assert isinstance(outcome_of(deep, Budget(depth=5)), Ok)
    assert isinstance(outcome_of(deep, Budget(depth=4)), ResultRefused)


def test_a_wide_answer_is_not_a_deep_one() -> None:
    """ISO-6.2."""
    wide = answer(data={"x": [{} for _ in range(100)]})

    assert isinstance(outcome_of(wide, Budget(depth=4)), Ok)


@pytest.mark.parametrize("text", ["x", "é"])
def test_the_whole_result_fits_the_budget_or_is_refused(text: str) -> None:
    """ISO-6.2: one byte each side of the bound."""
    one = answer(data={"x": text * 100})
    size = len(outcome_of(one, BUDGET).result)  # type: ignore[union-attr]  # it is ``Ok``

    assert isinstance(outcome_of(one, Budget(result_bytes=size)), Ok)
    refused = outcome_of(one, Budget(result_bytes=size - 1))
    assert isinstance(refused, ResultRefused)
    assert f"at most {size - 1}" in refused.message


def test_a_long_error_is_bounded_by_the_budget_as_well() -> None:
    """ISO-6.2."""
    outcome = outcome_of(
        answer(success=False, error="x" * 200), Budget(result_bytes=99)
    )

    assert isinstance(outcome, ResultRefused)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("no habits given", "no habits given"),
        (None, "no reason was given"),
        ("", "no reason was given"),
        (" \t\n", "no reason was given"),
        ("a\nb\x00é", "a\\nb\\x00\\xe9"),
    ],
)
def test_a_failure_speaks_in_the_domains_words_or_ours(
    error: str | None, message: str
) -> None:
    """ISO-6.4; rules 5 (handler reports failure)."""
    outcome = outcome_of(answer(success=False, data={"a": 1}, error=error), BUDGET)

    assert isinstance(outcome, DomainFailed)
    assert outcome.message == message
    said = 0 if error is None else len(canonical_bytes(error))
    expected = len(canonical_bytes({"a": 1})) + said
    assert outcome.output_bytes == expected


def test_a_coroutine_is_closed_and_refused_without_a_warning() -> None:
    """ISO-6.5."""
    running = later()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = outcome_of(running, BUDGET)
        assert running.cr_frame is None
        del running

    assert isinstance(outcome, ResultRefused)
    assert "'coroutine'" in outcome.message


def test_a_generator_is_closed_and_refused() -> None:
    """ISO-6.5."""
    running = stepwise()

    outcome = outcome_of(running, BUDGET)

    assert isinstance(outcome, ResultRefused)
    assert "'generator'" in outcome.message
    assert list(running) == []


def test_a_generator_that_resists_closing_is_refused() -> None:
    """ISO-6.5, ISO-6.1."""

    def stubborn() -> Iterator[int]:
        try:
            yield 1
        except GeneratorExit:
            yield 2

    running = stubborn()
    next(running)

    outcome = outcome_of(running, BUDGET)

    assert isinstance(outcome, ResultRefused)
    assert "RuntimeError" in outcome.message


def test_the_name_of_a_wrong_type_is_bounded_and_printable() -> None:
    """ISO-1.2."""
    named = type("É\n" * 5_000, (), {})

    outcome = outcome_of(named(), BUDGET)

    assert isinstance(outcome, ResultRefused)
    assert len(outcome.message) < 1_000
    assert outcome.message.isascii()


texts = st.text(st.characters(codec="utf-8"), max_size=4)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=100)
@given(st.dictionaries(texts, plain, max_size=4))
def test_a_result_is_the_canonical_form_of_its_three_parts(
    data: dict[str, object],
) -> None:
    """ISO-6.3, differential: the parts put together are the whole encoded at once."""
    outcome = outcome_of(answer(data=data), BUDGET)

    assert isinstance(outcome, Ok)
    whole = {"success": True, "data": data, "error": None}
    assert outcome.result == canonical_bytes(whole)
    assert outcome.output_bytes == len(canonical_bytes(data))
