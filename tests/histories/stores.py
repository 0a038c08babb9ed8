"""The kinds of store that histories are made on, and an empty one of each."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.histories.board import Board
from tests.oracles.fast_folder import fast_folder
from tests.postgres_server import postgres_server, why_no_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["STORE_KINDS", "Place", "place_for", "url_in"]

STORE_KINDS = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder for what processes exchange, the board in it, and an empty store."""

    folder: Path
    board: Board
    url: str


def url_in(folder: Path) -> str:
    """Give the address of a SQLite store in a folder."""
    return f"sqlite:///{folder / 'ledger.db'}"


@contextmanager
def place_for(kind: str) -> Iterator[Place]:
    """Make a place with a store of this kind, and leave nothing behind.

    A test that asks for PostgreSQL where there is none is skipped.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(fast_folder())
        board = stack.enter_context(Board(folder / "board"))
        url = url_in(folder) if kind == "sqlite" else stack.enter_context(_database())
        yield Place(folder, board, url)


@contextmanager
def _database() -> Iterator[str]:
    """Make a PostgreSQL database that is nobody else's, and give its address."""
    reason = why_no_postgres()
    if reason is not None:
        pytest.skip(reason)
    server = postgres_server()
    name = server.fresh_database()
    try:
        yield server.url(name)
    finally:
        server.drop_database(name)
