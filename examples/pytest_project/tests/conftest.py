"""The plugin's fixture, with our domain in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shopping.domain import Shopping

if TYPE_CHECKING:
    from stage3.pytest_plugin import Harness


@pytest.fixture
def harness(stage3_harness: Harness) -> Harness:
    """A whole Stage-3 in memory that knows the domain ``shopping``."""
    stage3_harness.domains.register(Shopping(), trusted=True)
    return stage3_harness
