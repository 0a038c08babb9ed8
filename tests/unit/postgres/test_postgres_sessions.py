"""PGS-5 to PGS-8: blocks, connections, failures and holds on PostgreSQL."""

import gc
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import psycopg
import pytest

from audit.errors import (
    AuditError,
    DuplicateKeyError,
    HoldLostError,
    LedgerFormatError,
    StoreBusyError,
    StoreClosedError,
    StoreLatchedError,
    StoreUnavailableError,
    StreamConflictError,
)
from audit.log import AuditEventLog
from audit.store.opening import open_store
from audit.store.postgres.pool import MAX_SESSIONS, Pool
from audit.store.postgres.session import Answer, Session, Statement
from audit.store.postgres.store import PostgresStore
from audit.store.postgres.writer import MANY_PENDING
from audit.store.terms import Terms
from audit.store.turnstile import Ticket
from tests.conformance.store_samples import (
    FACT,
    RUN,
    denied,
    execution,
    key_added,
    validated,
)
from tests.postgres_server import PASSWORD, PostgresServer

PATIENT_S = 30.0
SHARED = Terms(exclusive=False, deadline_s=0.0)
_NUMBERS = itertools.count(1)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return f"{postgres.url()}&schema=sessions_{next(_NUMBERS)}"


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with opened(url) as store:
        yield store
        store.lift_latch()
        assert AuditEventLog(store).verify()


def opened(url: str, wait_s: float = 0.2) -> PostgresStore:
    store = open_store(url, lock_timeout_s=wait_s)
    assert isinstance(store, PostgresStore)
    store.declare(RUN, FACT)
    return store


def sessions(postgres: PostgresServer, what: str = "true") -> list[int]:
    """The server's processes for stores, those of other tests too."""
    rows = postgres.execute(
        f"SELECT pid FROM pg_stat_activity WHERE application_name = 'stage3' AND {what}"
    )
    return [int(str(row[0])) for row in rows]


def cut(postgres: PostgresServer, what: str) -> None:
    """End sessions, and return when they are gone."""
    for pid in sessions(postgres, what):
        postgres.execute(f"SELECT pg_terminate_backend({pid}, 10000)")


def cut_inside(postgres: PostgresServer) -> None:
    cut(postgres, "state = 'idle in transaction'")


def append(store: PostgresStore, number: int = 1) -> None:
    with store.write(streams=(execution(number),)) as tx:
        tx.append(execution(number), [denied()])


# Blocks -------------------------------------------------------------------------


def test_locks_come_before_reads_each_by_a_statement_of_its_own(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGS-5.1."""
    said: list[str] = []
    run = Session.run

    def watched(
        self: Session, statements: Sequence[Statement], *, wait_s: float = 0.0
    ) -> list[Answer]:
        said.extend(sql for sql, _ in statements)
        return run(self, statements, wait_s=wait_s)

    monkeypatch.setattr(Session, "run", watched)
    with store.hold("a") as hold:
        said.clear()
        with store.write(streams=(execution(2), execution(1)), fence=hold) as tx:
            tx.stream_head(execution())
        with store.write(authority="exclusive"):
            pass

    places = [
        next(place for place, sql in enumerate(said) if sign in sql)
        for sign in (
            "BEGIN ISOLATION LEVEL READ COMMITTED",
            "pg_advisory_xact_lock_shared($1)",
            "unnest",
            "NOT pg_try_advisory_xact_lock_shared",
            "clock_timestamp",
            "FROM entry",
        )
    ]
    # Neither the fence nor the clock reads a table: they are one statement.
    assert places == [0, 1, 2, 3, 3, 4]
    assert "SELECT pg_advisory_xact_lock($1)" in said


def test_blocks_that_name_streams_in_any_order_do_not_deadlock(url: str) -> None:
    """PGS-5.1."""
    names = [execution(number) for number in range(4)]
    errors: list[BaseException] = []
    with opened(url, wait_s=PATIENT_S) as store:

        def work(order: list[str]) -> None:
            try:
                for _ in range(20):
                    with store.write(streams=order) as tx:
                        tx.head()
            except BaseException as error:  # noqa: BLE001  # looked at below
                errors.append(error)

        run_threads([lambda n=n: work(names[n:] + names[:n]) for n in range(4)])
    assert errors == []


def test_an_exclusive_block_is_not_overtaken(
    store: PostgresStore, postgres: PostgresServer
) -> None:
    """PGS-5.2: shared blocks that come while it waits, wait behind it."""
    order: list[str] = []

    def enter(name: str, authority: str) -> None:
        block = store.write(authority=authority, deadline_s=PATIENT_S)  # type: ignore[arg-type]  # one of two
        with block:
            order.append(name)

    def waiting() -> int:
        return len(sessions(postgres, "wait_event_type = 'Lock'"))

    threads = []
    with store.write():
        for name, authority in (("revoke", "exclusive"), ("start", "shared")):
            count = waiting()
            threads.append(threading.Thread(target=enter, args=(name, authority)))
            threads[-1].start()
            wait_until(lambda count=count: waiting() > count)
    for thread in threads:
        thread.join(PATIENT_S)

    assert order == ["revoke", "start"]


def test_an_append_to_a_stream_not_named_conflicts(store: PostgresStore) -> None:
    """PGS-5.3."""
    outer = store.write()
    tx = outer.__enter__()
    tx.append(execution(), [validated()])
    tx.insert(FACT, {"subject": "a", "number": 1, "note": None}, late=True)
    in_thread(lambda: append(store))

    with pytest.raises(StreamConflictError):
        outer.__exit__(None, None, None)
    assert store.latch is None
    with store.read() as reading:
        assert reading.stream_head(execution()).size == 1
        assert reading.scan(FACT) == []


def test_an_insert_of_what_was_not_there_conflicts(store: PostgresStore) -> None:
    """PGS-5.3."""
    fact = {"subject": "a", "number": 1, "note": None}

    def insert() -> None:
        with store.write() as tx:
            tx.insert(FACT, fact)

    outer = store.write()
    tx = outer.__enter__()
    assert tx.get(FACT, "a", 1) is None
    in_thread(insert)
    tx.insert(FACT, {**fact, "note": "mine"})

    with pytest.raises(DuplicateKeyError):
        outer.__exit__(None, None, None)
    assert store.latch is None
    with store.read() as reading:
        assert reading.scan(FACT) == [fact]


def test_pending_entries_are_numbered_now_and_then(store: PostgresStore) -> None:
    """PGS-5.4: by the block that brings them to 256."""
    for number in range(MANY_PENDING):
        with store.read() as tx:
            assert tx.head().size == 0
        append(store, number)

    with store.read() as tx:
        assert tx.head().size == MANY_PENDING


def test_a_settled_read_waits_for_blocks_that_are_open(store: PostgresStore) -> None:
    """PGS-5.4."""
    sizes: list[int] = []

    def read() -> None:
        with store.read(settled=True) as tx:
            sizes.append(tx.head().size)

    thread = threading.Thread(target=read)
    with store.write(streams=(execution(),)) as tx:
        tx.append(execution(), [denied()])
        thread.start()
    thread.join(PATIENT_S)
    assert sizes == [1]
    append(store, 2)


def test_the_clock_is_that_of_the_database(
    store: PostgresStore, postgres: PostgresServer
) -> None:
    """PGS-5.5."""

    def said() -> int:
        sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        return int(str(postgres.execute(sql)[0][0]))

    before = said()
    with store.write() as tx:
        within = tx.now_us
    assert before <= within <= said()


# Connections --------------------------------------------------------------------


def test_no_address_and_no_message_shows_a_password(postgres: PostgresServer) -> None:
    """PGS-6.1."""
    name = f"secretive_{next(_NUMBERS)}"
    postgres.login(name)
    url = postgres.url(user=name)
    assert "p%40ss" in url
    for wrong in (
        url,  # may not create a schema
        url.replace("p%40ss", "wrong"),
        url.replace("host=", "port=1&host="),
        url.replace("postgres?", "nowhere?"),
    ):
        with pytest.raises(AuditError) as caught:
            open_store(wrong)
        text = f"{caught.value!r} {caught.value} {caught.value.__context__!r}"
        if caught.value.__suppress_context__:
            text = f"{caught.value!r} {caught.value}"
        assert "ss/w" not in text
        assert "wrong" not in text
        assert PASSWORD not in text
    with pytest.raises(ValueError, match="postgresql://user@host") as refused:
        open_store("postgresql://alice:hunter2@host/x?nothing=1")
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/x?schema=pg_mine",
        "postgresql://host/x?schema=",
        "postgresql://host/x?schema=a&schema=b",
        "postgresql://host/x?schema=" + "x" * 64,
        "postgresql://host/x?schema=a%00",
    ],
)
def test_an_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://user@host"):
        open_store(url)


def test_a_server_that_keeps_nothing_is_refused(own_postgres: PostgresServer) -> None:
    """PGS-6.2: and one that would answer before it has written is told to wait."""
    for setting in ("fsync", "full_page_writes"):
        own_postgres.execute(f"ALTER SYSTEM SET {setting} = off")
        own_postgres.execute("SELECT pg_reload_conf()")
        wait_until(lambda s=setting: own_postgres.execute(f"SHOW {s}") == [("off",)])
        with pytest.raises(LedgerFormatError, match="fsync"):
            open_store(own_postgres.url())
        own_postgres.execute(f"ALTER SYSTEM SET {setting} = on")
        own_postgres.execute("SELECT pg_reload_conf()")
        wait_until(lambda s=setting: own_postgres.execute(f"SHOW {s}") == [("on",)])
    own_postgres.execute("ALTER SYSTEM SET synchronous_commit = off")
    own_postgres.execute("SELECT pg_reload_conf()")
    with open_store(own_postgres.url()) as store, store.write() as tx:
        assert isinstance(store, PostgresStore)
        assert tx.session.one("SHOW synchronous_commit").rows == [("on",)]


def test_a_pooler_and_a_standby_are_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGS-6.2: by what they say of themselves."""
    with opened(url):
        pass
    monkeypatch.setattr(Session, "backend_pid", property(lambda _self: 1))
    with pytest.raises(StoreUnavailableError, match="pooler"):
        open_store(url)
    monkeypatch.undo()
    look = "audit.store.postgres.connecting._LOOK"
    monkeypatch.setattr(look, "SELECT true, 'on', 'on', 'UTF8', 'on', 1")
    with pytest.raises(StoreUnavailableError, match="standby"):
        open_store(url)


def test_a_connection_that_was_cut_at_rest_is_replaced(
    store: PostgresStore, postgres: PostgresServer
) -> None:
    """PGS-6.3."""
    append(store, 1)
    cut(postgres, "state = 'idle'")
    append(store, 2)
    cut(postgres, "state = 'idle'")
    with store.read() as tx:
        assert tx.stream_head(execution(2)).size == 1
    cut(postgres, "state = 'idle'")
    assert not store.is_held("a")
    assert store.latch is None


def test_a_server_that_is_gone_refuses_and_does_not_latch(
    own_postgres: PostgresServer,
) -> None:
    """PGS-6.3: after a crash of the server too, once it is back."""
    with opened(own_postgres.url()) as store:
        append(store, 1)
        own_postgres.shut_down()
        for use in (lambda: append(store, 2), lambda: store.read().__enter__()):
            with pytest.raises((StoreUnavailableError, StoreBusyError)):
                use()
        assert store.latch is None
        own_postgres.start()
        append(store, 2)
        own_postgres.kill()
        own_postgres.start()
        append(store, 3)
        assert AuditEventLog(store).verify().entries == 3


def test_the_number_of_connections_is_bounded(url: str) -> None:
    """PGS-6.4."""
    with opened(url) as store:
        blocks = [store.read() for _ in range(MAX_SESSIONS)]
        done, ready = threading.Event(), threading.Barrier(MAX_SESSIONS + 1)

        def occupy(number: int) -> None:
            with blocks[number]:
                ready.wait(PATIENT_S)
                done.wait(PATIENT_S)

        threads = [
            threading.Thread(target=occupy, args=(n,)) for n in range(MAX_SESSIONS)
        ]
        for thread in threads:
            thread.start()
        ready.wait(PATIENT_S)
        with pytest.raises(StoreBusyError, match="connection"):
            append(store)
        with pytest.raises(StoreBusyError):
            store.close()
        done.set()
        for thread in threads:
            thread.join(PATIENT_S)
        append(store)


def test_an_exclusive_block_gets_the_next_free_connection() -> None:
    """PGS-6.4."""
    pool = Pool(lambda: pytest.fail("none is needed"), size=0)
    order: list[str] = []

    def take(name: str, *, exclusive: bool) -> None:
        ticket = Ticket()
        pool._take_place(ticket, exclusive=exclusive, wait_s=PATIENT_S)
        order.append(name)
        pool.give_back(ticket)

    threads = []
    for name, exclusive in (("first", False), ("second", False), ("revoke", True)):
        threads.append(
            threading.Thread(target=take, args=(name,), kwargs={"exclusive": exclusive})
        )
        threads[-1].start()
        wait_until(lambda: len(pool._shared) + len(pool._exclusive) == len(threads))
    with pool._mutex:
        pool._places += 1
        pool._call_next()
    for thread in threads:
        thread.join(PATIENT_S)
    assert order == ["revoke", "first", "second"]


def test_a_server_that_does_not_answer_is_given_up(
    store: PostgresStore, postgres: PostgresServer
) -> None:
    """PGS-6.5: and what it was doing is cancelled."""
    session = Session(psycopg.connect(postgres.url(), autocommit=True), 0.2)
    pid = session.backend_pid
    with pytest.raises(Exception, match="None"):
        session.one("SELECT pg_sleep(600)")
    session.close()
    wait_until(lambda: postgres_is_rid_of(postgres, pid))
    append(store)


def test_an_interrupt_while_waiting_for_a_lock_leaves_nothing(
    url: str, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGS-6.6: the place in the server's queue is given up as well."""
    with opened(url, wait_s=PATIENT_S) as store, opened(url) as other:

        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with other.write(streams=(execution(),)) as tx:
            tx.append(execution(), [denied()])
            with monkeypatch.context() as patch:
                patch.setattr(Session, "_collect", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    store.write(authority="exclusive").__enter__()
            wait_until(lambda: not sessions(postgres, "wait_event_type = 'Lock'"))
        append(store, 2)
        assert AuditEventLog(store).verify().entries == 2


@pytest.mark.parametrize("moment", ["begin", "append", "commit"])
def test_an_interrupt_at_any_step_leaves_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """PGS-6.6."""
    sign = {"begin": " BEGIN ", "append": " FROM entry ", "commit": " COMMIT "}[moment]
    for when in ("before", "after"):
        with opened(url) as store:
            run = Session.run

            def struck(
                self: Session, statements: Sequence[Statement], *, wait_s: float = 0.0
            ) -> list[Answer]:
                hit = any(sign in f" {sql} " for sql, _ in statements)
                if hit and when == "before":  # noqa: B023  # used at once
                    raise KeyboardInterrupt
                answers = run(self, statements, wait_s=wait_s)  # noqa: B023  # as above
                if hit:
                    raise KeyboardInterrupt
                return answers

            with monkeypatch.context() as patch:
                patch.setattr(Session, "run", struck)
                with pytest.raises(KeyboardInterrupt):
                    append(store)
            gc.collect()
            with store.write(authority="exclusive", deadline_s=5.0) as tx:
                done = moment == "commit" and when == "after"
                assert tx.stream_head(execution()).size == int(done)
            assert AuditEventLog(store).verify()


def test_a_block_that_is_dropped_gives_its_connection_back(url: str) -> None:
    """PGS-6.6."""
    with opened(url) as store:
        block = store.write(authority="exclusive")
        block.__enter__().append("platform", [key_added()])
        del block
        gc.collect()
        with store.write(authority="exclusive", deadline_s=5.0) as tx:
            assert tx.stream_head("platform").size == 0


def test_a_forked_child_leaves_the_parents_connections_alone(url: str) -> None:
    """PGS-6.7."""
    with opened(url) as store, store.hold("a") as hold:
        append(store, 1)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for use in (lambda: append(store, 2), lambda: store.is_held("a")):
                    with pytest.raises(StoreClosedError):
                        use()
                hold.close()
                store.close()
                gc.collect()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
        assert store.is_held("a")
        append(store, 2)


# Failures -----------------------------------------------------------------------


def test_a_connection_lost_inside_a_block_latches(
    store: PostgresStore, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """PGS-7.1: this process, and certainly nothing was done."""

    def lose() -> None:
        with store.write() as tx:
            tx.append(execution(), [denied()])
            cut_inside(postgres)
            tx.stream_head(execution(2))

    with pytest.raises(StoreUnavailableError) as caught:
        lose()
    assert not caught.value.uncertain
    assert store.latch is not None
    assert "; 1 lost" in capsys.readouterr().err
    with pytest.raises(StoreLatchedError):
        append(store)
    store.lift_latch()
    append(store)


def test_a_connection_lost_at_the_commit_is_uncertain(
    store: PostgresStore, postgres: PostgresServer
) -> None:
    """PGS-7.1."""

    def lose() -> None:
        with store.write() as tx:
            tx.append(execution(), [denied()])
            cut_inside(postgres)

    with pytest.raises(StoreUnavailableError) as caught:
        lose()
    assert caught.value.uncertain
    assert store.latch is not None


def test_a_commit_that_the_server_warns_of_is_uncertain(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGS-7.1: it committed, but perhaps not where it should have."""
    run = Session.run

    def warned(
        self: Session, statements: Sequence[Statement], *, wait_s: float = 0.0
    ) -> list[Answer]:
        answers = run(self, statements, wait_s=wait_s)
        self.warned = True
        return answers

    monkeypatch.setattr(Session, "run", warned)
    with pytest.raises(StoreUnavailableError) as caught:
        append(store)
    assert caught.value.uncertain
    monkeypatch.undo()


def test_a_deadlock_is_busy_and_does_not_latch(store: PostgresStore) -> None:
    """PGS-7.2: between blocks that did not name what they append to."""
    errors: list[BaseException] = []
    both = threading.Barrier(2)

    def work(first: int, second: int) -> None:
        try:
            with store.write() as tx:
                tx.append(execution(first), [denied()])
                tx.flush()
                both.wait(PATIENT_S)
                tx.append(execution(second), [denied()])
                tx.flush()
        except BaseException as error:  # noqa: BLE001  # looked at below
            errors.append(error)

    run_threads([lambda: work(1, 2), lambda: work(2, 1)])
    assert [type(error) for error in errors][:1] == [StoreBusyError]
    assert store.latch is None


def test_a_statement_that_takes_too_long_is_busy(store: PostgresStore) -> None:
    """PGS-7.2."""

    def sleep() -> None:
        with store.write() as tx:
            tx.flush(("SELECT set_config('statement_timeout', '10ms', true)", ()))
            tx.flush(("SELECT pg_sleep(60)", ()))

    with pytest.raises(StoreBusyError):
        sleep()
    assert store.latch is None
    append(store)


def test_too_many_connections_do_not_latch(own_postgres: PostgresServer) -> None:
    """PGS-6.3."""
    own_postgres.login("few")
    own_postgres.execute("GRANT CREATE ON DATABASE postgres TO few")
    with open_store(own_postgres.url(user="few")) as store:
        store.declare(RUN)
        own_postgres.execute("ALTER ROLE few CONNECTION LIMIT 1")
        with store.read(), pytest.raises(StoreUnavailableError):
            store.hold("a")
        assert store.latch is None


def test_what_the_database_refuses_undoes_the_block(store: PostgresStore) -> None:
    """PGS-7.3."""

    def tamper() -> None:
        with store.write() as tx:
            tx.append(execution(), [denied()])
            tx.flush(("DELETE FROM entry", ()))

    with pytest.raises(StoreUnavailableError, match="23001"):
        tamper()
    assert store.latch is None
    append(store)


# Holds --------------------------------------------------------------------------


def test_a_hold_ends_with_its_connection(
    store: PostgresStore, postgres: PostgresServer
) -> None:
    """PGS-8.1, PGS-8.2: whatever its owner believes."""
    hold = store.hold("owner-1")
    assert store.is_held("owner-1")

    cut(postgres, "query LIKE 'SELECT pg_try_advisory_lock%'")

    assert not store.is_held("owner-1")
    with pytest.raises(HoldLostError), store.write(fence=hold):
        pass
    assert store.latch is None
    hold.close()
    with store.hold("owner-1") as again, store.write(fence=again) as tx:
        tx.append(execution(), [denied()])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT_S
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def in_thread(action: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001  # looked at below
            errors.append(error)

    run_threads([run])
    assert errors == []


def run_threads(actions: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENT_S)
        assert not thread.is_alive()


def postgres_is_rid_of(postgres: PostgresServer, pid: int) -> bool:
    found = postgres.execute(f"SELECT FROM pg_stat_activity WHERE pid = {pid}")
    return found == []
