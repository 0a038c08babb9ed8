"""Where an issue most likely is, from the traceback in its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stage2_domains.hephaestus.traceback_text import Block, Frame, read_traceback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stage2_domains.reading import Record
    from stage2_domains.tabled import Answer

__all__ = ["HINTS", "debug_issue"]

_SHOWN_FRAMES: Final = 50
_SHOWN_EXCEPTIONS: Final = 20
_SHOWN_TEXT: Final = 500

_LIBRARIES: Final = ("/site-packages/", "/dist-packages/", "/lib/python", "<frozen ")

HINTS: Final = {
    "AssertionError": "A condition the code relies on was false at this line.",
    "AttributeError": "The object has another type than expected, often None.",
    "FileNotFoundError": "The path does not exist as seen from the working directory.",
    "ImportError": "The module was found, and does not have this name.",
    "IndexError": "The position is outside the sequence; look at its length.",
    "IndentationError": "The indentation differs from the block around this line.",
    "KeyError": "The mapping has no such key; look at where it is filled.",
    "ModuleNotFoundError": "The module is not installed in this environment.",
    "NameError": "The name is not defined where it is used; look for a misspelling.",
    "PermissionError": "The process may not open this; look at owner and mode.",
    "RecursionError": "The function calls itself without reaching an end.",
    "SyntaxError": "The line, or the one before it, is not valid Python.",
    "TimeoutError": "The other side did not answer in time.",
    "TypeError": "A value has a type that the operation does not take.",
    "UnboundLocalError": "The name is assigned later in the function.",
    "UnicodeDecodeError": "The bytes have another encoding than the one named.",
    "ValueError": "The type is right and the value is not; look at where it came from.",
    "ZeroDivisionError": "The divisor is zero; look at where it is computed.",
}
"""One sentence per exception that ships with Python."""


def debug_issue(given: Record) -> Answer:
    """Read the issue's traceback and name the most likely place.

    The root cause is the exception printed first: the others were raised because
    of it. Within it, the place is the innermost frame below one of the
    ``project_paths``; else the innermost frame outside the libraries; else the
    innermost frame.
    """
    text = given.text("issue")
    blocks = read_traceback(text)
    if not blocks:
        raise given.refusal("issue", "no Python traceback and no exception found in it")
    projects = given.texts("project_paths")
    root = blocks[0]
    place, why = _place(root, projects)
    last = blocks[-1]
    return {
        "issue": _cut(_headline(last)),
        "diagnosis": {
            "root_cause": _cut(_headline(root)),
            "exception": _cut(root.exception),
            "likely_location": None if place is None else _shown(place, projects),
            "why": why,
            "hint": HINTS.get(root.exception.rpartition(".")[2]),
            "chain": [
                {"exception": _cut(_headline(one)), "link": one.link or None}
                for one in blocks[-_SHOWN_EXCEPTIONS:]
            ],
            "exceptions_count": len(blocks),
            "frames": [_shown(one, projects) for one in root.frames[-_SHOWN_FRAMES:]],
            "frames_count": sum(1 + one.repeated for one in root.frames),
        },
    }


def _place(block: Block, projects: Sequence[str]) -> tuple[Frame | None, str]:
    innermost = block.frames[::-1]
    if not innermost:
        return None, "the issue holds no frames"
    for frame in innermost:
        if _in_project(frame, projects):
            return frame, "the innermost frame within the project paths"
    for frame in innermost:
        if not any(part in _slashed(frame.path) for part in _LIBRARIES):
            return frame, "the innermost frame outside the libraries"
    return innermost[0], "the innermost frame; all frames are in libraries"


def _in_project(frame: Frame, projects: Sequence[str]) -> bool:
    """Whether the frame's file is one of the paths, or below one of them."""
    path = _slashed(frame.path)
    for project in projects:
        folder = _slashed(project).rstrip("/")
        if path == folder or path.startswith(f"{folder}/"):
            return True
        # A relative path given stands for the same path below any folder.
        if not folder.startswith("/") and f"/{folder}/" in f"{path}/":
            return True
    return False


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _shown(frame: Frame, projects: Sequence[str]) -> Answer:
    return {
        "path": _cut(frame.path),
        "line": frame.line,
        "function": frame.function or None,
        "source": _cut(frame.source) or None,
        "in_project": _in_project(frame, projects),
        "times": 1 + frame.repeated,
    }


def _headline(block: Block) -> str:
    message = "\n".join(block.message).strip()
    return f"{block.exception}: {message}" if message else block.exception


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]}..."
