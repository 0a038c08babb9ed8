"""Testing with Stage-3: a harness, ``assert_trail``, strategies, a failing store.

Installed with the package and found by pytest as the plugin ``stage3``. It adds one
fixture, ``stage3_harness``; everything else is imported from here by name::

    from stage3.pytest_plugin import Harness, assert_trail, completed

Source: docs/spec/testing.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit.store.faults import Faults
    from stage3.pytest_plugin.harness import (
        START_US,
        Harness,
        ManualClock,
        SeededEntropy,
        make_token,
    )
    from stage3.pytest_plugin.trails import (
        Expected,
        aborted,
        assert_trail,
        completed,
        denied,
        expected_events,
        failed,
        limit_denied,
        parameters_refused,
        refused,
        scope_denied,
        unknown_token,
        violated,
    )

__all__ = [
    "START_US",
    "Expected",
    "Faults",
    "Harness",
    "ManualClock",
    "SeededEntropy",
    "aborted",
    "assert_trail",
    "completed",
    "denied",
    "expected_events",
    "failed",
    "limit_denied",
    "make_token",
    "parameters_refused",
    "refused",
    "scope_denied",
    "stage3_harness",
    "unknown_token",
    "violated",
]

_FROM_HARNESS: Final = frozenset(
    {"START_US", "Harness", "ManualClock", "SeededEntropy", "make_token"}
)


def __getattr__(name: str) -> object:
    """Load a name at its first use: pytest starts no slower for having the plugin."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Faults":
        from audit.store import faults  # noqa: PLC0415 - lazy on purpose

        return faults.Faults
    if name in _FROM_HARNESS:
        from stage3.pytest_plugin import harness  # noqa: PLC0415 - lazy on purpose

        return getattr(harness, name)
    from stage3.pytest_plugin import trails  # noqa: PLC0415 - lazy on purpose

    return getattr(trails, name)


@pytest.fixture
def stage3_harness() -> Iterator[Harness]:
    """A whole Stage-3 in memory, closed after the test."""
    made: Harness = __getattr__("Harness")()  # type: ignore[operator]  # it is the class
    with made as harness:
        yield harness
