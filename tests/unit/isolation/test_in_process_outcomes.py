"""What the in-process box says about a call: outcomes, precedence, interrupts."""

from __future__ import annotations

import contextlib
import contextvars
import decimal
import gc
import json
import sys
import threading
import weakref
from typing import TYPE_CHECKING, NoReturn

import pytest

from stage2_domains.contract import DomainResult
from stage3.isolation.guard import Trip
from stage3.isolation.in_process import InProcessIsolation
from stage3.isolation.interface import (
    BoxInterrupt,
    DomainFailed,
    InfraFailure,
    Ok,
    ResultRefused,
    Violation,
    ViolationKind,
)
from tests.unit.isolation.boxed import BUDGET, innocent, registered, run_boxed

if TYPE_CHECKING:
    from stage2_domains.parameters import IsolatedParameters


def raising(error: BaseException) -> NoReturn:
    raise error


def test_an_answer_comes_back_as_canonical_bytes() -> None:
    """ISO-1.1, ISO-6.3."""
    outcome = run_boxed(lambda _: DomainResult(success=True, data={"b": 1, "a": "é"}))

    expected = '{"data":{"a":"é","b":1},"error":null,"success":true}'.encode()
    assert outcome == Ok(expected, len('{"a":"é","b":1}'.encode()), None)


def test_the_domain_gets_a_private_copy_of_its_parameters() -> None:
    """ISO-1.3; rules 3A.3, 6.4."""
    sent = b'{"list":[1,2]}'

    def change(parameters: IsolatedParameters) -> DomainResult:
        parameters.get_copy()["list"] = "changed"
        return DomainResult(success=True, data=parameters.get_copy())

    outcome = run_boxed(change, sent)

    assert isinstance(outcome, Ok)
    assert json.loads(outcome.result)["data"] == {"list": [1, 2]}


def test_the_domain_cannot_assign_to_its_parameters() -> None:
    """ISO-1.3; rules 5.4, 6.4."""
    outcome = run_boxed(lambda given: setattr(given, "_params", {}))

    assert isinstance(outcome, DomainFailed)
    assert outcome.message.startswith("AttributeError: ")


def test_a_domain_of_another_tier_is_not_run() -> None:
    """ISO-1.4."""
    called: list[int] = []
    domain = registered(lambda _: called.append(1), trusted=False)

    outcome = InProcessIsolation().invoke(domain, "run", b"{}", budget=BUDGET)

    assert isinstance(outcome, InfraFailure)
    assert called == []


@pytest.mark.parametrize("parameters", [b"[]", b"", b"1", b'"x"', b"{"])
def test_parameters_that_are_no_object_are_not_run(parameters: bytes) -> None:
    """ISO-1.4."""
    called: list[int] = []

    outcome = run_boxed(lambda _: called.append(1), parameters)

    assert isinstance(outcome, InfraFailure)
    assert called == []


def test_a_method_that_is_not_registered_is_not_run() -> None:
    """ISO-1.4."""
    called: list[int] = []
    domain = registered(lambda _: called.append(1))

    outcome = InProcessIsolation().invoke(domain, "other", b"{}", budget=BUDGET)

    assert isinstance(outcome, InfraFailure)
    assert called == []


def test_a_domain_is_called_once_even_when_it_fails() -> None:
    """ISO-1.4."""
    called: list[int] = []

    run_boxed(lambda _: (called.append(1), raising(ValueError("no"))))

    assert called == [1]


class BadTextError(Exception):
    """An error whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class WrongTextError(Exception):
    """An error whose text is not a text."""

    def __str__(self) -> str:
        return 5  # noqa: PLE0307  # type: ignore[return-value]  # lies on purpose


class LoudText(str):
    """A string that runs code when it is cut."""

    __slots__ = ()

    def __getitem__(self, _at: object) -> NoReturn:
        raise AssertionError("cut")

    def strip(self, _chars: object = None) -> NoReturn:  # type: ignore[override]  # hostile
        """Run code when it is trimmed."""
        raise AssertionError("stripped")


class LoudTextError(Exception):
    """An error whose text is a string of its own kind."""

    def __str__(self) -> str:
        return LoudText("loud")


class InterruptingTextError(Exception):
    """An error whose text interrupts."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no such habit"), "ValueError: no such habit"),
        (ValueError(), "ValueError"),
        (ValueError("  \n "), "ValueError"),
        (ValueError("line\nbreak \x1b[31m \u202e é"), None),
        (SystemExit(0), "SystemExit: 0"),
        (GeneratorExit(), "GeneratorExit"),
        (MemoryError(), "MemoryError"),
        (RecursionError("too deep"), "RecursionError: too deep"),
        (BaseException("plain"), "BaseException: plain"),
        (Trip("made up"), "Trip: made up"),
        (BadTextError(), "BadTextError"),
        (WrongTextError(), "WrongTextError"),
        (LoudTextError(), "LoudTextError: loud"),
        (InterruptingTextError(), "InterruptingTextError"),
        (ExceptionGroup("many", [ValueError("x")]), None),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, BaseException) else None,
)
def test_whatever_a_domain_raises_is_a_failure_with_a_sentence(
    error: BaseException, message: str | None
) -> None:
    """ISO-2.4, ISO-1.2; rules 5 (handler raises), 5.9."""
    outcome = run_boxed(lambda _: raising(error))

    assert isinstance(outcome, DomainFailed)
    assert outcome.output_bytes == 0
    assert outcome.message
    assert outcome.message.isascii()
    assert outcome.message.isprintable()
    assert message in (None, outcome.message)


@pytest.mark.parametrize(
    ("length", "whole"), [(2_000 - len("ValueError: "), True), (1_989, False)]
)
def test_an_error_text_is_bounded(*, length: int, whole: bool) -> None:
    """ISO-1.2: one step each side of 2,000 characters."""
    outcome = run_boxed(lambda _: raising(ValueError("x" * length)))

    assert isinstance(outcome, DomainFailed)
    assert len(outcome.message) == 2_000
    assert outcome.message.endswith("xxx" if whole else "...")


def test_an_error_text_that_grows_by_escaping_is_bounded() -> None:
    """ISO-1.2."""
    outcome = run_boxed(lambda _: raising(ValueError("\U0001f600" * 5_000)))

    assert isinstance(outcome, DomainFailed)
    assert len(outcome.message) == 2_000


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), type("Own", (KeyboardInterrupt,), {})()]
)
def test_an_interrupt_goes_on_as_one_of_our_own(error: BaseException) -> None:
    """ISO-2.3."""
    with pytest.raises(KeyboardInterrupt) as caught:
        run_boxed(lambda _: raising(error))

    assert type(caught.value) is BoxInterrupt
    assert caught.value.violation is None
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_an_interrupt_tells_what_had_been_noticed() -> None:
    """ISO-2.3, ISO-2.1."""

    def attempt(_: object) -> None:
        try:
            open("/etc/hostname")  # noqa: PTH123, SIM115 - the attempt
        except BaseException:  # noqa: BLE001 - swallowed on purpose
            raise KeyboardInterrupt from None

    with pytest.raises(BoxInterrupt) as caught:
        run_boxed(attempt)

    assert caught.value.violation is not None
    assert caught.value.violation.kind is ViolationKind.OPEN


def test_the_guard_is_off_after_an_interrupt() -> None:
    """ISO-3.4."""
    with pytest.raises(BoxInterrupt):
        run_boxed(lambda _: raising(KeyboardInterrupt()))

    sys.audit("stage3.guard", "this thread is in no domain")


def test_a_swallowed_attempt_wins_over_an_innocent_answer() -> None:
    """ISO-2.1, ISO-3.2."""

    def attempt(_: object) -> DomainResult:
        with contextlib.suppress(BaseException):
            open("/etc/hostname")  # noqa: PTH123, SIM115 - the attempt
        return innocent()

    outcome = run_boxed(attempt)

    assert isinstance(outcome, Violation)
    assert outcome.kind is ViolationKind.OPEN
    assert outcome.source == "hook"
    assert outcome.detail.startswith("open: /etc/hostname r ")


@pytest.mark.parametrize(
    "then", [ValueError("other"), SystemExit(0), MemoryError()], ids=repr
)
def test_a_swallowed_attempt_wins_over_another_error(then: BaseException) -> None:
    """ISO-2.1."""

    def attempt(_: object) -> None:
        with contextlib.suppress(BaseException):
            sys.audit("socket.connect")
        raise then

    outcome = run_boxed(attempt)

    assert outcome == Violation(ViolationKind.SOCKET, "socket.connect", "hook")


def test_a_swallowed_attempt_wins_over_a_refused_answer() -> None:
    """ISO-2.1."""

    def attempt(_: object) -> str:
        with contextlib.suppress(BaseException):
            sys.audit("socket.connect")
        return "not an answer"

    outcome = run_boxed(attempt)

    assert isinstance(outcome, Violation)


def test_an_ordinary_except_clause_does_not_catch_the_stop() -> None:
    """ISO-3.2."""
    went_on: list[int] = []

    def attempt(_: object) -> None:
        with contextlib.suppress(Exception):
            sys.audit("socket.connect")
        went_on.append(1)

    run_boxed(attempt)

    assert went_on == []


def test_the_first_of_several_attempts_is_reported() -> None:
    """ISO-2.2."""

    def attempt(_: object) -> None:
        for event in ("subprocess.Popen", "socket.connect", "open"):
            with contextlib.suppress(BaseException):
                sys.audit(event)

    outcome = run_boxed(attempt)

    assert outcome == Violation(ViolationKind.PROCESS, "subprocess.Popen", "hook")


def test_an_event_goes_before_a_difference() -> None:
    """ISO-2.2, ISO-5.3."""
    limit = sys.getrecursionlimit()

    def attempt(_: object) -> None:
        sys.setrecursionlimit(limit + 1)
        sys.audit("socket.connect")

    outcome = run_boxed(attempt)

    assert outcome == Violation(ViolationKind.SOCKET, "socket.connect", "hook")
    assert sys.getrecursionlimit() == limit


def test_a_call_back_into_the_executor_names_the_entry() -> None:
    """ISO-4.4; rules 3B rows 1, 2, 4, 7."""
    outcome = run_boxed(lambda _: sys.audit("stage3.guard", "tokens.revoke"))

    assert outcome == Violation(
        ViolationKind.INTEGRITY, "stage3.guard: tokens.revoke", "call"
    )


def test_a_call_of_the_box_from_inside_is_a_violation_of_the_outer_call() -> None:
    """ISO-7.2; rules 3B row 4."""
    box = InProcessIsolation()
    other = registered(lambda _: innocent())
    inner: list[object] = []

    def again(_: object) -> DomainResult:
        with contextlib.suppress(BaseException):
            inner.append(box.invoke(other, "run", b"{}", budget=BUDGET))
        return innocent()

    outcome = run_boxed(again, box=box)

    assert outcome == Violation(
        ViolationKind.INTEGRITY, "stage3.guard: isolation.invoke", "call"
    )
    assert inner == []


def test_a_domain_sees_no_context_variable_and_leaves_none() -> None:
    """ISO-7.3."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("user")
    variable.set("of the executor")
    precision = decimal.getcontext().prec

    def look(_: object) -> DomainResult:
        seen = variable.get("nothing")
        variable.set("of the domain")
        decimal.getcontext().prec = 3
        return DomainResult(success=True, data={"seen": seen})

    outcome = run_boxed(look)

    assert isinstance(outcome, Ok)
    assert json.loads(outcome.result)["data"] == {"seen": "nothing"}
    assert variable.get() == "of the executor"
    assert decimal.getcontext().prec == precision


def test_the_answer_is_dropped_while_the_guard_is_on() -> None:
    """ISO-3.1."""

    class Answer:
        def __del__(self) -> None:
            sys.audit("socket.connect")

    outcome = run_boxed(lambda _: Answer())

    assert outcome == Violation(ViolationKind.SOCKET, "socket.connect", "hook")


def test_what_a_domain_raised_is_dropped_with_everything_it_held() -> None:
    """ISO-1.3, ISO-3.1."""

    class Held:
        pass

    held: list[weakref.ref[Held]] = []

    def fail(_: object) -> NoReturn:
        mine = Held()
        held.append(weakref.ref(mine))
        raise ValueError(mine)

    gc.disable()
    try:
        run_boxed(fail)
        assert held[0]() is None
    finally:
        gc.enable()


def test_reading_a_hostile_answer_happens_under_the_guard() -> None:
    """ISO-3.1."""

    class Meta(type):
        def __hash__(cls) -> int:
            sys.audit("socket.connect")
            return 0

    class Hostile(metaclass=Meta):
        pass

    outcome = run_boxed(lambda _: DomainResult(success=True, data={"x": Hostile()}))

    assert outcome == Violation(ViolationKind.SOCKET, "socket.connect", "hook")


def test_the_tier_says_what_it_is() -> None:
    """ISO-7.1."""
    box = InProcessIsolation()

    assert box.tier == "in_process"
    assert dict(box.attained) == {
        "audit_hook": True,
        "boundary": False,
        "integrity_check": True,
    }


def test_what_was_attained_cannot_be_changed() -> None:
    """ISO-7.1."""
    with pytest.raises(TypeError):
        InProcessIsolation().attained["boundary"] = True  # type: ignore[index]  # what is tried


def test_a_box_can_be_closed_twice() -> None:
    box = InProcessIsolation()

    box.close()
    box.close()


def test_two_boxes_on_two_threads_do_not_disturb_each_other() -> None:
    """ISO-3.3."""
    both_inside = threading.Barrier(2, timeout=30)
    outcomes: dict[str, object] = {}

    def calm(_: object) -> DomainResult:
        both_inside.wait()
        both_inside.wait()
        return innocent()

    def wild(_: object) -> DomainResult:
        both_inside.wait()
        with contextlib.suppress(BaseException):
            sys.audit("socket.connect")
        both_inside.wait()
        return innocent()

    threads = [
        threading.Thread(
            target=lambda work=work: outcomes.update({work.__name__: run_boxed(work)})
        )
        for work in (calm, wild)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert isinstance(outcomes["calm"], Ok)
    assert isinstance(outcomes["wild"], Violation)


def test_deep_recursion_is_a_failure_like_any_other() -> None:
    """ISO-2.4."""

    def fall(given: object) -> object:
        return fall(given)

    outcome = run_boxed(fall)

    assert isinstance(outcome, DomainFailed)
    assert outcome.message.startswith("RecursionError")


def test_an_answer_that_cannot_be_read_is_refused() -> None:
    """ISO-6.1."""
    outcome = run_boxed(lambda _: object.__new__(DomainResult))

    assert isinstance(outcome, ResultRefused)
    assert "AttributeError" in outcome.message
