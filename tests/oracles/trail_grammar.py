"""The trail grammar a second time, as regular expressions over its own text.

Each event is one letter; the grammar of the design, written down as patterns.
Shares nothing with ``audit.trail``.
"""

import re

LETTERS = {
    ("TOKEN_VALIDATION", "success"): "V",
    ("TOKEN_VALIDATION", "denied"): "v",
    ("AUTHORIZATION_SCOPE_CHECK", "success"): "S",
    ("AUTHORIZATION_SCOPE_CHECK", "denied"): "s",
    ("RESOURCE_LIMIT_CHECK", "success"): "L",
    ("RESOURCE_LIMIT_CHECK", "denied"): "l",
    ("EXECUTION_STARTED", "started"): "X",
    ("EXECUTION_COMPLETED", "success"): "C",
    ("EXECUTION_COMPLETED", "failed"): "c",
    ("EXECUTION_DENIED", "denied"): "D",
    ("BOUNDARY_VIOLATION", "denied"): "B",
    ("OPERATION_ABORTED", "aborted"): "A",
}
SYMBOLS = {letter: symbol for symbol, letter in LETTERS.items()}

GOOD_STEP = "SLXC"
LAST_STEPS = ("D", "sD", "SlD", "SLBD", "SLXc", "SLXBc")


def complete_trails(steps: int) -> set[str]:
    """Every complete trail of a plan of so many steps, aborted ones excepted."""
    trails = {"D", "vD", "V" + GOOD_STEP * steps}
    for done in range(steps):
        trails |= {"V" + GOOD_STEP * done + last for last in LAST_STEPS}
    return trails


def is_complete(trail: str, steps: int) -> bool:
    """Whether the letters are a complete trail, aborted ones included."""
    if trail.endswith("A"):
        return len(trail) > 1 and is_open_prefix(trail[:-1], steps)
    good = f"V(?:{GOOD_STEP}){{{steps}}}"
    last = "|".join(LAST_STEPS)
    bad = f"V(?:{GOOD_STEP}){{0,{steps - 1}}}(?:{last})"
    return re.fullmatch(f"D|vD|{good}|{bad}", trail) is not None


def is_open_prefix(trail: str, steps: int) -> bool:
    """Whether the letters are a proper prefix of some complete trail."""
    return any(
        whole.startswith(trail) and whole != trail for whole in complete_trails(steps)
    )


def is_legal(trail: str, steps: int) -> bool:
    """Whether a stream may hold these letters."""
    return is_complete(trail, steps) or is_open_prefix(trail, steps)
