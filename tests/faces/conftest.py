"""One world for all, made once; tests that change it take a copy. And a database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faces.cli_runner import World
from tests.faces.ledger_database import WORDS, Database
from tests.postgres_server import PASSWORD, PostgresServer


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world that nobody changes."""
    return World.made(tmp_path_factory.mktemp("world"))


@pytest.fixture
def own_world(world: World, tmp_path: Path) -> World:
    """A copy of the world."""
    return world.copied(tmp_path / "own")


@pytest.fixture
def database(
    postgres: PostgresServer, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """A database without a ledger yet; its roles and logins are gone afterwards."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    yield Database(postgres, postgres_database)
    postgres.drop_database(postgres_database)
    for word in WORDS:
        for role in (
            f"{postgres_database}_{word}_login",
            f"{postgres_database}_{word}",
        ):
            postgres.execute(f"DROP ROLE IF EXISTS {role}")
