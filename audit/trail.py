"""The grammar of the streams, as data: which entry may follow which.

The writer refuses an append by these tables, the verifier and the replay read
them again, the pytest plugin explains differences with them. A state is a short
text that is enough by itself to decide what may follow and whether the stream
is closed; for executions it counts the steps done and planned: ``started 0/3``.

```
trail := DENIED | VALIDATION(denied) DENIED | VALIDATION(success) step step ...
step  := SCOPE LIMIT STARTED COMPLETED(success)              the next step
       | DENIED | SCOPE(denied) DENIED | SCOPE LIMIT(denied) DENIED
       | SCOPE LIMIT VIOLATION DENIED
       | SCOPE LIMIT STARTED [VIOLATION] COMPLETED(failed)
       | <any proper prefix> ABORTED
```

It is not the place where the numbers in the details are checked: that is the
verifier's.

Source: docs/spec/ledger.md, AUD-4.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, TypeGuard

from audit.errors import GrammarError
from audit.events import (
    EVENT_TYPES,
    STATUSES,
    AuditEventType,
    EventType,
    PlatformEventType,
)

__all__ = [
    "EXECUTION_TRANSITIONS",
    "MAX_STEPS",
    "PLATFORM_STREAM",
    "START",
    "Family",
    "advance",
    "allowed_next",
    "execution_stream",
    "expected_trail",
    "family_of",
    "is_closed",
    "is_step_count",
    "token_stream",
]

Family: TypeAlias = Literal["execution", "token", "platform"]
Symbol: TypeAlias = tuple[str, str]
"""An event as the grammar sees it: its type and its status."""

START: Final = "start"
"""The state of an empty stream."""

MAX_STEPS: Final = 256
PLATFORM_STREAM: Final = "platform"

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_STREAM: Final = re.compile(
    rf"(?P<execution>execution:{_UUID})"
    r"|(?P<token>token:sha256:[0-9a-f]{64})"
    r"|(?P<platform>platform)"
)

_VALIDATED: Final = ("TOKEN_VALIDATION", "success")
_SCOPED: Final = ("AUTHORIZATION_SCOPE_CHECK", "success")
_LIMITED: Final = ("RESOURCE_LIMIT_CHECK", "success")
_STARTED: Final = ("EXECUTION_STARTED", "started")
_COMPLETED: Final = ("EXECUTION_COMPLETED", "success")
_FAILED: Final = ("EXECUTION_COMPLETED", "failed")
_DENIED: Final = ("EXECUTION_DENIED", "denied")
_VIOLATION: Final = ("BOUNDARY_VIOLATION", "denied")
_ABORTED: Final = ("OPERATION_ABORTED", "aborted")
_DENIED_VALIDATION: Final = ("TOKEN_VALIDATION", "denied")
_DENIED_SCOPE: Final = ("AUTHORIZATION_SCOPE_CHECK", "denied")
_DENIED_LIMIT: Final = ("RESOURCE_LIMIT_CHECK", "denied")

_NEXT_STEP: Final = "next step"
"""Not a place: ``validated`` while steps remain, else ``completed``."""

EXECUTION_TRANSITIONS: Final[Mapping[str, Mapping[Symbol, str]]] = MappingProxyType(
    {
        START: {
            _DENIED: "denied",
            _DENIED_VALIDATION: "refusing",
            _VALIDATED: "validated",
        },
        "validated": {
            _SCOPED: "scoped",
            _DENIED: "denied",
            _DENIED_SCOPE: "refusing",
            _ABORTED: "aborted",
        },
        "scoped": {
            _LIMITED: "limited",
            _DENIED_LIMIT: "refusing",
            _ABORTED: "aborted",
        },
        "limited": {
            _STARTED: "started",
            _VIOLATION: "refusing",
            _ABORTED: "aborted",
        },
        "started": {
            _COMPLETED: _NEXT_STEP,
            _FAILED: "failed",
            _VIOLATION: "violated",
            _ABORTED: "aborted",
        },
        "violated": {_FAILED: "failed", _ABORTED: "aborted"},
        "refusing": {_DENIED: "denied", _ABORTED: "aborted"},
        "completed": {},
        "denied": {},
        "failed": {},
        "aborted": {},
    }
)
"""From each place, where each event leads; a place that leads nowhere is closed."""

_CLOSED: Final = frozenset(
    place for place, moves in EXECUTION_TRANSITIONS.items() if not moves
)

_TOKEN_WORDS: Final[Mapping[str, Symbol]] = MappingProxyType(
    {
        "issued": ("TOKEN_ISSUED", "success"),
        "used": ("TOKEN_FIRST_USED", "success"),
        "expired": ("TOKEN_EXPIRED", "expired"),
        "revoked": ("TOKEN_REVOKED", "success"),
    }
)
"""The words a token's state is made of, each for an event that happens once."""

_TOKEN_NEVER_AFTER: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "issued": frozenset(_TOKEN_WORDS),
        "used": frozenset({"used", "expired", "revoked"}),
        "expired": frozenset({"expired"}),
        "revoked": frozenset({"revoked"}),
    }
)
"""What must not have happened yet: no first use of a dead token, nothing twice."""

_PLATFORM_MOVES: Final[Mapping[Symbol, tuple[frozenset[str], str | None]]] = (
    MappingProxyType(
        {
            ("PLATFORM_PAUSED", "success"): (frozenset({"running"}), "paused"),
            ("PLATFORM_RESUMED", "success"): (frozenset({"paused"}), "running"),
            **{
                (kind.value, "success"): (frozenset({"running", "paused"}), None)
                for kind in PlatformEventType
                if kind.value not in {"PLATFORM_PAUSED", "PLATFORM_RESUMED"}
            },
        }
    )
)
"""From which states, and to which (None: the same)."""


@lru_cache(maxsize=1024)
def family_of(stream: str) -> Family:
    """Tell which grammar rules a stream; the name must be exactly of its form.

    Raises:
        GrammarError: No stream has such a name.
    """
    match = _STREAM.fullmatch(stream)
    if match is None:
        raise GrammarError("no stream has such a name")
    if match["execution"] is not None:
        return "execution"
    return "platform" if match["token"] is None else "token"


def execution_stream(execution_id: str) -> str:
    """Name the stream of an execution; the id is a UUID in its lower-case form.

    Raises:
        GrammarError: The id has another form.
    """
    return _named(f"execution:{execution_id}")


def token_stream(token_hash: str) -> str:
    """Name the stream of a token; the hash is ``sha256:`` and 64 hex digits.

    Raises:
        GrammarError: The hash has another form.
    """
    return _named(f"token:{token_hash}")


def advance(
    stream: str,
    state: str,
    event_type: EventType | str,
    status: str,
    *,
    steps: int | None = None,
) -> str:
    """Give the state a stream is in after one more event.

    Args:
        stream: The full name of the stream.
        state: Where it stands; ``START`` when it is empty.
        event_type: The type of the event, or its name.
        status: The status of the event.
        steps: How many steps a successful TOKEN_VALIDATION announces, 1 to
            ``MAX_STEPS``; of no meaning for every other event.

    Raises:
        GrammarError: The event may not follow, the stream has no such name, or
            ``steps`` is missing or out of bounds where it is needed.

    Source:
        AUD-4.1 to AUD-4.6.
    """
    name = event_type if isinstance(event_type, str) else event_type.value
    symbol = (name, status)
    family = family_of(stream)
    if family == "token":
        return _advance_token(state, symbol)
    if family == "platform":
        return _advance_platform(state, symbol)
    if symbol == _VALIDATED:
        return _advance_validated(state, steps)
    return _advance_execution(state, symbol)


def is_closed(state: str) -> bool:
    """Tell from the state alone whether an execution's trail is complete."""
    return state.partition(" ")[0] in _CLOSED


def is_step_count(steps: object) -> TypeGuard[int]:
    """Tell whether a plan can have so many steps; True is not 1 here."""
    return type(steps) is int and 1 <= steps <= MAX_STEPS


def allowed_next(stream: str, state: str) -> tuple[Symbol, ...]:
    """Name the events that may follow, as pairs of type and status.

    Raises:
        GrammarError: The stream has no such name, or no stream of its family is
            ever in this state.
    """
    family = family_of(stream)
    if family == "token":
        done = _token_words(state)
        return tuple(
            symbol for word, symbol in _TOKEN_WORDS.items() if _token_may(word, done)
        )
    if family == "platform":
        now = _platform_state(state)
        return tuple(
            symbol for symbol, (before, _) in _PLATFORM_MOVES.items() if now in before
        )
    return tuple(EXECUTION_TRANSITIONS[_place(state)[0]])


def expected_trail(steps: int) -> tuple[tuple[AuditEventType, str], ...]:
    """Give the trail of a successful plan: 1 + 4 * ``steps`` events.

    Raises:
        GrammarError: ``steps`` is not between 1 and ``MAX_STEPS``.
    """
    if not is_step_count(steps):
        raise GrammarError(f"a plan has 1 to {MAX_STEPS} steps")
    step = (_SCOPED, _LIMITED, _STARTED, _COMPLETED)
    return tuple(
        (AuditEventType(name), status) for name, status in (_VALIDATED, *step * steps)
    )


def _named(stream: str) -> str:
    family_of(stream)
    return stream


def _advance_validated(state: str, steps: int | None) -> str:
    _place(state)
    if state != START:
        raise _refusal(state, _VALIDATED)
    if not is_step_count(steps):
        raise GrammarError(f"TOKEN_VALIDATION announces 1 to {MAX_STEPS} steps")
    return f"validated 0/{steps}"


@lru_cache(maxsize=4096)
def _advance_execution(state: str, symbol: Symbol) -> str:
    """Look up one move; pure, so what it once answered is kept."""
    place, done, steps = _place(state)
    then = EXECUTION_TRANSITIONS[place].get(symbol)
    if then is None:
        raise _refusal(state, symbol)
    if then == _NEXT_STEP:
        done += 1
        then = "validated" if done < steps else "completed"
    return f"{then} {done}/{steps}" if steps else then


def _place(state: str) -> tuple[str, int, int]:
    """Split an execution's state into place, steps done, steps planned.

    Without a count (nothing was validated) both numbers are 0.
    """
    place, _, count = state.partition(" ")
    done_text, slash, steps_text = count.partition("/")
    if place not in EXECUTION_TRANSITIONS:
        raise GrammarError("no trail is ever in this state")
    if not slash:
        if state not in _UNCOUNTED:
            raise GrammarError("no trail is ever in this state")
        return place, 0, 0
    if not _COUNT.fullmatch(count):
        raise GrammarError("no trail is ever in this state")
    done, steps = int(done_text), int(steps_text)
    in_bounds = 0 <= done <= steps <= MAX_STEPS
    if place == START or not in_bounds or (done == steps) != (place == "completed"):
        raise GrammarError("no trail is ever in this state")
    return place, done, steps


def _advance_token(state: str, symbol: Symbol) -> str:
    done = _token_words(state)
    for word, wanted in _TOKEN_WORDS.items():
        if symbol == wanted and _token_may(word, done):
            return " ".join(each for each in _TOKEN_WORDS if each in {*done, word})
    raise _refusal(state, symbol)


def _token_words(state: str) -> frozenset[str]:
    """Read which events a token's stream has; every stream starts with issued."""
    words = frozenset(() if state == START else state.split(" "))
    if words and " ".join(w for w in _TOKEN_WORDS if w in words) != state:
        raise GrammarError("no token is ever in this state")
    if words and "issued" not in words:
        raise GrammarError("no token is ever in this state")
    return words


def _token_may(word: str, done: frozenset[str]) -> bool:
    return not _TOKEN_NEVER_AFTER[word] & done and (word == "issued") == (not done)


def _advance_platform(state: str, symbol: Symbol) -> str:
    now = _platform_state(state)
    before, then = _PLATFORM_MOVES.get(symbol, (frozenset[str](), None))
    if now not in before:
        raise _refusal(state, symbol)
    return now if then is None else then


def _platform_state(state: str) -> str:
    if state not in {START, "running", "paused"}:
        raise GrammarError("the platform is never in this state")
    return "running" if state == START else state


def _refusal(state: str, symbol: Symbol) -> GrammarError:
    """Say what may not follow; the state is a real one, the symbol may be not."""
    known = symbol[0] in EVENT_TYPES and symbol[1] in _STATUS_WORDS
    event = f"{symbol[0]}({symbol[1]})" if known else "an event that does not exist"
    return GrammarError(f"{event} may not follow {state}")


_STATUS_WORDS: Final = frozenset[str]().union(*STATUSES.values())
_COUNT: Final = re.compile("(?:0|[1-9][0-9]{0,2})/[1-9][0-9]{0,2}")
_UNCOUNTED: Final = frozenset({START, "refusing", "denied", "aborted"})
