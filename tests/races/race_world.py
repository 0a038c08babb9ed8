"""The ledgers of a race, the domain that is started, and how a worker opens them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from audit.log import AuditEventLog
from audit.store.opening import open_sqlite
from audit.store.session import connect_sqlite
from audit.store.sqlite import SqlitePorts
from audit.store.timing import SYSTEM_TIMING
from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage2_domains.registry import DomainRegistry
from stage3.isolation.in_process import InProcessIsolation
from stage3.orchestrator import Stage3Orchestrator
from stage3.plan import DomainInvocation, ExecutionPlan
from stage3.pytest_plugin.harness import LEDGER_ID, SeededEntropy, make_token
from tokens.authority import TokenAuthority
from tokens.keys import SigningKey
from tokens.registry import TokenRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.store.session import Connect
    from audit.store.sqlite import SqliteStore
    from audit.store.timing import Timing
    from stage2_domains.parameters import IsolatedParameters
    from stage3.outcome import PlanOutcome
    from tests.races.race_board import Board

__all__ = [
    "LOCK_TIMEOUT_S",
    "SCOPE",
    "Player",
    "Round",
    "World",
    "authority_on",
    "issue_round",
    "key_of",
    "open_world",
]

SCOPE = {"racer": ["run"]}
ENDLESS = {
    "max_invocations": 10**9,
    "max_total_tokens": 10**12,
    "max_frequency": "999999999 per 1 second",
}
"""A starter that waits for a slow neighbour must not come to a limit meanwhile."""

LOCK_TIMEOUT_S = 60.0
"""Longer than any test: a start that waits is late, never refused for it."""


@dataclass(frozen=True, slots=True)
class Round:
    """One token and what is done to it.

    Attributes:
        number: Its place among all rounds; also its word on the board.
        token: The handle.
        user: Its holder.
        kind: How it is stopped, or which of its limits is raced for.
        steps: How many steps each plan has.
    """

    number: int
    token: str
    user: str
    kind: str
    steps: int

    def plan(self, variant: int = 0) -> ExecutionPlan:
        """Make the round's plan; another variant is another plan."""
        given = {"round": self.number, "variant": variant}
        step = DomainInvocation("racer", "run", given)
        return ExecutionPlan(self.user, [step] * self.steps)

    def as_json(self) -> dict[str, object]:
        """Give it as plain data."""
        return asdict(self)


class Racer(Stage2Domain):
    """Answers eight characters: four units at most."""

    name = "racer"
    methods: ClassVar = {"run": MethodSpec({"type": "object"})}

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:  # noqa: ARG002 - the contract's shape
        """Answer."""
        return DomainResult(success=True, data={"a": 10})


class Gatepost:
    """The in-process tier, telling which round's domain is about to be called."""

    def __init__(self, began: Callable[[int], None]) -> None:
        self._began = began
        self._real = InProcessIsolation()
        self.tier = self._real.tier
        self.attained = self._real.attained

    def invoke(
        self, domain: object, method: str, parameters: bytes, **more: object
    ) -> object:
        """Tell, then call."""
        self._began(json.loads(parameters)["round"])
        return self._real.invoke(domain, method, parameters, **more)  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the real tier."""
        self._real.close()


@dataclass(frozen=True, slots=True)
class World:
    """An open ledger in one process."""

    store: SqliteStore
    board: Board

    def player(
        self,
        seed: str,
        registry: TokenRegistry | None = None,
        began: Callable[[int], None] = lambda _round: None,
    ) -> Player:
        """Make an executor; ``seed`` must differ from every other one's."""
        domains = DomainRegistry()
        domains.register(Racer(), trusted=True)
        return Player(
            Stage3Orchestrator(
                registry or TokenRegistry(self.store),
                AuditEventLog(self.store),
                domains,
                isolation={"in_process": Gatepost(began)},
                entropy=SeededEntropy(seed),
            )
        )


@dataclass(frozen=True, slots=True)
class Player:
    """An executor that plays rounds."""

    executor: Stage3Orchestrator

    def play(
        self, played: Round, execution_id: str | None = None, variant: int = 0
    ) -> PlanOutcome:
        """Execute the round's plan."""
        return self.executor.execute_plan(
            played.token,
            played.user,
            "direct_command",
            played.plan(variant),
            execution_id=execution_id,
        )


def open_world(
    path: Path | str,
    board: Board,
    connect: Connect = connect_sqlite,
    timing: Timing = SYSTEM_TIMING,
) -> World:
    """Open or make the ledger at ``path`` with the board's clock."""
    ports = SqlitePorts(
        clock=board.clock,
        connect=connect,
        timing=timing,
        lock_timeout_s=LOCK_TIMEOUT_S,
    )
    url = f"sqlite:///{Path(path)}"
    return World(open_sqlite(url, ports=ports, ledger_id=LEDGER_ID), board)


def key_of(name: str, purpose: str) -> SigningKey:
    """Make the key of this name, the same in every process."""
    entropy = SeededEntropy(f"{name} {purpose}")
    return SigningKey.from_private_bytes(entropy(32), purpose=purpose)


def authority_on(
    store: SqliteStore, seed: str, issue_key: str = "common"
) -> TokenAuthority:
    """Make an authority with the keys of all races."""
    return TokenAuthority(
        store,
        key_of(issue_key, "issue"),
        revoke_key=key_of("common", "revoke"),
        pause_key=key_of("common", "pause"),
        entropy=SeededEntropy(seed),
    )


def issue_round(
    store: SqliteStore, number: int, kind: str, steps: int = 1, **overrides: object
) -> Round:
    """Issue a token of its own user, issuer and, to revoke by key, key."""
    user = f"user{number}"
    key = f"key{number}" if kind == "key" else "common"
    overrides.setdefault("resource_limits", ENDLESS)
    token = make_token(user, SCOPE, issued_by=f"officer{number}", **overrides)
    issued = authority_on(store, f"issue {number}", key).issue_token(token)
    return Round(number, issued.token_hash, user, kind, steps)
