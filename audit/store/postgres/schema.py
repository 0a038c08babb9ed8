"""The tables of the ledger in PostgreSQL, one ledger per schema of the database.

``meta`` says what the schema holds and which collections were declared. ``entry``
has the exact bytes of each entry, the columns derived from them, and the chain of
its writer: a write session numbers its entries and keeps the leaf hash of the one
before, so that an entry missing among those without a place in the tree shows.
``head`` has one row: where the tree stands. Only ``integrate()`` gives entries
their places and rewrites that row (``audit.store.postgres.tree``).

| column of ``entry`` | meaning |
|---|---|
| ``id`` | the order of insertion, given by the database; gaps are normal |
| ``stream``, ``stream_index`` | where the entry stands in its stream, from 0 |
| ``time_us``, ``type``, ``state`` | as in ``audit.records.StoredEntry`` |
| ``leaf_hash``, ``data`` | the leaf hash (32 bytes) of the exact bytes |
| ``writer_id``, ``writer_seq`` | which write session wrote it, as its which, from 0 |
| ``writer_prev`` | the leaf hash of that session's entry before; empty for none |
| ``leaf_index`` | its place in the tree; null while it is pending |

All names are unqualified: sessions, and every function of ours, see the ledger's
schema first and temporary tables last (``SEARCH_PATH``).

Source: docs/spec/postgres.md, PGS-1.
"""

from typing import Final

from audit.merkle import EMPTY, MAX_SIZE
from audit.store.postgres.names import literal, refuse_statement

__all__ = [
    "DEFAULT_SCHEMA",
    "FORMAT",
    "LEDGER_TABLES",
    "MAX_ENTRY_BYTES",
    "SCHEMA_VERSION",
    "VERSION_SETTING",
    "create_ledger",
]

FORMAT: Final = "stage3-ledger"
SCHEMA_VERSION: Final = 1
"""What this code knows; ``meta`` says ``schema``, and ``least``: who may use it."""

VERSION_SETTING: Final = "stage3.version"
"""Where each session says which version it knows (``SCHEMA_VERSION``)."""

DEFAULT_SCHEMA: Final = "stage3"
LEDGER_TABLES: Final = ("entry", "head", "meta")
MAX_ENTRY_BYTES: Final = 16_384

_EMPTY_FRONTIER: Final = f"'\\x{EMPTY.to_bytes().hex()}'"
_EMPTY_ROOT: Final = f"'\\x{EMPTY.root().hex()}'"

_REFUSE: Final = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
SET search_path = {search_path} AS $$
BEGIN
    RAISE EXCEPTION '% refuses %', TG_TABLE_NAME, lower(TG_OP)
        USING ERRCODE = 'restrict_violation';
END $$"""

# The streams that everybody's decisions rest on: an entry goes there only behind the
# one it names, and only if its bytes say what its columns say. Those who may write
# there are not all trusted with the rest.
_LINKED: Final = """CREATE FUNCTION linked() RETURNS trigger LANGUAGE plpgsql
SET search_path = {search_path} AS $$
DECLARE
    said jsonb := convert_from(NEW.data, 'UTF8')::jsonb;
    before bytea := (SELECT leaf_hash FROM entry
        WHERE stream = NEW.stream AND stream_index = NEW.stream_index - 1);
BEGIN
    IF (before IS NULL) <> (NEW.stream_index = 0)
        OR (said ->> 'prev') IS DISTINCT FROM coalesce(encode(before, 'hex'), '')
        OR (said ->> 'ledger') IS DISTINCT FROM {ledger}
        OR (said ->> 'stream') IS DISTINCT FROM NEW.stream
        OR (said ->> 'index') IS DISTINCT FROM NEW.stream_index::text
        OR (said ->> 'time') IS DISTINCT FROM NEW.time_us::text
        OR (said ->> 'type') IS DISTINCT FROM NEW.type
    THEN
        RAISE EXCEPTION 'the entry does not go with its place in the stream'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$"""

_LINKED_ENTRIES: Final = """CREATE TRIGGER "entry.linked" BEFORE INSERT ON entry
FOR EACH ROW WHEN (NOT starts_with(NEW.stream, 'execution:'))
EXECUTE FUNCTION linked()"""

_TABLES: Final = (
    """CREATE TABLE meta (
        name text COLLATE "C" NOT NULL PRIMARY KEY,
        value text NOT NULL
    )""",
    f"""CREATE TABLE entry (
        id bigint NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 1),
        stream text COLLATE "C" NOT NULL,
        stream_index bigint NOT NULL CHECK (stream_index BETWEEN 0 AND {MAX_SIZE}),
        time_us bigint NOT NULL CHECK (time_us BETWEEN 0 AND {MAX_SIZE}),
        type text COLLATE "C" NOT NULL,
        state text COLLATE "C" NOT NULL,
        leaf_hash bytea NOT NULL,
        data bytea NOT NULL CHECK (octet_length(data) <= {MAX_ENTRY_BYTES}),
        writer_id uuid NOT NULL,
        writer_seq bigint NOT NULL CHECK (writer_seq >= 0),
        writer_prev bytea NOT NULL CHECK (
            octet_length(writer_prev) = CASE writer_seq WHEN 0 THEN 0 ELSE 32 END
        ),
        leaf_index bigint CHECK (leaf_index BETWEEN 0 AND {MAX_SIZE})
    )""",
    'CREATE UNIQUE INDEX "entry.stream" ON entry (stream, stream_index)',
    """CREATE UNIQUE INDEX "entry.leaf" ON entry (leaf_index)
        WHERE leaf_index IS NOT NULL""",
    'CREATE UNIQUE INDEX "entry.pending" ON entry (id) WHERE leaf_index IS NULL',
    # Not a CHECK, which would be made again when the entry gets its place.
    refuse_statement(
        "entry",
        "INSERT",
        when="NEW.leaf_hash IS DISTINCT FROM sha256('\\x00'::bytea || NEW.data)",
    ),
    # A place in the tree is given once; nothing else of an entry ever changes.
    refuse_statement(
        "entry",
        "UPDATE OF id, stream, stream_index, time_us, type, state, leaf_hash, data,"
        " writer_id, writer_seq, writer_prev",
    ),
    refuse_statement("entry", "UPDATE", when="OLD.leaf_index IS NOT NULL"),
    refuse_statement("entry", "DELETE"),
    refuse_statement("entry", "TRUNCATE"),
    """CREATE TABLE head (
        only_row integer NOT NULL PRIMARY KEY CHECK (only_row = 0),
        size bigint NOT NULL,
        frontier bytea NOT NULL,
        root bytea NOT NULL,
        time_us bigint NOT NULL
    ) WITH (fillfactor = 10)""",
    refuse_statement(
        "head", "UPDATE", when="NEW.size < OLD.size OR NEW.time_us < OLD.time_us"
    ),
    refuse_statement("head", "DELETE"),
    refuse_statement("head", "TRUNCATE"),
    f"INSERT INTO head VALUES (0, 0, {_EMPTY_FRONTIER}, {_EMPTY_ROOT}, 0)",  # noqa: S608  # constants
)


def create_ledger(ledger_id: str, search_path: str) -> tuple[str, ...]:
    """Write the statements that make the tables, for the owner, in one transaction.

    Args:
        ledger_id: The id of the new ledger.
        search_path: Where functions look names up, whatever a session says.
    """
    rows = {
        "format": FORMAT,
        "ledger": ledger_id,
        "schema": str(SCHEMA_VERSION),
        "least": str(SCHEMA_VERSION),
    }
    values = ", ".join(f"({literal(n)}, {literal(v)})" for n, v in rows.items())
    return (
        _REFUSE.format(search_path=search_path),
        *_TABLES,
        _LINKED.format(search_path=search_path, ledger=literal(ledger_id)),
        _LINKED_ENTRIES,
        f"INSERT INTO meta VALUES {values}",  # noqa: S608  # constants and the id
    )
