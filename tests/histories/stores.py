"""The kinds of store that histories are made on, and an empty one of each."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.histories.board import Board
from tests.oracles.fast_folder import fast_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["STORE_KINDS", "Place", "place_for", "url_in"]

STORE_KINDS = ("sqlite",)


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
    """Make a place with a store of this kind, and leave nothing behind."""
    if kind not in STORE_KINDS:
        raise ValueError(f"no such kind of store: {kind}")
    with fast_folder() as folder, Board(folder / "board") as board:
        yield Place(folder, board, url_in(folder))
