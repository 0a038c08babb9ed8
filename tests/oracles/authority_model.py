"""May this token start now? The slow and obvious answer, from the spec.

It shares nothing with the product: no ledger, no signatures, no folding. It keeps
what was done in one list, in order, and looks the whole list over each time.

Source: docs/spec/authority.md, AUT-3 to AUT-7; rules 2A.10, 2C, 2D.
"""

from dataclasses import dataclass, field

__all__ = ["AuthorityModel", "ModelToken"]


@dataclass
class ModelToken:
    """A token as it was granted, and how often it was used since."""

    name: str
    user: str
    issuer: str
    key: str
    start_s: int
    end_s: int
    max_invocations: int
    max_executions: int | None
    frequency: tuple[int, int]
    invocations: int = 0
    seen_expired: bool = False
    uses_us: list[int] = field(default_factory=list)


@dataclass
class AuthorityModel:
    """Everything that was done, as pairs of what and to whom, in order."""

    tokens: dict[str, ModelToken] = field(default_factory=dict)
    done: list[tuple[str, str]] = field(default_factory=list)

    def key_state(self, key: str) -> str:
        """The state a key is in; the last word on it counts."""
        states = [what for what, whom in self.done if whom == f"key {key}"]
        return states[-1] if states else "unregistered"

    def paused(self) -> bool:
        """Whether the last of pause and resume was a pause."""
        turns = [what for what, _ in self.done if what in {"pause", "resume"}]
        return bool(turns) and turns[-1] == "pause"

    def may_issue(self, user: str, issuer: str, key: str) -> bool:
        """Whether a token may be issued at all."""
        bars = {("revoke", f"user:{user}"), ("revoke", f"issuer:{issuer}")}
        bars |= {("revoke", f"key:{key}")}
        return not bars & set(self.done) and self.key_state(key) in {
            "active",
            "unregistered",
        }

    def answer(self, name: str, now_us: int, *, first_step: bool = True) -> str:
        """Say ``ok``, or what refuses a start; the first in the order of the spec."""
        token = self.tokens.get(name)
        if token is None:
            return "paused" if self.paused() else "unknown"
        key_counts = self.key_state(token.key) in {"active", "verify-only"}
        ended = token.seen_expired or now_us >= token.end_s * 1_000_000
        bars = [
            (self.paused(), "paused"),
            (self._is_revoked(token), "revoked"),
            (not key_counts, "key"),
            (now_us < token.start_s * 1_000_000, "inactive"),
            (ended, "expired"),
            (True, self._limit(token, now_us, first_step=first_step)),
        ]
        return next(word for holds, word in bars if holds)

    def used(self, name: str, now_us: int, *, first_step: bool = True) -> None:
        """Note a start that happened."""
        token = self.tokens[name]
        token.invocations += 1
        if first_step:
            token.uses_us.append(now_us)

    def _is_revoked(self, token: ModelToken) -> bool:
        selected = {
            f"token:{token.name}",
            f"user:{token.user}",
            f"issuer:{token.issuer}",
            f"key:{token.key}",
        }
        if any(what == "revoke" and whom in selected for what, whom in self.done):
            return True
        since = self.done.index(("issue", token.name))
        return ("revoke", "all:") in self.done[since:]

    @staticmethod
    def _limit(token: ModelToken, now_us: int, *, first_step: bool) -> str:
        count, seconds = token.frequency
        recent = [each for each in token.uses_us if now_us - each < seconds * 1_000_000]
        if token.invocations >= token.max_invocations:
            return "max_invocations"
        if first_step and len(recent) >= count:
            return "max_frequency"
        spent = token.max_executions
        if first_step and spent is not None and len(token.uses_us) >= spent:
            return "max_executions"
        return "ok"
