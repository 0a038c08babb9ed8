"""One execution's place in the ledger: its stream, its row, and who may append.

Every append is compare-and-append on (stream, index, epoch): the row says which owner
and epoch the execution belongs to and how many events it has, and the row and the
stream change in one transaction. An owner that was judged dead finds a higher epoch
and can append nothing more.

Ending an execution by ABORTED is written here once; the orchestrator (its own
interruptions) and recovery (everybody else's) call the same function.

Source: docs/spec/execution.md, EXE-4 and EXE-7; design sections 5 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from audit.entry import decode_entry
from audit.errors import LedgerFormatError
from audit.events import AuditEventType, ReasonCode
from audit.merkle import leaf_hash
from audit.store.interface import HeadOf, RecordAt, TreeHead
from audit.text import LedgerText
from audit.trail import execution_stream, is_closed, token_stream
from stage3.entries import PLAN_DOMAIN, PLAN_METHOD, Scribe
from stage3.errors import FencedError
from stage3.outcome import PlanError
from stage3.records import CLOSED, EXECUTION, OPEN, outcome_text
from tokens.state.accounting import AccountingError
from tokens.state.collections import USAGE
from tokens.state.token_records import read_ahead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audit.entry import Entry, EntryDraft
    from audit.records import Receipt, StreamHead
    from audit.store.interface import Ahead, ReadTransaction, Record, WriteTransaction
    from tokens.registry import TokenRegistry

__all__ = ["INTERRUPTED_SENTENCE", "Claim", "Journal", "abort_row"]

INTERRUPTED_SENTENCE = (
    "interrupted: this execution was closed by recovery or by its own process; "
    "the effect of its last step is unknown"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What an execution id is claimed with; all of it is compared on a repeat."""

    execution_id: str
    token_hash: str
    user_id: str
    trigger: str
    plan_digest: str
    salt: bytes
    admission: str
    owner_id: str
    steps: int

    def matches(self, row: Record) -> bool:
        """Say whether ``row`` was claimed by the same request."""
        return (
            row["token_hash"] == self.token_hash
            and row["user_id"] == self.user_id
            and row["trigger"] == self.trigger
            and row["plan_digest"] == self.plan_digest
        )


@dataclass(slots=True)
class Journal:
    """The open end of one execution's trail, held by the owner that runs it.

    Attributes:
        claim: What the row says, fixed.
        epoch: The epoch under which this owner may append.
        size: How many events are known to be durable.
        time_us: The time of the newest of them; the trail's time never goes back.
        entries: Their exact bytes, in order.
        stream: The name of the execution's stream.
        streams: What a block about it decides about: its token and itself.
        ahead: What a block is going to read that may start a step.
        ahead_of_end: What a block reads that starts nothing more.
    """

    claim: Claim
    epoch: int = 1
    size: int = 0
    time_us: int = 0
    entries: list[bytes] = field(default_factory=list)
    stream: str = field(init=False)
    streams: tuple[str, str] = field(init=False)
    ahead: tuple[Ahead, ...] = field(init=False)
    ahead_of_end: tuple[Ahead, ...] = field(init=False)

    def __post_init__(self) -> None:
        execution_id, token = self.claim.execution_id, self.claim.token_hash
        self.stream = execution_stream(execution_id)
        self.streams = token_stream(token), self.stream
        itself = RecordAt(EXECUTION, (execution_id,)), HeadOf(self.stream)
        self.ahead = *itself, TreeHead(), *read_ahead(token)
        self.ahead_of_end = *itself, RecordAt(USAGE, (token,))

    def now(self, tx: ReadTransaction) -> int:
        """Give the time of this transaction's decisions and entries."""
        return max(tx.now_us, self.time_us)

    def fence(self, tx: WriteTransaction) -> None:
        """Refuse to go on unless the row is still this owner's, at this place.

        Raises:
            FencedError: Somebody closed the execution, or it has another length.
        """
        row = tx.get(EXECUTION, self.claim.execution_id)
        if (
            row is None
            or row["state"] != OPEN
            or row["epoch"] != self.epoch
            or row["events"] != self.size
        ):
            raise FencedError("the execution is no longer this owner's")

    def write(
        self,
        tx: WriteTransaction,
        drafts: Sequence[EntryDraft],
        *,
        step: int | None,
        ended: PlanError | None = None,
        record: str | None = None,
    ) -> Appended:
        """Append the drafts and bring the row in line; the first call makes the row.

        Args:
            tx: The transaction; nothing is durable before it commits.
            drafts: At least one, in the grammar's order.
            step: The step the execution has reached.
            ended: The error to keep in the row when these drafts close the trail;
                None keeps success.
            record: The ledger's sentence for ``ended``.

        Raises:
            GrammarError: The drafts may not follow what stands.
            StreamConflictError: The stream does not have this length.
        """
        time_us = self.now(tx)
        receipts = tx.append(
            self.stream, drafts, expected_size=self.size, time_us=time_us
        )
        changes = _standing(tx, self.stream, receipts, step)
        if changes["state"] == CLOSED:
            changes["outcome"] = outcome_text(ended, record)
            changes["closed_us"] = receipts[-1].time_us
        if self.size == 0:
            tx.insert(EXECUTION, self._row(receipts[0].time_us) | changes)
        else:
            tx.update(EXECUTION, (self.claim.execution_id,), changes)
        return Appended(tuple(receipts))

    def committed(self, appended: Appended) -> None:
        """Take over what a commit has made durable."""
        last = appended.receipts[-1]
        self.size = last.index + 1
        self.time_us = last.time_us
        self.entries.extend(receipt.data for receipt in appended.receipts)

    def _row(self, started_us: int) -> Record:
        claim = self.claim
        return {
            "execution_id": claim.execution_id,
            "token_hash": claim.token_hash,
            "user_id": claim.user_id,
            "trigger": claim.trigger,
            "plan_digest": claim.plan_digest,
            "salt": claim.salt,
            "admission": claim.admission,
            "owner_id": claim.owner_id,
            "epoch": self.epoch,
            "steps": claim.steps,
            "outcome": None,
            "started_us": started_us,
            "closed_us": None,
        }


@dataclass(frozen=True, slots=True)
class Appended:
    """Entries written in a transaction that has not committed yet."""

    receipts: tuple[Receipt, ...]


def abort_row(tx: WriteTransaction, registry: TokenRegistry, row: Record) -> None:
    """Close an open execution by ABORTED: raise its epoch, settle, append.

    The reservation of a step that had started is charged whole, and its effect is
    recorded as unknown. Nothing is closed unless row and stream agree.

    Args:
        tx: A write transaction in which ``row`` was read, of a block that names the
            streams of the row's execution and token.
        registry: For the settlement of the reservation.
        row: An execution row with state ``open``.

    Raises:
        LedgerFormatError: Stream, row and counters disagree; they are left alone.
    """
    execution_id = cast("str", row["execution_id"])
    stream = execution_stream(execution_id)
    head = tx.stream_head(stream)
    last = _newest(tx, row, head)
    running = last.event_type is AuditEventType.EXECUTION_STARTED
    if last.token_hash != row["token_hash"]:
        # The block was opened for the token that the row names.
        raise LedgerFormatError(
            f"{stream} and its row name different tokens; run `stage3 audit verify`"
        )
    reserved = cast("int", last.details["reserved"]) if running else 0
    step = cast("int", last.details["step"]) if running else None
    if running:
        _charge_whole(tx, registry, last.token_hash, reserved)
    scribe = Scribe(LedgerText(last.user_id), LedgerText(last.token_hash))
    domain = LedgerText(last.domain) if running else PLAN_DOMAIN
    method = LedgerText(last.method) if running else PLAN_METHOD
    draft = scribe.aborted(domain, method, step, reserved)
    receipts = tx.append(stream, (draft,), expected_size=head.size)
    error = PlanError(
        ReasonCode.INTERRUPTED,
        INTERRUPTED_SENTENCE,
        step,
        str(domain) if running else None,
        str(method) if running else None,
    )
    changes = _standing(tx, stream, receipts, cast("int | None", row["step"]))
    changes["epoch"] = cast("int", row["epoch"]) + 1
    changes["outcome"] = outcome_text(error, INTERRUPTED_SENTENCE)
    changes["closed_us"] = receipts[-1].time_us
    tx.update(EXECUTION, (execution_id,), changes)


def _newest(tx: ReadTransaction, row: Record, head: StreamHead) -> Entry:
    """Read the newest entry of an execution, believing neither row nor columns.

    Raises:
        LedgerFormatError: The row, the columns and the bytes do not agree.
    """
    if head.size == row["events"] and head.last_hash == row["last_hash"]:
        for stored in tx.stream_entries(head.stream, start=head.size - 1):
            last = decode_entry(stored.data)
            is_whole = leaf_hash(stored.data).hex() == head.last_hash
            if is_whole and (last.stream, last.index) == (head.stream, head.size - 1):
                return last
    raise LedgerFormatError(
        f"{head.stream} and its row disagree; run `stage3 audit verify`"
    )


def _charge_whole(
    tx: WriteTransaction, registry: TokenRegistry, token_hash: str, reserved: int
) -> None:
    """Settle a reservation at its full amount.

    Raises:
        LedgerFormatError: The counters do not have it.
    """
    try:
        registry.settle(tx, token_hash, reserved=reserved, charged=reserved)
    except AccountingError as error:
        raise LedgerFormatError(
            f"{token_hash} and its counters disagree; run `stage3 audit verify`"
        ) from error


def _standing(
    tx: ReadTransaction, stream: str, receipts: Sequence[Receipt], step: int | None
) -> Record:
    last = receipts[-1]
    state = tx.stream_head(stream).state
    return {
        "state": CLOSED if is_closed(state) else OPEN,
        "trail_state": state,
        "events": last.index + 1,
        "last_hash": last.leaf_hash,
        "step": step,
    }
