"""What the conformance suite of stores works with: drafts, collections, openers.

A new implementation joins by adding a ``Kind`` to ``KINDS``, and its address in
``conftest``.
"""

from dataclasses import dataclass

from audit.entry import EntryDraft, draft_entry
from audit.events import AuditEventType, EventType, PlatformEventType, ReasonCode
from audit.store.interface import Collection, Column, Index, Store
from audit.store.opening import open_store

TOKEN = "sha256:" + "5" * 64
START_US = 1_000_000


class FakeClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        """Give the time it was set to."""
        return self.now_us


@dataclass(frozen=True)
class Kind:
    """A kind of store, and what of the interface is only true of some kinds.

    Attributes:
        name: How tests show it.
        has_handles: Whether a second handle on the same data can be opened.
        is_ordered: Whether all write blocks are in one order, so that entries have
            their places at once; else shared blocks run at the same time.
        wait_s: How long its blocks wait for a lock in these tests.
    """

    name: str
    has_handles: bool = True
    is_ordered: bool = True
    wait_s: float = 0.0

    def open(self, url: str, clock: FakeClock) -> Store:
        """Open a handle."""
        return open_store(url, clock=clock, lock_timeout_s=self.wait_s)


KINDS = (
    Kind("memory", has_handles=False),
    Kind("sqlite-file"),
    Kind("postgresql", is_ordered=False, wait_s=0.05),
)

RUN = Collection(
    name="run",
    key=("run_id",),
    columns=(
        Column("run_id", "text"),
        Column("state", "text"),
        Column("count", "integer"),
        Column("salt", "blob", nullable=True),
    ),
    indexes=(Index(("run_id",), only=(("state", "open"),)), Index(("count",))),
)
FACT = Collection(
    name="fact",
    key=("subject", "number"),
    columns=(
        Column("subject", "text"),
        Column("number", "integer"),
        Column("note", "text", nullable=True),
    ),
    insert_only=True,
)


def execution(number: int = 1) -> str:
    """Name the stream of an execution."""
    return f"execution:00000000-0000-0000-0000-{number:012x}"


def draft(
    kind: EventType, status: str = "success", *, steps: int | None = None
) -> EntryDraft:
    """Draft an entry with the least it needs."""
    refuses = status in {"denied", "failed", "aborted"}
    return draft_entry(
        kind,
        user_id="alice",
        token_hash=TOKEN,
        domain="apollo",
        method="analyze_habits",
        status=status,
        reason="for a reason" if refuses else None,
        reason_code=ReasonCode.DOMAIN_FAILED if refuses else None,
        details={} if steps is None else {"steps": steps},
    )


def denied() -> EntryDraft:
    """Draft the entry that is a whole trail by itself."""
    return draft(AuditEventType.EXECUTION_DENIED, "denied")


def validated(steps: int = 1) -> EntryDraft:
    """Draft the entry that opens a plan."""
    return draft(AuditEventType.TOKEN_VALIDATION, steps=steps)


def scoped() -> EntryDraft:
    """Draft the entry that follows ``validated``."""
    return draft(AuditEventType.AUTHORIZATION_SCOPE_CHECK)


def limited() -> EntryDraft:
    """Draft the entry that follows ``scoped``."""
    return draft(AuditEventType.RESOURCE_LIMIT_CHECK)


def started() -> EntryDraft:
    """Draft the entry that follows ``limited``."""
    return draft(AuditEventType.EXECUTION_STARTED, "started")


def key_added() -> EntryDraft:
    """Draft a platform entry that may come at any time."""
    return draft(PlatformEventType.KEY_ADDED)
