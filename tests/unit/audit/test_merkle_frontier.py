"""The tree, by the reference vectors and against the recursive definition."""

import hashlib
import json
from pathlib import Path

import pytest

from audit.errors import LedgerFormatError
from audit.merkle import EMPTY, MAX_SIZE, Frontier, leaf_hash, node_hash, root_of
from tests.oracles.merkle_tree import tree_hash

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/audit/rfc6962_roots.json").read_text("utf-8")
)


@pytest.mark.parametrize("size", range(9))
def test_the_root_is_that_of_the_reference_implementation(size: int) -> None:
    """AUD-5.1, AUD-5.2, AUD-5.3."""
    leaves = [bytes.fromhex(text) for text in VECTORS["leaves"][:size]]

    assert root_of(map(leaf_hash, leaves)).hex() == VECTORS["roots"][size]


def test_the_root_is_that_of_the_definition_for_every_size_to_130() -> None:
    """AUD-5.2: exhaustively, one leaf at a time and all at once."""
    entries = [bytes([n, n ^ 0x5A]) for n in range(130)]
    grown = EMPTY
    for size in range(131):
        expected = tree_hash(entries[:size])
        assert grown.size == size
        assert grown.root() == expected
        assert root_of(map(leaf_hash, entries[:size])) == expected
        if size < 130:
            grown = grown.append(leaf_hash(entries[size]))


def test_leaves_and_nodes_are_hashed_apart() -> None:
    """AUD-5.1: the prefixes keep a node from being read as a leaf."""
    left, right = leaf_hash(b"l"), leaf_hash(b"r")

    assert leaf_hash(b"x") == hashlib.sha256(b"\x00x").digest()
    assert node_hash(left, right) == hashlib.sha256(b"\x01" + left + right).digest()
    assert node_hash(left, right) != leaf_hash(left + right)


@pytest.mark.parametrize("split", range(0, 131, 7))
def test_growing_in_two_parts_is_growing_at_once(split: int) -> None:
    """A frontier is all that growing needs (AUD-5.4)."""
    leaves = [leaf_hash(bytes([n])) for n in range(130)]
    stored = EMPTY.extend(leaves[:split]).to_bytes()

    assert Frontier.from_bytes(stored).extend(leaves[split:]) == EMPTY.extend(leaves)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 255, 2**53 - 1])
def test_a_frontier_survives_its_bytes(size: int) -> None:
    """AUD-5.4."""
    hashes = tuple(leaf_hash(bytes([n])) for n in range(size.bit_count()))
    frontier = Frontier(size, hashes)

    assert len(frontier.to_bytes()) == 8 + 32 * size.bit_count()
    assert Frontier.from_bytes(frontier.to_bytes()) == frontier


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(7),
        bytes(9),
        (1).to_bytes(8, "big"),
        (1).to_bytes(8, "big") + bytes(31),
        (1).to_bytes(8, "big") + bytes(33),
        (2).to_bytes(8, "big") + bytes(64),
        (3).to_bytes(8, "big") + bytes(32),
        (MAX_SIZE + 1).to_bytes(8, "big") + bytes(32),
        b"\xff" * (8 + 64 * 32),
    ],
    ids=range(10),
)
def test_other_bytes_are_no_frontier(data: bytes) -> None:
    """AUD-5.4."""
    with pytest.raises(LedgerFormatError):
        Frontier.from_bytes(data)
