"""The ledgers that histories are made on, and how a process opens and uses them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from audit.log import AuditEventLog
from audit.store.opening import open_sqlite, open_store
from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage2_domains.registry import DomainRegistry
from stage3.isolation.in_process import InProcessIsolation
from stage3.orchestrator import Stage3Orchestrator
from stage3.plan import DomainInvocation, ExecutionPlan
from stage3.pytest_plugin.harness import LEDGER_ID, SeededEntropy, make_token
from tests.histories.recorder import WatchedIsolation, WatchedStore
from tokens.authority import TokenAuthority
from tokens.keys import SigningKey
from tokens.registry import TokenRegistry
from tokens.state.selector import Selector

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.records import Receipt
    from audit.store.interface import Store
    from audit.store.sqlite import SqlitePorts
    from stage2_domains.parameters import IsolatedParameters
    from stage3.isolation.interface import Isolation
    from stage3.outcome import PlanOutcome
    from tests.histories.board import Board
    from tests.histories.recorder import Recorder

__all__ = [
    "ENDLESS",
    "LOCK_TIMEOUT_S",
    "SCOPE",
    "UNITS",
    "Player",
    "Round",
    "World",
    "authority_on",
    "issue_round",
    "key_of",
    "open_world",
    "stop",
]

SCOPE = {"racer": ["run"]}
UNITS = 2
"""What one answer of the racer costs: eight bytes."""
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
        kind: How it is stopped.
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
    """Answers eight characters: two units."""

    name = "racer"
    methods: ClassVar = {"run": MethodSpec({"type": "object"})}

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:  # noqa: ARG002 - the contract's shape
        """Answer."""
        return DomainResult(success=True, data={"a": 10})


@dataclass(frozen=True, slots=True)
class World:
    """An open ledger in one process."""

    store: Store
    board: Board

    def player(
        self,
        seed: str,
        registry: Callable[[Store], TokenRegistry] = TokenRegistry,
        recorder: Recorder | None = None,
    ) -> Player:
        """Make an executor; ``seed`` must differ from every other one's.

        What it does is noted by the recorder, where there is one.
        """
        store = self.store
        isolation: Isolation = InProcessIsolation()
        if recorder is not None:
            store = WatchedStore(self.store, recorder).as_store()
            isolation = WatchedIsolation(recorder).as_isolation()
        domains = DomainRegistry()
        domains.register(Racer(), trusted=True)
        return Player(
            Stage3Orchestrator(
                registry(store),
                AuditEventLog(store),
                domains,
                isolation={"in_process": isolation},
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


def open_world(url: str, board: Board, ports: SqlitePorts | None = None) -> World:
    """Open or make a ledger with the board's clock, or with ports of one's own."""
    if ports is not None:
        return World(open_sqlite(url, ports=ports, ledger_id=LEDGER_ID), board)
    store = open_store(
        url, clock=board.clock, lock_timeout_s=LOCK_TIMEOUT_S, ledger_id=LEDGER_ID
    )
    return World(store, board)


def key_of(name: str, purpose: str) -> SigningKey:
    """Make the key of this name, the same in every process."""
    entropy = SeededEntropy(f"{name} {purpose}")
    return SigningKey.from_private_bytes(entropy(32), purpose=purpose)


def authority_on(store: Store, seed: str, issue_key: str = "common") -> TokenAuthority:
    """Make an authority with the keys of all histories."""
    return TokenAuthority(
        store,
        key_of(issue_key, "issue"),
        revoke_key=key_of("common", "revoke"),
        pause_key=key_of("common", "pause"),
        entropy=SeededEntropy(seed),
    )


def issue_round(
    store: Store, number: int, kind: str, steps: int = 1, **overrides: object
) -> Round:
    """Issue a token of its own user and issuer."""
    user = f"user{number}"
    overrides.setdefault("resource_limits", ENDLESS)
    token = make_token(user, SCOPE, issued_by=f"officer{number}", **overrides)
    issued = authority_on(store, f"issue {number}").issue_token(token)
    return Round(number, issued.token_hash, user, kind, steps)


def stop(authority: TokenAuthority, kind: str, name: str) -> Receipt:
    """Stop, pause or resume; ``name``: what of that kind."""
    why, who = "history", "referee"
    match kind:
        case "token":
            return authority.revoke_token(name, why, who)
        case "pause":
            return authority.pause(why, who)
        case "resume":
            return authority.resume(why, who)
        case "compromise":
            return authority.set_key_state(name, "compromised", reason=why, by=who)
        case _:
            return authority.revoke(_SELECTORS[kind](name), why, who)


_SELECTORS: dict[str, Callable[[str], Selector]] = {
    "user": Selector.user,
    "issuer": Selector.issuer,
    "key": Selector.key,
    "all": lambda _: Selector.everything(),
}
