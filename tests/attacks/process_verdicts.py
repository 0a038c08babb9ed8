"""What the process box makes of the attacks, where it does not stop both forms.

Found by running them, as in the catalogue. *Harmless* and *refused* mean that nothing
of the host was reached: the attack ran in a child that holds nothing but its own
parameters, or found that what it looks for is not there.
"""

from __future__ import annotations

from typing import Final

from tests.attacks.verdicts import Verdict

__all__ = ["STOPPED", "in_a_process"]

STOPPED: Final = (Verdict.STOPPED, Verdict.STOPPED)

_OTHERS: Final = {
    "attach a database to an open connection": (Verdict.REFUSED, Verdict.HARMLESS),
    "print": (Verdict.HARMLESS, Verdict.HARMLESS),
    "ask the terminal": (Verdict.REFUSED, Verdict.HARMLESS),
    "call a public entry": (Verdict.REFUSED, Verdict.HARMLESS),
    "call the box again": (Verdict.REFUSED, Verdict.HARMLESS),
    "call a private function": (Verdict.REFUSED, Verdict.HARMLESS),
    "walk the classes to a token": (Verdict.HARMLESS, Verdict.HARMLESS),
    "walk a function's globals": (Verdict.REFUSED, Verdict.HARMLESS),
    "clear the guard's own state": (Verdict.REFUSED, Verdict.HARMLESS),
    "patch a watched class": (Verdict.REFUSED, Verdict.HARMLESS),
    "patch a module nobody watches": (Verdict.HARMLESS, Verdict.HARMLESS),
    "hide state in the standard library": (Verdict.HARMLESS, Verdict.HARMLESS),
    "keep state in a global": (Verdict.HARMLESS, Verdict.HARMLESS),
    "add a warning filter": (Verdict.HARMLESS, Verdict.HARMLESS),
    "seed the shared random numbers": (Verdict.HARMLESS, Verdict.HARMLESS),
    "change the decimal precision": (Verdict.HARMLESS, Verdict.HARMLESS),
    "read the clock": (Verdict.HARMLESS, Verdict.HARMLESS),
    "256 MiB of memory": (Verdict.STOPPED, Verdict.HARMLESS),
    "more memory than there is": (Verdict.STOPPED, Verdict.HARMLESS),
    "deep recursion": (Verdict.STOPPED, Verdict.HARMLESS),
    "a huge answer": (Verdict.REFUSED, Verdict.REFUSED),
    "a deep answer": (Verdict.REFUSED, Verdict.REFUSED),
    "an answer that holds itself": (Verdict.REFUSED, Verdict.REFUSED),
    "not a number": (Verdict.REFUSED, Verdict.REFUSED),
    "bytes": (Verdict.REFUSED, Verdict.REFUSED),
    "a lone surrogate": (Verdict.REFUSED, Verdict.REFUSED),
    "an answer of the wrong type": (Verdict.REFUSED, Verdict.REFUSED),
    "a subclass of the answer": (Verdict.REFUSED, Verdict.REFUSED),
    "an answer without fields": (Verdict.REFUSED, Verdict.REFUSED),
    "a coroutine": (Verdict.REFUSED, Verdict.REFUSED),
    "a generator": (Verdict.REFUSED, Verdict.REFUSED),
    "a dict that runs code when read": (Verdict.REFUSED, Verdict.REFUSED),
    "a class whose name is computed": (Verdict.REFUSED, Verdict.REFUSED),
    "a class that lies about itself": (Verdict.REFUSED, Verdict.REFUSED),
    "an error whose text runs code": (Verdict.STOPPED, Verdict.HARMLESS),
    "a finalizer that waits for the collector": (Verdict.HARMLESS, Verdict.HARMLESS),
    "leave by KeyboardInterrupt": (Verdict.STOPPED, Verdict.HARMLESS),
    "leave by an exception group": (Verdict.REFUSED, Verdict.HARMLESS),
}


def in_a_process(name: str) -> tuple[Verdict, Verdict]:
    """Return the verdicts on an attack: as it is, and with exceptions swallowed."""
    return _OTHERS.get(name, STOPPED)
