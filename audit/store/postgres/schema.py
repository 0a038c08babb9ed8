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

__all__ = [
    "CREATE",
    "DEFAULT_SCHEMA",
    "FORMAT",
    "LEDGER_TABLES",
    "MAX_ENTRY_BYTES",
    "SCHEMA_VERSION",
    "SEARCH_PATH",
    "quoted",
    "refuse_statement",
]

FORMAT: Final = "stage3-ledger"
SCHEMA_VERSION: Final = 1
DEFAULT_SCHEMA: Final = "stage3"
LEDGER_TABLES: Final = ("entry", "head", "meta")
MAX_ENTRY_BYTES: Final = 16_384

SEARCH_PATH: Final = "{schema}, pg_temp"
"""What a session sets, with the schema's name in quotes.

The system's own names are looked up before it, temporary tables after it: named
nowhere, those would come first, and could stand in for the ledger's.
"""

_EMPTY_FRONTIER: Final = f"'\\x{EMPTY.to_bytes().hex()}'"
_EMPTY_ROOT: Final = f"'\\x{EMPTY.root().hex()}'"


def quoted(name: str) -> str:
    """Write a name as PostgreSQL reads it, whatever characters it has."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def refuse_statement(table: str, moment: str, *, when: str = "") -> str:
    """Write the trigger that refuses a kind of statement on a table.

    What it says under ``when`` is bound to operators when the trigger is made, so
    that no session can give them another meaning.

    Args:
        table: The table, checked to be a lower-case word.
        moment: ``UPDATE``, ``UPDATE OF a, b``, ``DELETE`` or ``TRUNCATE``.
        when: A condition on OLD and NEW; always when empty.
    """
    name = f"{table}.no_{moment.partition(' ')[0].lower()}{'_then' if when else ''}"
    each = "STATEMENT" if moment == "TRUNCATE" else "ROW"
    condition = f" WHEN ({when})" if when else ""
    return (
        f"CREATE TRIGGER {quoted(name)} BEFORE {moment} ON {quoted(table)}"
        f" FOR EACH {each}{condition} EXECUTE FUNCTION refuse()"
    )


_REFUSE: Final = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
SET search_path = {search_path} AS $$
BEGIN
    RAISE EXCEPTION '% refuses %', TG_TABLE_NAME, lower(TG_OP)
        USING ERRCODE = 'restrict_violation';
END $$"""

CREATE: Final = (
    _REFUSE,
    """CREATE TABLE meta (
        name text COLLATE "C" NOT NULL PRIMARY KEY,
        value text NOT NULL
    )""",
    f"""CREATE TABLE entry (
        id bigint NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 1),
        stream text COLLATE "C" NOT NULL,
        stream_index bigint NOT NULL CHECK (stream_index BETWEEN 0 AND {MAX_SIZE}),
        time_us bigint NOT NULL CHECK (time_us BETWEEN 0 AND {MAX_SIZE}),
        type text NOT NULL,
        state text NOT NULL,
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
    'CREATE UNIQUE INDEX "entry.leaf" ON entry (leaf_index)'
    " WHERE leaf_index IS NOT NULL",
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
    refuse_statement(
        "entry",
        "UPDATE",
        when="OLD.leaf_index IS NOT NULL OR NEW.leaf_index IS NULL",
    ),
    refuse_statement("entry", "DELETE"),
    refuse_statement("entry", "TRUNCATE"),
    """CREATE TABLE head (
        only_row integer NOT NULL PRIMARY KEY CHECK (only_row = 0),
        size bigint NOT NULL,
        frontier bytea NOT NULL,
        root bytea NOT NULL,
        time_us bigint NOT NULL
    ) WITH (fillfactor = 10)""",
    refuse_statement("head", "UPDATE", when="NEW.size < OLD.size"),
    refuse_statement("head", "DELETE"),
    refuse_statement("head", "TRUNCATE"),
    f"INSERT INTO head VALUES (0, 0, {_EMPTY_FRONTIER}, {_EMPTY_ROOT}, 0)",  # noqa: S608  # constants
    f"INSERT INTO meta VALUES ('format', '{FORMAT}')",  # noqa: S608  # a constant
)
"""In order, in one transaction of the owner, each formatted with ``search_path``.

``ledger``, ``schema`` and ``least`` are added to ``meta`` by the one who does.
"""
