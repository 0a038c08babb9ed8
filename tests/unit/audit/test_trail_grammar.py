"""The grammar of the streams: its moves, its counts, its refusals."""

import itertools

import pytest

from audit.errors import GrammarError
from audit.events import AuditEventType, EventType, PlatformEventType
from audit.trail import (
    EXECUTION_TRANSITIONS,
    MAX_STEPS,
    PLATFORM_STREAM,
    START,
    advance,
    allowed_next,
    execution_stream,
    expected_trail,
    family_of,
    is_closed,
    token_stream,
)

UUID = "01234567-89ab-cdef-0123-456789abcdef"
EXECUTION = f"execution:{UUID}"
TOKEN = f"token:sha256:{'0' * 64}"
E, P = AuditEventType, PlatformEventType


def run(
    stream: str, events: list[tuple[EventType, str]], steps: int | None = None
) -> str:
    state = START
    for event_type, status in events:
        state = advance(stream, state, event_type, status, steps=steps)
    return state


@pytest.mark.parametrize("steps", [1, 2, 3, 255, 256])
def test_a_successful_plan_has_one_event_and_four_for_each_step(steps: int) -> None:
    """AUD-4.2, AUD-4.3."""
    trail = expected_trail(steps)

    assert len(trail) == 1 + 4 * steps
    assert run(EXECUTION, list(trail), steps) == f"completed {steps}/{steps}"
    assert not is_closed(run(EXECUTION, list(trail[:-1]), steps))


@pytest.mark.parametrize("steps", [0, -1, MAX_STEPS + 1, None, True, 1.0, "1"])
def test_a_plan_of_no_possible_length_is_refused(steps: int | None) -> None:
    """AUD-4.3: one step each side of the bounds, and other types."""
    with pytest.raises(GrammarError):
        advance(EXECUTION, START, E.TOKEN_VALIDATION, "success", steps=steps)
    with pytest.raises(GrammarError):
        expected_trail(steps)  # type: ignore[arg-type]  # that is the point


def test_a_step_of_a_whole_plan_may_be_refused_right_after_validation() -> None:
    """AUD-4.1: whole-plan admission records the offending step's refusal."""
    start = run(EXECUTION, [(E.TOKEN_VALIDATION, "success")], 3)

    state = advance(EXECUTION, start, E.AUTHORIZATION_SCOPE_CHECK, "denied")
    assert advance(EXECUTION, state, E.EXECUTION_DENIED, "denied") == "denied 0/3"


def test_the_state_alone_tells_what_is_closed() -> None:
    """AUD-4.4."""
    open_states = [START, "refusing", "validated 0/3", "scoped 1/3", "limited 2/3"]
    open_states += ["started 0/3", "violated 0/1", "refusing 1/2"]
    closed = ["denied", "denied 1/2", "failed 0/1", "completed 2/2"]
    closed += ["aborted", "aborted 0/256"]
    others = ["issued", "issued used", "running", "paused"]

    assert not any(map(is_closed, open_states + others))
    assert all(map(is_closed, closed))


@pytest.mark.parametrize("place", sorted(EXECUTION_TRANSITIONS))
def test_allowed_next_names_exactly_what_advance_accepts(place: str) -> None:
    """AUD-4.4: for every place, every event with every status."""
    state = {START: START, "completed": "completed 2/2"}.get(place, f"{place} 0/2")
    accepted = []
    for kind, status in itertools.product(
        E, ["success", "denied", "started", "failed", "aborted", "expired"]
    ):
        try:
            advance(EXECUTION, state, kind, status, steps=2)
        except GrammarError:
            continue
        accepted.append((kind.value, status))

    assert set(allowed_next(EXECUTION, state)) == set(accepted)


TOKEN_EVENTS = {
    "issued": (E.TOKEN_ISSUED, "success"),
    "used": (E.TOKEN_FIRST_USED, "success"),
    "expired": (E.TOKEN_EXPIRED, "expired"),
    "revoked": (E.TOKEN_REVOKED, "success"),
}


@pytest.mark.parametrize("length", range(1, 6))
def test_a_token_is_issued_first_and_nothing_happens_twice(length: int) -> None:
    """AUD-4.5: every sequence of its events up to length 5, against the words."""
    for words in itertools.product(TOKEN_EVENTS, repeat=length):
        dead = [words.index(w) for w in ("expired", "revoked") if w in words]
        legal = (
            words[0] == "issued"
            and len(set(words)) == len(words)
            and ("used" not in words or all(words.index("used") < at for at in dead))
        )
        try:
            state = run(TOKEN, [TOKEN_EVENTS[word] for word in words])
        except GrammarError:
            assert not legal, words
        else:
            assert legal, words
            assert set(state.split(" ")) == set(words)


def test_what_may_follow_in_a_token_stream_is_named() -> None:
    """AUD-4.4, AUD-4.5."""
    assert allowed_next(TOKEN, START) == (("TOKEN_ISSUED", "success"),)
    assert ("TOKEN_FIRST_USED", "success") in allowed_next(TOKEN, "issued")
    assert allowed_next(TOKEN, "issued used expired revoked") == ()


def test_pause_and_resume_alternate() -> None:
    """AUD-4.6."""
    pause, resume = (P.PLATFORM_PAUSED, "success"), (P.PLATFORM_RESUMED, "success")

    assert run(PLATFORM_STREAM, [pause]) == "paused"
    assert run(PLATFORM_STREAM, [pause, resume]) == "running"
    assert run(PLATFORM_STREAM, [pause, resume, pause]) == "paused"
    for wrong in ([resume], [pause, pause], [pause, resume, resume]):
        with pytest.raises(GrammarError):
            run(PLATFORM_STREAM, wrong)


@pytest.mark.parametrize("kind", [k for k in P if not k.name.startswith("PLATFORM_")])
def test_the_other_platform_events_are_free(kind: PlatformEventType) -> None:
    """AUD-4.6."""
    pause = (P.PLATFORM_PAUSED, "success")

    assert run(PLATFORM_STREAM, [(kind, "success")] * 2) == "running"
    assert run(PLATFORM_STREAM, [pause, (kind, "success")]) == "paused"
    assert (kind.value, "success") in allowed_next(PLATFORM_STREAM, "paused")


def test_each_family_takes_its_own_events_only() -> None:
    """AUD-4.1, AUD-4.5, AUD-4.6."""
    for stream, foreign in (
        (EXECUTION, [E.TOKEN_ISSUED, E.TOKEN_REVOKED, P.RECOVERED]),
        (TOKEN, [E.EXECUTION_DENIED, E.TOKEN_VALIDATION, P.KEY_ADDED]),
        (PLATFORM_STREAM, [E.EXECUTION_DENIED, E.TOKEN_ISSUED]),
    ):
        for kind in foreign:
            with pytest.raises(GrammarError):
                advance(stream, START, kind, "success", steps=1)


def test_a_stream_has_a_name_of_one_of_three_forms() -> None:
    """AUD-4.7."""
    assert family_of(EXECUTION) == "execution"
    assert family_of(TOKEN) == "token"
    assert family_of(PLATFORM_STREAM) == "platform"
    assert execution_stream(UUID) == EXECUTION
    assert token_stream(f"sha256:{'0' * 64}") == TOKEN


OTHER_NAMES = ["", "execution:", f"execution:{UUID.upper()}", f"execution:{UUID}\n"]
OTHER_NAMES += ["platform ", f" {EXECUTION}", f"execution:{UUID[:-1]}"]
OTHER_NAMES += [f"execution:{UUID.replace('-', '')}", f"execution:{{{UUID}}}"]
OTHER_NAMES += [f"token:{'0' * 64}", f"token:sha256:{'0' * 63}", "Platform", "other:x"]
OTHER_NAMES += [f"token:sha256:{'A' * 64}", f"token:sha256:{'0' * 65}"]
OTHER_NAMES += [f"execution:{UUID[:-1]}\N{FULLWIDTH DIGIT ONE}"]


@pytest.mark.parametrize("name", OTHER_NAMES, ids=ascii)
def test_other_names_are_refused(name: str) -> None:
    """AUD-4.7."""
    with pytest.raises(GrammarError):
        family_of(name)
    with pytest.raises(GrammarError):
        advance(name, START, E.EXECUTION_DENIED, "denied")


def test_ids_of_another_form_name_no_stream() -> None:
    """AUD-4.7."""
    with pytest.raises(GrammarError):
        execution_stream(UUID.upper())
    with pytest.raises(GrammarError):
        token_stream("0" * 64)


@pytest.mark.parametrize(
    ("stream", "state"),
    [
        (EXECUTION, state)
        for state in ("", "nowhere", "started", "started 1", "start 0/1")
    ]
    + [(EXECUTION, s) for s in ("started 3/3", "completed 1/3", "started 4/3")]
    + [(EXECUTION, s) for s in ("started 0/0", "started 0/257", "started 01/3")]
    + [(EXECUTION, s) for s in ("started -1/3", "started \u0661/3", "denied  0/1")]
    + [(EXECUTION, "started 0/3 "), (EXECUTION, "completed"), (EXECUTION, "failed")]
    + [(TOKEN, s) for s in ("used", "used issued", "issued issued", "issued ", "x")]
    + [(PLATFORM_STREAM, s) for s in ("", "stopped", "running ", "issued")],
    ids=ascii,
)
def test_a_state_that_never_is_leads_nowhere(stream: str, state: str) -> None:
    """AUD-4.4: whatever a store's column says, the grammar answers or refuses."""
    with pytest.raises(GrammarError):
        allowed_next(stream, state)
    for kind in E:
        with pytest.raises(GrammarError):
            advance(stream, state, kind, "success", steps=1)


def test_a_refusal_says_what_may_not_follow_what() -> None:
    """The sentence names the event and the state, and nothing from outside."""
    with pytest.raises(GrammarError, match=r"EXECUTION_STARTED\(started\).*scoped 0/1"):
        advance(EXECUTION, "scoped 0/1", E.EXECUTION_STARTED, "started")
    with pytest.raises(GrammarError) as caught:
        advance(EXECUTION, START, "\x1b[31mX", "\u202e")
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
