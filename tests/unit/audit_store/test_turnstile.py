"""Whose turn it is among threads: order, priority, giving up, interrupts."""

import threading
from collections.abc import Callable, Sequence

import pytest

from audit.errors import StoreBusyError
from audit.store.turnstile import Ticket, Turnstile

PATIENT_S = 60.0


class Caller(threading.Thread):
    """Takes the turn, notes that, and gives it when told."""

    def __init__(
        self, turnstile: Turnstile, *, exclusive: bool, note: Callable[[], None]
    ) -> None:
        super().__init__()
        self.ticket = Ticket()
        self.turnstile = turnstile
        self.exclusive = exclusive
        self.note = note

    def run(self) -> None:
        """Take and give the turn."""
        self.turnstile.take(self.ticket, exclusive=self.exclusive, wait_s=PATIENT_S)
        self.note()
        self.turnstile.give(self.ticket)


def queue_up(turnstile: Turnstile, names: str) -> tuple[list[str], list[Caller]]:
    """Let callers come one after the other; capitals are exclusive."""
    order: list[str] = []
    callers = []
    for name in names:
        caller = Caller(
            turnstile,
            exclusive=name.isupper(),
            note=lambda name=name: order.append(name),  # type: ignore[misc]  # a default binds it
        )
        callers.append(caller)
    start_in_order(turnstile, callers)
    return order, callers


def start_in_order(turnstile: Turnstile, threads: Sequence[threading.Thread]) -> None:
    """Start each thread when the one before it waits for the turn."""

    def queued() -> int:
        return len(turnstile._shared) + len(turnstile._exclusive)

    for number, thread in enumerate(threads, queued() + 1):
        thread.start()
        wait_until(lambda number=number: queued() >= number)  # type: ignore[misc]  # a default binds it


def wait_until(holds: Callable[[], bool]) -> None:
    """Let other threads run until something holds; without measuring time."""
    pause = threading.Event()
    for _ in range(60_000):
        if holds():
            return
        pause.wait(0.001)
    raise AssertionError


@pytest.mark.parametrize(
    ("came", "went"), [("abcd", "abcd"), ("abXcY", "XYabc"), ("X", "X"), ("XYZ", "XYZ")]
)
def test_exclusive_before_shared_and_each_in_the_order_they_came(
    came: str, went: str
) -> None:
    """STO-4.1, STO-4.2."""
    turnstile, mine = Turnstile(), Ticket()
    turnstile.take(mine, exclusive=False, wait_s=0.0)
    order, callers = queue_up(turnstile, came)

    turnstile.give(mine)
    for caller in callers:
        caller.join(PATIENT_S)

    assert "".join(order) == went


def test_giving_up_leaves_the_queue() -> None:
    """STO-4.4."""
    turnstile, mine, late = Turnstile(), Ticket(), Ticket()
    turnstile.take(mine, exclusive=False, wait_s=0.0)

    for exclusive in (True, False):
        with pytest.raises(StoreBusyError):
            turnstile.take(late, exclusive=exclusive, wait_s=0.0)
    assert not turnstile.shared_waits
    assert not turnstile.exclusive_waits
    turnstile.give(mine)

    turnstile.take(late, exclusive=False, wait_s=0.0)
    assert turnstile.owns(late)


def test_only_the_owner_gives() -> None:
    """STO-4.5: a turn that was handed on cannot be given a second time."""
    turnstile, first, second = Turnstile(), Ticket(), Ticket()
    turnstile.take(first, exclusive=False, wait_s=0.0)
    turnstile.give(second)
    assert turnstile.owns(first)
    turnstile.give(first)
    turnstile.take(second, exclusive=False, wait_s=0.0)

    turnstile.give(first)
    assert not turnstile.give_to_waiting_shared(first)

    assert turnstile.owns(second)


@pytest.mark.parametrize(
    ("waiting", "handed"), [("", False), ("a", True), ("aX", False)]
)
def test_a_turn_goes_to_shared_waiters_only_while_no_exclusive_one_waits(
    waiting: str, *, handed: bool
) -> None:
    """STO-4.2."""
    turnstile, mine = Turnstile(), Ticket()
    turnstile.take(mine, exclusive=False, wait_s=0.0)
    order, callers = queue_up(turnstile, waiting)

    assert turnstile.give_to_waiting_shared(mine) is handed

    turnstile.give(mine)
    for caller in callers:
        caller.join(PATIENT_S)
    assert len(order) == len(waiting)


class InterruptedLock:
    """A lock whose waiting is cut short by an interrupt."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile = meanwhile

    def acquire(self, timeout: float) -> bool:
        """Never get it."""
        assert timeout > 0
        self.meanwhile()
        raise KeyboardInterrupt

    def release(self) -> None:
        """Be called all the same."""


class InterruptedTicket(Ticket):
    """A ticket whose holder is interrupted while it waits."""

    __slots__ = ("meanwhile",)

    def prepare(self) -> threading.Lock:
        """Give the lock that will be interrupted."""
        return InterruptedLock(self.meanwhile)  # type: ignore[return-value]  # a stand-in

    meanwhile: Callable[[], None]


@pytest.mark.parametrize("given", [True, False])
def test_an_interrupt_while_waiting_leaves_no_trace_in_the_queue(
    *, given: bool
) -> None:
    """STO-4.5: also if the turn came in that very moment; then it is the caller's."""
    turnstile, mine, late = Turnstile(), Ticket(), InterruptedTicket()
    turnstile.take(mine, exclusive=False, wait_s=0.0)
    late.meanwhile = (lambda: turnstile.give(mine)) if given else (lambda: None)

    with pytest.raises(KeyboardInterrupt):
        turnstile.take(late, exclusive=False, wait_s=1.0)

    assert turnstile.owns(late) is given
    assert not turnstile.shared_waits
