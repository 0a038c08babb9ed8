"""The order in which this process looks at its stores.

A view sees what was committed when it was opened. Who compares two looks must know
which came first: a number is drawn before a view is opened, or after something was
learned, and the smaller one was drawn first, on whatever thread.

Source: docs/spec/store.md, STO-3.13.
"""

import itertools
from typing import Final

__all__ = ["next_look"]

_NUMBERS: Final = itertools.count(1)


def next_look() -> int:
    """Draw a number that is greater than every number drawn before."""
    return next(_NUMBERS)
