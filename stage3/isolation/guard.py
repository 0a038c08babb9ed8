"""The audit hook that notices what a domain's thread reaches for.

A tripwire, not a wall: CPython says of its audit hooks that they are not suitable for
a sandbox, and code that tries can get around this one (``docs/isolation.md``). It can
never be removed from the interpreter, so there is one per process, installed at its
first use, and it returns at once while no domain runs.

Spec: ``docs/spec/isolation.md``, ISO-3.
"""

from __future__ import annotations

import os
import sys
from functools import cache, partial
from threading import get_ident
from typing import TYPE_CHECKING

from stage3.isolation.events import BENIGN_EVENTS, is_error_display, violation_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage3.isolation.interface import Violation

__all__ = ["Guard", "Trip", "Watch", "installed_guard"]


class Trip(BaseException):
    """Stops a domain at a forbidden act.

    Not an ``Exception``, so that an ordinary ``except Exception`` lets it through.
    Catching it anyway changes nothing: the watch keeps what was noticed.
    """


class Watch:
    """What was noticed on one thread during one call; the first attempt is kept."""

    __slots__ = ("arguments", "event")

    def __init__(self) -> None:
        self.event: str | None = None
        self.arguments: tuple[object, ...] = ()

    def settle(self) -> Violation | None:
        """Return the first attempt in words and let go of the domain's objects."""
        if self.event is None:
            return None
        violation = violation_of(self.event, self.arguments)
        self.arguments = ()
        return violation


class Guard:
    """The process's hook, seen from the box.

    Guarantees:

    - Only the thread that armed it is watched; other threads pay one dictionary
      look-up per audited event while any domain runs, and one truth test otherwise.
    - An attempt is noted before ``Trip`` is raised.
    - The state is keyed by thread and not by context, since a domain can run code in
      a ``contextvars.Context`` of its own.

    Attributes:
        arm: Starts watching the calling thread, which must not be watched.
    """

    __slots__ = ("_watches", "arm")

    def __init__(self, watches: dict[int, Watch], arm: Callable[[Watch], None]) -> None:
        self._watches = watches
        self.arm = arm

    def disarm_call(self) -> Callable[[], object]:
        """Return a call that stops watching this thread, however often it is made.

        It runs no Python bytecode, so no signal handler can interrupt it half way.
        """
        return partial(self._watches.pop, get_ident(), None)


@cache
def installed_guard() -> Guard:
    """Return the process's one guard; the first call installs it for good."""
    watches: dict[int, Watch] = {}
    # Bound here, so that changing this module's globals changes nothing for the hook.
    benign, ident, trip, is_display = BENIGN_EVENTS, get_ident, Trip, is_error_display

    # The interpreter does not trace its hooks, so a coverage report cannot see this.
    def hook(event: str, arguments: tuple[object, ...]) -> None:  # pragma: no cover
        if not watches:
            return
        watch = watches.get(ident())
        if watch is None or event in benign:
            return
        if event == "open" and is_display(arguments):
            raise trip(event)
        # Noted by plain assignments and before anything is called: a domain close to
        # the recursion limit could otherwise make the note fail.
        if watch.event is None:
            watch.arguments = arguments
            watch.event = event
        raise trip(event)

    def arm(watch: Watch) -> None:
        watches[ident()] = watch

    sys.addaudithook(hook)
    # A forked child has only the forking thread; what other threads were doing is
    # not its business, and their numbers may be given out again.
    os.register_at_fork(after_in_child=watches.clear)
    return Guard(watches, arm)
