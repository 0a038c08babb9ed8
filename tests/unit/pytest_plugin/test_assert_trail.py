"""``assert_trail`` and its readable difference (docs/spec/testing.md, TST-2)."""

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from audit.events import EVENT_TYPES, AuditEvent, AuditEventType
from audit.trail import START, advance, allowed_next, is_closed
from stage3.outcome import PlanOutcome
from stage3.pytest_plugin.harness import Harness
from stage3.pytest_plugin.trails import (
    Expected,
    aborted,
    assert_trail,
    completed,
    denied,
    expected_events,
    failed,
    limit_denied,
    parameters_refused,
    refused,
    scope_denied,
    unknown_token,
    violated,
)
from tests.unit.rules.recording_domain import Recorder

ECHO = ("recorder", "echo", {})
STREAM = "execution:3f0c2b4e-8c1a-4b6e-9f00-0123456789ab"
DONE = [completed("recorder.echo"), completed("recorder.echo")]
Shapes = tuple[tuple[AuditEventType, str], ...]


@pytest.fixture
def outcome(stage3_harness: Harness) -> PlanOutcome:
    """Run a plan of two steps that succeed: nine events."""
    stage3_harness.domains.register(Recorder(), trusted=True)
    token = stage3_harness.issue(scope={"recorder": ["echo"]})
    return stage3_harness.run(token, ECHO, ECHO)


def test_it_passes_for_exactly_the_expected_events(outcome: PlanOutcome) -> None:
    """TST-2.1, TST-2.5: an outcome, a trail, a list, a generator."""
    assert_trail(outcome, *DONE)
    assert_trail(outcome.trail, *DONE)
    assert_trail(list(outcome.trail), *DONE)
    assert_trail((event for event in outcome.trail), *DONE)


Change = Callable[[list[AuditEvent]], object]

CHANGES: dict[str, Change] = {
    "one less at the end": lambda events: events.pop(),
    "one less in the middle": lambda events: events.pop(4),
    "one less at the beginning": lambda events: events.pop(0),
    "one more at the end": lambda events: events.append(events[-1]),
    "one twice": lambda events: events.insert(3, events[3]),
    "two exchanged": lambda events: events.insert(2, events.pop(3)),
    "nothing at all": lambda events: events.clear(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_fails_for_an_event_more_or_less(outcome: PlanOutcome, change: str) -> None:
    """TST-2.1."""
    events = list(outcome.trail)
    CHANGES[change](events)

    with pytest.raises(AssertionError, match="the trail differs at event"):
        assert_trail(events, *DONE)


@pytest.mark.parametrize(
    "wrong",
    [
        [completed("recorder.echo")],
        [*DONE, completed("recorder.echo")],
        [completed("recorder.act"), completed("recorder.echo")],
        [completed("recorder.echo"), failed("recorder.echo")],
        [completed("recorder.echo"), denied("recorder.echo")],
        [refused()],
        [unknown_token()],
    ],
    ids=lambda wrong: " ".join(step.target for step in wrong),
)
def test_it_fails_for_another_expectation(
    outcome: PlanOutcome, wrong: list[Expected]
) -> None:
    """TST-2.1."""
    with pytest.raises(AssertionError, match="the trail differs at event"):
        assert_trail(outcome, *wrong)


def test_the_message_shows_both_sides_from_where_they_part(
    outcome: PlanOutcome,
) -> None:
    """TST-2.2."""
    with pytest.raises(AssertionError) as caught:
        assert_trail(
            outcome, completed("recorder.echo"), failed("recorder.echo", "LIMIT_TOTAL")
        )

    target = "orchestration_plan.execute_plan"
    step = [
        "     AUTHORIZATION_SCOPE_CHECK success recorder.echo",
        "     RESOURCE_LIMIT_CHECK success recorder.echo",
        "     EXECUTION_STARTED started recorder.echo",
    ]
    assert str(caught.value).splitlines() == [
        "the trail differs at event 9 (expected 9 events, found 9)",
        f"     TOKEN_VALIDATION success {target}",
        *step,
        "     EXECUTION_COMPLETED success recorder.echo",
        *step,
        "  -  EXECUTION_COMPLETED failed recorder.echo [LIMIT_TOTAL]   <- expected",
        "  +  EXECUTION_COMPLETED success recorder.echo   <- found",
    ]


def test_the_message_says_where_a_trail_ends_too_soon_or_too_late(
    outcome: PlanOutcome,
) -> None:
    """TST-2.2."""
    for steps, words in (
        (DONE[:1], "+  AUTHORIZATION_SCOPE_CHECK success recorder.echo   <- found"),
        (DONE * 2, "+  the end of the trail   <- found"),
    ):
        with pytest.raises(AssertionError) as caught:
            assert_trail(outcome, *steps)
        assert words in str(caught.value)
    with pytest.raises(AssertionError, match="-  the end of the trail   <- expected"):
        assert_trail(outcome, *DONE[:1])


def test_a_code_is_compared_where_it_is_given(stage3_harness: Harness) -> None:
    """TST-2.3."""
    outcome = stage3_harness.run(stage3_harness.issue(), ("hermes", "x", {}))

    assert_trail(outcome, scope_denied("hermes.x"))
    assert_trail(outcome, scope_denied("hermes.x", "DOMAIN_NOT_IN_SCOPE"))
    with pytest.raises(AssertionError, match="METHOD_NOT_IN_SCOPE"):
        assert_trail(outcome, scope_denied("hermes.x", "METHOD_NOT_IN_SCOPE"))


def test_an_expectation_that_cannot_be_is_a_mistake(outcome: PlanOutcome) -> None:
    """TST-2.4."""
    with pytest.raises(ValueError, match="say what is expected"):
        assert_trail(outcome)
    with pytest.raises(ValueError, match="alone"):
        assert_trail(outcome, refused(), *DONE)
    with pytest.raises(ValueError, match="alone"):
        assert_trail(outcome, *DONE, unknown_token())
    with pytest.raises(TypeError, match="str"):
        assert_trail(["TOKEN_VALIDATION"], *DONE)  # type: ignore[list-item]


def test_the_expectation_can_be_shown() -> None:
    """TST-2.2."""
    assert expected_events([denied("a.b", "TOKEN_REVOKED")]) == [
        "TOKEN_VALIDATION success orchestration_plan.execute_plan",
        "EXECUTION_DENIED denied a.b [TOKEN_REVOKED]",
    ]
    assert expected_events([unknown_token("a.b")]) == [
        "EXECUTION_DENIED denied a.b [TOKEN_UNKNOWN]"
    ]


def trails_of_the_grammar(
    steps: int, state: str = START, done: Shapes = ()
) -> Iterator[Shapes]:
    """Give every closed trail of a plan of so many steps."""
    if is_closed(state):
        yield done
        return
    for name, status in allowed_next(STREAM, state):
        kind = EVENT_TYPES[name]
        assert isinstance(kind, AuditEventType)
        following = advance(STREAM, state, kind, status, steps=steps)
        yield from trails_of_the_grammar(steps, following, (*done, (kind, status)))


def test_there_is_a_word_for_every_ending_that_can_come_about() -> None:
    """TST-2.6: every trail of two steps, but for ABORTED where no commit ends."""
    validated = (AuditEventType.TOKEN_VALIDATION, "success")
    started = (AuditEventType.EXECUTION_STARTED, "started")
    endings = [
        *(failed, violated, scope_denied, limit_denied, parameters_refused),
        *(denied, aborted, completed),
    ]
    words = {word("").shapes for word in (refused, unknown_token)}
    for first, second in product([None, completed], endings):
        steps = [*(first("").shapes if first else ()), *second("").shapes]
        words.add((validated, *steps))
    words.discard((validated, *completed("").shapes))

    found = {
        trail
        for trail in trails_of_the_grammar(2)
        if trail[-1][0] is not AuditEventType.OPERATION_ABORTED or trail[-2] == started
    }

    assert found == words
