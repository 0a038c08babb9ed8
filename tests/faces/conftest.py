"""One world for all, made once; tests that change it take a copy."""

from pathlib import Path

import pytest

from tests.faces.cli_runner import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world that nobody changes."""
    return World.made(tmp_path_factory.mktemp("world"))


@pytest.fixture
def own_world(world: World, tmp_path: Path) -> World:
    """A copy of the world."""
    return world.copied(tmp_path / "own")
