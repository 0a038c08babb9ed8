"""What happens inside each commit of a plan: decide, account, record; nothing else.

Every function here runs under the authority lock, within one write transaction, and
does bounded work: the checks that cost something were made before. Each returns None
(the plan goes on) or the error that ends it, which counts once the commit is durable.

======  =======================================================================
commit  what it holds
======  =======================================================================
1       claim of the id, VALIDATION, and the start of step 0
k + 1   the end of step k - 1, then the token again, and the start of step k
N + 1   the end of the last step
======  =======================================================================

The start of a step is SCOPE, LIMIT, STARTED with its reservation; a refusal takes its
place and closes the trail.

Source: docs/spec/execution.md, EXE-5; design section 5 "What commits when".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.events import ReasonCode
from stage3.admission import decide_step, foresee
from stage3.refusal import Gate, refuse
from stage3.token_gate import check_clock, recheck_token, validate_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audit.store.interface import WriteTransaction
    from stage3.admission import ReadyStep
    from stage3.judgement import Judgement
    from stage3.outcome import PlanError
    from stage3.refusal import Refusal
    from stage3.run import Place, Run
    from tokens.credential import Claims
    from tokens.registry import TokenRegistry
    from tokens.state.snapshot import TokenSnapshot

__all__ = ["admit", "complete", "refuse_id"]


def admit(
    tx: WriteTransaction,
    registry: TokenRegistry,
    run: Run,
    steps: Sequence[ReadyStep],
) -> PlanError | None:
    """Commit 1: validate the token once, then start step 0.

    Args:
        tx: The transaction; the execution id is not claimed yet.
        registry: The token's state and counters.
        run: The run; its journal is empty.
        steps: Step 0, or every step where the whole plan is to be admitted.
    """
    now_us = run.journal.now(tx)
    snapshot = registry.snapshot(tx, run.claim.token_hash)
    refusal = check_clock(
        Gate.TOKEN, now_us=tx.now_us, newest_us=tx.newest_us()
    ) or validate_token(snapshot, run.request.start, now_us=now_us)
    claims = snapshot.claims
    if refusal is not None or claims is None:
        return _refuse_token(tx, registry, run, refusal, None, snapshot)
    run.limits = claims.token.limits
    run.pend(run.scribe.validated(snapshot, claims, run.facts()))
    registry.note_first_use(tx, snapshot, time_us=now_us)
    if run.request.admission == "whole-plan":
        stop = foresee(snapshot, claims, steps, now_us=now_us)
        if stop is not None:
            return _refuse(tx, run, stop.refusal, stop.step, snapshot)
    return _start(tx, registry, run, steps[0], (snapshot, claims))


def complete(
    tx: WriteTransaction,
    registry: TokenRegistry,
    run: Run,
    ended: tuple[ReadyStep, Judgement],
    following: ReadyStep | None,
) -> PlanError | None:
    """Commit k + 1: complete a step, and start the one that follows, if any.

    Raises:
        FencedError: The execution was closed while the step ran; nothing is written.
    """
    step, judgement = ended
    run.journal.fence(tx)
    registry.settle(
        tx, run.claim.token_hash, reserved=run.reserved, charged=judgement.charged
    )
    run.pend(*run.scribe.completed(step, judgement, run.result_of(step, judgement)))
    if judgement.failure is not None:
        return run.close(tx, step, judgement.failure)
    if following is None:
        run.flush(tx, step.index)
        return None
    return _go_on(tx, registry, run, following)


def refuse_id(
    tx: WriteTransaction, registry: TokenRegistry, run: Run, refusal: Refusal
) -> PlanError:
    """Record, under a fresh id, that the id asked for is taken."""
    snapshot = registry.snapshot(tx, run.claim.token_hash)
    return _refuse(tx, run, refusal, None, snapshot)


def _go_on(
    tx: WriteTransaction, registry: TokenRegistry, run: Run, step: ReadyStep
) -> PlanError | None:
    now_us = run.journal.now(tx)
    snapshot = registry.snapshot(tx, run.claim.token_hash)
    refusal = check_clock(
        Gate.RECHECK, now_us=tx.now_us, newest_us=tx.newest_us()
    ) or recheck_token(snapshot, now_us=now_us)
    claims = snapshot.claims
    if refusal is not None or claims is None:
        return _refuse_token(tx, registry, run, refusal, step, snapshot)
    return _start(tx, registry, run, step, (snapshot, claims))


def _start(
    tx: WriteTransaction,
    registry: TokenRegistry,
    run: Run,
    step: ReadyStep,
    token: tuple[TokenSnapshot, Claims],
) -> PlanError | None:
    """Gates 2 to 4, then reserve and record the start; the domain runs later."""
    snapshot, claims = token
    now_us = run.journal.now(tx)
    refusal = decide_step(snapshot, claims, step, now_us=now_us)
    if refusal is not None:
        return _refuse(tx, run, refusal, step, snapshot)
    reservation = registry.reserve(
        tx,
        snapshot,
        execution_id=run.claim.execution_id,
        step=step.index,
        time_us=now_us,
    )
    run.reserved = reservation.reserved
    run.pend(*run.scribe.starting(step, token, reservation, run.parameters_of(step)))
    run.flush(tx, step.index)
    return None


def _refuse(
    tx: WriteTransaction,
    run: Run,
    refusal: Refusal,
    place: Place,
    snapshot: TokenSnapshot,
) -> PlanError:
    """The one place where a refusal becomes events."""
    run.pend(*run.scribe.refused(refusal, place, snapshot))
    return run.close(tx, place, refusal)


def _refuse_token(
    tx: WriteTransaction,
    registry: TokenRegistry,
    run: Run,
    refusal: Refusal | None,
    place: Place,
    snapshot: TokenSnapshot,
) -> PlanError:
    if refusal is None:
        # Unreachable while gate 1 refuses a token without claims; refused all the same.
        refusal = refuse(Gate.UNKNOWN, ReasonCode.TOKEN_UNKNOWN, "token not found")
    if refusal.code is ReasonCode.TOKEN_EXPIRED:
        registry.note_expired(tx, snapshot, time_us=run.journal.now(tx))
    return _refuse(tx, run, refusal, place, snapshot)
