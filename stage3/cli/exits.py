"""The exit codes of every command.

Source: docs/spec/cli.md, CLI-2.
"""

from typing import Final

__all__ = ["INFRASTRUCTURE", "INTERRUPTED", "OK", "REFUSED", "USAGE"]

OK: Final = 0
"""Done, as asked."""

REFUSED: Final = 1
"""A gate, a verification or a check said no."""

USAGE: Final = 2
"""The arguments or a file given are not what they must be. Nothing was done."""

INFRASTRUCTURE: Final = 3
"""The store, a disk or the program itself failed."""

INTERRUPTED: Final = 130
"""Stopped by the keyboard."""
