"""The four limits of a token: what they are, and whether they are reached.

Everything here is arithmetic over values handed in. Nothing is consumed by
asking; who writes the counters does it in the transaction that also writes the
entry (docs/spec/tokens.md, section 2).

The order is fixed, the first refusal wins: invocations, per response, total,
frequency. Before a start the size of the answer is unknown, so the second is
decided by ``settle``, after the domain has answered.
"""

import re
from dataclasses import dataclass
from typing import Final

from audit.events import ReasonCode

__all__ = [
    "LIMIT_KEYS",
    "MAX_LIMIT",
    "Frequency",
    "LimitRefusal",
    "Limits",
    "Settlement",
    "Usage",
    "check_before_start",
    "check_executions",
    "output_units",
    "parse_frequency",
    "parse_limits",
    "reservation",
    "settle",
]

LIMIT_KEYS: Final = (
    "max_invocations",
    "max_tokens_per_response",
    "max_total_tokens",
    "max_frequency",
)
"""Every key of ``resource_limits``; all are required, no other is accepted."""

MAX_LIMIT: Final = 2**53 - 1
"""The largest number a limit or a counter may hold: what canonical JSON can."""

BYTES_PER_UNIT: Final = 4
MICROSECONDS: Final = 1_000_000

# At most nine digits each: 31 years in seconds, and no number that is slow to
# compare. The grammar has no other unit and no fraction, so nothing is ignored.
_FREQUENCY: Final = re.compile(r"([1-9][0-9]{0,8}) per ([1-9][0-9]{0,8}) seconds?")


@dataclass(frozen=True, slots=True)
class Frequency:
    """At most ``count`` plan executions in any window of ``per_seconds``.

    The window slides and is half open: a use exactly ``per_seconds`` old no
    longer counts.
    """

    count: int
    per_seconds: int

    def __post_init__(self) -> None:
        _require_positive("max_frequency count", self.count)
        _require_positive("max_frequency seconds", self.per_seconds)

    @property
    def window_us(self) -> int:
        """The length of the window in microseconds."""
        return self.per_seconds * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Limits:
    """The four limits, parsed: each a positive integer up to ``MAX_LIMIT``."""

    max_invocations: int
    max_tokens_per_response: int
    max_total_tokens: int
    frequency: Frequency

    def __post_init__(self) -> None:
        _require_positive("max_invocations", self.max_invocations)
        _require_positive("max_tokens_per_response", self.max_tokens_per_response)
        _require_positive("max_total_tokens", self.max_total_tokens)
        if type(self.frequency) is not Frequency:
            raise ValueError("frequency must be a Frequency")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a token has used so far: four counters, none negative.

    ``invocations`` counts started steps, ``units`` what was charged,
    ``reserved`` what started steps may still be charged, ``executions`` plans.
    """

    invocations: int = 0
    units: int = 0
    reserved: int = 0
    executions: int = 0

    def __post_init__(self) -> None:
        _require_counter("invocations", self.invocations)
        _require_counter("units", self.units)
        _require_counter("reserved", self.reserved)
        _require_counter("executions", self.executions)


@dataclass(frozen=True, slots=True)
class LimitRefusal:
    """One limit that is reached: its key, where it stands, and the sentence.

    ``current`` is never above ``MAX_LIMIT``, so that a record can hold it.
    """

    code: ReasonCode
    limit: str
    current: int
    maximum: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a finished step is charged, and why its answer is withheld, if so."""

    charged: int
    refusal: LimitRefusal | None


def parse_frequency(text: object) -> Frequency:
    """Parse ``"N per M seconds"``, both positive and at most nine digits.

    Raises:
        ValueError: ``text`` is anything else; there is no spelling that turns
            the limit off.

    Source:
        rules 2C.9 [D]; TOK-1.9.
    """
    match = _FREQUENCY.fullmatch(text) if type(text) is str else None
    if match is None:
        raise ValueError(
            "max_frequency must read 'N per M seconds' with two positive integers of"
            " at most nine digits, for example '1 per 10 seconds'"
        )
    return Frequency(count=int(match[1]), per_seconds=int(match[2]))


def parse_limits(value: object) -> Limits:
    """Parse ``resource_limits``: a dict with exactly the keys ``LIMIT_KEYS``.

    Raises:
        ValueError: Not a dict, a key missing (named) or unknown, or a value that
            is not a positive integer or a frequency.

    Source:
        rules 1A.12, 1A.13; TOK-1.8, TOK-1.9.
    """
    if type(value) is not dict:
        raise ValueError(
            f"resource_limits must be a dict with the keys {', '.join(LIMIT_KEYS)}"
        )
    given: dict[object, object] = dict(value)
    missing = [key for key in LIMIT_KEYS if key not in given]
    if missing:
        raise ValueError(f"resource_limits lacks {', '.join(missing)}")
    if len(given) != len(LIMIT_KEYS):
        raise ValueError(
            f"resource_limits holds unknown keys; known are {', '.join(LIMIT_KEYS)}"
        )
    return Limits(
        max_invocations=_require_positive("max_invocations", given["max_invocations"]),
        max_tokens_per_response=_require_positive(
            "max_tokens_per_response", given["max_tokens_per_response"]
        ),
        max_total_tokens=_require_positive(
            "max_total_tokens", given["max_total_tokens"]
        ),
        frequency=parse_frequency(given["max_frequency"]),
    )


def check_before_start(
    limits: Limits,
    usage: Usage,
    *,
    now_us: int,
    bounding_use_us: int | None,
    first_step: bool,
) -> LimitRefusal | None:
    """Decide whether one more step may start; ``None`` means it may.

    Args:
        limits: The token's limits.
        usage: The token's counters, this step not yet in them.
        now_us: The time of the start, in Unix microseconds.
        bounding_use_us: The time of the use with the number
            ``usage.executions - limits.frequency.count + 1`` (uses are numbered
            from 1), in Unix microseconds; ``None`` when fewer plans were
            executed than the frequency allows in one window.
        first_step: Whether this is the first step of its plan. Frequency counts
            plans, so later steps are not asked.

    Source:
        rules 2C.1 to 2C.7; TOK-2.1 to TOK-2.5.
    """
    # (1) TOK-2.2: one more invocation must fit.
    if usage.invocations >= limits.max_invocations:
        return LimitRefusal(
            ReasonCode.LIMIT_INVOCATIONS,
            "max_invocations",
            usage.invocations,
            limits.max_invocations,
            f"token limit exhausted: max_invocations allows {limits.max_invocations}"
            f" invocations and {usage.invocations} were started",
        )

    # (2) TOK-2.3: no check per response here. The size of the answer is known
    #     only afterwards; `reservation` and `settle` decide it.

    # (3) TOK-2.4: at least one unit must remain that nobody has reserved.
    if reservation(limits, usage) < 1:
        committed = min(usage.units + usage.reserved, MAX_LIMIT)
        return LimitRefusal(
            ReasonCode.LIMIT_TOTAL,
            "max_total_tokens",
            committed,
            limits.max_total_tokens,
            f"total token budget used up: max_total_tokens allows"
            f" {limits.max_total_tokens} and {committed} are charged or reserved",
        )

    # (4) TOK-2.5: the window is half open; exactly its length later is allowed.
    #     A clock that went back gives a negative age, which is refused.
    frequency = limits.frequency
    if (
        first_step
        and bounding_use_us is not None
        and now_us - bounding_use_us < frequency.window_us
    ):
        return LimitRefusal(
            ReasonCode.LIMIT_FREQUENCY,
            "max_frequency",
            frequency.count,
            frequency.count,
            f"frequency limit: max_frequency allows {frequency.count} per"
            f" {frequency.per_seconds} seconds and {frequency.count} fall in the"
            " window that ends now",
        )
    return None


def check_executions(max_executions: int | None, usage: Usage) -> LimitRefusal | None:
    """Decide whether one more plan may be executed under the token.

    Source:
        TOK-2.6. Part of the token's validation, not of the step's limits.
    """
    if max_executions is None or usage.executions < max_executions:
        return None
    return LimitRefusal(
        ReasonCode.LIMIT_EXECUTIONS,
        "max_executions",
        usage.executions,
        max_executions,
        f"token limit exhausted: max_executions allows {max_executions} plan"
        f" executions and {usage.executions} were started",
    )


def reservation(limits: Limits, usage: Usage) -> int:
    """Return the units that a step starting now must reserve.

    The largest answer that may still be charged: the response maximum or what
    remains of the total, whichever is smaller. Less than 1 means the step may not
    start; the result is never negative.

    Source:
        TOK-2.3, TOK-2.4.
    """
    remaining = limits.max_total_tokens - usage.units - usage.reserved
    return max(0, min(limits.max_tokens_per_response, remaining))


def settle(limits: Limits, reserved: int, units: int) -> Settlement:
    """Decide what a finished step is charged and whether its answer may go out.

    An answer over a limit is withheld entirely, never truncated, and charges
    exactly its reservation; so a total never exceeds its maximum.

    Args:
        limits: The token's limits.
        reserved: What the step reserved when it started, in units.
        units: The size of the answer, in units.

    Raises:
        ValueError: ``reserved`` or ``units`` is not an integer of at least 0.

    Source:
        rules 2C.2 to 2C.4; TOK-2.3, TOK-2.4.
    """
    _require_integer("reserved", reserved)
    _require_integer("units", units)
    # A trusted domain may report any number; a record holds only this much.
    shown = str(units) if units <= MAX_LIMIT else f"more than {MAX_LIMIT}"
    if units > limits.max_tokens_per_response:
        return Settlement(
            reserved,
            LimitRefusal(
                ReasonCode.LIMIT_RESPONSE,
                "max_tokens_per_response",
                min(units, MAX_LIMIT),
                limits.max_tokens_per_response,
                f"response token limit: the answer has {shown} units,"
                f" max_tokens_per_response allows {limits.max_tokens_per_response};"
                " the answer is withheld",
            ),
        )
    if units > reserved:
        # Not above the response maximum, so the reservation was what remained.
        would_be = min(limits.max_total_tokens - reserved + units, MAX_LIMIT)
        return Settlement(
            reserved,
            LimitRefusal(
                ReasonCode.LIMIT_TOTAL,
                "max_total_tokens",
                would_be,
                limits.max_total_tokens,
                f"total token budget: the answer of {shown} units would make"
                f" {would_be}, max_total_tokens allows {limits.max_total_tokens};"
                " the answer is withheld",
            ),
        )
    return Settlement(units, None)


def output_units(byte_count: int) -> int:
    """Return the units of an answer of ``byte_count`` bytes: a quarter, upwards.

    Raises:
        ValueError: ``byte_count`` is not an integer of at least 0.

    Source:
        TOK-2.7.
    """
    _require_integer("byte_count", byte_count)
    return -(-byte_count // BYTES_PER_UNIT)


def _require_positive(name: str, value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_LIMIT:
        raise ValueError(f"{name} must be a positive integer of at most {MAX_LIMIT}")
    return value


def _require_counter(name: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_LIMIT:
        raise ValueError(f"{name} must be an integer from 0 to {MAX_LIMIT}")
    return value


def _require_integer(name: str, value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} must be an integer of at least 0")
    return value
