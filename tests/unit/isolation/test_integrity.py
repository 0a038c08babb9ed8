"""What the check after a call finds, and what it puts back."""

from __future__ import annotations

import atexit
import builtins
import gc
import io
import signal
import sys
import threading
import types
from typing import TYPE_CHECKING

import pytest

from stage3.isolation.in_process import InProcessIsolation
from stage3.isolation.integrity import Integrity
from stage3.isolation.interface import MAX_DETAIL_CHARS, Ok, Violation, ViolationKind
from tests.unit.isolation.boxed import innocent, run_boxed

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage2_domains.contract import DomainResult


class Watched:
    """A class the executor will use next."""

    limit = 5

    def append(self) -> str:
        """Do what the executor relies on."""
        return "appended"


def watched_module() -> types.ModuleType:
    module = types.ModuleType("watched")
    vars(module).update(one=1, two=2)
    return module


def after(change: Callable[[], object], *watched: types.ModuleType | type) -> object:
    def domain(_: object) -> DomainResult:
        change()
        return innocent()

    return run_boxed(domain, box=InProcessIsolation(watched=watched))


def set_handler() -> None:
    signal.signal(signal.SIGUSR1, lambda *_: None)


CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object], str]] = {
    "recursion limit": (
        lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 1),
        sys.getrecursionlimit,
        "the recursion limit was changed",
    ),
    "built-in function": (
        lambda: setattr(builtins, "len", lambda _: 0),
        lambda: builtins.len,
        "builtins: len was changed",
    ),
    "new built-in": (
        lambda: setattr(builtins, "evil", 1),
        lambda: hasattr(builtins, "evil"),
        "builtins: evil was changed",
    ),
    "exception hook": (
        lambda: setattr(sys, "excepthook", print),
        lambda: sys.excepthook,
        "sys.excepthook was replaced",
    ),
    "finalizer hook": (
        lambda: setattr(sys, "unraisablehook", print),
        lambda: sys.unraisablehook,
        "sys.unraisablehook was replaced",
    ),
    "deleted hook": (
        lambda: delattr(sys, "displayhook"),
        lambda: sys.displayhook,
        "sys.displayhook was replaced",
    ),
    "standard output": (
        lambda: setattr(sys, "stdout", io.StringIO()),
        lambda: sys.stdout,
        "sys.stdout was replaced",
    ),
    "import hook": (
        lambda: sys.meta_path.insert(0, object()),  # type: ignore[arg-type]  # hostile
        lambda: tuple(sys.meta_path),
        "an import path, import hook or collector callback was changed",
    ),
    "import hooks replaced": (
        lambda: setattr(sys, "meta_path", []),
        lambda: (id(sys.meta_path), tuple(sys.meta_path)),
        "sys.meta_path was replaced",
    ),
    "import path": (
        lambda: sys.path.append("/evil"),
        lambda: tuple(sys.path),
        "an import path, import hook or collector callback was changed",
    ),
    "collector callback": (
        lambda: gc.callbacks.append(print),
        lambda: tuple(gc.callbacks),
        "an import path, import hook or collector callback was changed",
    ),
    "signal handler": (
        set_handler,
        lambda: signal.getsignal(signal.SIGUSR1),
        f"the handler of signal {int(signal.SIGUSR1)} was replaced",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_a_violation_and_is_put_back(what: str) -> None:
    """ISO-5.1, ISO-5.3; rules 3B row 8."""
    change, look, detail = CHANGES[what]
    before = look()

    outcome = after(change)

    assert outcome == Violation(ViolationKind.INTEGRITY, detail, "integrity")
    assert look() == before


def test_a_lowered_recursion_limit_does_not_stop_the_box() -> None:
    """ISO-5.3."""
    before = sys.getrecursionlimit()

    def lower() -> None:
        for limit in range(5, before):
            try:
                sys.setrecursionlimit(limit)
            except RecursionError:
                continue
            return

    outcome = after(lower)

    assert isinstance(outcome, Violation)
    assert outcome.detail == "the recursion limit was changed"
    assert sys.getrecursionlimit() == before


def test_a_watched_module_is_compared_and_put_back() -> None:
    """ISO-5.1, ISO-5.3."""
    module = watched_module()
    before = dict(vars(module))

    def change() -> None:
        module.two = "changed"  # type: ignore[attr-defined]  # made at run time
        module.three = 3  # type: ignore[attr-defined]  # made at run time
        del module.one

    outcome = after(change, module)

    assert outcome == Violation(
        ViolationKind.INTEGRITY, "watched: one was changed", "integrity"
    )
    assert vars(module) == before


def test_a_watched_class_is_compared_and_put_back() -> None:
    """ISO-5.1, ISO-5.3."""
    outcome = after(lambda: setattr(Watched, "append", lambda _: "nothing"), Watched)

    assert isinstance(outcome, Violation)
    assert outcome.detail == "Watched: append was changed"
    assert Watched().append() == "appended"


def test_a_member_that_was_replaced_by_an_equal_one_is_found() -> None:
    """ISO-5.4."""
    equal = type("Equal", (), {"__eq__": lambda *_: True, "__hash__": lambda _: 0})()

    outcome = after(lambda: setattr(Watched, "limit", equal), Watched)

    assert isinstance(outcome, Violation)
    assert Watched.limit == 5
    assert type(Watched.limit) is int


def test_members_that_changed_places_are_found() -> None:
    """ISO-5.1."""
    module = watched_module()

    def reorder() -> None:
        one = vars(module).pop("one")
        module.one = one  # type: ignore[attr-defined]  # made at run time

    outcome = after(reorder, module)

    assert isinstance(outcome, Violation)
    assert outcome.detail == "watched: the order of its members was changed"


def test_a_member_that_resists_being_examined_is_a_violation() -> None:
    """ISO-5.1, ISO-5.3, ISO-1.1: and what can be put back elsewhere is."""
    module = watched_module()

    class Resisting:
        def __hash__(self) -> int:
            return hash("one")

        def __eq__(self, other: object) -> bool:
            raise ValueError("no")

    def change() -> None:
        vars(module).pop("one")
        vars(module)[Resisting()] = 1  # type: ignore[index]  # hostile
        Watched.limit = 6

    outcome = after(change, module, Watched)

    assert isinstance(outcome, Violation)
    assert outcome.source == "integrity"
    assert Watched.limit == 5


def test_a_key_that_resists_being_compared_is_a_violation() -> None:
    """ISO-5.1, ISO-1.1."""
    module = watched_module()

    class Resisting:
        __hash__ = object.__hash__

        def __eq__(self, other: object) -> bool:
            raise ValueError("no")

    def change() -> None:
        vars(module)[Resisting()] = vars(module).pop("two")  # type: ignore[index]  # hostile

    outcome = after(change, module)

    assert outcome == Violation(
        ViolationKind.INTEGRITY,
        "what the domain left behind could not be examined",
        "integrity",
    )


def test_a_member_that_strikes_when_examined_is_a_violation_of_the_hook() -> None:
    """ISO-2.2, ISO-3.1."""
    module = watched_module()

    class Striking:
        def __hash__(self) -> int:
            return hash("one")

        def __eq__(self, other: object) -> bool:
            sys.audit("socket.connect")
            return False

    def change() -> None:
        vars(module).pop("one")
        vars(module)[Striking()] = 1  # type: ignore[index]  # hostile

    outcome = after(change, module)

    assert outcome == Violation(ViolationKind.SOCKET, "socket.connect", "hook")


def test_a_long_name_is_bounded() -> None:
    """ISO-1.2."""
    outcome = after(lambda: setattr(builtins, "É" * 5_000, 1))

    assert isinstance(outcome, Violation)
    assert len(outcome.detail) <= MAX_DETAIL_CHARS
    assert outcome.detail.isascii()
    assert not hasattr(builtins, "É" * 5_000)


def test_what_neighbours_may_change_is_not_held_against_a_domain() -> None:
    """ISO-5.2: with a second thread, modules and threads may come and go."""
    inside, done = threading.Event(), threading.Event()

    def neighbour() -> None:
        inside.wait(30)
        sys.modules["a_neighbours_module"] = types.ModuleType("a_neighbours_module")
        atexit.register(int)
        done.set()

    def wait() -> None:
        inside.set()
        done.wait(30)

    thread = threading.Thread(target=neighbour)
    thread.start()
    try:
        outcome = after(wait)
    finally:
        thread.join()
        sys.modules.pop("a_neighbours_module", None)
        atexit.unregister(int)

    assert isinstance(outcome, Ok)


def test_counts_are_compared_when_there_is_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ISO-5.2; a test runner may have threads of its own, so they are not counted."""
    monkeypatch.setattr("_thread._count", lambda: 0)

    def add() -> None:
        sys.modules["added_by_a_domain"] = types.ModuleType("added_by_a_domain")

    before = len(sys.modules)
    try:
        outcome = after(add)
    finally:
        sys.modules.pop("added_by_a_domain", None)

    detail = f"the number of modules went from {before} to {before + 1}"
    assert outcome == Violation(ViolationKind.INTEGRITY, detail, "integrity")


def test_nothing_changed_is_no_difference() -> None:
    """ISO-5.1."""
    assert Integrity((Watched, watched_module())).take().restore() is None
