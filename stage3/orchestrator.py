"""The executor: one fixed plan, one domain after another, under one token.

The loop is seed 004's, with its commits made visible:

1. Validate the token once; authorize, reserve and start step 0: one commit.
2. Run the step in its box. No lock, transaction or connection is held meanwhile.
3. Complete the step, look at the token again, and authorize, reserve and start the
   next one: one commit. After the last step: complete it, one commit.

So a plan of N steps makes N + 1 durable commits, no domain starts before its STARTED
is durable, and no result is returned before its COMPLETED is. The first refusal or
failure ends the plan. Nothing is retried and nothing runs in the background.

Not here: what is allowed (``gates``, ``admission``), what a commit holds
(``commits``), what an answer costs (``judgement``), how events are worded
(``entries``) and written (``journal``).

Source: docs/spec/execution.md, EXE-4 to EXE-8; design section 6; rules 5 to 7.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Self

from audit.entry import printable
from audit.errors import AuditError, HoldLostError, StreamConflictError
from audit.events import ReasonCode
from stage3.abandoned import Abandoned
from stage3.admission import foresee
from stage3.commits import admit, complete, refuse_id
from stage3.errors import FencedError
from stage3.identity import fresh_id, look_up
from stage3.isolation.in_process import InProcessIsolation
from stage3.isolation.interface import BoxInterrupt
from stage3.journal import INTERRUPTED_SENTENCE
from stage3.judgement import judge
from stage3.outcome import PlanDecision, PlanError, PlanOutcome
from stage3.records import EXECUTION
from stage3.recovery import close_orphans
from stage3.refusal import Gate
from stage3.request import Admission, PlanRequest, plan_request, step_request
from stage3.run import Run
from stage3.run import error_of as error_at
from stage3.tiers import BOXES, Tiers
from stage3.token_gate import check_clock, validate_token
from tokens.state.accounting import AccountingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    from audit.log import AuditEventLog
    from audit.store.interface import WriteTransaction
    from stage2_domains.registry import DomainRegistry
    from stage3.admission import ReadyStep
    from stage3.isolation.interface import BoxOutcome, Isolation
    from stage3.journal import Journal
    from stage3.plan import ExecutionPlan
    from tokens.registry import TokenRegistry

__all__ = ["Stage3Orchestrator"]


class Stage3Orchestrator:
    """Executes plans; holds no key and can issue, widen or revive nothing.

    One orchestrator is one *owner*: while it is open, the executions it has started
    are its own; once it is closed or its process is gone, recovery may close them.
    It may be used from several threads; each plan runs on the thread that asked.

    Args:
        token_registry: The executor's half of the tokens.
        audit_log: The log; it must be on the registry's store.
        domain_registry: The domains; frozen from now on.
        isolation: The tiers available, by name; by default ``in_process``, and
            ``process`` and ``wasm`` where they are to be had, made at first need.
        entropy: ``entropy(n)`` gives n random bytes, for ids and salts.

    Raises:
        ValueError: Registry and log are on different stores.
        LedgerFormatError: An execution left open by another owner does not agree
            with the ledger; see ``stage3 audit verify``.
        AuditWriteError: The store can be neither read nor written.

    Source:
        EXE-8.1; design sections 3 and 6.
    """

    def __init__(
        self,
        token_registry: TokenRegistry,
        audit_log: AuditEventLog,
        domain_registry: DomainRegistry,
        *,
        isolation: Mapping[str, Isolation] | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        sys.audit("stage3.guard", "orchestrator.create")
        if token_registry.store is not audit_log.store:
            raise ValueError(
                "the token registry and the audit log use different stores"
            )
        self.token_registry = token_registry
        self.audit_log = audit_log
        self.domain_registry = domain_registry
        self.owner_id = entropy(16).hex()
        self._store = audit_log.store
        self._entropy = entropy
        boxes = {} if isolation else BOXES
        self._tiers = Tiers(isolation or _in_process(self), boxes)
        domain_registry.freeze()
        self._store.declare(EXECUTION)
        if self._store.latch is None:
            close_orphans(self._store, token_registry)
        self._hold = self._store.hold(self.owner_id)
        self._is_closed = False
        self._abandoned = Abandoned(self._hold, self._store, token_registry)

    # What callers use ------------------------------------------------------------

    def execute_plan(
        self,
        token_hash: str,
        user_id: str,
        trigger_type: str,
        execution_plan: ExecutionPlan,
        *,
        execution_id: str | None = None,
        admission: Admission = "stepwise",
    ) -> PlanOutcome:
        """Execute a plan, or refuse it, and record which.

        Args:
            token_hash: The public handle of a token issued in this ledger.
            user_id: Who is calling; compared exactly with the token's user.
            trigger_type: Why; one the token allows.
            execution_plan: The plan.
            execution_id: A UUID that makes the call idempotent: it is claimed
                together with the other arguments, and never executed twice.
            admission: ``stepwise`` checks each step when its turn comes;
                ``whole-plan`` refuses before step 0 what ``check_plan`` refuses.

        Returns:
            The outcome; unpacks as ``success, results, error``. Every refusal and
            failure is an outcome, with a code of ``docs/errors.md``.

        Raises:
            TypeError: An argument is of the wrong type. Nothing was recorded.
            ValueError: ``execution_id`` is not a UUID, ``admission`` is no mode, a
                string cannot be encoded, or ``close`` was called. Nothing was recorded.
            KeyboardInterrupt: As it came; the trail was closed with ABORTED first.

        Source:
            EXE-4 to EXE-8; seed 004; rules 7.2 to 7.8.
        """
        sys.audit("stage3.guard", "orchestrator.execute_plan")
        return self._execute(
            plan_request(
                token_hash,
                user_id,
                trigger_type,
                execution_plan,
                execution_id=execution_id,
                admission=admission,
            )
        )

    def execute(  # noqa: PLR0913 - the call shape of rules 5
        self,
        token_hash: str,
        user_id: str,
        trigger_type: str,
        domain: str,
        method: str,
        parameters: Mapping[str, object] | None = None,
        *,
        execution_id: str | None = None,
    ) -> PlanOutcome:
        """Execute one method of one domain: a plan of one step, five events.

        The plan-level event carries this domain and method (rules 4B.3).

        Returns:
            As ``execute_plan``: the results are a list of one.

        Raises:
            TypeError: As ``execute_plan``.
            ValueError: As ``execute_plan``, or what ``DomainInvocation`` refuses.
            KeyboardInterrupt: As ``execute_plan``.

        Source:
            EXE-8.2; rules 5.
        """
        sys.audit("stage3.guard", "orchestrator.execute")
        return self._execute(
            step_request(
                token_hash,
                user_id,
                trigger_type,
                (domain, method, parameters),
                execution_id=execution_id,
            )
        )

    def check_plan(
        self,
        token_hash: str,
        user_id: str,
        trigger_type: str,
        execution_plan: ExecutionPlan,
    ) -> PlanDecision:
        """Say what ``execute_plan`` would do now, without doing or recording it.

        The answer assumes that every step answers with zero units and that time
        stands still; it reserves nothing, so it can be overtaken.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: A string cannot be encoded.

        Source:
            EXE-8.3; design section 3.
        """
        sys.audit("stage3.guard", "orchestrator.check_plan")
        request = plan_request(token_hash, user_id, trigger_type, execution_plan)
        try:
            error = self._foresee(self._make_run(request))
        except AuditError as problem:
            error = _unavailable(problem)
        return PlanDecision(allowed=error is None, error=error)

    def close(self) -> None:
        """Give up ownership and release the boxes. Closing twice is allowed.

        Later plans are refused with ``ValueError``. A plan that is running on another
        thread answers ``INTERRUPTED`` if recovery closes it first. The store stays
        open: it is the caller's.
        """
        self._is_closed = True
        self._hold.close()
        self._tiers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # The loop --------------------------------------------------------------------

    def _execute(self, request: PlanRequest) -> PlanOutcome:
        if self._is_closed:
            raise ValueError("the orchestrator is closed; make another one")
        run = self._make_run(request)
        try:
            self._abandoned.close_all()
            self.token_registry.prepare(run.claim.token_hash)
            ended = self._begin(run)
            for following in range(1, len(request.steps) + 1):
                if ended is not None:
                    return ended
                answer, interrupt = self._in_box(run.step)
                try:
                    ended = self._finish(run, answer, following)
                finally:
                    if interrupt is not None:
                        raise interrupt
        except (FencedError, HoldLostError, StreamConflictError) as error:
            # Others take this owner for dead. What it has started is theirs to close.
            return run.refused(_cut_off(error, may_stand=run.may_stand))
        except (AuditError, AccountingError) as error:
            self._abandon(run)
            return run.refused(_unavailable(error))
        except BaseException:
            # KeyboardInterrupt, or a defect of ours: the trail is never left open.
            self._abandon(run)
            self._abandoned.try_to_close_all()
            raise
        return run.succeeded() if ended is None else ended

    def _abandon(self, run: Run) -> None:
        if run.may_stand:
            self._abandoned.add(run.claim)

    def _begin(self, run: Run) -> PlanOutcome | None:
        """Commit 1: VALIDATION, and SCOPE, LIMIT, STARTED of step 0; or a refusal."""
        whole = run.request.admission == "whole-plan"
        steps = run.all_ready() if whole else (run.ready(0),)
        with self._block(run.journal) as tx:
            found = look_up(tx, run.claim, asked=run.request.execution_id is not None)
            if isinstance(found, PlanOutcome):
                return found
            if found is None:
                error = admit(tx, self.token_registry, run, steps)
            else:
                run.reclaim(fresh_id(self._entropy(16)))
                error = refuse_id(tx, self.token_registry, run, found)
        run.committed()
        run.step = steps[0]
        return None if error is None else run.refused(error)

    def _finish(
        self, run: Run, answer: BoxOutcome, following: int
    ) -> PlanOutcome | None:
        """Commit k + 1: complete this step, and start the following one, if any."""
        step = run.step
        judgement = judge(answer, step, run.limits, run.reserved)
        after = run.ready(following) if following < len(run.request.steps) else None
        with self._block(run.journal, ends=after is None) as tx:
            error = complete(tx, self.token_registry, run, (step, judgement), after)
        run.committed()
        if after is not None:
            run.step = after
        return None if error is None else run.refused(error)

    def _block(
        self, journal: Journal, *, ends: bool = False
    ) -> AbstractContextManager[WriteTransaction]:
        """Give a block about one execution, for as long as this owner lives."""
        ahead = journal.ahead_of_end if ends else journal.ahead
        return self._store.write(streams=journal.streams, fence=self._hold, ahead=ahead)

    def _in_box(self, step: ReadyStep) -> tuple[BoxOutcome, BoxInterrupt | None]:
        """Run a step; an interrupt that hides a violation is handed on with it.

        A domain that leaves its box and then raises ``KeyboardInterrupt`` must not
        escape its record: the violation is written first, and the interrupt goes on.
        """
        domain = step.require_domain()
        try:
            answer = self._tiers[domain.tier].invoke(
                domain,
                step.invocation.method,
                step.invocation.parameter_bytes,
                budget=domain.budget,
            )
        except BoxInterrupt as interrupt:
            if interrupt.violation is None:
                raise
            return interrupt.violation, interrupt
        return answer, None

    # Before a run ------------------------------------------------------------------

    def _make_run(self, request: PlanRequest) -> Run:
        return Run(
            request,
            execution_id=request.execution_id or fresh_id(self._entropy(16)),
            salt=self._entropy(32),
            owner_id=self.owner_id,
            find=self.domain_registry.get,
            tiers=self._tiers,
        )

    def _foresee(self, run: Run) -> PlanError | None:
        steps = run.all_ready()
        token_hash = run.claim.token_hash
        self.token_registry.prepare(token_hash)
        latch = self._store.latch
        if latch is not None:
            return _unavailable(latch.reason)
        with self._store.read() as tx:
            now_us = tx.now_us
            snapshot = self.token_registry.snapshot(tx, token_hash)
            refusal = check_clock(
                Gate.TOKEN, now_us=now_us, newest_us=tx.newest_us()
            ) or validate_token(snapshot, run.request.start, now_us=now_us)
        if refusal is not None or snapshot.claims is None:
            return None if refusal is None else error_at(refusal, None)
        stop = foresee(snapshot, snapshot.claims, steps, now_us=now_us)
        return None if stop is None else error_at(stop.refusal, stop.step)


def _in_process(orchestrator: Stage3Orchestrator) -> dict[str, Isolation]:
    """Make the tier of the built-in domains; it watches what holds authority."""
    log, registry = orchestrator.audit_log, orchestrator.token_registry
    watched = (Stage3Orchestrator, type(registry), type(log), type(log.store))
    return {"in_process": InProcessIsolation(watched)}


def _cut_off(error: Exception, *, may_stand: bool) -> PlanError:
    if isinstance(error, HoldLostError) and not may_stand:
        return _unavailable(error)
    return PlanError(ReasonCode.INTERRUPTED, INTERRUPTED_SENTENCE)


def _unavailable(problem: object) -> PlanError:
    return PlanError(
        ReasonCode.AUDIT_UNAVAILABLE,
        f"the audit log is unavailable, so nothing more was started: "
        f"{printable(str(problem), 300)}; ask again by execution_id once it is back",
    )
