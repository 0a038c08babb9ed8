"""What the interpreter's audit events mean inside a box.

The table is a default deny: an event that is not benign is a violation, also one
that a later Python invents. Nothing here looks into an argument that is not exactly
a ``str``, ``bytes`` or ``int``, since anything else may be an object of the domain.

Spec: ``docs/spec/isolation.md``, ISO-4.
"""

from __future__ import annotations

from typing import Final

from stage2_domains.sentences import bounded, printable
from stage3.isolation.interface import (
    MAX_DETAIL_CHARS,
    Violation,
    ViolationKind,
    ViolationSource,
)

__all__ = [
    "BENIGN_EVENTS",
    "GUARD_EVENT",
    "is_error_display",
    "kind_of",
    "violation_of",
]

GUARD_EVENT: Final = "stage3.guard"
"""Raised at the public entries of the executor, the tokens, the log and the stores."""

BENIGN_EVENTS: Final = frozenset(
    {
        # ``ast.parse`` raises it. Compiling runs nothing; running what was compiled
        # raises ``exec``, which is not on this list.
        "compile",
        # ``copy.deepcopy``, ``dataclasses.asdict`` and every dataclass ``repr`` ask for
        # it. A number that nothing turns back into an object reaches nothing.
        "builtins.id",
        # ``array.array(...)``: memory of its own.
        "array.__new__",
    }
)

_BY_EVENT: Final = {
    GUARD_EVENT: ViolationKind.INTEGRITY,
    "import": ViolationKind.IMPORT,
    "open": ViolationKind.OPEN,
    "os._exit": ViolationKind.PROCESS,
    "os.exec": ViolationKind.PROCESS,
    "os.fork": ViolationKind.PROCESS,
    "os.forkpty": ViolationKind.PROCESS,
    "os.kill": ViolationKind.SIGNAL,
    "os.killpg": ViolationKind.SIGNAL,
    "os.posix_spawn": ViolationKind.PROCESS,
    "os.putenv": ViolationKind.INTEGRITY,
    "os.spawn": ViolationKind.PROCESS,
    "os.startfile": ViolationKind.PROCESS,
    "os.system": ViolationKind.PROCESS,
    "os.unsetenv": ViolationKind.INTEGRITY,
}

_BY_FAMILY: Final = {
    "_posixsubprocess": ViolationKind.PROCESS,
    "_thread": ViolationKind.THREAD,
    "ctypes": ViolationKind.SYSCALL,
    "fcntl": ViolationKind.SYSCALL,
    "ftplib": ViolationKind.SOCKET,
    "glob": ViolationKind.OPEN,
    "http": ViolationKind.SOCKET,
    "imaplib": ViolationKind.SOCKET,
    "mmap": ViolationKind.SYSCALL,
    "msvcrt": ViolationKind.SYSCALL,
    "nntplib": ViolationKind.SOCKET,
    "os": ViolationKind.OPEN,
    "pathlib": ViolationKind.OPEN,
    "poplib": ViolationKind.SOCKET,
    "pty": ViolationKind.PROCESS,
    "resource": ViolationKind.SYSCALL,
    "shutil": ViolationKind.OPEN,
    "signal": ViolationKind.SIGNAL,
    "smtplib": ViolationKind.SOCKET,
    "socket": ViolationKind.SOCKET,
    "sqlite3": ViolationKind.OPEN,
    "ssl": ViolationKind.SOCKET,
    "subprocess": ViolationKind.PROCESS,
    "syslog": ViolationKind.SYSCALL,
    "telnetlib": ViolationKind.SOCKET,
    "tempfile": ViolationKind.OPEN,
    "time": ViolationKind.SYSCALL,
    "urllib": ViolationKind.SOCKET,
    "webbrowser": ViolationKind.PROCESS,
    "winreg": ViolationKind.SYSCALL,
}

_SOURCES: Final[dict[str, ViolationSource]] = {GUARD_EVENT: "call", "import": "import"}

_SHOWN_ARGUMENTS: Final = 3


def is_error_display(arguments: tuple[object, ...]) -> bool:
    """Whether an ``open`` event is the parser's, looking for the line of an error.

    A syntax error in ``ast.parse(text)`` makes CPython open the file ``<unknown>`` to
    quote the line, and go on without when it cannot. That open is refused like any
    other, but nobody is accused of it. A real file name is another matter: through
    ``compile`` it would read a line of that file.

    Args:
        arguments: Of the event ``open``: path, mode and flags. The parser's flags are
            0; those of ``open()`` never are.
    """
    if tuple(map(type, arguments)) != (str, str, int) or arguments[1:] != ("rb", 0):
        return False
    path = str(arguments[0])
    return path[:1] == "<" and path[-1:] == ">" and "/" not in path


def kind_of(event: str) -> ViolationKind:
    """Return the kind of a denied event: by name, by family, else ``integrity``.

    ``integrity`` is right for the rest, which is about the interpreter itself:
    frames, the garbage collector, code objects, hooks, ``exec``.
    """
    exact = _BY_EVENT.get(event)
    family = event.partition(".")[0]
    return exact or _BY_FAMILY.get(family, ViolationKind.INTEGRITY)


def violation_of(event: str, arguments: tuple[object, ...]) -> Violation:
    """Say in bounded printable words what a denied event was about.

    Args:
        event: The event's name, as the hook received it.
        arguments: Its arguments; objects of the domain may be among them.
    """
    shown = [_shown(argument) for argument in arguments[:_SHOWN_ARGUMENTS]]
    words = " ".join(word for word in shown if word)
    detail = f"{printable(event)}: {words}" if words else printable(event)
    return Violation(
        kind=kind_of(event),
        detail=bounded(detail, MAX_DETAIL_CHARS),
        source=_SOURCES.get(event, "hook"),
    )


def _shown(argument: object) -> str:
    # Exact types only: a subclass could run code when it is sliced or printed.
    if type(argument) is str:
        return printable(argument, MAX_DETAIL_CHARS)
    if type(argument) is bytes:
        return printable(argument.decode("ascii", "replace"), MAX_DETAIL_CHARS)
    return str(argument) if type(argument) is int and -_WIDE < argument < _WIDE else ""


_WIDE: Final = 2**63
