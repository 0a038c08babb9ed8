"""The limits agree with the oracle after every event of generated histories."""

from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles.limits_oracle import LimitsOracle
from tokens.limits import (
    Frequency,
    Limits,
    Usage,
    check_before_start,
    reservation,
    settle,
)


@dataclass
class Counters:
    """What a registry keeps: four counters, the uses, the open reservations."""

    usage: Usage
    uses_us: list[int]
    reserved: list[int]

    def bounding_use_us(self, limits: Limits) -> int | None:
        """The time of the use that bounds the window, found by its number."""
        number = self.usage.executions - limits.frequency.count + 1
        return self.uses_us[number - 1] if number >= 1 else None

    def start(self, limits: Limits, now_us: int, *, first_step: bool) -> None:
        """Count one more step, and one more plan if it is the first."""
        held = reservation(limits, self.usage)
        self.reserved.append(held)
        self.uses_us += [now_us] * first_step
        self.usage = Usage(
            self.usage.invocations + 1,
            self.usage.units,
            self.usage.reserved + held,
            self.usage.executions + first_step,
        )

    def finish(self, limits: Limits, step: int, units: int) -> str | None:
        """Charge the step and release its reservation."""
        settlement = settle(limits, self.reserved[step], units)
        self.usage = Usage(
            self.usage.invocations,
            self.usage.units + settlement.charged,
            self.usage.reserved - self.reserved[step],
            self.usage.executions,
        )
        return settlement.refusal.limit if settlement.refusal else None


limits_strategy = st.builds(
    Limits,
    st.integers(1, 8),
    st.integers(1, 12),
    st.integers(1, 40),
    st.builds(Frequency, st.integers(1, 3), st.integers(1, 4)),
)
# Quarter seconds, so that windows are often left at exactly their end.
events_strategy = st.lists(
    st.tuples(
        st.sampled_from(["first", "later", "finish", "finish"]),
        st.integers(0, 6),
        st.integers(0, 16),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(limits=limits_strategy, events=events_strategy)
def test_every_decision_of_a_history_is_the_oracles(
    limits: Limits, events: list[tuple[str, int, int]]
) -> None:
    """Rules 2C.1 to 2C.5; TOK-2.1 to TOK-2.5."""
    oracle = LimitsOracle(
        limits.max_invocations,
        limits.max_tokens_per_response,
        limits.max_total_tokens,
        limits.frequency.count,
        limits.frequency.per_seconds,
    )
    kept = Counters(Usage(), [], [])
    now_us, unfinished = 10**15, []
    for what, quarters, number in events:
        now_us += quarters * 250_000
        if what == "finish":
            if unfinished:
                step = unfinished.pop(number % len(unfinished))
                ours = kept.finish(limits, step, number)
                assert ours == oracle.finish(step, number)
        else:
            first = what == "first"
            refusal = check_before_start(
                limits,
                kept.usage,
                now_us=now_us,
                bounding_use_us=kept.bounding_use_us(limits),
                first_step=first,
            )
            now = Fraction(now_us, 1_000_000)
            expected = oracle.may_start(now, first_step=first)
            assert (refusal.limit if refusal else None) == expected
            if refusal is None:
                kept.start(limits, now_us, first_step=first)
                oracle.start(now, first_step=first)
                unfinished.append(len(oracle.steps) - 1)
        assert kept.usage.invocations == len(oracle.steps)
        assert kept.usage.executions == len(oracle.plans)
        charged = kept.usage.units + kept.usage.reserved
        assert limits.max_total_tokens - charged == oracle.free() >= 0
