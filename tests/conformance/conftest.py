"""Gives every test of this folder each implementation of the store in turn."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.log import AuditEventLog
from audit.store.interface import Store
from tests.conformance.store_samples import FACT, OPENERS, RUN, FakeClock, Opener


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=OPENERS, ids=lambda opener: opener.name)
def opener(request: pytest.FixtureRequest) -> Opener:
    found = request.param
    assert isinstance(found, Opener)
    return found


@pytest.fixture
def reopen(
    opener: Opener, tmp_path: Path, clock: FakeClock
) -> Iterator[Callable[[], Store]]:
    """Open further handles on the same data; closed at the end of the test."""
    if not opener.has_handles:
        pytest.skip("each store of this kind is new")
    stores: list[Store] = []

    def opened() -> Store:
        stores.append(opener.open(tmp_path, clock))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def store(opener: Opener, tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    """A store with two collections, shown to be whole at the end of the test."""
    with opener.open(tmp_path, clock) as opened:
        opened.declare(RUN, FACT)
        yield opened
        if opened.latch is None:
            assert AuditEventLog(opened).verify()
