"""The limits, one step each side of every bound: rules 2C, TOK-2."""

import pytest

from audit.events import ReasonCode
from tests.unit.tokens.token_samples import fields, token
from tokens.limits import (
    LIMIT_KEYS,
    MAX_LIMIT,
    Frequency,
    LimitRefusal,
    Limits,
    Settlement,
    Usage,
    check_before_start,
    check_executions,
    output_units,
    parse_frequency,
    parse_limits,
    reservation,
    settle,
)

LIMITS = Limits(5, 512, 2048, Frequency(1, 10))
SECOND = 1_000_000
NOW = 1_800_000_000 * SECOND


def asked(
    usage: Usage,
    *,
    limits: Limits = LIMITS,
    now_us: int = NOW,
    last_us: int | None = None,
    first_step: bool = True,
) -> LimitRefusal | None:
    return check_before_start(
        limits, usage, now_us=now_us, bounding_use_us=last_us, first_step=first_step
    )


def test_the_largest_limit_is_what_a_record_can_hold() -> None:
    """TOK-1.8, TOK-2.8."""
    assert MAX_LIMIT == 9_007_199_254_740_991


@pytest.mark.parametrize("key", LIMIT_KEYS)
def test_each_limit_is_required_by_name(key: str) -> None:
    """Rules 1A.12; TOK-1.8."""
    given = fields()["resource_limits"]
    del given[key]

    with pytest.raises(ValueError, match=f"^resource_limits lacks {key}$"):
        token(resource_limits=given)


@pytest.mark.parametrize("value", [None, {}, [], "max_invocations", 5, [("a", 1)]])
def test_limits_must_be_a_filled_dict(value: object) -> None:
    """Rules 1A.12."""
    with pytest.raises(ValueError, match="resource_limits"):
        token(resource_limits=value)


def test_an_unknown_limit_is_refused() -> None:
    """Rules 1A.13 [D]."""
    with pytest.raises(ValueError, match="unknown keys") as caught:
        parse_limits({**fields()["resource_limits"], "max_wall_ms": 1})
    assert "max_wall_ms" not in str(caught.value)


@pytest.mark.parametrize("key", LIMIT_KEYS[:3])
@pytest.mark.parametrize(
    "value", ["5", 5.0, 0, -1, True, None, "unlimited", MAX_LIMIT + 1, [5]]
)
def test_a_number_limit_is_a_positive_integer(key: str, value: object) -> None:
    """Rules 1A.13 [D]; TOK-1.8."""
    with pytest.raises(ValueError, match=f"{key} must be a positive integer"):
        parse_limits({**fields()["resource_limits"], key: value})


@pytest.mark.parametrize("key", LIMIT_KEYS[:3])
@pytest.mark.parametrize("value", [1, MAX_LIMIT])
def test_the_smallest_and_the_largest_limit_are_accepted(key: str, value: int) -> None:
    """TOK-1.8."""
    limits = parse_limits({**fields()["resource_limits"], key: value})

    assert getattr(limits, key) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 per 10 seconds", Frequency(1, 10)),
        ("5 per 10 seconds", Frequency(5, 10)),
        ("1 per 1 second", Frequency(1, 1)),
        ("2 per 1 seconds", Frequency(2, 1)),
        ("999999999 per 999999999 seconds", Frequency(999_999_999, 999_999_999)),
    ],
)
def test_a_frequency_is_read_whole(text: str, expected: Frequency) -> None:
    """Rules 2C.9 [D]; TOK-1.9."""
    assert parse_frequency(text) == expected
    assert expected.window_us == expected.per_seconds * SECOND


@pytest.mark.parametrize(
    "text",
    [
        *("", "unlimited", "1 per minute", "1 per 10 minutes", "1 per 0.5 seconds"),
        *("1/10s", "0 per 10 seconds", "1 per 0 seconds", "-1 per 10 seconds"),
        *("01 per 10 seconds", "1 per 10", "1 per 10 Seconds", "1  per 10 seconds"),
        *(" 1 per 10 seconds", "1 per 10 seconds ", "1 per 10 seconds\n"),
        *(
            "1 PER 10 seconds",
            "1.0 per 1 second",
            "+1 per 10 seconds",
            "1_0 per 1 second",
        ),
        *("1 per 10 secondss", "\uff11 per 10 seconds", "1000000000 per 1 second"),
        *("1 per 1000000000 seconds", 10, None, b"1 per 1 second"),
    ],
)
def test_no_other_text_is_a_frequency(text: object) -> None:
    """Rules 2C.9: what the reference read as no limit at all."""
    with pytest.raises(ValueError, match="N per M seconds"):
        parse_frequency(text)


def test_a_value_of_limits_is_checked_as_well() -> None:
    """TOK-1.8: however it is made."""
    good = (5, 512, 2048, Frequency(1, 10))
    for place, bad in enumerate((0, 0, 0, "1 per 10 seconds")):
        with pytest.raises(ValueError, match="must be"):
            Limits(*good[:place], bad, *good[place + 1 :])
    for count, seconds in ((0, 1), (1, 0), (True, 1)):
        with pytest.raises(ValueError, match="max_frequency"):
            Frequency(count, seconds)


@pytest.mark.parametrize("name", ["invocations", "units", "reserved", "executions"])
@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None, MAX_LIMIT + 1])
def test_a_counter_is_never_negative(name: str, value: object) -> None:
    """Rules 2C.9: a negative size passed every check."""
    with pytest.raises(ValueError, match=name):
        Usage(**{name: value})


def test_the_fifth_invocation_starts_and_the_sixth_does_not() -> None:
    """Rules 2C.1; TOK-2.2."""
    assert asked(Usage(invocations=4)) is None

    refusal = asked(Usage(invocations=5))

    assert refusal == LimitRefusal(
        ReasonCode.LIMIT_INVOCATIONS,
        "max_invocations",
        5,
        5,
        "token limit exhausted: max_invocations allows 5 invocations and 5 were"
        " started",
    )
    assert asked(Usage(invocations=5)) == refusal
    assert asked(Usage(invocations=6)) is not None


@pytest.mark.parametrize("units", [0, 400, 512])
def test_an_answer_within_the_response_limit_goes_out(units: int) -> None:
    """Rules 2C.2; TOK-2.3."""
    assert settle(LIMITS, 512, units) == Settlement(units, None)


@pytest.mark.parametrize("units", [513, 600, 1000, 10**30])
def test_a_larger_answer_is_withheld_and_charges_its_reservation(units: int) -> None:
    """Rules 2C.2; TOK-2.3, TOK-2.8: nothing is truncated."""
    settlement = settle(LIMITS, 512, units)

    assert settlement.charged == 512
    assert settlement.refusal is not None
    assert settlement.refusal.code == ReasonCode.LIMIT_RESPONSE
    assert settlement.refusal.limit == "max_tokens_per_response"
    assert settlement.refusal.current == min(units, MAX_LIMIT)
    assert settlement.refusal.maximum == 512
    assert "response token limit" in settlement.refusal.sentence
    assert str(min(units, MAX_LIMIT)) in settlement.refusal.sentence
    assert "512" in settlement.refusal.sentence


def test_a_size_too_large_to_print_still_settles() -> None:
    """TOK-2.8: a trusted domain may report any number."""
    settlement = settle(LIMITS, 512, 10**5000)

    assert settlement.refusal is not None
    assert f"more than {MAX_LIMIT} units" in settlement.refusal.sentence
    boundary = settle(Limits(1, MAX_LIMIT, MAX_LIMIT, Frequency(1, 1)), 5, MAX_LIMIT)
    assert boundary.refusal is not None
    assert boundary.refusal.current == MAX_LIMIT
    assert f"the answer of {MAX_LIMIT} units" in boundary.refusal.sentence


@pytest.mark.parametrize(
    ("used", "reserved", "answer", "fits"),
    [
        (0, 512, 500, True),
        (1000, 512, 500, True),
        (1536, 512, 512, True),  # 2048 exactly
        (2047, 1, 1, True),
        (2047, 1, 2, False),
        (2000, 48, 100, False),
        (1600, 448, 500, False),
        (1600, 448, 448, True),
        (1600, 448, 449, False),
    ],
)
def test_the_total_is_never_exceeded(
    used: int, reserved: int, answer: int, *, fits: bool
) -> None:
    """Rules 2C.3; TOK-2.4."""
    assert reservation(LIMITS, Usage(units=used)) == reserved

    settlement = settle(LIMITS, reserved, answer)

    assert settlement.charged == (answer if fits else reserved)
    if fits:
        assert settlement.refusal is None
        return
    assert settlement.refusal is not None
    assert settlement.refusal.code == ReasonCode.LIMIT_TOTAL
    assert settlement.refusal.limit == "max_total_tokens"
    assert settlement.refusal.current == used + answer
    assert settlement.refusal.maximum == 2048
    assert "total token budget" in settlement.refusal.sentence
    assert "max_total_tokens allows 2048" in settlement.refusal.sentence


def test_a_step_starts_while_one_unit_remains() -> None:
    """TOK-2.4: what other steps have reserved does not remain."""
    assert asked(Usage(units=2047)) is None
    assert asked(Usage(units=1536, reserved=511)) is None
    for usage in (
        Usage(units=2048),
        Usage(units=1536, reserved=512),
        Usage(units=9999),
    ):
        refusal = asked(usage)
        assert refusal is not None
        assert refusal.code == ReasonCode.LIMIT_TOTAL
        assert refusal.limit == "max_total_tokens"
        assert refusal.current == usage.units + usage.reserved
        assert refusal.maximum == 2048
        assert "total token budget" in refusal.sentence
        assert reservation(LIMITS, usage) == 0


def test_a_counter_in_a_refusal_always_fits_a_record() -> None:
    """TOK-2.8."""
    refusal = asked(Usage(units=MAX_LIMIT, reserved=MAX_LIMIT))

    assert refusal is not None
    assert refusal.current == MAX_LIMIT


def test_an_answer_over_both_limits_is_refused_for_the_response() -> None:
    """Rules 2C.4; TOK-2.1: per response comes before total."""
    settlement = settle(LIMITS, reservation(LIMITS, Usage(units=1536)), 600)

    assert settlement.refusal is not None
    assert settlement.refusal.code == ReasonCode.LIMIT_RESPONSE


@pytest.mark.parametrize("seconds", [0, 1, 2, 5, 9.999999])
def test_the_next_plan_waits_for_the_window(seconds: float) -> None:
    """Rules 2C.5; TOK-2.5."""
    refusal = asked(Usage(executions=1), last_us=NOW - int(seconds * SECOND))

    assert refusal == LimitRefusal(
        ReasonCode.LIMIT_FREQUENCY,
        "max_frequency",
        1,
        1,
        "frequency limit: max_frequency allows 1 per 10 seconds and 1 fall in the"
        " window that ends now",
    )


@pytest.mark.parametrize("last_us", [None, NOW - 10 * SECOND, NOW - 11 * SECOND, 0])
def test_a_plan_exactly_one_window_later_starts(last_us: int | None) -> None:
    """Rules 2C.5; TOK-2.5: the window is half open, and the first plan free."""
    assert asked(Usage(executions=1), last_us=last_us) is None


def test_a_clock_that_went_back_refuses() -> None:
    """TOK-2.5."""
    assert asked(Usage(executions=1), last_us=NOW + SECOND) is not None


def test_later_steps_of_a_plan_are_not_asked_about_frequency() -> None:
    """TOK-2.5; rules C3."""
    assert asked(Usage(executions=1), last_us=NOW, first_step=False) is None
    assert asked(Usage(invocations=5), last_us=NOW, first_step=False) is not None


def test_the_first_limit_in_the_order_is_the_one_named() -> None:
    """TOK-2.1: invocations, (per response,) total, frequency."""
    everything = Usage(invocations=5, units=2048, executions=1)

    assert asked(everything, last_us=NOW).code == ReasonCode.LIMIT_INVOCATIONS
    without = Usage(units=2048, executions=1)
    assert asked(without, last_us=NOW).code == ReasonCode.LIMIT_TOTAL
    assert asked(Usage(), last_us=NOW).code == ReasonCode.LIMIT_FREQUENCY


def test_a_token_can_be_good_for_a_number_of_plans() -> None:
    """TOK-2.6."""
    assert check_executions(None, Usage(executions=MAX_LIMIT)) is None
    assert check_executions(2, Usage(executions=1)) is None
    assert check_executions(2, Usage(executions=2)) == LimitRefusal(
        ReasonCode.LIMIT_EXECUTIONS,
        "max_executions",
        2,
        2,
        "token limit exhausted: max_executions allows 2 plan executions and 2 were"
        " started",
    )
    assert check_executions(2, Usage(executions=3)) is not None


@pytest.mark.parametrize(
    ("size", "units"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3), (2**60, 2**58)]
)
def test_four_bytes_are_a_unit(size: int, units: int) -> None:
    """TOK-2.7."""
    assert output_units(size) == units


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None])
def test_a_size_is_an_integer_of_at_least_zero(value: object) -> None:
    """Rules 2C.9."""
    with pytest.raises(ValueError, match="byte_count"):
        output_units(value)
    with pytest.raises(ValueError, match="units"):
        settle(LIMITS, 1, value)
    with pytest.raises(ValueError, match="reserved"):
        settle(LIMITS, value, 1)


def test_the_budget_of_one_token_is_not_that_of_another() -> None:
    """Rules 2C.6: counters are arguments, and limits the token's own."""
    wide = Limits(10, 512, 2048, Frequency(1, 10))
    used = Usage(invocations=5)

    assert asked(used) is not None
    assert asked(used, limits=wide) is None
