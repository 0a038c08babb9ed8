"""PGS-1: ledgers in schemas, created by their owner, and what is refused."""

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest
from psycopg import errors

from audit.errors import EntryRefusedError, LedgerFormatError
from audit.store.declarations import Collection, Column, Index, Value
from audit.store.postgres.names import SEARCH_PATH, literal, quoted
from audit.store.postgres.owning import (
    as_owner,
    create,
    declare,
    grant,
    may_own,
    meta_of,
    run,
)
from audit.store.postgres.roles import Roles
from tests.postgres_ledgers import SCHEMA, Ledger, Session, made_ledger
from tests.postgres_server import PostgresServer

FACT: Final = Collection(
    "fact",
    key=("name", "number"),
    columns=(
        Column("name", "text"),
        Column("number", "integer"),
        Column("body", "blob", nullable=True),
        Column("state", "text"),
    ),
    indexes=(
        Index(("state",), only=(("state", "it's \\ open"), ("number", 3))),
        Index(("number", "name")),
    ),
)


@pytest.fixture
def session(postgres: PostgresServer, postgres_database: str) -> Iterator[Session]:
    address = postgres.url(postgres_database)
    with psycopg.connect(address, autocommit=True) as session:
        yield session


def enter(session: Session, schema: str) -> None:
    run(session, f"SET search_path = {SEARCH_PATH.format(schema=quoted(schema))}")


def tables(session: Session) -> list[tuple[object, ...]]:
    return run(
        session,
        "SELECT nspname, relname, relkind::text FROM pg_class JOIN pg_namespace n"
        " ON n.oid = relnamespace WHERE nspname !~ '^(pg_|information)' ORDER BY 1, 2",
    )


AWKWARD: Final = ("a", "A b", 'quo"te', "semi;colon", "ümläut", "{braces}", "100%")


def test_ledgers_of_one_database_are_apart(session: Session) -> None:
    """PGS-1.1: whatever their schemas are called."""
    for name in AWKWARD:
        assert create(session, schema=name, ledger_id=f"id-{name.encode().hex()}")
    for name in AWKWARD:
        enter(session, name)
        assert meta_of(session)["ledger"] == f"id-{name.encode().hex()}"
        declare(session, schema=name, collections=[FACT])
        run(session, "INSERT INTO fact VALUES ('x', 1, null, 's')")
        assert run(session, "SELECT count(*) FROM fact") == [(1,)]
        assert run(session, "SELECT numbered FROM integrate(1, true)") == [(0,)]
    assert "public" not in {row[0] for row in tables(session)}


def test_creating_twice_changes_nothing(session: Session) -> None:
    """PGS-1.2."""
    assert create(session, schema="s", ledger_id="one", collections=[FACT])
    before = tables(session)
    assert not create(session, schema="s", ledger_id="two")
    assert tables(session) == before
    enter(session, "s")
    assert meta_of(session)["ledger"] == "one"


def test_a_new_ledger_is_its_creators_alone(session: Session) -> None:
    """PGS-1.1: a schema's functions are for everybody, unless somebody says no."""
    create(session, schema="s", ledger_id="one", collections=[FACT])
    found = run(
        session,
        "SELECT bool_or(has_function_privilege('public', p.oid, 'EXECUTE'))"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace"
        " WHERE nspname = 's'"
        " UNION ALL SELECT bool_or(has_table_privilege('public', c.oid, 'SELECT'))"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = 's' AND relkind = 'r'",
    )
    assert found == [(False,), (False,)]


def test_what_fails_half_way_leaves_nothing(session: Session) -> None:
    """PGS-1.2: not even the roles."""
    roles = Roles("half_made")
    wrong = Collection("entry", ("a",), (Column("a", "text"),))
    with pytest.raises(EntryRefusedError):
        create(session, schema="s", ledger_id="x", roles=roles, collections=[wrong])
    assert tables(session) == []
    found = run(session, "SELECT FROM pg_roles WHERE rolname LIKE 'half_made%'")
    assert found == []


OCCUPIED: Final = (
    ("CREATE TABLE s.theirs (x integer)", "other things"),
    ("CREATE TABLE s.entry (x integer)", "other things"),
    (
        "CREATE FUNCTION s.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "other things",
    ),
    ("GRANT CREATE ON SCHEMA s TO PUBLIC", "everybody may"),
)


@pytest.mark.parametrize(("sql", "why"), OCCUPIED)
def test_a_schema_that_others_use_is_left_to_them(
    session: Session, sql: str, why: str
) -> None:
    """PGS-1.3."""
    run(session, "CREATE SCHEMA s")
    run(session, sql)
    before = tables(session)
    with pytest.raises(LedgerFormatError, match=why):
        create(session, schema="s", ledger_id="x")
    assert tables(session) == before


def test_an_empty_schema_is_used(session: Session) -> None:
    """PGS-1.3: one step to the other side of what is refused."""
    run(session, "CREATE SCHEMA s")
    assert create(session, schema="s", ledger_id="x")


def test_a_schema_of_somebody_else_is_not_taken(
    session: Session, postgres_database: str
) -> None:
    """PGS-1.3: its owner could change every table of the ledger."""
    run(session, "CREATE SCHEMA s")
    roles = Roles(postgres_database)
    with pytest.raises(LedgerFormatError, match="does not belong"):
        create(session, schema="s", ledger_id="x", roles=roles)
    assert tables(session) == []


def test_text_in_another_encoding_is_refused(postgres: PostgresServer) -> None:
    """PGS-1.3."""
    name = f"{postgres.fresh_database()}_latin"
    postgres.execute(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
    )
    try:
        with (
            psycopg.connect(postgres.url(name), autocommit=True) as session,
            pytest.raises(LedgerFormatError, match="UTF8"),
        ):
            create(session, schema="s", ledger_id="x")
    finally:
        postgres.drop_database(name)
        postgres.drop_database(name.removesuffix("_latin"))


@pytest.mark.parametrize("schema", ["missing", "empty"])
def test_what_has_no_ledger_is_not_changed(session: Session, schema: str) -> None:
    """PGS-1.4."""
    run(session, "CREATE SCHEMA empty")
    roles = Roles("never_made")
    with pytest.raises(LedgerFormatError):
        declare(session, schema=schema, collections=[FACT])
    with pytest.raises(LedgerFormatError):
        grant(session, schema=schema, roles=roles, collections=[])
    with (
        pytest.raises(LedgerFormatError),
        session.transaction(),
        as_owner(session, "missing"),
    ):
        pytest.fail("there is none")
    assert tables(session) == []
    found = run(session, "SELECT FROM pg_roles WHERE rolname LIKE 'never_made%'")
    assert found == []


def test_a_collection_is_declared_once_and_stays_what_it_is(session: Session) -> None:
    """PGS-1.4 (STO-3.9)."""
    create(session, schema="s", ledger_id="x")
    declare(session, schema="s", collections=[FACT])
    declare(session, schema="s", collections=[FACT, FACT])
    other = Collection("fact", FACT.key, FACT.columns)
    with pytest.raises(LedgerFormatError, match="another shape"):
        declare(session, schema="s", collections=[other])
    with pytest.raises(EntryRefusedError):
        declare(session, schema="s", collections=[Collection("meta", (), ())])


def test_only_the_owner_adds_collections(postgres: PostgresServer) -> None:
    """PGS-1.4."""
    with made_ledger(postgres) as ledger:
        for word in ("issuer", "executor", "auditor", "stranger"):
            with ledger.session(word) as session:
                assert not may_own(session, SCHEMA)
                with pytest.raises(errors.InsufficientPrivilege):
                    declare(session, schema=SCHEMA, collections=[FACT])
        for word in ("owner", "postgres"):
            with ledger.session(word) as session:
                assert may_own(session, SCHEMA)
                declare(session, schema=SCHEMA, collections=[FACT])
        assert owner_of(ledger, "fact") == ledger.roles.owner


def owner_of(ledger: Ledger, table: str) -> object:
    with ledger.session("postgres") as session:
        found = run(
            session,
            "SELECT pg_get_userbyid(relowner) FROM pg_class"
            f" WHERE oid = '{table}'::regclass",
        )
    return found[0][0]


def test_the_role_of_a_session_is_its_own_again_afterwards(
    postgres: PostgresServer,
) -> None:
    """PGS-1.4: what the owner may is over with the owner's work."""
    with made_ledger(postgres) as ledger, ledger.session("owner") as session:
        run(session, "SET search_path = pg_catalog, information_schema")
        login = run(session, "SELECT current_user, current_setting('search_path')")
        with session.transaction():
            with as_owner(session, SCHEMA):
                now = run(session, "SELECT current_user")
                assert now == [(ledger.roles.owner,)]
            after = run(session, "SELECT current_user, current_setting('search_path')")
            assert after == login
        declare(session, schema=SCHEMA, collections=[FACT])
        after = run(session, "SELECT current_user, current_setting('search_path')")
        assert after == login


WORDS: Final = ("Z", "a", "É", "z", "zz", "ß", "\U0001f600", "﷐", "", " ", "a b", "ab")


def test_text_is_in_the_order_of_code_points(session: Session) -> None:
    """PGS-1.4 (STO-3.7): also as a key, and under an index."""
    create(session, schema="s", ledger_id="x", collections=[FACT])
    enter(session, "s")
    for word in WORDS:
        session.execute(b"INSERT INTO fact VALUES (%s, 1, null, 's')", (word,))
    found = run(session, "SELECT name FROM fact ORDER BY name")
    assert [name for (name,) in found] == sorted(WORDS)


def test_a_partial_index_is_over_the_constants_it_names(session: Session) -> None:
    """PGS-1.4: quotes and backslashes are part of them, whatever the settings."""
    create(session, schema="s", ledger_id="x")
    run(session, "SET standard_conforming_strings = off")
    declare(session, schema="s", collections=[FACT])
    run(session, "SET standard_conforming_strings = on")
    found = run(
        session,
        "SELECT pg_get_expr(indpred, indrelid) FROM pg_index"
        " WHERE indexrelid = 's.\"fact.0\"'::regclass",
    )
    assert "'it''s \\ open'" in str(found[0][0])
    assert "number = 3" in str(found[0][0])


TEXTS: Final[tuple[Value, ...]] = (
    "",
    "'",
    "\\",
    "\\'",
    "''",
    "a\\'; DROP",
    "ü\n",
    "%s",
)


@pytest.mark.parametrize("setting", ["on", "off"])
def test_constants_and_names_are_read_as_they_were_meant(
    session: Session, setting: str
) -> None:
    """PGS-1.1."""
    run(session, f"SET standard_conforming_strings = {setting}")
    for text in TEXTS:
        assert run(session, f"SELECT {literal(str(text))}") == [(text,)]
    for name in AWKWARD:
        cursor = session.execute(f"SELECT 1 AS {quoted(name)}".encode())
        assert cursor.description is not None
        assert cursor.description[0].name == name
