"""The trail grammar against an oracle written as patterns over the design's text."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import GrammarError
from audit.trail import START, advance, expected_trail, is_closed
from tests.oracles.trail_grammar import (
    LETTERS,
    SYMBOLS,
    complete_trails,
    is_complete,
    is_legal,
)

STREAM = "execution:01234567-89ab-cdef-0123-456789abcdef"


def answer(letters: str, steps: int) -> tuple[bool, bool]:
    """Whether our grammar takes the letters, and whether they are complete."""
    state = START
    for letter in letters:
        kind, status = SYMBOLS[letter]
        try:
            state = advance(STREAM, state, kind, status, steps=steps)
        except GrammarError:
            return False, False
    return True, is_closed(state)


def check(letters: str, steps: int) -> None:
    legal, closed = answer(letters, steps)
    assert legal == (letters == "" or is_legal(letters, steps)), (letters, steps)
    assert closed == is_complete(letters, steps), (letters, steps)


@pytest.mark.parametrize("length", range(5))
def test_every_sequence_up_to_length_four_agrees(length: int) -> None:
    """AUD-4.1, exhaustively: 12 letters, plans of one and two steps."""
    for letters in itertools.product(SYMBOLS, repeat=length):
        check("".join(letters), 1)
        check("".join(letters), 2)


def mutants(trail: str) -> set[str]:
    """Every trail one event away: deleted, inserted, replaced, exchanged."""
    found = set()
    for at in range(len(trail) + 1):
        found |= {trail[:at] + letter + trail[at:] for letter in SYMBOLS}
        if at < len(trail):
            found.add(trail[:at] + trail[at + 1 :])
            found |= {trail[:at] + letter + trail[at + 1 :] for letter in SYMBOLS}
        if at + 1 < len(trail):
            found.add(trail[:at] + trail[at + 1] + trail[at] + trail[at + 2 :])
    return found


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_every_single_event_mutation_of_a_legal_trail_agrees(steps: int) -> None:
    """AUD-4.1: complete trails, their prefixes, aborted ones, and all neighbours."""
    legal = set()
    for trail in complete_trails(steps):
        legal |= {trail[:end] for end in range(len(trail) + 1)}
        legal |= {trail[:end] + "A" for end in range(1, len(trail))}
    for trail in legal:
        check(trail, steps)
        for mutant in mutants(trail):
            check(mutant, steps)


@settings(max_examples=200)
@given(
    st.integers(1, 4),
    st.lists(st.sampled_from(["SLXC", *SYMBOLS, "D", "sD", "SLXBc", "A"]), max_size=8),
)
def test_generated_sequences_agree(steps: int, parts: list[str]) -> None:
    """AUD-4.1, AUD-4.4."""
    check("V" + "".join(parts), steps)


@pytest.mark.parametrize("steps", [1, 2, 17, 256])
def test_the_expected_trail_is_the_one_the_patterns_know(steps: int) -> None:
    """AUD-4.2."""
    letters = "".join(LETTERS[kind.value, s] for kind, s in expected_trail(steps))

    assert letters == "V" + "SLXC" * steps
    assert is_complete(letters, steps)
