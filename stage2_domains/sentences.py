"""Outside text made safe to appear in a sentence.

Everything that came from a caller or a domain and is shown in a message passes
through here: ASCII only, control and bidirectional characters escaped, bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_SENTENCE", "bounded", "listed", "printable"]

MAX_SENTENCE: Final = 2_000
"""The longest sentence this package makes, in characters."""

_LISTED: Final = 20


def printable(text: str, limit: int = 64) -> str:
    """Escape ``text`` to printable ASCII of at most ``limit`` source characters."""
    shown = ascii(text[:limit])[1:-1]
    return shown if len(text) <= limit else f"{shown}..."


def listed(names: Iterable[str], most: int = _LISTED) -> str:
    """Quote ``names`` in the order given; past ``most`` of them, say how many more."""
    everything = list(names)
    shown = ", ".join(f"'{printable(name)}'" for name in everything[:most])
    more = len(everything) - most
    return f"{shown} and {more} more" if more > 0 else shown


def bounded(sentence: str, limit: int = MAX_SENTENCE) -> str:
    """Cut a sentence made of bounded parts to ``limit`` characters."""
    return sentence if len(sentence) <= limit else f"{sentence[: limit - 3]}..."
