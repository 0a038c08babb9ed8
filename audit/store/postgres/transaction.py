"""What can be done inside a block on PostgreSQL.

Statements that only change something wait in a queue and go with the next one whose
answer is needed, or with the commit, in one round trip. What a block has read of a
record or a stream's head, or written itself, it does not read again: the locks it
took when it began keep others away from what it decides about.

Source: docs/spec/postgres.md, PGS-5; docs/spec/store.md, STO-3.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from audit.entry import EntryDraft
from audit.errors import (
    AuditError,
    DuplicateKeyError,
    LedgerFormatError,
    MissingKeyError,
    StreamConflictError,
)
from audit.events import AuditEventType
from audit.records import LedgerHead, Receipt, StoredEntry, StreamHead
from audit.store.declarations import Collection, Record, Value
from audit.store.known import UNKNOWN, KnownRecords, Name
from audit.store.postgres.failures import ServerError
from audit.store.postgres.session import Answer, Session, Statement
from audit.store.postgres.statements import (
    COMMIT,
    NUMBER_NOW,
    PLACES,
    STATEMENTS,
    add_entries,
)
from audit.store.postgres.tree import MAX_BATCH
from audit.store.reading import Reading
from audit.store.tables import Row, Table
from audit.store.writing import checked_time, described, encoded, refuse_platform
from audit.trail import PLATFORM_STREAM

__all__ = ["Failing", "Failure", "PostgresReading", "PostgresWriting", "Rules"]


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed: which statement, if that is known, and how.

    ``uncertain`` says that the commit may have become durable all the same.
    """

    error: ServerError
    sql: str
    uncertain: bool


Failing: TypeAlias = Callable[["PostgresWriting", Failure], AuditError]
"""What a write block does about a failed statement: give everything up, and say so."""

_MOST_AT_ONCE: Final = 16
_NUMBERED_LATER: Final = frozenset(
    {AuditEventType.TOKEN_FIRST_USED.value, AuditEventType.TOKEN_EXPIRED.value}
)
_TOKENS: Final = "token:"


class PostgresReading(Reading):
    """See ``audit.store.interface.ReadTransaction``."""

    __slots__ = ("_seen", "session")

    def __init__(
        self,
        session: Session,
        tables: dict[str, Table],
        now_us: int,
        began: int | None,
    ) -> None:
        super().__init__(STATEMENTS, tables, now_us, began)
        self.session: Final = session
        self._seen: dict[Statement, list[Row]] = {}

    def remember(self, asked: Sequence[Statement], answers: Sequence[Answer]) -> None:
        """Take what was read with the beginning of the block; each is given once."""
        self._seen.update(zip(asked, (each.rows for each in answers), strict=True))

    def _rows(self, sql: str, values: Row = ()) -> list[Row]:
        self._refuse_ended()
        seen = self._seen.pop((sql, values), None)
        if seen is not None:
            return seen
        try:
            return self.session.one(sql, *values).rows
        except ServerError as error:
            raise error.refusal("the store cannot be read") from error


@dataclass(frozen=True, slots=True)
class Rules:
    """What a write block must keep to, and what it does when it fails."""

    ledger_id: str
    exclusive: bool
    failing: Failing


class PostgresWriting(PostgresReading):
    """See ``audit.store.interface.WriteTransaction``."""

    __slots__ = (
        "_chain",
        "_heads",
        "_is_committing",
        "_known",
        "_queue",
        "_rules",
        "_time_us",
        "failure",
        "pending",
        "written",
    )

    def __init__(
        self,
        session: Session,
        tables: dict[str, Table],
        now_us: int,
        rules: Rules,
    ) -> None:
        super().__init__(session, tables, now_us, None)
        self._rules = rules
        self._queue: list[Statement] = []
        self._heads: dict[str, StreamHead] = {}
        self._known: Final = KnownRecords()
        self._time_us = 0
        self._chain: Final = session.chain.copy()
        self._is_committing = False
        self.written: list[Receipt] = []
        self.pending = 0
        self.failure: AuditError | None = None

    def head(self) -> LedgerHead:
        """Read the head; its time is that of the newest entry known."""
        head = super().head()
        return head._replace(time_us=max(head.time_us, self._time_us))

    def stream_head(self, stream: str) -> StreamHead:
        """Read where a stream stands."""
        self._refuse_ended()
        known = self._heads.get(stream) if type(stream) is str else None
        if known is None:
            known = self._heads[stream] = super().stream_head(stream)
        return known

    def get(self, collection: Collection, *key: Value) -> Record | None:
        """Read one record."""
        table = self._table(collection)
        name = (collection.name, table.key(key))
        known = self._known.get(name)
        if known is UNKNOWN:
            rows = self._rows(table.get, key)
            known = table.record(rows[0]) if rows else None
            self._known.put(name, known)
        return None if known is None else dict(known)

    def append(
        self,
        stream: str,
        drafts: Sequence[EntryDraft],
        *,
        expected_size: int | None = None,
        time_us: int | None = None,
    ) -> list[Receipt]:
        """Append entries to a stream, all or none."""
        head = self.stream_head(stream)
        refuse_platform(stream, exclusive=self._rules.exclusive)
        if expected_size is not None and expected_size != head.size:
            raise StreamConflictError(f"the stream has {head.size} entries")
        at_us = max(
            self.now_us if time_us is None else checked_time(time_us), head.time_us
        )
        entries = encoded(head, drafts, ledger_id=self._rules.ledger_id, at_us=at_us)
        if not entries:
            return []
        for start in range(0, len(entries), _MOST_AT_ONCE):
            part = entries[start : start + _MOST_AT_ONCE]
            values = [value for entry in part for value in self._chain.linked(entry)]
            self._queue.append((add_entries(len(part)), tuple(values)))
        last = entries[-1]
        # What was read ahead and not asked for yet is not so any more.
        for look in [*self._seen]:
            if look[0] == STATEMENTS.head or stream in look[1]:
                del self._seen[look]
        self._heads[stream] = StreamHead(
            stream, last.index + 1, last.leaf_hash.hex(), last.state, at_us
        )
        self._time_us = max(self._time_us, at_us)
        return self._receipts(stream, entries)

    def insert(
        self, collection: Collection, record: Mapping[str, Value], *, late: bool = False
    ) -> None:
        """Insert a record."""
        table = self._table(collection)
        row = table.row(record)
        name = (collection.name, tuple(record[part] for part in collection.key))
        self._look(table, name)
        known = self._known.get(name)
        if known is None or (late and known is UNKNOWN):
            # Should it be there all the same, the database says so in the end, and
            # nothing of the block stays.
            self._queue.append((table.insert, row))
        else:
            sql = f"{table.insert} ON CONFLICT DO NOTHING"
            if self._do((sql, row)).changed != 1:
                raise DuplicateKeyError("a record with this key exists")
        self._known.put(name, dict(record))

    def update(
        self,
        collection: Collection,
        key: tuple[Value, ...],
        changes: Mapping[str, Value],
    ) -> None:
        """Change columns of a record."""
        table = self._table(collection)
        sql, values = table.update(changes)
        name = (collection.name, table.key(key))
        self._look(table, name)
        known = self._known.get(name)
        if known:
            # Records are never removed: what was seen is there.
            known.update(changes)
            other = self._known.change(name, (sql, values + name[1]))
            if other is not None:
                self._queue.append(other)
        elif self._do((sql, values + name[1])).changed != 1:
            raise MissingKeyError(f"collection {collection.name} has no such record")
        else:
            self._known.forget(name)

    def _look(self, table: Table, name: Name) -> None:
        """Note what was read ahead of a record that is about to change."""
        rows = self._seen.pop((table.get, name[1]), None)
        if rows is not None:
            self._known.put(name, table.record(rows[0]) if rows else None)

    def flush(self, *statements: Statement) -> list[Answer]:
        """Send what waits in the queue, and these statements after it.

        Returns:
            The answers to these statements.

        Raises:
            AuditError: It failed; the block is lost from then on.
        """
        waiting = (*self._queue, *self._known.take_changes())
        batch = (*waiting, *statements)
        queued, self._queue = len(waiting), []
        try:
            return self.session.run(batch)[queued:]
        except ServerError as error:
            sql = "" if error.place is None else batch[error.place][0]
            uncertain = self._is_committing and (error.lost or sql == COMMIT)
            self.failure = self._rules.failing(
                self, Failure(error, sql, uncertain=uncertain)
            )
            raise self.failure from error

    def commit(self) -> None:
        """Make the block durable.

        Raises:
            AuditError: It did not become so, or may not have.
        """
        self._is_committing = True
        answer = self.flush((COMMIT, ()))[-1]
        if answer.tag != COMMIT or self.session.warned:
            # Undone, or not where the server was told to have it before answering.
            error = ServerError(None, lost=False)
            self.failure = self._rules.failing(
                self, Failure(error, COMMIT, uncertain=True)
            )
            raise self.failure
        self.session.chain = self._chain

    def lost(self) -> tuple[str, ...]:
        """Describe each entry of the block, for a notice."""
        return tuple(described(receipt) for receipt in self.written)

    def _receipts(self, stream: str, entries: list[StoredEntry]) -> list[Receipt]:
        """Give the receipts; number at once what is ordered against other streams."""
        receipts = [
            Receipt(
                None,
                stream,
                entry.index,
                entry.leaf_hash.hex(),
                entry.time_us,
                entry.data,
            )
            for entry in entries
        ]
        start = len(self.written)
        self.written += receipts
        if stream != PLATFORM_STREAM and (
            not stream.startswith(_TOKENS)
            or all(entry.type in _NUMBERED_LATER for entry in entries)
        ):
            self.pending += len(entries)
            return receipts
        places = self._numbered(stream, entries)
        receipts = [
            receipt._replace(leaf_index=place)
            for receipt, place in zip(receipts, places, strict=True)
        ]
        self.written[start:] = receipts
        return receipts

    def _numbered(self, stream: str, entries: list[StoredEntry]) -> list[int]:
        """Have everything pending numbered until these entries are.

        Raises:
            LedgerFormatError: They do not get their places.
        """
        look = (PLACES, (stream, entries[0].index))
        count = MAX_BATCH
        while count:
            answer, found = self.flush((NUMBER_NOW, (MAX_BATCH,)), look)
            places = [row[0] for row in found.rows if type(row[0]) is int]
            if len(places) == len(entries):
                self.pending = 0
                return places
            given = answer.rows[0][0]
            count = given if type(given) is int else 0
        raise LedgerFormatError("the entries of a block got no place in the ledger")

    def _rows(self, sql: str, values: Row = ()) -> list[Row]:
        self._refuse_ended()
        seen = self._seen.pop((sql, values), None)
        return self.flush((sql, values))[0].rows if seen is None else seen

    def _do(self, statement: Statement) -> Answer:
        self._refuse_ended()
        return self.flush(statement)[0]

    def _refuse_ended(self) -> None:
        if self.failure is not None:
            raise self.failure
        super()._refuse_ended()
