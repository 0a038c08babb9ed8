"""The audit log as its readers see it: events, trails, and whether it is whole.

It adds nothing to the store it stands on and keeps nothing itself: everything
read is decoded from the stored bytes, into copies.

Source: docs/spec/store.md, STO-8.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from audit.accounting import Row
from audit.entry import decode_entry, draft_entry
from audit.errors import EntryRefusedError, LedgerFormatError
from audit.events import AuditEvent, AuditEventType, AuditRecord
from audit.records import LedgerHead, Receipt, StoredEntry
from audit.store.interface import ReadTransaction, Store
from audit.store.opening import open_store
from audit.trail import execution_stream, token_stream
from audit.verification import (
    Finding,
    Progress,
    Records,
    VerificationReport,
    verify_ledger,
)

__all__ = ["AuditEventLog"]

_GUARD: Final = "stage3.guard"
_PAGE: Final = 1_000
_LOWEST: Final = -(2**63)
_HIGHEST: Final = 2**63 - 1
_NO_HEAD: Final = LedgerHead(0, b"", 0)

_LIFE_OF_A_TOKEN: Final = frozenset(
    {
        AuditEventType.TOKEN_ISSUED,
        AuditEventType.TOKEN_FIRST_USED,
        AuditEventType.TOKEN_REVOKED,
        AuditEventType.TOKEN_EXPIRED,
    }
)


class AuditEventLog:
    """The events of one store. Without an argument, of a new one in memory.

    Reading raises ``LedgerFormatError`` at a damaged entry (``verify`` tells which
    and goes on), and of the ``AuditWriteError`` family ``StoreBusyError``,
    ``StoreClosedError`` and ``StoreUnavailableError``.

    Source:
        STO-8.1 to STO-8.6.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._owns_store = store is None
        self._store: Store = open_store("memory:") if store is None else store

    @property
    def store(self) -> Store:
        """The store whose events these are."""
        return self._store

    def append(self, event: AuditEvent, *, execution_id: str | None = None) -> Receipt:
        """Append one event, durably, where the grammar allows it.

        The orchestrator and the authority write their entries themselves, together
        with their rows. This call is for ledgers that are kept without them, as
        tests and tools do: in a ledger that has execution rows, ``verify`` reports
        an execution that has entries and no row.

        Args:
            event: One of the twelve types. Its ``timestamp`` becomes the entry's,
                or the time of its stream's newest entry if that is later.
            execution_id: The UUID of the execution; none for the four types of a
                token's life, which go into the token's stream.

        Returns:
            The receipt, once the entry is durable.

        Raises:
            EntryRefusedError: The event cannot be an entry, names nobody or
                nothing (rules 4B.1), is of a platform type, lies in the future of the
                store, or its execution id is missing or superfluous.
            GrammarError: It may not follow, or id or token hash have another form.
            AuditWriteError: It could not be made durable.
        """
        sys.audit(_GUARD, "log.append")
        stream = _stream_of(event, execution_id)
        if not (event.user_id and event.token_hash and event.domain and event.method):
            raise EntryRefusedError("user, token, domain and method are not empty")
        draft = draft_entry(
            event.event_type,
            user_id=event.user_id,
            token_hash=event.token_hash,
            domain=event.domain,
            method=event.method,
            status=event.status,
            reason=event.reason,
            reason_code=event.reason_code,
            details=event.details,
        )
        at_us = event.timestamp
        with self._store.write(streams=(stream,)) as tx:
            if type(at_us) is not int or at_us > tx.now_us:
                raise EntryRefusedError("an event is not later than the store's clock")
            return tx.append(stream, [draft], time_us=at_us)[0]

    def get_events(self) -> list[AuditEvent]:
        """Read the events of the twelve types, in the order of the ledger."""
        sys.audit(_GUARD, "log.get_events")
        return self._events(lambda event: isinstance(event.event_type, AuditEventType))

    def get_events_by_type(self, event_type: AuditEventType | str) -> list[AuditEvent]:
        """Read the events of one of the twelve types, given as such or by name.

        Raises:
            EntryRefusedError: There is no such type.
        """
        sys.audit(_GUARD, "log.get_events_by_type")
        try:
            wanted = AuditEventType(event_type)
        except ValueError as error:
            raise EntryRefusedError("there is no such event type") from error
        return self._events(lambda event: event.event_type is wanted)

    def trail(self, execution_id: str) -> tuple[AuditEvent, ...]:
        """Read the trail of one execution; empty if there is none.

        Raises:
            EntryRefusedError: The id is not a string.
            GrammarError: The id is not a UUID in its lower-case form.
        """
        sys.audit(_GUARD, "log.trail")
        if type(execution_id) is not str:
            raise EntryRefusedError("an execution id is a string")
        stream = execution_stream(execution_id)
        with self._store.read() as tx:
            rows = tx.stream_entries(stream)
        return tuple(decode_entry(row.data).to_event() for row in rows)

    def get_records(self) -> list[AuditRecord]:
        """Read everything, platform records too, each with its place."""
        sys.audit(_GUARD, "log.get_records")
        with self._store.read(settled=True) as tx:
            return [
                AuditRecord(
                    decode_entry(row.data).to_event(),
                    stream=row.stream,
                    index=row.index,
                    leaf_index=row.place,
                )
                for row in _entries(tx)
            ]

    def verify(self, progress: Progress | None = None) -> VerificationReport:
        """Examine the whole ledger and the rows kept beside it, in one state of it.

        Writers are not kept waiting (but by a store in memory, or while entries that
        are pending get their places), and none is needed.

        Args:
            progress: Called now and then with how many entries were examined and
                how many there are. It must not use this store.

        Returns:
            The report, true when nothing is wrong.
        """
        sys.audit(_GUARD, "log.verify")
        with self._store.read(settled=True) as tx:
            try:
                head, frontier = tx.head(), tx.frontier()
            except LedgerFormatError:
                # A ledger without a head is reported as one that does not fit.
                head, frontier = _NO_HEAD, None
            records, damaged = _records(tx)
            report = verify_ledger(
                _entries(tx),
                ledger_id=self._store.ledger_id,
                head=head,
                frontier=frontier,
                records=records,
                progress=progress,
            )
        return replace(report, findings=(*report.findings, *damaged))

    def head(self) -> LedgerHead:
        """Read the head: size and root of the tree, time of the newest entry."""
        sys.audit(_GUARD, "log.head")
        with self._store.read(settled=True) as tx:
            return tx.head()

    def close(self) -> None:
        """Close the store, if it is this log's own.

        Raises:
            StoreBusyError: A block of it is still open.
        """
        if self._owns_store:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _events(self, wanted: Callable[[AuditEvent], bool]) -> list[AuditEvent]:
        with self._store.read(settled=True) as tx:
            events = [decode_entry(row.data).to_event() for row in _entries(tx)]
        return [event for event in events if wanted(event)]


def _stream_of(event: object, execution_id: str | None) -> str:
    if not isinstance(event, AuditEvent):
        raise EntryRefusedError("an event is an AuditEvent")
    if not isinstance(event.event_type, AuditEventType):
        raise EntryRefusedError("only events of the twelve types are appended here")
    if event.event_type in _LIFE_OF_A_TOKEN:
        if execution_id is not None or type(event.token_hash) is not str:
            raise EntryRefusedError("a token's life belongs to its hash alone")
        return token_stream(event.token_hash)
    if type(execution_id) is not str:
        raise EntryRefusedError("an event of an execution needs its execution_id")
    return execution_stream(execution_id)


def _entries(tx: ReadTransaction) -> Iterator[StoredEntry]:
    """Read every entry, page by page, also those at places that should not be."""
    page = tx.entries(_LOWEST, _PAGE)
    while page:
        yield from page
        last = page[-1].place
        page = tx.entries(last + 1, _PAGE) if last < _HIGHEST else []


def _records(tx: ReadTransaction) -> tuple[Records, tuple[Finding, ...]]:
    """Find the collections that repeat what entries say, as far as there are any."""
    damaged = []
    found: dict[str, Iterator[Row] | None] = {}
    for name in ("execution", "usage", "use"):
        found[name] = None
        try:
            collection = tx.collection(name)
        except LedgerFormatError:
            text = "the declaration of the collection is damaged"
            damaged.append(Finding(None, "", name, text))
            continue
        if collection is not None:
            found[name] = _rows(tx, name)
    records = Records(found["execution"], found["usage"], found["use"], tx.stream_head)
    return records, tuple(damaged)


def _rows(tx: ReadTransaction, name: str) -> Iterator[Row]:
    collection = tx.collection(name)
    if collection is None:
        return
    page = tx.scan(collection, limit=_PAGE)
    while page:
        yield from page
        after = tuple(page[-1][column] for column in collection.key)
        page = tx.scan(collection, after=after, limit=_PAGE)
