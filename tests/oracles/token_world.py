"""A small world for tests of registry and authority: a clock, a store, both halves.

Everything is decided by the arguments: the clock stands still until it is told,
randomness is a counter, and keys are made from their names.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from sqlite3 import connect

from audit.store.interface import Store
from audit.store.opening import open_store
from audit.trust import Trust
from tokens.acts.issued import IssuedToken
from tokens.authority import TokenAuthority
from tokens.keys import SigningKey
from tokens.limits import check_before_start, check_executions
from tokens.model import CapabilityToken
from tokens.registry import TokenRegistry
from tokens.state.snapshot import TokenSnapshot

__all__ = ["START_US", "World", "grant", "named_key", "sqlite_edit", "try_start"]

START_US = 1_800_000_000_000_000
SECOND = 1_000_000


@dataclass
class HandClock:
    """A clock that stands still until it is moved."""

    now_us: int = START_US

    def __call__(self) -> int:
        return self.now_us

    def forward(self, seconds: float) -> None:
        self.now_us += int(seconds * SECOND)


def named_key(name: str, purpose: str = "issue") -> SigningKey:
    """Return the same key for the same name, always."""
    seed = sha256(f"{purpose} {name}".encode()).digest()
    return SigningKey.from_private_bytes(seed, purpose=purpose)


def counting_entropy() -> Callable[[int], bytes]:
    """Give bytes that never repeat and are always the same."""
    numbers = count(1)
    return lambda size: sha256(str(next(numbers)).encode()).digest()[:size]


def grant(  # noqa: PLR0913  # a token has that many sides
    user_id: str = "alice",
    *,
    issued_by: str = "security_admin",
    duration_seconds: int = 900,
    max_invocations: int = 10,
    max_total_tokens: int = 2048,
    max_frequency: str = "100 per 1 second",
    max_executions: int | None = None,
    domains: tuple[str, ...] = ("apollo",),
    capability: str = "weekly_review",
) -> CapabilityToken:
    """Return a token with one method per domain; say only what matters."""
    return CapabilityToken(
        user_id=user_id,
        capability=capability,
        issued_by=issued_by,
        domain_scope=list(domains),
        method_scope={domain: ["analyze_habits"] for domain in domains},
        duration_seconds=duration_seconds,
        allowed_trigger_types=["direct_command"],
        resource_limits={
            "max_invocations": max_invocations,
            "max_tokens_per_response": 512,
            "max_total_tokens": max_total_tokens,
            "max_frequency": max_frequency,
        },
        max_executions=max_executions,
    )


@dataclass
class World:
    """A store with its two halves. ``path`` is none for a store in memory."""

    path: Path | None = None
    trust: Trust | None = None
    root_key: SigningKey | None = None
    clock: HandClock = field(default_factory=HandClock)
    store: Store = field(init=False)
    authority: TokenAuthority = field(init=False)
    registry: TokenRegistry = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.open()
        self.authority = self.new_authority()
        self.registry = TokenRegistry(self.store)

    @property
    def url(self) -> str:
        """The address of the store."""
        return "memory:" if self.path is None else f"sqlite:///{self.path}"

    def open(self) -> Store:
        """Open the store; with a trust, a file that is missing is made first."""
        if self.trust is None:
            return open_store(self.url, clock=self.clock, ledger_id="test-ledger")
        if self.path is not None and not self.path.exists():
            made = open_store(
                self.url, clock=self.clock, ledger_id=self.trust.ledger_id
            )
            made.close()
        return open_store(self.url, clock=self.clock, trust=self.trust)

    def reopen(self, trust: Trust | None = None) -> TokenRegistry:
        """Open the same file anew, as another process would; a fresh registry."""
        store = open_store(self.url, clock=self.clock, trust=trust)
        return TokenRegistry(store)

    def new_authority(self, issue: str = "issue") -> TokenAuthority:
        """Make another authority on this store, with an issue key of that name."""
        return TokenAuthority(
            self.store,
            named_key(issue),
            revoke_key=named_key("revoke", "revoke"),
            pause_key=named_key("pause", "pause"),
            root_key=self.root_key,
            entropy=counting_entropy(),
        )

    def issue(self, token: CapabilityToken | None = None) -> IssuedToken:
        """Issue a token; an ordinary one if none is given."""
        return self.authority.issue_token(grant() if token is None else token)

    def start(self, token_hash: str, *, step: int = 0) -> str:
        """Try one start on the registry of this world; see ``try_start``."""
        return try_start(self.registry, token_hash, step=step)

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def try_start(
    registry: TokenRegistry, token_hash: str, *, step: int = 0, settle: bool = True
) -> str:
    """Try to start a step as an executor does; return ``ok`` or what refused it.

    The words: ``integrity paused revoked unknown key inactive expired`` or the
    name of a limit.
    """
    registry.prepare(token_hash)
    with registry.store.write() as tx:
        snapshot = registry.snapshot(tx, token_hash)
        now_us = tx.now_us
        word = _refusal(snapshot, now_us, first_step=step == 0)
        if word == "expired" and snapshot.revoked_by is None:
            registry.note_expired(tx, snapshot, now_us)
        if word is not None:
            return word
        registry.note_first_use(tx, snapshot, now_us)
        reservation = registry.reserve(
            tx, snapshot, execution_id="e", step=step, time_us=now_us
        )
        if settle:
            registry.settle(tx, token_hash, reservation.reserved, 1)
    return "ok"


def _refusal(snapshot: TokenSnapshot, now_us: int, *, first_step: bool) -> str | None:
    """Say what refuses a start; the first of the list, in its order."""
    claims = snapshot.claims
    if snapshot.integrity is not None or snapshot.paused:
        return "integrity" if snapshot.integrity is not None else "paused"
    if snapshot.revoked_by is not None or claims is None:
        return "unknown" if claims is None else "revoked"
    reasons = (
        (snapshot.key_refusal is not None, "key"),
        (now_us < claims.issued_at_s * SECOND, "inactive"),
        (snapshot.expired_noted, "expired"),
        (now_us >= claims.expires_at_s * SECOND, "expired"),
    )
    for holds, word in reasons:
        if holds:
            return word
    refusal = check_before_start(
        claims.token.limits,
        snapshot.usage,
        now_us=now_us,
        bounding_use_us=snapshot.bounding_use_us,
        first_step=first_step,
    )
    if first_step and refusal is None:
        refusal = check_executions(claims.token.max_executions, snapshot.usage)
    return None if refusal is None else refusal.limit


def sqlite_edit(path: Path, *statements: str) -> int:
    """Edit a store's file as somebody with a database tool would, guards removed.

    Returns:
        How many rows the last statement changed.
    """
    with closing(connect(path)) as raw:
        triggers = raw.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for (name,) in triggers:
            raw.execute(f'DROP TRIGGER "{name}"')
        changed = 0
        for statement in statements:
            changed = raw.execute(statement).rowcount
        raw.commit()
    return changed
