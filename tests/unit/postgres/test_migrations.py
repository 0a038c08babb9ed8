"""PGS-4: the tables change while executors work, and old code is told in time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from psycopg import errors

from audit.errors import LedgerFormatError, StoreBusyError
from audit.store.postgres.migrations import (
    MIGRATIONS,
    Migrating,
    Step,
    migrate,
    refuse_version,
)
from audit.store.postgres.owning import as_owner, meta_of
from audit.store.postgres.schema import SCHEMA_VERSION
from tests.postgres_ledgers import INSERT, SCHEMA, Ledger, Session, Writer, made_ledger
from tests.postgres_server import PostgresServer

ADD: Final = Step(2, ("ALTER TABLE entry ADD COLUMN note text",))
THEN: Final = Step(3, ("CREATE TABLE later (x bigint)", "DROP TABLE IF EXISTS never"))
BREAK: Final = Step(4, ("ALTER TABLE entry ADD COLUMN must bigint",), least=4)
BROKEN: Final = Step(2, ("CREATE TABLE half (x bigint)", "SELECT 1 / 0"))
IMPATIENT: Final = Migrating(lock_wait_s=0.02, patience_s=0.1)


@pytest.fixture
def ledger(postgres: PostgresServer) -> Iterator[Ledger]:
    with made_ledger(postgres) as made:
        yield made


def columns(session: Session, table: str) -> set[str]:
    found = session.execute(
        b"SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass"
        b" AND attnum > 0",
        (table,),
    )
    return {name for (name,) in found.fetchall()}


def version(session: Session) -> tuple[str, str]:
    with session.transaction(), as_owner(session, SCHEMA):
        meta = meta_of(session)
    return meta["schema"], meta["least"]


def test_the_steps_lead_to_the_version_this_code_knows() -> None:
    """PGS-4.1."""
    assert [step.version for step in MIGRATIONS] == list(range(2, SCHEMA_VERSION + 1))


def test_each_step_is_taken_once_and_in_order(ledger: Ledger) -> None:
    """PGS-4.1: by any login of the owner's, and everything new belongs to the owner."""
    with ledger.session("owner") as session:
        assert migrate(session, schema=SCHEMA, steps=()) == 1
        assert migrate(session, schema=SCHEMA, steps=(ADD,)) == 2
        assert migrate(session, schema=SCHEMA, steps=(ADD, THEN)) == 3
        assert migrate(session, schema=SCHEMA, steps=(ADD, THEN)) == 3
        assert "note" in columns(session, "entry")
        assert version(session) == ("3", "1")
        found = session.execute(
            b"SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'later'"
        )
        assert found.fetchone() == (ledger.roles.owner,)


def test_a_step_that_fails_leaves_nothing(ledger: Ledger) -> None:
    """PGS-4.1."""
    with ledger.session("owner") as session:
        with pytest.raises(errors.DivisionByZero):
            migrate(session, schema=SCHEMA, steps=(BROKEN,))
        assert version(session) == ("1", "1")
        assert session.execute(b"SELECT to_regclass('half')").fetchone() == (None,)
        assert migrate(session, schema=SCHEMA, steps=(ADD,)) == 2


@pytest.mark.parametrize("word", ["issuer", "executor", "auditor"])
def test_nobody_else_takes_a_step(ledger: Ledger, word: str) -> None:
    """PGS-4.1."""
    with (
        ledger.session(word) as session,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        migrate(session, schema=SCHEMA, steps=(ADD,))


def test_a_schema_without_a_ledger_is_refused(ledger: Ledger) -> None:
    """PGS-4.1."""
    with ledger.session("postgres") as session:
        session.execute(b"CREATE SCHEMA empty")
        for name in ("empty", "missing"):
            with pytest.raises(LedgerFormatError):
                migrate(session, schema=name)


def test_two_who_migrate_at_once_take_each_step_once(ledger: Ledger) -> None:
    """PGS-4.2."""

    def one(_: int) -> int:
        with ledger.session("owner") as session:
            return migrate(session, schema=SCHEMA, steps=(ADD, THEN, BREAK))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(4))) == [4] * 4


def test_a_locked_table_is_not_waited_for_without_end(ledger: Ledger) -> None:
    """PGS-4.3: nothing is changed, and nobody is left waiting behind."""
    with (
        ledger.session("auditor") as reader,
        ledger.session("owner") as session,
        ledger.session("executor") as executor,
    ):
        with reader.transaction():
            reader.execute(b"SELECT * FROM entry")
            with pytest.raises(StoreBusyError):
                migrate(session, schema=SCHEMA, steps=(ADD,), how=IMPATIENT)
            executor.execute(b"SET lock_timeout = 1")
            executor.execute(INSERT.encode(), Writer().row(RUN, "TOKEN_VALIDATION"))
        assert version(session) == ("1", "1")
        assert migrate(session, schema=SCHEMA, steps=(ADD,), how=IMPATIENT) == 2


RUN: Final = "execution:00000000-0000-4000-8000-000000000001"


def test_executors_work_on_while_the_tables_change(ledger: Ledger) -> None:
    """PGS-4.3: with locks of their own held often; none is refused or waits long."""
    executors = 3
    ready, over = threading.Barrier(executors + 1), threading.Event()

    def work(number: int) -> int:
        writer, done = Writer(), 0
        with ledger.session("executor") as session:
            session.execute(b"SET lock_timeout = '5s'")
            ready.wait()
            while not over.is_set():
                stream = f"execution:{number:08x}-0000-4000-8000-{done:012x}"
                with session.transaction():
                    row = writer.row(stream, "TOKEN_VALIDATION")
                    session.execute(INSERT.encode(), row)
                    session.execute(b"SELECT * FROM integrate(64, false)")
                done += 1
        return done

    with ThreadPoolExecutor(executors) as pool, ledger.session("owner") as session:
        working = [pool.submit(work, number) for number in range(executors)]
        ready.wait()
        try:
            how = Migrating(lock_wait_s=0.05)
            assert migrate(session, schema=SCHEMA, steps=(ADD, THEN), how=how) == 3
        finally:
            over.set()
        done = sum(future.result() for future in working)
        found = session.execute(b"SELECT count(*), count(note) FROM entry").fetchone()
    assert found == (done, 0)


def test_from_an_incompatible_step_on_old_sessions_write_nothing(
    ledger: Ledger,
) -> None:
    """PGS-4.4: those that were connected before it included."""

    def append(session: Session) -> None:
        with session.transaction(force_rollback=True):
            row = Writer().row(RUN, "TOKEN_VALIDATION")
            session.execute(INSERT.encode(), row)

    with (
        ledger.session("executor") as silent,
        ledger.session("executor") as old,
        ledger.session("executor") as new,
        ledger.session("owner") as owner,
    ):
        old.execute(b"SET stage3.version = '3'")
        new.execute(b"SET stage3.version = '4'")
        for session in (silent, old, new):
            append(session)
        migrate(owner, schema=SCHEMA, steps=(ADD, THEN))
        for session in (silent, old, new):
            append(session)
        migrate(owner, schema=SCHEMA, steps=(ADD, THEN, BREAK))
        assert version(owner) == ("4", "4")
        append(new)
        for session in (silent, old):
            with pytest.raises(errors.RestrictViolation):
                append(session)


VERSIONS: Final = (
    ({"schema": "2", "least": "1"}, True),
    ({"schema": "2", "least": "2"}, True),
    ({"schema": "3", "least": "2"}, True),
    ({"schema": "3", "least": "3"}, False),
    ({"schema": "1", "least": "1"}, False),
    ({"schema": "2"}, False),
    ({"least": "2"}, False),
    ({"schema": "two", "least": "1"}, False),
)


@pytest.mark.parametrize(("meta", "known"), VERSIONS)
def test_code_opens_only_what_it_knows(meta: dict[str, str], known: bool) -> None:  # noqa: FBT001
    """PGS-4.4."""
    if known:
        refuse_version(meta, 2)
        return
    with pytest.raises(LedgerFormatError):
        refuse_version(meta, 2)
