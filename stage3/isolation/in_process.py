"""The tier for code the operator trusts: the domain runs in the executor's process.

It detects accidental violations. It does not protect against code that tries, and
it can stop neither a loop nor a hunger for memory: ``docs/isolation.md`` says plainly
what gets past it.

Spec: ``docs/spec/isolation.md``, ISO-3 to ISO-7.
"""

from __future__ import annotations

import codecs
import sys
import time
from contextvars import Context
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage2_domains.errors import ValueRefusedError
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.sentences import bounded
from stage3.isolation.answers import failure_of, outcome_of
from stage3.isolation.events import GUARD_EVENT
from stage3.isolation.guard import Trip, Watch, installed_guard
from stage3.isolation.integrity import Integrity, Snapshot
from stage3.isolation.interface import (
    MAX_DETAIL_CHARS,
    BoxInterrupt,
    BoxOutcome,
    InfraFailure,
    Violation,
    ViolationKind,
)
from stage3.isolation.lazy import LAZY_CODECS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stage2_domains.contract import Budget
    from stage2_domains.registry import RegisteredDomain
    from stage3.isolation.integrity import Watched
    from stage3.isolation.interface import Attained

__all__ = ["TIER", "InProcessIsolation"]

TIER: Final = "in_process"

_ATTAINED: Final[Attained] = MappingProxyType(
    {"audit_hook": True, "boundary": False, "integrity_check": True}
)


class InProcessIsolation:
    """The in-process box; keeps ``Isolation``.

    Holds nothing between calls and needs no closing. Any number may exist, on any
    threads; they share the process's one audit hook.

    Args:
        watched: Modules and classes to compare after each call, beside ``builtins``:
            what the executor will use next. See ``Integrity``.
    """

    __slots__ = ("_guard", "_integrity")

    def __init__(self, watched: Sequence[Watched] = ()) -> None:
        for name in LAZY_CODECS:
            codecs.lookup(name)
        time.strptime("2000", "%Y")
        self._guard = installed_guard()
        self._integrity = Integrity(watched)

    @property
    def tier(self) -> str:
        """``in_process``."""
        return TIER

    @property
    def attained(self) -> Attained:
        """A hook and an integrity check; no boundary."""
        return _ATTAINED

    def invoke(
        self,
        domain: RegisteredDomain,
        method: str,
        parameters: bytes,
        *,
        budget: Budget,
    ) -> BoxOutcome:
        """Run one method of one domain on this thread.

        Only ``budget.result_bytes`` and ``budget.depth`` can be held to here.

        Args:
            domain: A domain that was registered for this tier.
            method: One of its methods.
            parameters: Canonical JSON of an object.
            budget: What the call may use.

        Returns:
            What came of it; ``InfraFailure`` when the call does not belong here and
            the domain was not run.

        Raises:
            BoxInterrupt: A ``KeyboardInterrupt`` arrived during the call, or the
                domain raised one.

        Source:
            ISO-1.1, ISO-1.4, ISO-2, ISO-3, ISO-7.
        """
        # (1) ISO-7.2: on a thread that is inside a domain this raises and is noted.
        sys.audit(GUARD_EVENT, "isolation.invoke")
        if domain.tier != TIER or method not in domain.methods:
            return InfraFailure("the call does not belong in the in_process box")
        try:
            isolated = IsolatedParameters(parameters)
        except ValueRefusedError:
            return InfraFailure("the parameters are not the bytes of a JSON object")

        # (2) ISO-3.1: everything that may touch an object of the domain happens
        #     between arming and disarming, also judging and dropping its answer.
        watch, before = Watch(), self._integrity.take()
        disarm = self._guard.disarm_call()
        try:
            self._guard.arm(watch)
            outcome = Context().run(
                _run,
                lambda: domain.domain.invoke(method, isolated),
                budget,
                before,
            )
            violation = _violation(watch, before)
        finally:
            disarm()

        # (3) ISO-2.3: what goes on is ours and holds nothing of the domain.
        if outcome is None:
            raise BoxInterrupt(violation)
        return violation or outcome

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def _run(
    call: Callable[[], object], budget: Budget, before: Snapshot
) -> BoxOutcome | None:
    """Call the domain and judge what it did; ``None`` when it was interrupted.

    Runs in an empty context: the domain sees no context variable of the executor, and
    a decimal precision it sets is gone afterwards.
    """
    try:
        try:
            answer = call()
        finally:
            # A lower limit would stop this very function.
            before.restore_recursion_limit()
        return outcome_of(answer, budget)
    except KeyboardInterrupt:
        return None
    except BaseException as error:  # noqa: BLE001 - SystemExit and the rest are a failure of the domain
        return failure_of(error)


def _violation(watch: Watch, before: Snapshot) -> Violation | None:
    """Return what was noticed: first by the hook, then by looking."""
    difference = None
    try:
        difference = before.restore()
    except Exception:  # noqa: BLE001 - the domain left an object that resists
        difference = "what the domain left behind could not be examined"
    except Trip:
        pass  # The watch has it.
    if (noticed := watch.settle()) is not None:
        return noticed
    if difference is None:
        return None
    return Violation(
        ViolationKind.INTEGRITY, bounded(difference, MAX_DETAIL_CHARS), "integrity"
    )
