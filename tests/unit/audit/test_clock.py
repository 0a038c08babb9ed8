"""The clock's unit, without depending on what time it is."""

import time

import pytest

from audit.clock import system_clock_us


def test_the_system_clock_is_in_unix_microseconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Time is an integer of Unix microseconds, rounded down."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_456_999)

    assert system_clock_us() == 1_700_000_000_123_456
