"""The checker against a search over every order, on small random histories.

Each random history is judged by both. They must agree where the checker claims to be
exact, and where it claims to be sound only, a fault must never be a false one. The
histories are drawn so that both verdicts are common; the counts are asserted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.histories.check_ids import answered_wrongly
from tests.histories.check_limits import misspent
from tests.histories.check_order import disorder, unrecorded
from tests.histories.check_stops import (
    late_by_ledger,
    late_in_real_time,
    started_while_paused,
)
from tests.histories.ledger_lines import Line
from tests.histories.linearization_search import Step, is_linearizable
from tests.histories.operations import NEVER, Attempt, Start, Stop, Subject, starts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.histories.operations import Name

SUBJECTS = {
    "t1": Subject("t1", "u", "i", "k"),
    "t2": Subject("t2", "u", "j", "k"),
    "t3": Subject("t3", "w", "i", "k"),
}
STOPS: list[tuple[str, str]] = [
    ("token", "t1"),
    ("token", "t2"),
    ("user", "u"),
    ("issuer", "i"),
    ("compromise", "k"),
    ("all", ""),
]
KIND_OF = {"token": "TOKEN_REVOKED", "compromise": "KEY_STATE_CHANGED"} | dict.fromkeys(
    ("user", "issuer", "key", "all"), "SELECTOR_REVOKED"
)
HISTORIES = 3_000
LAST = 9
"""Moments are drawn from few numbers, so that spans touch and coincide often."""

Authority = tuple[frozenset["Name"], bool]
"""What is stopped, and whether the platform is paused."""


def attempt(token: str, code: str, first: int, last: int, name: str = "x") -> Attempt:
    """Make one attempt of a plan of one step."""
    entered = [] if code else [[first, last, last]]
    return Attempt("c", token, "r", "", first, last, name, code, -1, False, entered)  # noqa: FBT003


def span(random: Random) -> tuple[int, int]:
    first = random.randrange(LAST)
    return first, min(LAST, first + random.choice((0, 1, 2, 4)))


# The sequential object ----------------------------------------------------------------


def start_step(start: Start) -> Step[Authority]:
    names = frozenset(SUBJECTS[start.token].names())

    def apply(state: Authority) -> Authority | None:
        stopped, is_paused = state
        may = {
            "": not is_paused and stopped.isdisjoint(names),
            "TOKEN_REVOKED": not stopped.isdisjoint(names),
            "PLATFORM_PAUSED": is_paused,
        }
        return state if may[start.code] else None

    return Step(start.first, start.last, apply)


def stop_step(stop: Stop) -> Step[Authority]:
    def apply(state: Authority) -> Authority | None:
        stopped, is_paused = state
        if stop.is_permanent:
            return stopped | {stop.selects}, is_paused
        is_turn = is_paused == (stop.kind == "resume")
        return (stopped, stop.kind == "pause") if is_turn else None

    return Step(stop.called, stop.returned, apply)


RUNNING: Authority = (frozenset(), False)


def searched(starts: Sequence[Start], stops: Sequence[Stop]) -> bool:
    steps = [*map(start_step, starts), *map(stop_step, stops)]
    return is_linearizable(steps, RUNNING)


# Stops for good -----------------------------------------------------------------------


def draw_stopped(random: Random) -> tuple[list[Start], list[Stop]]:
    attempts = []
    for number in range(random.randint(1, 4)):
        code = random.choice(("", "", "TOKEN_REVOKED"))
        token = random.choice(tuple(SUBJECTS))
        attempts.append(attempt(token, code, *span(random), f"x{number}"))
    stops = []
    for kind, name in random.sample(STOPS, random.randint(1, 3)):
        first, last = span(random)
        last = NEVER if random.random() < 0.1 else last
        stops.append(Stop("s", kind, name, first, last, -1))
    return list(starts_of(attempts)), stops


def test_the_judgement_in_real_time_is_exact_for_stops_that_last() -> None:
    random, seen = Random(1), Counter[bool]()  # noqa: S311 - the same each time
    for _ in range(HISTORIES):
        starts, stops = draw_stopped(random)

        faults = late_in_real_time(starts, stops, SUBJECTS)

        assert (not faults) == searched(starts, stops), (starts, stops, faults)
        seen[not faults] += 1
    assert min(seen[True], seen[False]) > HISTORIES // 10


# Pauses -------------------------------------------------------------------------------


def draw_paused(random: Random) -> tuple[list[Start], list[Stop]]:
    attempts = []
    for number in range(random.randint(1, 4)):
        code = random.choice(("", "", "PLATFORM_PAUSED"))
        attempts.append(attempt("t1", code, *span(random), f"x{number}"))
    moments = sorted(random.sample(range(LAST + 1), 2 * random.randint(1, 4)))
    kinds = ("pause", "resume", "pause", "resume")
    stops = [
        Stop("s", kind, "", called, returned, -1)
        for kind, called, returned in zip(
            kinds, moments[::2], moments[1::2], strict=False
        )
    ]
    return list(starts_of(attempts)), stops


def test_a_fault_about_a_pause_is_never_a_false_one() -> None:
    """And for one start alone, in any number of pauses, no fault is missed."""
    random, seen = Random(2), Counter[str]()  # noqa: S311 - the same each time
    for _ in range(HISTORIES):
        starts, stops = draw_paused(random)

        faults = started_while_paused(starts, stops)

        if faults:
            assert not searched(starts, stops), (starts, stops, faults)
            seen["wrong"] += 1
        for start in starts:
            alone = started_while_paused([start], stops)
            assert (not alone) == searched([start], stops), (start, stops)
        seen["right"] += not faults
    assert min(seen.values()) > HISTORIES // 10


# The ledger's order -------------------------------------------------------------------


def lined_up(
    order: Sequence[Start | Stop],
) -> tuple[list[Line], list[Start], list[Stop]]:
    """Write a ledger in which these stand in this order."""
    lines: list[Line] = []
    starts: list[Start] = []
    stops: list[Stop] = []
    for leaf, each in enumerate(order):
        if isinstance(each, Stop):
            kinds = {"pause": "PLATFORM_PAUSED", "resume": "PLATFORM_RESUMED"}
            kind = (KIND_OF | kinds)[each.kind]
            stops.append(replace(each, leaf=leaf))
            lines.append(Line(leaf, "platform", kind, "", "", 0, {}))
        else:
            stream = f"execution:{each.attempt.id}"
            kind = "DENIED" if each.code else "EXECUTION_STARTED"
            details = {} if each.code else {"step": 0, "reserved": 0}
            starts.append(each)
            lines.append(Line(leaf, stream, kind, each.token, each.code, 0, details))
    return lines, starts, stops


def is_in_order(order: Sequence[Start | Stop]) -> bool:
    lines, starts, stops = lined_up(order)
    faults = [*late_by_ledger(lines, stops, SUBJECTS), *disorder(lines, starts, stops)]
    return not faults


@pytest.mark.parametrize("draw", [draw_stopped, draw_paused])
def test_a_history_has_a_good_ledger_exactly_if_it_is_linearizable(
    draw: Callable[[Random], tuple[list[Start], list[Stop]]],
) -> None:
    """Every order of at most five operations is tried as the ledger's."""
    random, seen = Random(3), Counter[bool]()  # noqa: S311 - the same each time
    while seen.total() < HISTORIES // 10:
        starts, stops = draw(random)
        both: list[Start | Stop] = [*starts, *stops]
        if len(both) > 5:
            continue

        is_good = any(map(is_in_order, permutations(both)))

        assert is_good == searched(starts, stops), (starts, stops)
        seen[is_good] += 1
    assert min(seen.values()) > HISTORIES // 100


# Execution ids ------------------------------------------------------------------------

Claim = tuple[str, str]
"""Which request an id was claimed with, and "open" or "closed"."""


def draw_asked(random: Random) -> list[Attempt]:
    first, last = span(random)
    entered = []
    if random.random() < 0.8:
        moments = sorted(random.randint(first, last) for _ in range(3))
        entered = [moments]
    one = Attempt("c", "t1", "r", "id", first, last, "id", "", -1, False, entered)  # noqa: FBT003
    calls = [one]
    for _ in range(random.randint(1, 3)):
        code, replayed = random.choice(
            (
                ("EXECUTION_ID_CONFLICT", False),
                ("EXECUTION_IN_PROGRESS", False),
                ("", True),
                ("", True),
            )
        )
        request = "other" if code == "EXECUTION_ID_CONFLICT" else "r"
        if random.random() < 0.05:
            request = random.choice(("r", "other"))
        name = "id" if replayed else "fresh"
        first, last = span(random)
        calls.append(
            Attempt("c", "t1", request, "id", first, last, name, code, -1, replayed)
        )
    return calls


def ask_steps(calls: list[Attempt]) -> list[Step[Claim | tuple[()]]]:
    steps = []
    for call in calls:
        if call is not calls[0]:
            steps.append(Step(call.called, call.returned, _told(call)))
        elif call.entered:
            ((_, entered, left),) = call.entered
            steps.append(Step(call.called, entered, lambda s: s or ("r", "open")))
            steps.append(
                Step(left, call.returned, lambda s: ("r", "closed") if s else None)
            )
        else:
            steps.append(
                Step(call.called, call.returned, lambda s: s or ("r", "closed"))
            )
    return steps  # type: ignore[return-value]  # every state is one of the two


def _told(
    call: Attempt,
) -> Callable[[Claim | tuple[()]], Claim | tuple[()] | None]:
    def apply(state: Claim | tuple[()]) -> Claim | tuple[()] | None:
        if not state:
            return None
        if call.request != state[0]:
            return state if call.code == "EXECUTION_ID_CONFLICT" else None
        wanted = "open" if call.code == "EXECUTION_IN_PROGRESS" else "closed"
        is_conflict = call.code == "EXECUTION_ID_CONFLICT"
        return state if state[1] == wanted and not is_conflict else None

    return apply


def test_the_judgement_of_execution_ids_is_exact() -> None:
    random, seen = Random(4), Counter[bool]()  # noqa: S311 - the same each time
    for _ in range(HISTORIES):
        calls = draw_asked(random)

        faults = answered_wrongly(calls)

        assert (not faults) == is_linearizable(ask_steps(calls), ()), (calls, faults)
        seen[not faults] += 1
    assert min(seen.values()) > HISTORIES // 10


def test_an_id_that_two_calls_executed_is_found() -> None:
    one = Attempt("c", "t1", "r", "id", 0, 5, "id", "", -1, False, [[1, 2, 3]])  # noqa: FBT003

    (fault,) = answered_wrongly([one, replace(one, caller="d", called=1)])

    assert "executed 2 times" in fault


def test_an_outcome_that_differs_the_second_time_is_found() -> None:
    one = Attempt("c", "t1", "r", "id", 0, 5, "id", "", -1, False, [[1, 2, 3]])  # noqa: FBT003
    again = replace(one, called=6, returned=7, replayed=True, entered=[])

    assert answered_wrongly([one, again]) == []
    assert answered_wrongly([one, replace(again, code="DOMAIN_FAILED")]) != []
    assert answered_wrongly([one, replace(again, entered=[[6, 6, 7]])]) != []


# Limits and records -------------------------------------------------------------------

UNLIMITED = Subject("t1", "u", "i", "k", response=2)
LIMITED = {
    "LIMIT_INVOCATIONS": replace(UNLIMITED, invocations=3),
    "LIMIT_EXECUTIONS": replace(UNLIMITED, executions=3),
    "LIMIT_TOTAL": replace(UNLIMITED, total=6),
    "LIMIT_FREQUENCY": replace(UNLIMITED, frequency=3, window_us=100),
}


def spending(count: int, *then: str) -> list[Line]:
    """Write a ledger of ``count`` plans of one step, and a refusal after them."""
    lines: list[Line] = []

    def add(number: int, kind: str, code: str, **details: int) -> None:
        stream = f"execution:{number}"
        lines.append(Line(len(lines), stream, kind, "t1", code, 10 * number, details))

    for number in range(count):
        add(number, "EXECUTION_STARTED", "", step=0, reserved=2)
        add(number, "EXECUTION_COMPLETED", "", step=0, charged=2)
    for code in then:
        add(count, "DENIED", code)
    return lines


@pytest.mark.parametrize("code", LIMITED)
def test_a_limit_is_judged_to_the_very_last_one(code: str) -> None:
    subjects = {"t1": LIMITED[code]}

    assert misspent(spending(3, code), subjects) == []
    (fault,) = [f for f in misspent(spending(4), subjects) if "beyond" in f]
    assert code in fault
    (fault,) = misspent(spending(2, code), subjects)
    assert "refused before its limit" in fault


def test_a_window_ends_exactly_after_its_length() -> None:
    subject = replace(UNLIMITED, frequency=3, window_us=30)

    assert misspent(spending(8), {"t1": subject}) == []
    shorter = replace(subject, window_us=31)
    assert len(misspent(spending(8), {"t1": shorter})) == 5


def test_a_charge_beyond_its_reservation_is_found() -> None:
    subjects = {"t1": UNLIMITED}
    lines = spending(2)
    lines[1] = replace(lines[1], details={"step": 0, "charged": 3})

    (fault,) = misspent(lines, subjects)

    assert "charged more" in fault


def test_a_domain_without_a_record_and_a_record_without_a_domain_are_found() -> None:
    starts = list(starts_of([attempt("t1", "", 0, 1, "a"), attempt("t1", "", 0, 1)]))
    lines, *_ = lined_up(starts)

    assert unrecorded(lines, starts) == []
    assert len(unrecorded(lines[1:], starts)) == 1
    assert len(unrecorded(lines, starts[1:])) == 1
    assert len(unrecorded(lines, [*starts, starts[0]])) == 1


def test_a_stop_that_nobody_asked_for_is_found() -> None:
    stop = Stop("s", "user", "u", 0, 1, 0)
    line = Line(0, "platform", "SELECTOR_REVOKED", "", "", 0, {})

    assert late_by_ledger([line], [stop], SUBJECTS) == []
    assert len(late_by_ledger([line], [], SUBJECTS)) == 1
    assert len(late_by_ledger([line], [replace(stop, kind="token")], SUBJECTS)) == 1


def test_pauses_that_overlap_are_not_judged() -> None:
    with pytest.raises(ValueError, match="alternate"):
        started_while_paused([], [Stop("s", "resume", "", 0, 1, 0)])
