"""The one audit hook: whom it watches, when it is on, when it is off."""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from stage3.isolation.guard import Trip, Watch, installed_guard
from stage3.isolation.interface import Ok, Violation, ViolationKind
from tests.unit.isolation.boxed import innocent, run_boxed

if TYPE_CHECKING:
    from pathlib import Path

    from stage2_domains.contract import DomainResult


def test_there_is_one_guard_per_process() -> None:
    """ISO-3.5."""
    assert installed_guard() is installed_guard()


def test_an_armed_guard_stops_and_a_disarmed_one_does_not() -> None:
    """ISO-3.2, ISO-3.4."""
    guard, watch = installed_guard(), Watch()
    disarm = guard.disarm_call()

    guard.arm(watch)
    try:
        with pytest.raises(Trip, match=r"^an\.event$"):
            sys.audit("an.event", "argument")
    finally:
        disarm()

    sys.audit("an.event")
    noticed = Violation(ViolationKind.INTEGRITY, "an.event: argument", "hook")
    assert watch.settle() == noticed


def test_disarming_twice_is_allowed() -> None:
    """ISO-3.4."""
    guard = installed_guard()
    disarm = guard.disarm_call()
    guard.arm(Watch())

    disarm()
    disarm()

    sys.audit("an.event")


def test_a_watch_that_noticed_nothing_says_nothing() -> None:
    assert Watch().settle() is None


def test_a_settled_watch_keeps_no_object_of_the_domain() -> None:
    """ISO-1.3."""
    watch = Watch()
    watch.arguments, watch.event = (object(),), "an.event"

    watch.settle()

    assert watch.arguments == ()


def test_the_stop_is_no_ordinary_exception() -> None:
    """ISO-3.2."""
    assert not issubclass(Trip, Exception)


def test_another_thread_works_on_while_a_domain_runs(tmp_path: Path) -> None:
    """ISO-3.3."""
    path = tmp_path / "file"
    path.write_text("of the other thread", encoding="utf-8")
    inside, done = threading.Event(), threading.Event()
    read: list[str] = []

    def neighbour() -> None:
        inside.wait(30)
        read.append(path.read_text(encoding="utf-8"))
        sys.audit("stage3.guard", "store.write")
        read.append("went on")
        done.set()

    def wait(_: object) -> DomainResult:
        inside.set()
        done.wait(30)
        return innocent()

    thread = threading.Thread(target=neighbour)
    thread.start()
    outcome = run_boxed(wait)
    thread.join()

    assert isinstance(outcome, Ok)
    assert read == ["of the other thread", "went on"]


def test_a_context_of_its_own_does_not_hide_a_domain() -> None:
    """ISO-3.3."""

    def attempt(_: object) -> DomainResult:
        with contextlib.suppress(BaseException):
            contextvars.Context().run(sys.audit, "socket.connect")
        return innocent()

    assert isinstance(run_boxed(attempt), Violation)


@pytest.mark.parametrize(
    "error", [None, ValueError(), SystemExit(), Trip()], ids=lambda e: type(e).__name__
)
def test_the_guard_is_off_however_the_call_ended(error: BaseException | None) -> None:
    """ISO-3.4."""

    def end(_: object) -> DomainResult:
        if error is not None:
            raise error
        return innocent()

    run_boxed(end)

    sys.audit("an.event")


def test_the_guard_is_off_when_the_box_itself_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ISO-3.4."""

    def broken(*_: object) -> None:
        raise RuntimeError("the box broke")

    monkeypatch.setattr("stage3.isolation.in_process._run", broken)

    with pytest.raises(RuntimeError, match="the box broke"):
        run_boxed(lambda _: innocent())
    sys.audit("an.event")


def test_a_forked_child_is_not_watched_for_a_neighbour() -> None:
    """ISO-3.4: a number of a thread may be given out again in the child."""
    inside, done = threading.Event(), threading.Event()

    def wait(_: object) -> DomainResult:
        inside.set()
        done.wait(30)
        return innocent()

    thread = threading.Thread(target=run_boxed, args=(wait,))
    thread.start()
    inside.wait(30)
    watches = installed_guard()._watches
    with pytest.MonkeyPatch.context() as patch:
        # Python 3.12 and newer warn about forking with threads; that is the point.
        patch.setattr("warnings.warn", lambda *_, **__: None)
        with contextlib.suppress(DeprecationWarning):
            child = os.fork()
            if child == 0:
                os._exit(len(watches))
    done.set()
    thread.join()

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_attempt_near_the_recursion_limit_is_noted() -> None:
    """ISO-3.2."""

    def attempt(given: object) -> DomainResult:
        try:
            return attempt(given)
        except RecursionError:
            with contextlib.suppress(BaseException):
                sys.audit("socket.connect")
            return innocent()

    outcome = run_boxed(attempt)

    assert outcome == Violation(ViolationKind.SOCKET, "socket.connect", "hook")
