"""A Stage-3 to measure: the production parts, a trivial domain and a wide token."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from audit.log import AuditEventLog
from audit.store.opening import open_store
from benchmarks.floor import Floor
from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage2_domains.registry import DomainRegistry
from stage3.orchestrator import Stage3Orchestrator
from stage3.plan import DomainInvocation, ExecutionPlan
from tokens.authority import TokenAuthority
from tokens.keys import SigningKey
from tokens.model import CapabilityToken
from tokens.registry import TokenRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from stage2_domains.parameters import IsolatedParameters

__all__ = ["PARAMETERS", "WIDE", "Pair", "Trivial", "World"]

PARAMETERS: Final[dict[str, object]] = {f"key{i}": i for i in range(10)}
WIDE: Final[dict[str, int | str]] = {
    "max_invocations": 10**9,
    "max_tokens_per_response": 10_000,
    "max_total_tokens": 10**12,
    "max_frequency": "999999 per 1 second",
}


class Trivial(Stage2Domain):
    """A pure function over a ten-key dictionary."""

    name = "trivial"
    methods: ClassVar[dict[str, MethodSpec]] = {  # type: ignore[misc]  # as all domains do
        "measure": MethodSpec({"type": "object"})
    }

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Sum the lengths of the values."""
        given = parameters.get_copy()
        total = sum(len(str(value)) for value in given.values())
        return DomainResult(success=True, data={"total": total, "method": method})


class World:
    """An executor on a store, with tokens that last for half an hour.

    Keys are new each time, so that a kept ledger can be opened again.
    """

    def __init__(self, url: str, callers: int = 1) -> None:
        self.store = open_store(url)
        self._authority = TokenAuthority(
            self.store, SigningKey.generate(purpose="issue")
        )
        self.log = AuditEventLog(self.store)
        domains = DomainRegistry()
        domains.register(Trivial(), trusted=True)
        self._orchestrator = Stage3Orchestrator(
            TokenRegistry(self.store), self.log, domains
        )
        self._tokens: list[str] = []
        self.renew(callers)

    def renew(self, callers: int = 1) -> None:
        """Issue a new token for each caller."""
        token = CapabilityToken(
            user_id="alice",
            capability="benchmark",
            issued_by="security_admin",
            domain_scope=["trivial"],
            method_scope={"trivial": ["measure"]},
            duration_seconds=1_800,
            allowed_trigger_types=["direct_command"],
            resource_limits=WIDE,
        )
        issue = self._authority.issue_token
        self._tokens = [issue(token).token_hash for _ in range(callers)]

    def run(self, steps: int, caller: int = 0) -> None:
        """Make a plan of so many steps and execute it under this caller's token.

        Raises:
            RuntimeError: It was refused or failed.
        """
        step = DomainInvocation("trivial", "measure", PARAMETERS)
        outcome = self._orchestrator.execute_plan(
            token_hash=self._tokens[caller % len(self._tokens)],
            user_id="alice",
            trigger_type="direct_command",
            execution_plan=ExecutionPlan("alice", [step] * steps),
        )
        if not outcome.success:
            raise RuntimeError(str(outcome.error))

    def size(self) -> int:
        """How many entries the ledger has."""
        return self.log.head().size

    def close(self) -> None:
        """Close the executor and the store."""
        self._orchestrator.close()
        self.store.close()


class Pair:
    """An executor and a floor on two fresh files of the same disk."""

    def __init__(self, folder: Path, name: str) -> None:
        self.world = World(f"sqlite:///{folder}/{name}.db")
        self.floor = Floor(folder / f"{name}-floor.db")

    def run(self, steps: int) -> None:
        """Run one plan of so many steps."""
        self.world.run(steps)

    def run_floor(self, steps: int) -> None:
        """Run the floor's plan of so many steps."""
        self.floor.run_plan(steps, PARAMETERS)

    def close(self) -> None:
        """Close both."""
        self.world.close()
        self.floor.close()
