"""What is going to happen in a campaign: its tokens, and what is stopped when.

A script is made from a number and is the same each time; what the processes make of it
is up to their scheduler. Tokens come in generations of six. Everybody starts under the
tokens of one generation until one stop after the other has ended them all:

=====  ================================================================
tokens  the first three are one user's, the others another's; the second and
        the fifth have a limit, which is reached before they are stopped
stops   a token; a pause and its end; the first user; another token (asked
        for by two processes at once); at last everybody: by issuer, by key,
        by a compromised key, or by both users. In the last generation: all
=====  ================================================================
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Final, Self, cast

from stage3.pytest_plugin.harness import make_token
from tests.histories.operations import Subject
from tests.histories.world import ENDLESS, SCOPE, UNITS, authority_on, key_of

if TYPE_CHECKING:
    from audit.store.interface import Store

__all__ = ["BOTH", "Cue", "Script", "issue_generation", "make_script"]

BOTH: Final = 2
"""Who asks for a stop: process 0, process 1, or both of them at once."""

_SIZE: Final = 6
_STARTS_A_CUE: Final = 14
_ENDINGS: Final = ("issuer", "key", "compromise", "user")
_LIMITS: Final[tuple[dict[str, int], ...]] = (
    {"invocations": 7},
    {"executions": 5},
    {"total": 15, "response": UNITS + 1},
    {"frequency": 3, "window_us": 200_000_000},
)
_DEFAULT_RESPONSE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Cue:
    """One stop: its kind and name, who asks for it, and after how many starts."""

    kind: str
    name: str
    by: int
    after: int
    generation: int


@dataclass(frozen=True, slots=True)
class Script:
    """The whole of it."""

    subjects: list[Subject]
    cues: list[Cue]

    def generation(self, number: int) -> list[Subject]:
        """Give the tokens of a generation; of the nearest, where there is none."""
        last = len(self.subjects) // _SIZE - 1
        first = _SIZE * min(max(number, 0), last)
        return self.subjects[first : first + _SIZE]

    def as_json(self) -> dict[str, object]:
        """Give it as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: object) -> Self:
        """Take it from plain data."""
        data = cast("dict[str, list[dict[str, object]]]", given)
        return cls(
            [Subject(**each) for each in data["subjects"]],  # type: ignore[arg-type]  # as made
            [Cue(**each) for each in data["cues"]],  # type: ignore[arg-type]  # as made
        )


def make_script(store: Store, starts: int, seed: int) -> Script:
    """Issue the tokens of a campaign in which at least ``starts`` steps start."""
    random = Random(seed)  # noqa: S311 - the same each time
    script = Script([], [])
    generation = 0
    while True:
        script.subjects.extend(issue_generation(store, generation))
        after = script.cues[-1].after if script.cues else 0
        is_last = after + 5 * _STARTS_A_CUE // 2 >= starts
        kinds = _kinds(script.generation(generation), generation, is_last=is_last)
        for kind, name, by in kinds:
            after += random.randint(0, 2 * _STARTS_A_CUE) if kind != "resume" else 0
            if is_last and kind == "all":
                after = max(after, starts)
            script.cues.append(Cue(kind, name, by, after, generation))
        if is_last:
            return script
        generation += 1


def _kinds(
    tokens: list[Subject], generation: int, *, is_last: bool
) -> list[tuple[str, str, int]]:
    first, last = tokens[0], tokens[-1]
    one, other = generation % 2, 1 - generation % 2
    ending = "all" if is_last else _ENDINGS[generation % len(_ENDINGS)]
    names = {
        "all": "",
        "issuer": last.issuer,
        "key": last.key,
        "compromise": last.key,
        "user": last.user,
    }
    return [
        ("token", first.token, one),
        ("pause", "", other),
        ("resume", "", other),
        ("user", first.user, other),
        ("token", tokens[3].token, BOTH),
        (ending, names[ending], one),
    ]


def issue_generation(store: Store, generation: int) -> list[Subject]:
    """Issue the tokens of a generation; its users, issuer and key are its own."""
    key = f"key{generation}"
    authority = authority_on(store, f"issue {generation}", key)
    subjects = []
    for place in range(_SIZE):
        user, issuer = f"user{generation}{'ab'[place // 3]}", f"officer{generation}"
        limits = _LIMITS[(generation + place) % len(_LIMITS)] if place in (1, 4) else {}
        token = make_token(
            user,
            SCOPE,
            issued_by=issuer,
            duration_seconds=1800,
            max_executions=limits.get("executions"),
            resource_limits=_as_given(limits),
            capability=f"place {place}",
        )
        handle = authority.issue_token(token).token_hash
        kid = key_of(key, "issue").kid
        defaults = {"response": _DEFAULT_RESPONSE} | limits
        subjects.append(Subject(handle, user, issuer, kid, **defaults))
    return subjects


def _as_given(limits: dict[str, int]) -> dict[str, object]:
    """Say limits in the words of a token."""
    given: dict[str, object] = dict(ENDLESS)
    if "invocations" in limits:
        given["max_invocations"] = limits["invocations"]
    if "total" in limits:
        given["max_total_tokens"] = limits["total"]
        given["max_tokens_per_response"] = limits["response"]
    if "frequency" in limits:
        seconds = limits["window_us"] // 1_000_000
        given["max_frequency"] = f"{limits['frequency']} per {seconds} seconds"
    return given
