"""The best selection of leisure within a budget of time and money, exactly.

An option is worth its enjoyment plus the weights of the preferences it matches.
The selection is a knapsack with two budgets, solved exactly by keeping, option by
option, every combination that no other one beats (Nemhauser and Ullmann, Management
Science 15:494, 1969). Where that would take too many combinations the method
refuses; it never answers with something that is not the best.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stage2_domains.errors import UnusableInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["MAX_COMBINATIONS", "plan_leisure"]

MAX_COMBINATIONS: Final = 30_000
"""Combinations kept at once, none of which beats another."""

_ENJOYMENT: Final = 5
_CENTS: Final = 100


@dataclass(frozen=True, slots=True)
class _Option:
    name: str
    minutes: int
    cents: int
    value: int
    matches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    """Some options together; bit i of ``taken`` stands for option i."""

    value: int
    minutes: int
    cents: int
    taken: int


def plan_leisure(given: Record) -> Answer:
    """Choose the options worth most together within both budgets.

    Of equally good selections the one with fewer minutes wins, then the cheaper
    one, then the one with the earlier options.
    """
    wishes = given.record("preferences")
    weights = {name.lower(): wishes.integer(name) for name in wishes.names()}
    options = [_option(one, weights) for one in given.records("options")]
    minutes = given.integer("minutes")
    cents = _cents(given, "money")
    best = _best(options, minutes, cents)
    chosen = [one for i, one in enumerate(options) if best.taken >> i & 1]
    left = (minutes - best.minutes, cents - best.cents)
    return {
        "preferences_count": len(weights),
        "plan": {
            "chosen": [_shown(one) for one in chosen],
            "total_value": best.value,
            "total_minutes": best.minutes,
            "total_cost": best.cents / _CENTS,
            "minutes_left": left[0],
            "money_left": left[1] / _CENTS,
        },
        "left_out": [
            {"name": one.name, "reason": _reason(one, minutes, cents, left)}
            for i, one in enumerate(options)
            if not best.taken >> i & 1
        ],
    }


def _option(given: Record, weights: dict[str, int]) -> _Option:
    tags = dict.fromkeys(tag.lower() for tag in given.texts("tags"))
    matches = tuple(tag for tag in tags if weights.get(tag))
    return _Option(
        name=given.text("name"),
        minutes=given.integer("minutes"),
        cents=_cents(given, "cost"),
        value=given.integer("enjoyment", _ENJOYMENT)
        + sum(weights[tag] for tag in matches),
        matches=matches,
    )


def _cents(given: Record, name: str) -> int:
    """Read an amount of money with at most two decimals; a missing one is 0."""
    amount = given.number(name, 0)
    cents = round(amount * _CENTS)
    if cents < 0 or cents / _CENTS != amount:
        raise given.refusal(name, "expected an amount with at most two decimals")
    return cents


def _best(options: list[_Option], minutes: int, cents: int) -> _Choice:
    kept = [_Choice(0, 0, 0, 0)]
    for i, option in enumerate(options):
        if option.value <= 0:
            continue
        grown = (
            _Choice(
                one.value + option.value,
                one.minutes + option.minutes,
                one.cents + option.cents,
                one.taken | 1 << i,
            )
            for one in kept
            if one.minutes + option.minutes <= minutes
            and one.cents + option.cents <= cents
        )
        kept = _unbeaten([*kept, *grown])
        if len(kept) > MAX_COMBINATIONS:
            raise UnusableInputError(
                "options: too many combinations are equally promising; "
                "give fewer options or smaller budgets"
            )
    return kept[0]


def _unbeaten(choices: Iterable[_Choice]) -> list[_Choice]:
    """Keep what no other choice beats in value, minutes and cost; the best first.

    Choices come in falling value, so one is beaten exactly when an earlier one
    needs no more minutes and no more money. ``stairs`` holds the earlier ones that
    matter: rising minutes, falling cost.
    """
    stair_minutes: list[int] = []
    stair_cents: list[int] = []
    kept: list[_Choice] = []
    for one in sorted(choices, key=_order):
        at = bisect_right(stair_minutes, one.minutes)
        if at and stair_cents[at - 1] <= one.cents:
            continue
        kept.append(one)
        end = at
        while end < len(stair_cents) and stair_cents[end] >= one.cents:
            end += 1
        # A step of the same minutes stands before ``at`` and is dearer.
        if at and stair_minutes[at - 1] == one.minutes:
            at -= 1
        stair_minutes[at:end] = [one.minutes]
        stair_cents[at:end] = [one.cents]
    return kept


def _order(one: _Choice) -> tuple[int, int, int, int]:
    """Sort by value, then frugality, then earlier options."""
    mirrored = int(f"{one.taken:b}"[::-1], 2)
    length = one.taken.bit_length()
    return (-one.value, one.minutes, one.cents, -(mirrored << (64 - length)))


def _reason(option: _Option, minutes: int, cents: int, left: tuple[int, int]) -> str:
    if option.value <= 0:
        return "worth nothing by these preferences"
    if option.minutes > minutes:
        return f"takes {option.minutes} minutes, {minutes} are there"
    if option.cents > cents:
        cost, money = option.cents / _CENTS, cents / _CENTS
        return f"costs {cost:.2f}, {money:.2f} is there"
    if option.minutes > left[0]:
        return f"takes {option.minutes} minutes, {left[0]} are left beside the best"
    return f"costs {option.cents / _CENTS:.2f}, {left[1] / _CENTS:.2f} is left"


def _shown(option: _Option) -> Answer:
    return {
        "name": option.name,
        "minutes": option.minutes,
        "cost": option.cents / _CENTS,
        "value": option.value,
        "matches": list(option.matches),
    }
