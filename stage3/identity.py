"""Execution ids: fresh ones, and what is known of one that a caller names.

Source: docs/spec/execution.md, EXE-4; design section 3 "Idempotency".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.entry import decode_entry
from audit.errors import LedgerFormatError
from audit.events import ReasonCode
from audit.merkle import leaf_hash
from audit.trail import execution_stream, is_closed
from stage3.outcome import PlanOutcome
from stage3.records import EXECUTION, OPEN, error_of
from stage3.refusal import Gate, Refusal, refuse

if TYPE_CHECKING:
    from audit.store.interface import ReadTransaction, Record
    from stage3.journal import Claim

__all__ = ["fresh_id", "look_up"]


def fresh_id(random_bytes: bytes) -> str:
    """Make a version 4 UUID (RFC 9562 section 5.4) of 16 random bytes."""
    raw = bytearray(random_bytes)
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def look_up(
    tx: ReadTransaction, claim: Claim, *, asked: bool
) -> PlanOutcome | Refusal | None:
    """Say what is known of the id that is about to be claimed.

    Args:
        tx: The transaction in which it would be claimed.
        claim: Everything it would be claimed with.
        asked: Whether the caller named the id; a fresh one is not looked up.

    Returns:
        None where the id is free; the recorded outcome where the same request has
        ended; a refusal where it is in progress or was another request's.
    """
    if not asked:
        return None
    row = tx.get(EXECUTION, claim.execution_id)
    stream = execution_stream(claim.execution_id)
    if row is None and tx.stream_head(stream).size == 0:
        return None
    if row is None or not claim.matches(row):
        return refuse(
            Gate.TOKEN,
            ReasonCode.EXECUTION_ID_CONFLICT,
            "this execution_id was used for another token, user, trigger or plan; "
            "use a fresh one",
        )
    if row["state"] == OPEN:
        return refuse(
            Gate.TOKEN,
            ReasonCode.EXECUTION_IN_PROGRESS,
            "this execution is in progress, or was interrupted and awaits recovery; "
            "ask again later by the same execution_id",
        )
    try:
        return _replay(tx, claim, row)
    except (LedgerFormatError, LookupError, TypeError, ValueError):
        return refuse(
            Gate.TOKEN,
            ReasonCode.AUDIT_UNAVAILABLE,
            "the audit log and the row of this execution_id disagree, so its outcome "
            "is not known; run `stage3 audit verify`",
        )


def _replay(tx: ReadTransaction, claim: Claim, row: Record) -> PlanOutcome:
    """Give the outcome that the row keeps, where the record bears it out.

    Raises:
        LedgerFormatError: It does not.
        LookupError, TypeError, ValueError: The row holds no outcome.
    """
    if type(row["outcome"]) is not str:
        raise LedgerFormatError("the row keeps no outcome")
    error = error_of(row["outcome"])
    head = tx.stream_head(execution_stream(claim.execution_id))
    first, last = (
        tx.stream_entries(head.stream, place, 1)[0] for place in (0, head.size - 1)
    )
    opened, ended = decode_entry(first.data), decode_entry(last.data)
    kept = (head.size, head.last_hash, None if error is None else error.code)
    said = (row["events"], leaf_hash(last.data).hex(), ended.reason_code)
    whose = (opened.token_hash, opened.user_id)
    if kept != said or whose != (claim.token_hash, claim.user_id):
        raise LedgerFormatError("the record says something else")
    if not is_closed(head.state):
        raise LedgerFormatError("the record has no end")
    return PlanOutcome(
        success=error is None,
        error=error,
        execution_id=claim.execution_id,
        replayed=True,
    )
