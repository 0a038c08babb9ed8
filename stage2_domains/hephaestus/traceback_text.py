"""A Python traceback read from text: its exceptions, causes and frames.

Understands what CPython 3.11 to 3.14 print: chained exceptions, marker lines,
repeated frames, multi-line messages and syntax errors. Of an exception group the
group itself is read and its members are left alone. Each line is looked at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

__all__ = ["Block", "Frame", "Link", "read_traceback"]

Link: TypeAlias = Literal["", "cause", "context"]
"""How an exception follows from the one printed before it."""

State: TypeAlias = Literal["frames", "message", "over"]
"""What the next line of a block can be; a blank line ends a message."""

_HEADERS: Final = (
    "Traceback (most recent call last):",
    "Exception Group Traceback (most recent call last):",
)
_LINKS: Final[dict[str, Link]] = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}
_FRAME: Final = re.compile(
    r'  File "([^"]{1,1000})", line (\d{1,9})(?:, in (.{1,300}))?'
)
_EXCEPTION: Final = re.compile(r"([A-Za-z_][\w.]{0,200})(?:: ?(.*))?")
_REPEATED: Final = re.compile(r"  \[Previous line repeated (\d{1,9}) more times?\]")
_ENDINGS: Final = ("Error", "Exception", "Exit", "Group", "Interrupt", "Warning")
_INDENT: Final = "    "


@dataclass(slots=True)
class Frame:
    """One frame, as it was printed."""

    path: str
    line: int
    function: str
    """Empty in the location of a syntax error."""
    source: str = ""
    repeated: int = 0
    """How many more times the frame stood there."""


@dataclass(slots=True)
class Block:
    """One exception of the chain."""

    link: Link
    frames: list[Frame] = field(default_factory=list)
    exception: str = ""
    message: list[str] = field(default_factory=list)
    state: State = "over"


def read_traceback(text: str) -> list[Block]:
    """Read all exceptions in the order printed: the root cause first.

    Returns:
        The exceptions; none where the text holds neither a traceback nor a line
        that names an exception.
    """
    blocks: list[Block] = []
    link: Link = ""
    for raw in text.splitlines():
        # Members of a group stand behind a margin; the group itself has ``  + ``.
        line = raw.removeprefix("  + ") if "Traceback" in raw else raw
        line = line.removeprefix("  | ").rstrip()
        stripped = line.strip()
        if stripped in _LINKS:
            link = _LINKS[stripped]
        elif stripped in _HEADERS and (stripped == line or not blocks):
            blocks.append(Block(link, state="frames"))
            link = ""
        elif blocks and blocks[-1].state == "frames":
            _read_line(line, blocks[-1])
        elif not blocks and _FRAME.fullmatch(line):
            # A syntax error in the program itself is printed without a header.
            blocks.append(Block(link, state="frames"))
            _read_line(line, blocks[-1])
        elif blocks and blocks[-1].state == "message":
            _read_message(stripped, blocks[-1])
    found = [block for block in blocks if block.exception]
    return found or _lone_exception(text)


def _read_line(line: str, block: Block) -> None:
    frame = _FRAME.fullmatch(line)
    if frame is not None:
        path, number, function = frame.groups()
        block.frames.append(Frame(path, int(number), function or ""))
        return
    repeated = _REPEATED.fullmatch(line)
    if repeated is not None and block.frames:
        block.frames[-1].repeated = int(repeated[1])
        return
    if line.startswith(_INDENT) and block.frames:
        _read_source(line.strip(), block.frames[-1])
        return
    exception = _EXCEPTION.fullmatch(line)
    if exception is not None:
        block.exception = exception[1]
        block.message.append(exception[2] or "")
        block.state = "message"


def _read_message(text: str, block: Block) -> None:
    """Take one more line of a message; the ruler of a group's members ends it too."""
    if not text or text.startswith("+-"):
        block.state = "over"
    else:
        block.message.append(text)


def _read_source(text: str, frame: Frame) -> None:
    """Keep the first source line; what follows it only marks columns."""
    if not frame.source:
        frame.source = text


def _lone_exception(text: str) -> list[Block]:
    """Find a line like ``ValueError: bad`` where there is no traceback."""
    for line in text.splitlines():
        match = _EXCEPTION.fullmatch(line.strip())
        if match is not None and match[1].endswith(_ENDINGS):
            return [Block("", exception=match[1], message=[match[2] or ""])]
    return []
