"""What the interpreter looked like before a call, compared with what it is after.

Finds what raises no audit event: a patched function, a new signal handler, a thread.
It finds it only after it happened, and only where it looks.

Two groups. What only the calling thread should change while it is in a domain (hooks,
recursion limit, signal handlers, the watched namespaces) is always compared. What
another thread may change at any time for good reasons (threads, modules, exit
functions) is compared only when there is no other thread, so that a domain is never
accused of what a neighbour did.

Spec: ``docs/spec/isolation.md``, ISO-5.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the type stubs leave it out
import _thread
import atexit
import builtins
import gc
import operator
import signal
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from stage2_domains.sentences import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Integrity", "Snapshot", "Watched"]

Watched: TypeAlias = ModuleType | type
"""A namespace whose members are compared by identity."""

_Namespace: TypeAlias = tuple[Watched, tuple[str, ...], tuple[object, ...]]

_SETTINGS: Final = (
    "breakpointhook",
    "displayhook",
    "excepthook",
    "meta_path",
    "modules",
    "path",
    "path_hooks",
    "stderr",
    "stdin",
    "stdout",
    "unraisablehook",
)
_SIGNALS: Final = tuple(int(number) for number in sorted(signal.valid_signals()))
_SHARED: Final = ("threads", "modules", "exit functions", "garbage collection")


class Integrity:
    """Takes snapshots of the interpreter.

    Args:
        watched: Modules and classes whose members must stay what they are, beside
            ``builtins``. About 5 us per 100 members and call. Only static ones: a
            module that fills itself in lazily would look tampered with.
    """

    __slots__ = ("_watched",)

    def __init__(self, watched: Sequence[Watched] = ()) -> None:
        self._watched: tuple[Watched, ...] = (builtins, *watched)

    def take(self) -> Snapshot:
        """Look at the interpreter as it is now."""
        return Snapshot(self._watched)


class Snapshot:
    """One look at the interpreter.

    Objects are compared by identity: ``==`` could run code of the domain.

    """

    __slots__ = (
        "_handlers",
        "_limit",
        "_limit_differed",
        "_lists",
        "_namespaces",
        "_settings",
        "_shared",
    )

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._limit = sys.getrecursionlimit()
        self._limit_differed = False
        self._settings = _settings()
        self._handlers = _handlers()
        self._lists = tuple((each, tuple(each)) for each in _lists())
        self._namespaces = tuple(map(_namespace, watched))
        self._shared = _shared()

    def restore_recursion_limit(self) -> None:
        """Put the limit back before anything else: a low one would stop the box."""
        if sys.getrecursionlimit() != self._limit:
            sys.setrecursionlimit(self._limit)
            self._limit_differed = True

    def restore(self) -> str | None:
        """Put back what can be put back.

        Threads, modules, exit functions and objects that were changed inside stay as
        they are.

        Returns:
            The first difference in words, or ``None`` when nothing changed.
        """
        self.restore_recursion_limit()
        found = (
            *(["the recursion limit was changed"] if self._limit_differed else []),
            *self._restore_settings(),
            *self._restore_lists(),
            *self._restore_handlers(),
            *self._restore_namespaces(),
            *self._changed_counts(),
        )
        return found[0] if found else None

    def _restore_settings(self) -> Iterator[str]:
        if _is_same(_settings(), self._settings):
            return
        for name, before in zip(_SETTINGS, self._settings, strict=True):
            if vars(sys).get(name) is not before:
                setattr(sys, name, before)
                yield f"sys.{name} was replaced"

    def _restore_lists(self) -> Iterator[str]:
        for each, before in self._lists:
            if not _is_same(tuple(each), before):
                each[:] = before
                yield "an import path, import hook or collector callback was changed"

    def _restore_handlers(self) -> Iterator[str]:
        if _is_same(_handlers(), self._handlers):
            return
        for number, before in zip(_SIGNALS, self._handlers, strict=True):
            if _signal.getsignal(number) is not before:
                # A handler can be set by the main thread only, so this is it. One
                # that was not set from Python is ``None`` and cannot be set again.
                _signal.signal(number, signal.SIG_DFL if before is None else before)
                yield f"the handler of signal {number} was replaced"

    def _restore_namespaces(self) -> Iterator[str]:
        for watched, names, values in self._namespaces:
            now = vars(watched)
            if _is_same(tuple(now.values()), values) and tuple(now) == names:
                continue
            try:
                changed = _restore_members(
                    watched, dict(zip(names, values, strict=True))
                )
            except Exception:  # noqa: BLE001 - a hostile key; the others go first
                changed = "a member that cannot be examined"
            yield f"{watched.__name__}: {printable(changed)} was changed"

    def _changed_counts(self) -> Iterator[str]:
        if self._shared is None:
            return
        for what, before, after in zip(_SHARED, self._shared, _counts(), strict=True):
            if before != after:
                yield f"the number of {what} went from {before} to {after}"


_MISSING: Final = object()


def _restore_members(watched: Watched, before: dict[str, object]) -> str:
    """Give a namespace its members back; return the name of the first that differed."""
    now = vars(watched)
    changed = [name for name in before if now.get(name, _MISSING) is not before[name]]
    added = [name for name in tuple(now) if name not in before]
    for name in changed:
        setattr(watched, name, before[name])
    for name in added:
        delattr(watched, name)
    return (changed + added)[0] if changed or added else "the order of its members"


def _is_same(left: tuple[object, ...], right: tuple[object, ...]) -> bool:
    return len(left) == len(right) and all(map(operator.is_, left, right))


def _settings() -> tuple[object, ...]:
    # ``getattr`` would fail on an attribute that the domain deleted.
    return tuple(map(vars(sys).get, _SETTINGS))


def _lists() -> tuple[list[object], ...]:
    found = (sys.meta_path, sys.path, sys.path_hooks, gc.callbacks)
    return cast("tuple[list[object], ...]", found)


def _handlers() -> tuple[object, ...]:
    # Not ``signal.getsignal``, which makes an enumeration member of each answer.
    return tuple(map(_signal.getsignal, _SIGNALS))


def _namespace(watched: Watched) -> _Namespace:
    members = vars(watched)
    return watched, tuple(members), tuple(members.values())


def _shared() -> tuple[int, ...] | None:
    """Return the counts, or ``None`` when another thread could change them."""
    return None if _thread._count() else _counts()  # noqa: SLF001 - no public form


def _counts() -> tuple[int, ...]:
    return (
        _thread._count(),  # noqa: SLF001 - ``threading`` does not know raw threads
        len(sys.modules),
        atexit._ncallbacks(),  # noqa: SLF001 - no public form
        gc.isenabled(),
    )
