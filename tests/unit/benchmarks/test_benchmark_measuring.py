"""How the benchmarks measure: a wrong ruler would praise or blame without reason."""

import itertools

import pytest

from benchmarks import measure
from benchmarks.measure import Burst, Line, burst, bursts, interleaved, verdict


@pytest.mark.parametrize(
    ("target", "figure", "floor", "met"),
    [
        ("<= 2.0 x", 4.0, 2.0, True),
        ("<= 2.0 x", 4.1, 2.0, False),
        (">= 3.0 x", 6.0, 2.0, True),
        (">= 3.0 x", 5.9, 2.0, False),
        ("<= 60", 60.0, 1.0, True),
        ("<= 60", 60.1, None, False),
        (">= 100,000", 100_000.0, None, True),
        (">= 100,000", 99_999.0, None, False),
        ("= 4", 4.0, None, True),
        ("= 4", 5.0, None, False),
        ("= 4", 3.0, None, False),
        ("<= 2.0 x", 4.0, None, None),
        ("", 4.0, 2.0, None),
        ("faster", 4.0, 2.0, None),
    ],
)
def test_a_target_is_judged_by_figure_or_by_ratio(
    target: str,
    figure: float,
    floor: float | None,
    met: bool | None,  # noqa: FBT001  (a verdict)
) -> None:
    assert Line("W", figure, "ms", floor, target).met is met
    ratio = None if floor is None else figure / floor
    assert verdict(target, figure, ratio) is met


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1.0), (0.25, 1.0), (0.5, 2.0), (0.99, 4.0), (1.0, 4.0)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert measure.percentile([4.0, 1.0, 3.0, 2.0], share) == value


def test_works_are_run_in_turn() -> None:
    seen: list[str] = []

    found = interleaved(3, lambda: seen.append("a"), lambda: seen.append("b"))

    assert len(found) == 2
    assert seen == [*"aaabbb", *"ababab"]  # first to warm up


def test_every_caller_calls_until_the_time_is_over() -> None:
    calls: list[int] = []

    took = burst(3, 0.02, calls.append)

    assert set(calls) == {0, 1, 2}
    assert len(took.waits_ms) == len(calls)
    assert took.seconds >= 0.02


def test_what_a_caller_raises_reaches_the_benchmark() -> None:
    def fail(caller: int) -> None:
        raise KeyError(caller)

    with pytest.raises(KeyError):
        burst(2, 60.0, fail)


def test_the_rate_is_the_median_and_every_wait_counts() -> None:
    rates = itertools.cycle([(1.0, 2), (1.0, 30), (1.0, 10)])

    def run() -> Burst:
        seconds, plans = next(rates)
        return Burst(seconds, [float(plans)] * plans)

    (found,) = bursts(3, run)

    assert found.per_second == pytest.approx(10)
    assert len(found.waits_ms) == 42
    assert found.waited(1.0) == 30.0
