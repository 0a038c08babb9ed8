"""What a ledger in PostgreSQL is asked with: every statement of sessions at work.

The tables are those of ``audit.store.postgres.schema``; those of collections are
asked with the statements of ``audit.store.tables``.

Source: docs/spec/postgres.md, PGS-5.
"""

from functools import cache
from typing import Final

from audit.store.reading import Statements
from audit.store.tables import with_numbers

__all__ = [
    "ADD_ENTRY",
    "BEGIN_READING",
    "BEGIN_WRITING",
    "CLOCK",
    "COMMIT",
    "HOLD",
    "IS_HELD",
    "IS_HELD_AND_CLOCK",
    "LOCK_EXCLUSIVE",
    "LOCK_FOR_SESSION",
    "LOCK_SHARED",
    "LOCK_STREAMS",
    "NUMBER_IF_FREE",
    "NUMBER_NOW",
    "PLACES",
    "ROLL_BACK",
    "SET_LOCK_TIMEOUT",
    "STATEMENTS",
    "UNLOCK",
    "add_entries",
]

BEGIN_WRITING: Final = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"
BEGIN_READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
COMMIT: Final = "COMMIT"
ROLL_BACK: Final = "ROLLBACK"

SET_LOCK_TIMEOUT: Final = "SELECT set_config('lock_timeout', $1, true)"
LOCK_SHARED: Final = "SELECT pg_advisory_xact_lock_shared($1)"
LOCK_EXCLUSIVE: Final = "SELECT pg_advisory_xact_lock($1)"
LOCK_STREAMS: Final = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) key"
"""Takes the keys in the order in which they are given."""

LOCK_FOR_SESSION: Final = "SELECT pg_advisory_lock($1)"
UNLOCK: Final = "SELECT pg_advisory_unlock($1)"
HOLD: Final = "SELECT pg_try_advisory_lock($1)"
IS_HELD: Final = "SELECT NOT pg_try_advisory_xact_lock_shared($1)"
"""Whether another session holds this key; a key that can be shared is not held."""

CLOCK: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The database's clock in Unix microseconds; in a reading block, also its view."""

IS_HELD_AND_CLOCK: Final = f"{IS_HELD}, {CLOCK.removeprefix('SELECT ')}"
"""Both in one statement; neither reads a table."""

NUMBER_NOW: Final = "SELECT numbered FROM integrate($1, true)"
NUMBER_IF_FREE: Final = "SELECT numbered FROM integrate($1, false)"
PLACES: Final = (
    "SELECT leaf_index FROM entry WHERE stream = $1 AND stream_index >= $2"
    " ORDER BY stream_index"
)

_COLUMNS: Final = (
    "stream, stream_index, time_us, type, state, leaf_hash, data,"
    " writer_id, writer_seq, writer_prev"
)
_COUNT: Final = _COLUMNS.count(",") + 1
_READ: Final = (
    "SELECT leaf_index, stream, stream_index, time_us, type, state, leaf_hash, data"
    " FROM entry"
)
# The newest of the pending entries stands in for all of them: the tree's own time is
# that of every entry that has a place.
_PENDING_TIME: Final = (
    "(SELECT time_us FROM entry WHERE leaf_index IS NULL ORDER BY id DESC LIMIT 1)"
)

STATEMENTS: Final = Statements(
    dialect=with_numbers,
    head=f"SELECT size, root, greatest(time_us, {_PENDING_TIME}) FROM head",  # noqa: S608  # constants
    frontier="SELECT frontier, time_us FROM head",
    stream_head=(
        "SELECT stream_index, leaf_hash, state, time_us FROM entry"
        " WHERE stream = $1 ORDER BY stream_index DESC LIMIT 1"
    ),
    stream_entries=(
        f"{_READ} WHERE stream = $1 AND stream_index >= $2"
        " ORDER BY stream_index LIMIT $3"
    ),
    entries=f"{_READ} WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT $2",
    meta="SELECT value FROM meta WHERE name = $1",
    no_limit=None,
)


ADD_ENTRY: Final = "INSERT INTO entry "
"""How the statements begin that insert entries."""


@cache
def add_entries(count: int) -> str:
    """Write the statement that inserts so many entries."""
    places = ", ".join(
        f"({', '.join(f'${n}' for n in range(start, start + _COUNT))})"
        for start in range(1, count * _COUNT, _COUNT)
    )
    return f"{ADD_ENTRY}({_COLUMNS}) VALUES {places}"
