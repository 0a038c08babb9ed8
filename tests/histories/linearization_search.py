"""A linearizability search that tries every order: the oracle of the checker.

Wing and Gong's search for small histories. It knows operations only as a first moment,
a last moment, and a function from the state before to the state after, or to None where
the operation could not have happened.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Step", "is_linearizable", "may_follow"]

State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Step(Generic[State]):
    """One operation."""

    first: int
    last: int
    apply: Callable[[State], State | None]


def may_follow(step: Step[State], others: Sequence[Step[State]]) -> bool:
    """Tell whether this may be the first of all: no other was over before it."""
    return all(other.last >= step.first for other in others)


def is_linearizable(steps: Sequence[Step[State]], state: State) -> bool:
    """Try every order that agrees with time, until one is possible."""
    if not steps:
        return True
    for number, step in enumerate(steps):
        others = [*steps[:number], *steps[number + 1 :]]
        after = step.apply(state) if may_follow(step, others) else None
        if after is not None and is_linearizable(others, after):
            return True
    return False
