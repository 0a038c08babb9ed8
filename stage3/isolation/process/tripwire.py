"""Names what a domain reaches for inside a closed box, and ends the child at once.

Nothing here holds anything back: the kernel does. But the kernel's word for every
attempt is "killed", and a reader of the record wants to know which file, which module.
So an audit hook and the domain's ``__import__`` say it before the kernel gets to see
the attempt. Code that gets round them gains nothing but an unnamed violation.

Spec: BOX-5.
"""

from __future__ import annotations

import builtins
import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from stage2_domains.sentences import printable
from stage2_domains.source import is_importable
from stage3.isolation.events import BENIGN_EVENTS, is_error_display, violation_of
from stage3.isolation.interface import MAX_DETAIL_CHARS, Violation, ViolationKind
from stage3.isolation.process.frames import send_frame
from stage3.isolation.process.replies import reply_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["IMPLIED", "REPLY_FD", "Tripwire", "reply_and_wait"]

IMPLIED: Final = frozenset({"_pylong", "_strptime", "copyreg"})
"""What functions of C import in the name of who calls them: ``strptime`` and such."""

REPLY_FD: Final = 3
"""The one descriptor a child has."""

_WHILE_LOADING: Final = BENIGN_EVENTS | {
    "exec",
    "function.__new__",
    "object.__delattr__",
    "object.__getattr__",
    "object.__setattr__",
    "sys._getframe",
    "sys._getframemodulename",
}
"""What making a dataclass or a named tuple raises: fine while the module runs."""

_RESERVE: Final = 250
"""Calls kept free below the recursion limit, for saying what was attempted."""


class _Import(Protocol):
    """The shape of ``__import__``."""

    def __call__(
        self,
        name: str,
        names: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        wanted: Sequence[str] = (),
        level: int = 0,
        /,
    ) -> object: ...


class Tripwire:
    """The hook and the import of one child.

    Attributes:
        event: The first attempt, as an event's name; ``None`` for none. Set before
            anything is called, so that a domain near the recursion limit cannot make
            the note fail.
        arguments: The event's arguments.
    """

    __slots__ = ("_benign", "arguments", "event")

    def __init__(self) -> None:
        self.event: str | None = None
        self.arguments: tuple[object, ...] = ()
        self._benign: frozenset[str] | None = None

    def install(self) -> None:
        """Add the hook for good; it does nothing until ``arm``."""
        trip = self._trip

        # The interpreter does not trace its hooks, so no report shows them covered.
        def hook(event: str, arguments: tuple[object, ...]) -> None:  # pragma: no cover
            if self._benign is None or event in self._benign:
                return
            if event == "open" and is_error_display(arguments):
                raise FileNotFoundError
            if self.event is None:
                self.arguments = arguments
                self.event = event
            trip()

        sys.addaudithook(hook)

    def arm(self, *, loading: bool) -> None:
        """Take every event that is not benign for an attempt from now on."""
        self._benign = _WHILE_LOADING if loading else BENIGN_EVENTS

    def disarm(self) -> None:
        """Take no event for an attempt, until ``arm``."""
        self._benign = None

    def settle(self) -> Violation | None:
        """Return the first attempt in words."""
        if self.event is None:
            return None
        return violation_of(self.event, self.arguments)

    def names(self) -> dict[str, object]:
        """Return the built-in names for the domain's module."""
        return {**vars(builtins), "__import__": self._guarded(builtins.__import__)}

    def _guarded(self, real: _Import) -> _Import:
        loaded = sys.modules

        def guarded(
            name: str,
            names: Mapping[str, object] | None = None,
            local: Mapping[str, object] | None = None,
            wanted: Sequence[str] = (),
            level: int = 0,
        ) -> object:
            if type(name) is str and level == 0:
                if (is_importable(name) or name in IMPLIED) and name in loaded:
                    return real(name, names, local, wanted, level)
                shown = printable(name, MAX_DETAIL_CHARS)
            else:
                shown = "a module relative to the domain's own"
            if self.event is None:
                self.arguments = (shown,)
                self.event = "import"
            return self._trip()

        return guarded

    def _trip(self) -> NoReturn:
        """Say what was attempted and end; no code of the domain runs any more."""
        self._benign = None
        try:
            sys.setrecursionlimit(sys.getrecursionlimit() + _RESERVE)
            noticed = self.settle() or _NAMELESS
            reply_and_wait(reply_bytes(noticed))
        finally:
            os._exit(0)


_NAMELESS: Final = Violation(ViolationKind.INTEGRITY, "an attempt", "hook")


def reply_and_wait(payload: bytes) -> NoReturn:
    """Reply, then do nothing until killed: the host looks at this process first."""
    try:
        send_frame(REPLY_FD, payload)
        # Nothing ever comes; an end of file means that the host is gone.
        os.read(REPLY_FD, 1)
    finally:
        os._exit(0)
