"""PGS-3: each role may do what its work needs, and is refused everything else.

Every statement is tried with a real login (password and all) that has one role, in a
transaction of its own that is rolled back. What is expected is written out per role,
so a grant too many shows as much as one too few.
"""

from collections.abc import Callable, Iterator
from typing import Final

import psycopg
import pytest
from psycopg import errors

from audit.errors import EntryRefusedError, LedgerFormatError
from audit.events import AuditEventType, PlatformEventType
from audit.merkle import leaf_hash
from audit.store.declarations import Collection, Column
from audit.store.postgres.names import quoted
from audit.store.postgres.owning import as_owner, create, declare, grant, run
from audit.store.postgres.roles import MAY_APPEND, Roles
from tests.postgres_ledgers import (
    COLLECTIONS,
    COLUMNS,
    INSERT,
    LEDGER_ID,
    SCHEMA,
    Ledger,
    Session,
    Writer,
    made_ledger,
)
from tests.postgres_server import PostgresServer

WORDS: Final = ("issuer", "executor", "auditor", "stranger")
TOKEN: Final = "token:sha256:" + "7" * 64
HASH: Final = "sha256:" + "7" * 64
SCHEMA_SQL: Final = quoted(SCHEMA).encode()
RUN: Final = "execution:00000000-0000-4000-8000-000000000001"

Statement = Callable[[Session], object]


def plain(sql: str) -> Statement:
    return lambda session: session.execute(sql.encode())


def appending(stream: str, kind: str) -> Statement:
    """Append an entry at the right place: only the role can be a reason to refuse."""

    def appended(session: Session) -> None:
        writer = Writer()
        writer.last |= FILLED.last
        session.execute(INSERT.encode(), writer.row(stream, kind))

    return appended


FILLED: Final = Writer()
CREDENTIAL: Final = "INSERT INTO credential VALUES ('sha256:new', 'text')"
USAGE: Final = (
    "INSERT INTO usage (token_hash, invocations, units, reserved, executions)"
    " VALUES ('sha256:new', 0, 0, 0, 0)"
)


@pytest.fixture(scope="module")
def ledger(postgres: PostgresServer) -> Iterator[Ledger]:
    """A ledger with something in every table that statements can hit."""
    with made_ledger(postgres) as made:
        with made.session("issuer") as session:
            for row in FILLED.rows("platform", ["KEY_ADDED"]) + FILLED.rows(
                TOKEN, ["TOKEN_ISSUED", "TOKEN_REVOKED"]
            ):
                session.execute(INSERT.encode(), row)
            for sql in (
                f"INSERT INTO credential VALUES ('{HASH}', 'text')",
                f"INSERT INTO revocation VALUES ('{HASH}', 'text')",
                f"INSERT INTO issuance VALUES (1, '{HASH}', 'alice', 5)",
                "INSERT INTO statement VALUES (0, 'text')",
                "INSERT INTO key VALUES (0, 'k', 'p', 'x', 1, null, 's', null)",
            ):
                session.execute(sql.encode())
        with made.session("executor") as session:
            session.execute(INSERT.encode(), FILLED.row(RUN, "TOKEN_VALIDATION"))
            session.execute(f"INSERT INTO usage VALUES ('{HASH}', 5, 5, 5, 5)".encode())
            session.execute(f"INSERT INTO use VALUES ('{HASH}', 1, 1, 'e')".encode())
            session.execute(
                b"INSERT INTO execution VALUES ('e', 'h', 'u', 't', null, null, 'a',"
                b" 'o', 3, 'open', 's', 3, 'l', 1, null, null, 1, null)"
            )
            session.execute(b"SELECT * FROM integrate(2, true)")
        yield made


def outcome(ledger: Ledger, word: str, statement: Statement) -> str:
    """Try a statement as a role; give ``ok`` or the SQLSTATE of the refusal."""
    session = ledger.kept(word)
    try:
        with session.transaction(force_rollback=True):
            statement(session)
    except psycopg.Error as error:
        return error.sqlstate or "?"
    return "ok"


DENIED: Final = errors.InsufficientPrivilege.sqlstate
REFUSED: Final = errors.RestrictViolation.sqlstate
CHECKED: Final = errors.CheckViolation.sqlstate
ANYBODY: Final = frozenset({"issuer", "executor", "auditor"})

READS: Final = tuple(
    (f"read {table}", plain(f"SELECT * FROM {table}"), ANYBODY)
    for table in ("entry", "head", "meta", *(c.name for c in COLLECTIONS))
)

WORK: Final[tuple[tuple[str, Statement, frozenset[str]], ...]] = (
    ("number entries", plain("SELECT * FROM integrate(10, true)"), ANYBODY),
    ("insert a credential", plain(CREDENTIAL), frozenset({"issuer"})),
    (
        "list a token",
        plain("INSERT INTO issuance VALUES (9, 'h', 'u', 1)"),
        frozenset({"issuer"}),
    ),
    (
        "insert a revocation",
        plain("INSERT INTO revocation VALUES ('h', 's')"),
        frozenset({"issuer"}),
    ),
    (
        "insert a key",
        plain("INSERT INTO key VALUES (9, 'k', 'p', 'x', 1, null, 's', null)"),
        frozenset({"issuer"}),
    ),
    (
        "insert a statement",
        plain("INSERT INTO statement VALUES (9, 's')"),
        frozenset({"issuer"}),
    ),
    ("begin to count", plain(USAGE), frozenset({"executor"})),
    (
        "count",
        plain("UPDATE usage SET invocations = 6, units = 6, reserved = 6"),
        frozenset({"executor"}),
    ),
    (
        "release a reservation",
        plain("UPDATE usage SET reserved = 0"),
        frozenset({"executor"}),
    ),
    (
        "note a use",
        plain(f"INSERT INTO use VALUES ('{HASH}', 2, 1, 'e2')"),
        frozenset({"executor"}),
    ),
    (
        "claim an execution",
        plain(
            "INSERT INTO execution SELECT 'e2', token_hash, user_id, trigger,"
            " plan_digest, salt, admission, owner_id, 0, state, trail_state, 0,"
            " last_hash, steps, step, outcome, started_us, closed_us FROM execution"
        ),
        frozenset({"executor"}),
    ),
    (
        "close an execution",
        plain(
            "UPDATE execution SET epoch = 4, events = 5, state = 'closed',"
            " step = null, closed_us = 5"
        ),
        frozenset({"executor"}),
    ),
)

APPENDS: Final = tuple(
    (
        f"append {kind.value} to {family}",
        appending({"execution": RUN, "token": TOKEN}.get(family, family), kind.value),
        frozenset(
            word
            for word, families in MAY_APPEND.items()
            if kind in families.get(family, ())
        ),
    )
    for family in ("execution", "token", "platform")
    for kind in (*AuditEventType, *PlatformEventType)
)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    ("statement", "may"),
    [pytest.param(s, may, id=title) for title, s, may in (*READS, *WORK, *APPENDS)],
)
def test_a_role_does_its_own_work_and_no_other(
    ledger: Ledger, word: str, statement: Statement, may: frozenset[str]
) -> None:
    """PGS-3.1, PGS-3.2: a stranger to the schema does not even see the names."""
    expected = "ok" if word in may else DENIED
    if word == "stranger":
        expected = errors.UndefinedTable.sqlstate
    found = outcome(ledger, word, statement)
    if word == "stranger":
        assert found in {expected, errors.UndefinedFunction.sqlstate, DENIED}
    else:
        assert found == expected


def test_who_appends_what_is_as_the_documentation_says() -> None:
    """PGS-3.2, written out once more, so that a slip in the table shows."""
    assert {k.value for k in MAY_APPEND["executor"]["token"]} == {
        "TOKEN_FIRST_USED",
        "TOKEN_EXPIRED",
    }
    assert {k.value for k in MAY_APPEND["executor"]["platform"]} == {
        "RECOVERED",
        "LATCH_LIFTED",
    }
    assert "execution" not in MAY_APPEND["issuer"]
    assert {k.value for k in MAY_APPEND["issuer"]["token"]} == {
        "TOKEN_ISSUED",
        "TOKEN_REVOKED",
    }
    assert "auditor" not in MAY_APPEND


ALL_TABLES: Final = ("entry", "head", "meta", *(c.name for c in COLLECTIONS))
FORBIDDEN: Final[tuple[str, ...]] = (
    *(f"DELETE FROM {table}" for table in ALL_TABLES),
    *(f"TRUNCATE {table}" for table in ALL_TABLES),
    *(f"DROP TABLE {table}" for table in ALL_TABLES),
    *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in ALL_TABLES),
    "ALTER TABLE entry DISABLE ROW LEVEL SECURITY",
    'DROP POLICY "entry.append_executor" ON entry',
    "UPDATE entry SET leaf_index = 7",
    "UPDATE entry SET leaf_index = null",
    "UPDATE entry SET data = data",
    "UPDATE entry SET state = 'x'",
    "UPDATE entry SET id = DEFAULT",
    "INSERT INTO entry (leaf_index) VALUES (0)",
    "INSERT INTO entry (id) OVERRIDING SYSTEM VALUE VALUES (1)",
    "SELECT setval('entry_id_seq', 1)",
    "SELECT nextval('entry_id_seq')",
    "UPDATE head SET size = 0",
    "INSERT INTO head VALUES (0, 0, '', '', 0)",
    "UPDATE meta SET value = 'other'",
    "INSERT INTO meta VALUES ('collection:x', 'y')",
    "UPDATE credential SET credential = 'other'",
    "UPDATE revocation SET token_hash = 'other'",
    "UPDATE statement SET statement = 'other'",
    "UPDATE key SET state = 'active'",
    "UPDATE issuance SET expires_s = 9",
    "UPDATE use SET time_us = 0",
    "UPDATE usage SET token_hash = 'other'",
    "UPDATE execution SET execution_id = 'other'",
    "CREATE TABLE mine (x integer)",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    """CREATE OR REPLACE FUNCTION integrate(most integer, patient boolean, OUT numbered
    integer, OUT size bigint, OUT root bytea, OUT time_us bigint) LANGUAGE sql
    AS 'SELECT 1, 1::bigint, null::bytea, 1::bigint'""",
    "ALTER FUNCTION integrate(integer, boolean) RESET search_path",
    "SELECT frontier_root(null)",
    "SELECT frontier_hashes(null)",
    "SELECT frontier_bytes(1, null)",
    "CREATE TRIGGER t BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION refuse()",
    "CREATE ROLE another SUPERUSER",
    "SET session_replication_role = replica",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('postmaster.pid')",
)


@pytest.mark.parametrize("word", WORDS[:3])
@pytest.mark.parametrize("sql", FORBIDDEN)
def test_nobody_but_the_owner_changes_what_is_recorded(
    ledger: Ledger, word: str, sql: str
) -> None:
    """PGS-3.3: refused for want of a right, before any trigger has to."""
    assert outcome(ledger, word, plain(sql)) == DENIED


@pytest.mark.parametrize("column", ["id", "leaf_index"])
def test_nobody_chooses_the_place_of_an_entry(ledger: Ledger, column: str) -> None:
    """PGS-3.3: one that is otherwise all it should be."""

    def placed(session: Session) -> None:
        row = Writer().row("execution:" + "1" * 8 + RUN[18:], "TOKEN_VALIDATION")
        sql = INSERT.replace("entry (", f"entry ({column}, ")
        sql = sql.replace("VALUES (", "OVERRIDING SYSTEM VALUE VALUES (%s, ")
        session.execute(sql.encode(), [99, *row])

    assert outcome(ledger, "executor", placed) == DENIED
    assert outcome(ledger, "postgres", placed) == "ok"


@pytest.mark.parametrize("word", WORDS[:3])
def test_nobody_hands_on_what_was_granted(ledger: Ledger, word: str) -> None:
    """PGS-3.3: PostgreSQL only warns here, so what matters is what was granted."""

    def handed_on(session: Session) -> None:
        session.execute(b"GRANT ALL ON ALL TABLES IN SCHEMA %s TO PUBLIC" % SCHEMA_SQL)
        found = session.execute(
            b"SELECT bool_or(has_any_column_privilege('public', oid, 'SELECT, INSERT'))"
            b" FROM pg_class WHERE relnamespace ="
            b" quote_ident(current_schema())::regnamespace"
            b" AND relkind = 'r'"
        )
        assert found.fetchone() == (False,)

    assert outcome(ledger, word, handed_on) == "ok"


GROUP_ROLES: Final = ("owner", "issuer", "executor", "auditor")


@pytest.mark.parametrize("word", WORDS)
def test_no_role_takes_the_place_of_another(ledger: Ledger, word: str) -> None:
    """PGS-3.3."""
    for other in (*GROUP_ROLES, None):
        name = "postgres" if other is None else ledger.roles.of(other)
        found = outcome(ledger, word, plain(f"SET ROLE {name}"))
        assert found == ("ok" if other == word else DENIED)
        if other != word:
            member = plain(f"GRANT {name} TO {ledger.database}_{word}_login")
            assert outcome(ledger, word, member) == DENIED


LOWER: Final = (
    "UPDATE usage SET invocations = 4",
    "UPDATE usage SET units = 4",
    "UPDATE usage SET executions = 4",
    "UPDATE execution SET epoch = 2",
    "UPDATE execution SET events = 2",
)


@pytest.mark.parametrize("sql", LOWER)
@pytest.mark.parametrize("word", ["executor", "owner", "postgres"])
def test_a_counter_never_falls(ledger: Ledger, word: str, sql: str) -> None:
    """PGS-3.4: not even the owner's hand slips."""
    assert outcome(ledger, word, plain(sql)) == REFUSED
    same = sql.replace("= 4", "= 5").replace("= 2", "= 3")
    assert outcome(ledger, word, plain(same)) == "ok"


@pytest.mark.parametrize("column", ["invocations", "units", "reserved", "executions"])
def test_a_counter_does_not_begin_below_zero(ledger: Ledger, column: str) -> None:
    """PGS-3.4: or a token could be refilled by starting it in debt."""
    insert = ("INSERT INTO usage SELECT 'sha256:new', {} FROM usage").format(
        ", ".join(
            "-1" if name == column else "0"
            for name in ("invocations", "units", "reserved", "executions")
        )
    )
    assert outcome(ledger, "executor", plain(insert)) == CHECKED
    zero = plain(insert.replace("-1", "0"))
    assert outcome(ledger, "executor", zero) == "ok"


def test_a_reservation_does_not_fall_below_zero(ledger: Ledger) -> None:
    """PGS-3.4: a negative one would be units to spend."""
    below = plain("UPDATE usage SET reserved = -1")
    assert outcome(ledger, "executor", below) == CHECKED


OWNERS_SLIPS: Final = (
    *(f"DELETE FROM {t}" for t in ALL_TABLES if t != "meta"),
    *(f"TRUNCATE {t}" for t in ALL_TABLES if t != "meta"),
    *(
        f"UPDATE {collection.name} SET {collection.columns[-1].name}"
        f" = {collection.columns[-1].name}"
        for collection in COLLECTIONS
        if collection.insert_only
    ),
    "UPDATE entry SET leaf_index = 7 WHERE leaf_index IS NOT NULL",
    "UPDATE entry SET leaf_index = null",
    *(
        f"UPDATE entry SET {column} = {column} WHERE leaf_index IS NULL"
        for column in COLUMNS.split(", ")
    ),
    "UPDATE entry SET id = DEFAULT WHERE leaf_index IS NULL",
    "UPDATE head SET size = size - 1",
    "UPDATE head SET time_us = time_us - 1",
    """INSERT INTO entry (stream, stream_index, time_us, type, state, leaf_hash, data,
    writer_id, writer_seq, writer_prev) SELECT 'execution:x', 0, 1, type, state,
    sha256(data), data, writer_id, writer_seq, writer_prev FROM entry LIMIT 1""",
)


@pytest.mark.parametrize("sql", OWNERS_SLIPS)
def test_even_the_owner_is_stopped_by_the_tables(ledger: Ledger, sql: str) -> None:
    """PGS-3.5 (STO-3.5): against mistakes; an owner can take the triggers away."""
    assert outcome(ledger, "postgres", plain(sql)) == REFUSED
    assert outcome(ledger, "owner", plain(sql)) == REFUSED


LIES: Final[tuple[tuple[str, int, object], ...]] = (
    ("another stream", 0, "token:sha256:" + "8" * 64),
    ("a later place", 1, 9),
    ("an earlier time", 2, 0),
    ("another type", 3, "TOKEN_FIRST_USED"),
)


@pytest.mark.parametrize(
    ("column", "value"), [pytest.param(c, v, id=title) for title, c, v in LIES]
)
def test_an_entry_of_a_shared_stream_says_what_its_columns_say(
    ledger: Ledger, column: int, value: object
) -> None:
    """PGS-3.6."""

    def lying(session: Session) -> None:
        writer = Writer()
        writer.last |= FILLED.last
        row = writer.row(TOKEN, "TOKEN_EXPIRED")
        row[column] = value
        session.execute(INSERT.encode(), row)

    assert outcome(ledger, "executor", lying) == CHECKED
    assert outcome(ledger, "executor", appending(TOKEN, "TOKEN_EXPIRED")) == "ok"


@pytest.mark.parametrize(
    "last", [(0, b""), (1, b"\7" * 32), (2, b"\7" * 32), (3, b"\7" * 32)]
)
def test_an_entry_of_a_shared_stream_follows_the_one_it_names(
    ledger: Ledger, last: tuple[int, bytes]
) -> None:
    """PGS-3.6: no gap, no fork, no second beginning."""

    def unlinked(session: Session) -> None:
        writer = Writer(last={TOKEN: last})
        session.execute(INSERT.encode(), writer.row(TOKEN, "TOKEN_EXPIRED"))

    found = outcome(ledger, "executor", unlinked)
    duplicate = errors.UniqueViolation.sqlstate
    assert found == (duplicate if last == (0, b"") else CHECKED)


def forged(row: list[object], old: bytes, new: bytes) -> Statement:
    """Insert a row whose bytes say something else than our encoder would write."""
    data = bytes(row[6]).replace(old, new)  # type: ignore[call-overload]
    assert data != row[6]
    changed = [*row[:5], leaf_hash(data), data, *row[7:]]
    return lambda session: session.execute(INSERT.encode(), changed)


def test_an_entry_that_names_none_before_it_is_the_first(ledger: Ledger) -> None:
    """PGS-3.6: saying so does not make it the first."""
    writer = Writer(last={TOKEN: (3, b"\7" * 32)})
    row = writer.row(TOKEN, "TOKEN_EXPIRED")
    said = b'"prev":"' + (b"\7" * 32).hex().encode()
    assert outcome(ledger, "executor", forged(row, said, b'"prev":"')) == CHECKED


def test_an_entry_says_its_place_itself(ledger: Ledger) -> None:
    """PGS-3.6."""
    writer = Writer()
    writer.last |= FILLED.last
    row = writer.row(TOKEN, "TOKEN_EXPIRED")
    for other in (b"1", b"3", b"2.0", b'"2 "'):
        lie = forged(row, b'"index":2', b'"index":' + other)
        assert outcome(ledger, "executor", lie) == CHECKED


def test_the_first_entry_of_a_shared_stream_is_of_that_stream(ledger: Ledger) -> None:
    """PGS-3.6."""
    row = Writer().row("token:sha256:" + "8" * 64, "TOKEN_ISSUED")
    other = forged(row, b"8" * 64, b"9" * 64)
    assert outcome(ledger, "issuer", other) == CHECKED
    same = forged(row, b'"user":"alice"', b'"user":"other"')
    assert outcome(ledger, "issuer", same) == "ok"


def test_several_entries_of_one_statement_follow_each_other(ledger: Ledger) -> None:
    """PGS-3.6: each is looked for among those before it."""
    writer = Writer()
    writer.last |= FILLED.last
    rows = writer.rows("platform", ["RECOVERED", "LATCH_LIFTED", "RECOVERED"])

    def together(session: Session) -> None:
        marks = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"] * len(rows))
        sql = f"{INSERT.partition(' VALUES')[0]} VALUES {marks}"
        session.execute(sql.encode(), [value for row in rows for value in row])

    assert outcome(ledger, "executor", together) == "ok"


def test_bytes_of_another_ledger_are_refused(ledger: Ledger) -> None:
    """PGS-3.6."""

    def foreign(session: Session) -> None:
        writer = Writer()
        writer.last |= FILLED.last
        row = writer.row(TOKEN, "TOKEN_EXPIRED")
        data = bytes(row[6]).replace(LEDGER_ID.encode(), b"another-one")  # type: ignore[call-overload]
        row[6] = data
        row[5] = leaf_hash(data)
        session.execute(INSERT.encode(), row)

    assert outcome(ledger, "executor", foreign) == CHECKED


SHADOWS: Final = (
    """CREATE TEMP TABLE entry (id bigint, leaf_index bigint, leaf_hash bytea,
    time_us bigint)""",
    "CREATE TEMP TABLE head (size bigint, frontier bytea, root bytea, time_us bigint)",
    "INSERT INTO pg_temp.head VALUES (0, '\\x0000000000000000', sha256('evil'), 99)",
    "INSERT INTO pg_temp.entry VALUES (1, null, sha256('evil'), 99)",
)


@pytest.mark.parametrize("path", ["pg_temp, {}", "{}, pg_temp", "pg_temp, pg_catalog"])
def test_the_function_of_the_owner_sees_no_table_of_its_caller(
    ledger: Ledger, path: str
) -> None:
    """PGS-3.7: temporary tables come last in its search path, not first."""
    schema = quoted(SCHEMA)

    def shadowed(session: Session) -> None:
        for sql in SHADOWS:
            session.execute(sql.encode())
        session.execute(f"SET LOCAL search_path = {path.format(schema)}".encode())
        before = session.execute(f"SELECT size FROM {schema}.head".encode()).fetchone()
        found = session.execute(
            f"SELECT numbered, size, time_us FROM {schema}.integrate(10, true)".encode()
        ).fetchone()
        after = session.execute(f"SELECT size FROM {schema}.head".encode()).fetchone()
        assert found is not None
        assert before is not None
        assert after == (before[0] + found[0],) == (found[1],)
        assert found[0] > 0
        assert found[2] == 1

    assert outcome(ledger, "executor", shadowed) == "ok"


def test_operators_of_a_caller_change_no_condition(ledger: Ledger) -> None:
    """PGS-3.7: a "less than" of one's own does not let a counter fall."""
    database = ledger.database
    with ledger.session("postgres") as session:
        session.execute(b"CREATE SCHEMA evil")
        session.execute(
            f"GRANT ALL ON SCHEMA evil TO {database}_executor_login".encode()
        )

    def overloaded(session: Session) -> None:
        session.execute(
            b"CREATE FUNCTION evil.never(bigint, bigint) RETURNS boolean LANGUAGE sql"
            b" AS 'SELECT false'"
        )
        session.execute(
            b"CREATE OPERATOR evil.< (LEFTARG = bigint, RIGHTARG = bigint,"
            b" FUNCTION = evil.never)"
        )
        session.execute(
            f"SET LOCAL search_path = evil, pg_catalog, {ledger.path}".encode()
        )
        assert session.execute(b"SELECT 1::bigint < 2::bigint").fetchone() == (False,)
        session.execute(b"UPDATE usage SET invocations = 4")

    assert outcome(ledger, "executor", overloaded) == REFUSED


def test_every_function_pins_where_it_looks_names_up(ledger: Ledger) -> None:
    """PGS-3.7, and PGS-3.3: nobody else may call any but ``integrate``."""
    with ledger.session("postgres") as session:
        found = session.execute(
            b"SELECT proname, prosecdef, array_to_string(proconfig, ';'),"
            b" has_function_privilege('public', pg_proc.oid, 'EXECUTE')"
            b" FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace"
            b" WHERE nspname = current_schema() ORDER BY 1"
        ).fetchall()
    assert [row[0] for row in found] == [
        "frontier_bytes",
        "frontier_hashes",
        "frontier_root",
        "integrate",
        "linked",
        "refuse",
    ]
    assert [row[0] for row in found if row[1]] == ["integrate"]
    for _, _, settings, public in found:
        assert f"search_path={ledger.path}" in settings
        assert not public


def test_everything_belongs_to_the_owners_role(ledger: Ledger) -> None:
    """PGS-3.8: whoever created it, no superuser's rights run the function."""
    with ledger.session("postgres") as session:
        owners = session.execute(
            b"SELECT pg_get_userbyid(relowner) FROM pg_class JOIN pg_namespace n"
            b" ON n.oid = relnamespace WHERE nspname = current_schema() UNION"
            b" SELECT pg_get_userbyid(proowner) FROM pg_proc JOIN pg_namespace n"
            b" ON n.oid = pronamespace WHERE nspname = current_schema() UNION"
            b" SELECT pg_get_userbyid(nspowner) FROM pg_namespace"
            b" WHERE nspname = current_schema()"
        ).fetchall()
    assert owners == [(ledger.roles.owner,)]


def test_no_column_of_the_database_holds_a_private_key(ledger: Ledger) -> None:
    """PGS-3.9: what an executor can read of keys is public: ``x`` and signatures."""
    with ledger.session("executor") as session:
        columns = session.execute(
            b"SELECT table_name, column_name FROM information_schema.columns"
            b" WHERE table_schema = current_schema()"
        ).fetchall()
    of_keys = {column for table, column in columns if table == "key"}
    assert of_keys == {column.name for column in _named("key").columns}
    words = ("private", "secret", "seed", "passphrase", "envelope", "pkcs")
    assert not [name for _, name in columns if any(word in name for word in words)]


def _named(name: str) -> Collection:
    return next(c for c in COLLECTIONS if c.name == name)


def test_granting_takes_back_what_was_granted_by_hand(postgres: PostgresServer) -> None:
    """PGS-3.8: afterwards exactly the intended is granted, however often it is done."""
    with made_ledger(postgres) as ledger:
        executor = ledger.roles.of("executor")
        with ledger.session("postgres") as session:
            for sql in (
                f"GRANT ALL ON ALL TABLES IN SCHEMA {quoted(SCHEMA)} TO {executor}",
                f"GRANT UPDATE (data) ON entry TO {executor}",
                f"GRANT CREATE ON SCHEMA {quoted(SCHEMA)} TO PUBLIC",
                "GRANT EXECUTE ON FUNCTION frontier_root(bytea[]) TO PUBLIC",
                "ALTER TABLE entry DISABLE ROW LEVEL SECURITY",
            ):
                session.execute(sql.encode())
            assert outcome(ledger, "executor", plain(CREDENTIAL)) == "ok"
            grant(session, schema=SCHEMA, roles=ledger.roles, collections=COLLECTIONS)
        for sql in (
            CREDENTIAL,
            "UPDATE entry SET data = data",
            "CREATE TABLE mine (x integer)",
            "SELECT frontier_root(null)",
        ):
            assert outcome(ledger, "executor", plain(sql)) == DENIED
        first = Writer().row("platform", "KEY_ADDED")

        def adding(session: Session) -> None:
            session.execute(INSERT.encode(), first)

        assert outcome(ledger, "executor", adding) == DENIED
        assert outcome(ledger, "issuer", adding) == "ok"
        assert outcome(ledger, "executor", plain(USAGE)) == "ok"


def test_a_collection_that_nobody_explains_is_only_read(
    postgres: PostgresServer,
) -> None:
    """PGS-3.8: granting anew without its declaration gives nobody a way to write."""
    other = Collection("other", ("a",), (Column("a", "text"),))
    insert = plain("INSERT INTO other VALUES ('x')")
    with made_ledger(postgres) as ledger:
        with ledger.session("postgres") as session:
            declare(session, schema=SCHEMA, collections=[other])
            assert outcome(ledger, "executor", insert) == "ok"
            assert outcome(ledger, "auditor", insert) == DENIED
            grant(session, schema=SCHEMA, roles=ledger.roles, collections=COLLECTIONS)
        assert outcome(ledger, "executor", insert) == DENIED
        assert outcome(ledger, "executor", plain("SELECT * FROM other")) == "ok"


def test_what_a_database_grants_by_default_is_taken_back(
    postgres: PostgresServer,
) -> None:
    """PGS-3.8: from tables that are added later as well."""
    other = Collection("other", ("a",), (Column("a", "text"),), writers=frozenset())
    with made_ledger(postgres) as ledger, ledger.session("postgres") as session:
        for grantee in ("PUBLIC", ledger.roles.of("executor")):
            session.execute(
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {ledger.roles.owner}"
                f" GRANT ALL ON TABLES TO {grantee}".encode()
            )
        declare(session, schema=SCHEMA, collections=[other])
        for sql in ("INSERT INTO other VALUES ('x')", "TRUNCATE other"):
            assert outcome(ledger, "executor", plain(sql)) == DENIED
        assert outcome(ledger, "executor", plain("SELECT * FROM other")) == "ok"
        session.execute(f"DROP OWNED BY {ledger.roles.owner} CASCADE".encode())


def test_a_ledger_made_without_roles_is_handed_to_the_owners(
    postgres: PostgresServer, postgres_database: str
) -> None:
    """PGS-3.8."""
    roles = Roles(f"{postgres_database}_late")
    with psycopg.connect(postgres.url(postgres_database), autocommit=True) as session:
        create(session, schema="plain", ledger_id="x", collections=COLLECTIONS)
        grant(session, schema="plain", roles=roles, collections=COLLECTIONS)
        owners = run(
            session,
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class JOIN pg_namespace"
            " n ON n.oid = relnamespace WHERE nspname = 'plain' AND relkind IN"
            " ('r', 'S', 'i') UNION SELECT pg_get_userbyid(proowner) FROM pg_proc"
            " JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'plain'",
        )
        assert owners == [(roles.owner,)]
        session.execute(b"DROP SCHEMA plain CASCADE")
        for name in (roles.owner, *roles.users):
            session.execute(f"DROP OWNED BY {name}".encode())
            session.execute(f"DROP ROLE {name}".encode())


def test_an_administrator_who_is_no_superuser_creates_all_of_it(
    postgres: PostgresServer, postgres_database: str
) -> None:
    """PGS-1.2."""
    name = postgres.login(f"{postgres_database}_admin")
    roles = Roles(postgres_database)
    postgres.execute(f"ALTER ROLE {name} CREATEROLE")
    postgres.execute(f"GRANT CREATE ON DATABASE {postgres_database} TO {name}")
    address = postgres.url(postgres_database, user=name)
    with psycopg.connect(address, autocommit=True) as session:
        made = {"schema": "s", "ledger_id": "x", "roles": roles}
        assert create(session, **made, collections=COLLECTIONS)  # type: ignore[arg-type]
        assert not create(session, **made, collections=COLLECTIONS)  # type: ignore[arg-type]
        with session.transaction(), as_owner(session, "s"):
            assert run(session, "SELECT count(*) FROM entry") == [(0,)]
    with psycopg.connect(postgres.url(postgres_database), autocommit=True) as session:
        session.execute(b"DROP SCHEMA s CASCADE")
        for one in (roles.owner, *roles.users, name):
            session.execute(f"DROP OWNED BY {one}".encode())
            session.execute(f"DROP ROLE {one}".encode())


POWERS: Final = (
    "ALTER ROLE {executor} BYPASSRLS",
    "ALTER ROLE {executor} SUPERUSER",
    "ALTER ROLE {auditor} CREATEROLE",
    "ALTER ROLE {issuer} LOGIN",
    "GRANT {owner} TO {executor}",
    "GRANT {issuer} TO {executor}",
    "GRANT pg_write_all_data TO {executor}",
)


@pytest.mark.parametrize("sql", POWERS)
def test_a_role_with_more_power_than_it_should_have_is_refused(
    postgres: PostgresServer, sql: str
) -> None:
    """PGS-3.8."""
    with made_ledger(postgres) as ledger, ledger.session("postgres") as session:
        names = {word: ledger.roles.of(word) for word in GROUP_ROLES}
        session.execute(sql.format(**names).encode())
        with pytest.raises(LedgerFormatError, match="a role of the ledger"):
            grant(session, schema=SCHEMA, roles=ledger.roles, collections=())


@pytest.mark.parametrize("prefix", ["", "x" * 41, "pg_x", "ä", "a\nb"])
def test_a_prefix_that_makes_no_roles_is_refused(prefix: str) -> None:
    """PGS-3.8."""
    with pytest.raises(EntryRefusedError):
        Roles(prefix)
    assert Roles("x" * 40).owner.endswith("_owner")
