"""Python source into a syntax tree, without touching a file.

To show the line of a syntax error in a module, the parser opens the file it believes
the source to come from, and whatever lies there. It does so for modules only, so the
source is parsed as the body of one interactive statement instead.
"""

from __future__ import annotations

import ast
import re
import threading
import warnings
from dataclasses import dataclass
from typing import Final

from stage2_domains.sentences import printable

__all__ = ["ADDED_LINES", "SourceError", "parse_source"]

ADDED_LINES: Final = 2
"""How much larger the line numbers in the tree are than in the source."""

_HEADER: Final = "if 1:\n\tpass\n"
_LINE_IN_MESSAGE: Final = re.compile(r"\bline (\d{1,9})\b")

# A form feed sets the indentation back to nothing, so only what follows the last one
# of a line's leading blanks indents.
_RESET: Final = re.compile(r"^[ \t\f]*\f", re.MULTILINE)

# The parser warns about suspicious literals, and showing a warning opens the source
# as well. The filters belong to the process, hence the lock.
_PARSING: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class SourceError:
    """Why a text is not Python; positions count from 1."""

    line: int | None
    column: int | None
    message: str


def parse_source(source: str) -> ast.Module | SourceError:
    """Parse any text.

    Returns:
        The module, whose line numbers are ``ADDED_LINES`` too large and whose columns
        are one too large; or what is wrong, with the positions of ``source``.
    """
    try:
        with _PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(_wrapped(source), mode="single")
    except SyntaxError as error:
        return _located(error)
    except ValueError:
        return SourceError(None, None, "the source holds a character Python refuses")
    except (RecursionError, MemoryError):
        return SourceError(None, None, "the source is nested too deeply to be parsed")
    return ast.Module(body=_body(tree), type_ignores=[])


def _wrapped(source: str) -> str:
    """Indent every line by one tab, which shifts tabs and blanks alike."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n")
    indented = _RESET.sub("", lines.removesuffix("\n")).replace("\n", "\n\t")
    return f"{_HEADER}\t{indented}\n"


def _body(tree: ast.Interactive) -> list[ast.stmt]:
    """Take the source's statements out of ``if 1: pass; ...``."""
    header = tree.body[0]
    return header.body[1:] if isinstance(header, ast.If) else []


def _located(error: SyntaxError) -> SourceError:
    line = None if error.lineno is None else max(1, error.lineno - ADDED_LINES)
    column = None if error.offset is None else max(1, error.offset - 1)
    message = _LINE_IN_MESSAGE.sub(
        lambda found: f"line {max(1, int(found[1]) - ADDED_LINES)}", error.msg
    )
    return SourceError(line, column, printable(message, 200))
