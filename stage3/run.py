"""One run of one plan, in memory: what is ready, what is pending, what is durable.

The only mutable object of an execution. It is used by one thread, decides nothing,
and is thrown away when the call returns.

Source: docs/spec/execution.md, EXE-4 and EXE-6.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from audit.entry import ledger_text
from stage3.admission import ReadyStep, make_ready
from stage3.entries import Scribe, commitment
from stage3.journal import Appended, Claim, Journal
from stage3.outcome import PlanError, PlanOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.entry import EntryDraft
    from audit.events import JsonValue
    from audit.store.interface import WriteTransaction
    from stage2_domains.registry import RegisteredDomain
    from stage3.judgement import Judgement
    from stage3.refusal import Refusal
    from stage3.request import PlanRequest
    from stage3.tiers import Tiers
    from tokens.limits import Limits

__all__ = ["Place", "Run", "error_of"]

Place = ReadyStep | None
"""The step something happened at, or None for the plan."""


class Run:
    """The working record of one call.

    Args:
        request: What was asked.
        execution_id: The id to claim.
        salt: 32 random bytes; every commitment in the record derives from them.
        owner_id: The orchestrator's id.
        find: Gives a registered domain by its exact name, or None.
        tiers: The isolation tiers available here.
    """

    __slots__ = (
        "_appended",
        "_find",
        "_limits",
        "_pending",
        "_results",
        "_step",
        "_tiers",
        "journal",
        "request",
        "reserved",
        "salt",
        "scribe",
    )

    def __init__(
        self,
        request: PlanRequest,
        *,
        execution_id: str,
        salt: bytes,
        owner_id: str,
        find: Callable[[str], RegisteredDomain | None],
        tiers: Tiers,
    ) -> None:
        start = request.start
        self.request = request
        self.salt = salt
        self.journal = Journal(
            Claim(
                execution_id=execution_id,
                token_hash=start.token_hash,
                user_id=ledger_text(start.user_id),
                trigger=ledger_text(start.trigger),
                plan_digest=start.plan_digest,
                salt=salt,
                admission=request.admission,
                owner_id=owner_id,
                steps=len(request.steps),
            )
        )
        self.scribe = Scribe(
            start.user_id, start.token_hash, request.domain, request.method
        )
        self.reserved = 0
        self._limits: Limits | None = None
        self._step: ReadyStep | None = None
        self._find = find
        self._tiers = tiers
        self._pending: list[EntryDraft] = []
        self._appended: Appended | None = None
        self._results: list[bytes] = []

    @property
    def claim(self) -> Claim:
        """What the execution id is claimed with."""
        return self.journal.claim

    @property
    def limits(self) -> Limits:
        """The token's limits, once the token has been validated."""
        if self._limits is None:
            raise RuntimeError("the limits are known only after validation")
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limits = limits

    @property
    def step(self) -> ReadyStep:
        """The step whose start was committed last."""
        if self._step is None:
            raise RuntimeError("no step was started")
        return self._step

    @step.setter
    def step(self, step: ReadyStep) -> None:
        self._step = step

    @property
    def may_stand(self) -> bool:
        """Whether anything of this run is durable, or may be."""
        return self.journal.size > 0 or self._appended is not None

    def reclaim(self, execution_id: str) -> None:
        """Claim another id, where the caller's own is taken; nothing was written."""
        self.journal = Journal(replace(self.claim, execution_id=execution_id))

    def ready(self, index: int) -> ReadyStep:
        """Make one step ready; called before a lock is taken."""
        step = self.request.steps[index]
        return make_ready(index, step, self._find, self._tiers.why_not)

    def all_ready(self) -> tuple[ReadyStep, ...]:
        """Make every step ready; called before a lock is taken."""
        return tuple(self.ready(index) for index in range(len(self.request.steps)))

    # What the record says of this run ------------------------------------------

    def facts(self) -> dict[str, JsonValue]:
        """What VALIDATION says of the plan: counts, mode, tiers, commitment."""
        start = self.request.start
        domains = (self._find(step.domain) for step in self.request.steps)
        used = {domain.tier for domain in domains if domain is not None}
        isolation: dict[str, JsonValue] = {
            name: dict(self._tiers[name].attained)
            for name in sorted(used)
            if name in self._tiers
        }
        plan = start.plan_digest.encode()
        return {
            "steps": len(self.request.steps),
            "admission": self.request.admission,
            "trigger": ledger_text(start.trigger),
            "plan": commitment(self.salt, "plan", plan),
            "isolation": isolation,
        }

    def parameters_of(self, step: ReadyStep) -> str:
        """Commit to a step's parameters."""
        data = step.invocation.parameter_bytes
        return commitment(self.salt, f"parameters {step.index}", data)

    def result_of(self, step: ReadyStep, judgement: Judgement) -> str | None:
        """Commit to a step's result, where there is one, and keep it for the end."""
        if judgement.result is None:
            return None
        self._results.append(judgement.result)
        return commitment(self.salt, f"result {step.index}", judgement.result)

    # What is pending in the open transaction --------------------------------------

    def pend(self, *drafts: EntryDraft) -> None:
        """Add drafts to what the open transaction will append."""
        self._pending.extend(drafts)

    def flush(
        self,
        tx: WriteTransaction,
        step: int | None,
        *,
        ended: PlanError | None = None,
        record: str | None = None,
    ) -> None:
        """Append what is pending and bring the execution row in line."""
        drafts, self._pending = self._pending, []
        self._appended = self.journal.write(
            tx, drafts, step=step, ended=ended, record=record
        )

    def close(self, tx: WriteTransaction, place: Place, refusal: Refusal) -> PlanError:
        """Append what is pending, which ends the trail, and give the error.

        It may be told to the caller only once the transaction has committed.
        """
        error = error_of(refusal, place)
        step = None if place is None else place.index
        self.flush(tx, step, ended=error, record=refusal.record)
        return error

    def committed(self) -> None:
        """Take over what a commit has made durable."""
        if self._appended is not None:
            self.journal.committed(self._appended)
            self._appended = None

    # How it ends --------------------------------------------------------------------

    def succeeded(self) -> PlanOutcome:
        """Every step is done."""
        return PlanOutcome(
            success=True,
            error=None,
            execution_id=self.claim.execution_id,
            _results=tuple(self._results),
            _entries=tuple(self.journal.entries),
        )

    def refused(self, error: PlanError) -> PlanOutcome:
        """Nothing is returned but the reason."""
        return PlanOutcome(
            success=False,
            error=error,
            execution_id=self.claim.execution_id,
            _entries=tuple(self.journal.entries),
        )


def error_of(refusal: Refusal, place: Place) -> PlanError:
    """Give the caller's view of a refusal at a place."""
    if place is None:
        return PlanError(refusal.code, refusal.sentence)
    return PlanError(
        refusal.code,
        refusal.sentence,
        place.index,
        place.invocation.domain,
        place.invocation.method,
    )
