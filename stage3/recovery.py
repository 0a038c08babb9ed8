"""Closing what an interrupted process left open, and lifting the latch.

An execution is orphaned when its owner is gone, which the store's liveness locks
tell (no timer, no heartbeat). Recovery raises the epoch and appends ABORTED; it never
runs, repeats or completes a step, and never touches a ledger that disagrees with
itself.

Source: docs/spec/execution.md, EXE-7; design section 6 "Recovery".
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from audit.entry import draft_entry
from audit.errors import EntryRefusedError, GrammarError, LedgerFormatError
from audit.events import PlatformEventType
from audit.log import AuditEventLog
from audit.trail import PLATFORM_STREAM, execution_stream, token_stream
from stage3.errors import RecoveryRefusedError
from stage3.journal import abort_row
from stage3.records import EXECUTION, OPEN
from tokens.registry import TokenRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.events import JsonValue
    from audit.store.interface import Record, Store, WriteTransaction

__all__ = ["RecoveryReport", "close_orphans", "recover"]

_ACTOR = "system"
_SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What recovery did.

    Attributes:
        closed: Execution ids closed with ABORTED, in their order in the store.
        latch_lifted: Whether a latch stood and was lifted.
        entries: How many ledger entries were verified first.
    """

    closed: tuple[str, ...]
    latch_lifted: bool
    entries: int


def recover(
    store: Store, *, progress: Callable[[int, int], None] | None = None
) -> RecoveryReport:
    """Verify the ledger, close every orphaned execution, lift the latch.

    Args:
        store: Open, and possibly latched; this tests that it can be written.
        progress: Called with (entries done, entries in all) while verifying.

    Raises:
        RecoveryRefusedError: ``verify()`` found something; nothing was changed.
        AuditWriteError: The store still cannot be written; the latch stands.

    Source:
        EXE-7.3 to EXE-7.6.
    """
    sys.audit("stage3.guard", "recovery.recover")
    registry = TokenRegistry(store)
    store.declare(EXECUTION)
    report = AuditEventLog(store).verify(progress=progress)
    if not report:
        raise RecoveryRefusedError(
            f"the ledger has {len(report.findings)} finding(s), the first: "
            f"{report.findings[0].message}; see `stage3 audit verify`"
        )
    latched = store.latch is not None
    closed = close_orphans(store, registry, past_latch=True)
    if closed or latched:
        with store.write(authority="exclusive", past_latch=True) as tx:
            if closed:
                _note(tx, PlatformEventType.RECOVERED, {"closed": len(closed)})
            if latched:
                _note(tx, PlatformEventType.LATCH_LIFTED, {})
    if latched:
        store.lift_latch()
    return RecoveryReport(closed, latched, report.entries)


def close_orphans(
    store: Store, registry: TokenRegistry, *, past_latch: bool = False
) -> tuple[str, ...]:
    """Close every open execution whose owner is gone; give their ids.

    Each is closed in a transaction of its own, so that an interruption of recovery
    itself loses nothing.

    Raises:
        LedgerFormatError: An orphan's stream is not as its row says; it and those
            after it are left as they are.
        AuditWriteError: The store cannot be written.
    """
    with store.read() as reading:
        rows = reading.scan(EXECUTION, {"state": OPEN})
    closed = [
        _id(row)
        for row in rows
        if _close_orphan(store, registry, row, past_latch=past_latch)
    ]
    return tuple(closed)


def _close_orphan(
    store: Store, registry: TokenRegistry, seen: Record, *, past_latch: bool
) -> bool:
    with store.write(past_latch=past_latch, streams=_streams(seen)) as tx:
        # Read again under the lock: the owner may have closed it, or have gone, since.
        row = tx.get(EXECUTION, _id(seen))
        if row is None or row["state"] != OPEN:
            return False
        if _is_owned(store, row):
            return False
        abort_row(tx, registry, row)
        return True


def _streams(row: Record) -> tuple[str, str]:
    """Name what closing an execution decides about: its token and itself."""
    try:
        token = token_stream(cast("str", row["token_hash"]))
        return token, execution_stream(_id(row))
    except GrammarError as error:
        raise LedgerFormatError(
            f"execution {_id(row)} names no token that can be; "
            "run `stage3 audit verify`"
        ) from error


def _is_owned(store: Store, row: Record) -> bool:
    try:
        return store.is_held(cast("str", row["owner_id"]))
    except EntryRefusedError as error:
        raise LedgerFormatError(
            f"execution {_id(row)} names an owner that no executor can be; "
            "run `stage3 audit verify`"
        ) from error


def _id(row: Record) -> str:
    return cast("str", row["execution_id"])


def _note(
    tx: WriteTransaction, kind: PlatformEventType, details: dict[str, JsonValue]
) -> None:
    draft = draft_entry(
        kind,
        user_id=_ACTOR,
        token_hash="none",  # noqa: S106 - no token is concerned
        domain=_SYSTEM,
        method="recover",
        status="success",
        details=details,
    )
    tx.append(PLATFORM_STREAM, (draft,))
