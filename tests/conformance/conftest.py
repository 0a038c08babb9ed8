"""Gives every test of this folder each implementation of the store in turn."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.log import AuditEventLog
from audit.store.interface import Store
from tests.conformance.store_samples import FACT, KINDS, RUN, FakeClock, Kind
from tests.postgres_server import PostgresServer

_NUMBERS = itertools.count(1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found = request.param
    assert isinstance(found, Kind)
    return found


@pytest.fixture
def url(kind: Kind, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a store that is this test's alone."""
    if kind.name == "memory":
        yield "memory:"
    elif kind.name == "sqlite-file":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
    else:
        server = request.getfixturevalue("postgres")
        assert isinstance(server, PostgresServer)
        yield f"{server.url()}&schema=conformance_{next(_NUMBERS)}"


@pytest.fixture
def reopen(kind: Kind, url: str, clock: FakeClock) -> Iterator[Callable[[], Store]]:
    """Open further handles on the same data; closed at the end of the test."""
    if not kind.has_handles:
        pytest.skip("each store of this kind is new")
    stores: list[Store] = []

    def opened() -> Store:
        stores.append(kind.open(url, clock))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def store(kind: Kind, url: str, clock: FakeClock) -> Iterator[Store]:
    """A store with two collections, shown to be whole at the end of the test."""
    with kind.open(url, clock) as opened:
        opened.declare(RUN, FACT)
        yield opened
        if opened.latch is None:
            assert AuditEventLog(opened).verify()
