"""The limits again, from the rule book alone: slow, obvious, a list of events.

No counters, no reservation arithmetic, no window query: after each event every
answer is recomputed from the whole history. Times are in seconds, exact.
"""

from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["LimitsOracle"]


@dataclass
class LimitsOracle:
    """One token's history: its plans, its steps and what each may still cost."""

    max_invocations: int
    max_response: int
    max_total: int
    count: int
    seconds: int
    plans: list[Fraction] = field(default_factory=list)
    steps: list[dict] = field(default_factory=list)

    def may_start(self, now: Fraction, *, first_step: bool) -> str | None:
        """The key of the first limit that is reached, in the rule book's order."""
        if len(self.steps) + 1 > self.max_invocations:
            return "max_invocations"
        if self.free() <= 0:
            return "max_total_tokens"
        if first_step:
            recent = [plan for plan in self.plans if plan > now - self.seconds]
            if len(recent) + 1 > self.count:
                return "max_frequency"
        return None

    def start(self, now: Fraction, *, first_step: bool) -> None:
        """One step goes ahead, for as much as could be asked of it."""
        if first_step:
            self.plans.append(now)
        most = self.max_response
        while most > self.free():
            most -= 1
        self.steps.append({"open": True, "cost": most})

    def finish(self, step: int, answer: int) -> str | None:
        """The step answered; the key of the limit that withholds it, if any."""
        found = self.steps[step]
        found["open"] = False
        if answer > self.max_response:
            return "max_tokens_per_response"
        if answer > found["cost"]:
            return "max_total_tokens"
        found["cost"] = answer
        return None

    def free(self) -> int:
        """What nobody was charged or could still be charged."""
        return self.max_total - sum(step["cost"] for step in self.steps)
