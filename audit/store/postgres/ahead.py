"""What a block says it is going to read, as the statements that read it.

Source: docs/spec/postgres.md, PGS-5.
"""

from collections.abc import Iterator, Mapping, Sequence

from audit.store.postgres.session import Statement
from audit.store.postgres.statements import STATEMENTS
from audit.store.protocols import Ahead, EntriesOf, HeadOf, RecordAt
from audit.store.reading import checked_stream
from audit.store.tables import Table, checked_int

__all__ = ["looks_of"]


def looks_of(
    ahead: Sequence[Ahead], tables: Mapping[str, Table]
) -> tuple[Statement, ...]:
    """Give the statements; exactly those with which the block will ask.

    Raises:
        EntryRefusedError, GrammarError: As the reading itself.
    """
    return tuple(_looks(ahead, tables))


def _looks(ahead: Sequence[Ahead], tables: Mapping[str, Table]) -> Iterator[Statement]:
    for look in ahead:
        match look:
            case RecordAt(collection, key):
                table = tables.get(collection.name)
                # One that was not declared here is read when it is asked for.
                if table is not None and table.collection == collection:
                    yield table.get, table.key(key)
            case HeadOf(stream):
                yield STATEMENTS.stream_head, (checked_stream(stream),)
            case EntriesOf(stream, start, limit):
                first = checked_int(start, "a start")
                most = STATEMENTS.no_limit
                if limit is not None:
                    most = checked_int(limit, "a limit", at_least=0)
                yield STATEMENTS.stream_entries, (checked_stream(stream), first, most)
            case _:
                yield STATEMENTS.head, ()
