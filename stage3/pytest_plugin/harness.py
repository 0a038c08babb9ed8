"""The harness: a whole Stage-3 in memory, with the clock and the keys in your hand.

Nothing of it is a mock: the store is the SQLite store on a private memory database,
the keys are real Ed25519 keys made from a seed, and the orchestrator is the one that
runs in production. Only time and randomness are ports, and they are ports there too.

Source: docs/spec/testing.md, TST-1.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Final, Self

from audit.log import AuditEventLog
from audit.store.opening import open_store
from stage2_domains.registry import DomainRegistry
from stage3.orchestrator import Stage3Orchestrator
from stage3.plan import DomainInvocation, ExecutionPlan
from tokens.authority import TokenAuthority
from tokens.keys import SigningKey
from tokens.model import CapabilityToken
from tokens.registry import TokenRegistry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from audit.store.interface import Store
    from stage2_domains.contract import Stage2Domain
    from stage3.outcome import PlanOutcome
    from stage3.request import Admission
    from tokens.acts.issued import IssuedToken

__all__ = [
    "LEDGER_ID",
    "START_US",
    "Harness",
    "ManualClock",
    "SeededEntropy",
    "make_token",
]

START_US: Final = 1_800_000_000_000_000
"""Where a manual clock begins: 2027-01-15 08:00:00 UTC."""

LEDGER_ID: Final = "harness"
"""The id of a harness's ledger, so that one on a file can be opened again."""

_LIMITS: Final[Mapping[str, int | str]] = {
    "max_invocations": 1_000,
    "max_tokens_per_response": 10_000,
    "max_total_tokens": 1_000_000,
    "max_frequency": "1000 per 1 second",
}

Step = DomainInvocation | tuple[str, str, "Mapping[str, object]"]


class ManualClock:
    """A clock that moves only when told to. Unix microseconds."""

    def __init__(self, now_us: int = START_US) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        """Tell the time."""
        return self.now_us

    def advance(self, seconds: float) -> None:
        """Move by so many seconds; negative ones turn it back."""
        self.now_us += round(seconds * 1_000_000)


class SeededEntropy:
    """Bytes that look random and are the same for the same seed. Never for keys in use.

    ``entropy(n)`` gives the next n bytes of SHA-256(seed, counter).
    """

    def __init__(self, seed: str = "stage3") -> None:
        self._seed = seed.encode()
        # Threads share one source: no two calls may get the same number.
        self._numbers = itertools.count(1)

    def __call__(self, size: int) -> bytes:
        """Give the next ``size`` bytes."""
        data = b""
        while len(data) < size:
            number = next(self._numbers)
            data += hashlib.sha256(self._seed + b"/%d" % number).digest()
        return data[:size]


def make_token(
    user: str = "alice",
    scope: Mapping[str, Sequence[str]] | None = None,
    **overrides: object,
) -> CapabilityToken:
    """Make a token with wide limits; any argument of ``CapabilityToken`` overrides.

    Args:
        user: The holder.
        scope: Methods by domain; by default ``apollo.analyze_habits``.
        overrides: For example ``duration_seconds=60`` or ``resource_limits={...}``
            (given keys replace, the others stay wide).

    Raises:
        ValueError: As ``CapabilityToken``.
        TypeError: An override that ``CapabilityToken`` does not know.
    """
    granted = {"apollo": ["analyze_habits"]} if scope is None else scope
    limits = dict(_LIMITS)
    given = overrides.pop("resource_limits", {})
    if isinstance(given, dict):
        limits.update(given)
    arguments: dict[str, object] = {
        "user_id": user,
        "capability": "testing",
        "issued_by": "security_admin",
        "domain_scope": list(granted),
        "method_scope": {name: list(methods) for name, methods in granted.items()},
        "duration_seconds": 900,
        "allowed_trigger_types": ["direct_command"],
        "resource_limits": limits,
    }
    arguments.update(overrides)
    return CapabilityToken(**arguments)  # type: ignore[arg-type]  # checked there


class Harness:
    """Store, clock, keys, authority, registry, log and executor, ready to use.

    Args:
        url: Where the ledger lives; a private memory store by default.
        domains: Test domains to register as trusted, beside the built-in ones.
        seed: Of keys, ids and salts: the same seed gives the same bytes. Another
            harness on the same store needs another seed, or its ids would repeat.
        store: An open store to use instead of ``url``, for example a faulty one; the
            harness does not close it.

    The orchestrator is made at its first use, because it freezes the domains.
    """

    def __init__(
        self,
        url: str = "memory:",
        *,
        domains: Sequence[Stage2Domain] = (),
        seed: str = "stage3",
        store: Store | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.entropy = SeededEntropy(seed)
        self._owns_store = store is None
        self.store = store or open_store(url, clock=self.clock, ledger_id=LEDGER_ID)
        self.authority = TokenAuthority(
            self.store,
            self.signing_key("issue"),
            revoke_key=self.signing_key("revoke"),
            pause_key=self.signing_key("pause"),
            entropy=self.entropy,
        )
        self.registry = TokenRegistry(self.store)
        self.log = AuditEventLog(self.store)
        self.domains = DomainRegistry.builtin()
        for domain in domains:
            self.domains.register(domain, trusted=True)
        self._orchestrator: Stage3Orchestrator | None = None

    def signing_key(self, purpose: str) -> SigningKey:
        """Make a key of a purpose from the seed."""
        return SigningKey.from_private_bytes(self.entropy(32), purpose=purpose)

    @property
    def orchestrator(self) -> Stage3Orchestrator:
        """The executor, made at its first use."""
        if self._orchestrator is None:
            self._orchestrator = Stage3Orchestrator(
                self.registry, self.log, self.domains, entropy=self.entropy
            )
        return self._orchestrator

    def issue(
        self,
        user: str = "alice",
        scope: Mapping[str, Sequence[str]] | None = None,
        **overrides: object,
    ) -> IssuedToken:
        """Issue a token; the arguments are those of ``make_token``."""
        return self.authority.issue_token(make_token(user, scope, **overrides))

    def plan(self, *steps: Step, user: str = "alice") -> ExecutionPlan:
        """Make a plan of invocations or ``(domain, method, parameters)`` tuples."""
        return ExecutionPlan(user, [_invocation(step) for step in steps])

    def run(
        self,
        token: IssuedToken | str,
        *steps: Step,
        user: str = "alice",
        trigger: str = "direct_command",
        execution_id: str | None = None,
        admission: Admission = "stepwise",
    ) -> PlanOutcome:
        """Execute a plan of these steps under a token or its public handle."""
        return self.orchestrator.execute_plan(
            token_hash=token if isinstance(token, str) else token.token_hash,
            user_id=user,
            trigger_type=trigger,
            execution_plan=self.plan(*steps, user=user),
            execution_id=execution_id,
            admission=admission,
        )

    def reopen(self) -> None:
        """Forget the executor, as if its process had ended in good order."""
        if self._orchestrator is not None:
            self._orchestrator.close()
            self._orchestrator = None

    def close(self) -> None:
        """Close what the harness opened."""
        self.reopen()
        if self._owns_store:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _invocation(step: Step) -> DomainInvocation:
    if isinstance(step, DomainInvocation):
        return step
    domain, method, parameters = step
    return DomainInvocation(domain, method, dict(parameters))
