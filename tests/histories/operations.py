"""What a history is made of: who could be stopped, what was asked, what came of it.

Plain data, written by the recorder and read by the checker; nothing of the product is
imported here. Moments are nanoseconds of one clock that all processes of the machine
share and that never goes back (CLOCK_MONOTONIC). They only order things: A is before B
when A's last moment is earlier than B's first one. Equal moments order nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = [
    "NEVER",
    "STOP_CODES",
    "Attempt",
    "History",
    "Name",
    "Start",
    "Stop",
    "Subject",
    "starts_of",
]

Name = tuple[str, str]
"""What a stop selects: its kind, and the user, issuer, key or token it is about."""

NEVER = 1 << 62
"""The last moment of an operation that did not return."""

STOP_CODES = frozenset({"TOKEN_REVOKED", "KEY_NOT_TRUSTED", "PLATFORM_PAUSED"})


@dataclass(frozen=True, slots=True)
class Subject:
    """A token: the names by which it can be stopped, and its limits.

    ``window_us`` is the length of the sliding window in which at most ``frequency``
    plans may begin; ``executions`` is 0 where there is no such limit.
    """

    token: str
    user: str
    issuer: str
    key: str
    invocations: int = NEVER
    total: int = NEVER
    response: int = NEVER
    frequency: int = NEVER
    window_us: int = 1
    executions: int = NEVER

    def names(self) -> tuple[Name, ...]:
        """Give every name whose revocation stops this token."""
        return (
            ("token", self.token),
            ("user", self.user),
            ("issuer", self.issuer),
            ("key", self.key),
            ("all", ""),
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call that asked for a plan.

    Attributes:
        caller: Who called: a thread of a process.
        token: Under which token.
        request: All that identifies the plan; equal requests are the same plan.
        asked_id: The execution id that was given, or "".
        called: The moment of the call.
        returned: The moment it returned.
        id: The execution id of the outcome.
        code: Why it was refused; "" when it succeeded.
        step: At which step it was refused, -1 for the plan.
        replayed: Whether the outcome was one of an earlier call.
        entered: For each domain that was entered: the moment at which the commit of
            its start was asked for, at which the domain was entered, and left again.
    """

    caller: str
    token: str
    request: str
    asked_id: str
    called: int
    returned: int
    id: str
    code: str
    step: int
    replayed: bool
    entered: list[list[int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stop:
    """A revocation, a pause or a resumption.

    Attributes:
        caller: Who called.
        kind: ``token user issuer key all``, ``compromise`` (of a key), ``pause`` or
            ``resume``.
        name: What it selects, "" where there is nothing to select.
        called: The moment of the call.
        returned: The moment it returned; ``NEVER`` if it raised: it promised nothing.
        leaf: The place of its entry in the ledger; -1 if it raised.
    """

    caller: str
    kind: str
    name: str
    called: int
    returned: int
    leaf: int

    @property
    def selects(self) -> Name:
        """The name that is stopped for good; a compromised key is a stopped key."""
        return ("key" if self.kind == "compromise" else self.kind, self.name)

    @property
    def is_permanent(self) -> bool:
        """Whether nothing undoes it."""
        return self.kind not in {"pause", "resume"}


@dataclass(frozen=True, slots=True)
class Start:
    """The start of one step, or the refusal of it.

    An allowed start took effect between the asking for its commit (``first``) and the
    entering of the domain (``last``): the narrowest span that can be observed. A
    refused one took effect between the call, or the end of the step before, and the
    return.
    """

    attempt: Attempt
    step: int
    first: int
    last: int
    code: str

    @property
    def token(self) -> str:
        """Under which token."""
        return self.attempt.token

    def __str__(self) -> str:
        return f"step {self.step} of {self.attempt.id} by {self.attempt.caller}"


def starts_of(attempts: Iterable[Attempt]) -> Iterator[Start]:
    """Take attempts apart into starts; answers about execution ids start nothing."""
    for attempt in attempts:
        free_from = attempt.called
        for step, (asked, entered, left) in enumerate(attempt.entered):
            yield Start(attempt, step, asked, entered, "")
            free_from = left
        refused = attempt.code in STOP_CODES or attempt.code.startswith("LIMIT_")
        if refused and not attempt.replayed:
            step = len(attempt.entered)
            yield Start(attempt, step, free_from, attempt.returned, attempt.code)


@dataclass(frozen=True, slots=True)
class History:
    """Everything that was asked of one store while it was watched."""

    subjects: dict[str, Subject]
    attempts: list[Attempt] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)

    def starts(self) -> list[Start]:
        """Give every start and refusal."""
        return list(starts_of(self.attempts))

    def write(self, path: Path) -> None:
        """Write attempts and stops to a file."""
        data = {
            "attempts": [asdict(each) for each in self.attempts],
            "stops": [asdict(each) for each in self.stops],
        }
        path.write_text(json.dumps(data), "utf-8")

    def add_from(self, path: Path) -> None:
        """Add what another process has written."""
        data = json.loads(path.read_text("utf-8"))
        self.attempts.extend(Attempt(**each) for each in data["attempts"])
        self.stops.extend(Stop(**each) for each in data["stops"])
