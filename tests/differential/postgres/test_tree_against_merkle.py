"""PGS-2: the tree that the database grows is the one that ``audit.merkle`` grows.

The function is compared after every call with the frontier in Python (byte for byte)
and, where trees are small, with the definition of RFC 6962 written as a recursion.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import errors

from audit.merkle import EMPTY, Frontier, leaf_hash
from audit.store.postgres.lock_keys import TREE, lock_key
from audit.store.postgres.tree import MAX_BATCH
from tests.oracles.merkle_tree import tree_hash
from tests.postgres_ledgers import INSERT, LEDGER_ID, Ledger, Session, made_ledger
from tests.postgres_server import PostgresServer

SIZES: Final = 600
WRITER: Final = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def ledger(postgres: PostgresServer) -> Iterator[Ledger]:
    with made_ledger(postgres) as made:
        yield made


@pytest.fixture
def session(ledger: Ledger) -> Iterator[Session]:
    """The superuser's session in a transaction that is rolled back."""
    with (
        ledger.session("postgres") as session,
        session.transaction(force_rollback=True),
    ):
        yield session


def insert(session: Session, data: Sequence[bytes], *, time_us: int = 1) -> list[bytes]:
    """Insert entries without a place; give their leaf hashes."""
    found = session.execute(b"SELECT coalesce(max(writer_seq) + 1, 0) FROM entry")
    (first,) = found.fetchone() or (0,)
    leaves = [leaf_hash(one) for one in data]
    rows = [
        (*("execution:x", first + at, time_us, "t", "s", leaf, one, WRITER),
         first + at, b"" if first + at == 0 else leaf)
        for at, (leaf, one) in enumerate(zip(leaves, data, strict=True))
    ]  # fmt: skip
    with session.cursor() as cursor:
        cursor.executemany(INSERT.encode(), rows)
    return leaves


def integrate(
    session: Session, most: int | None = 4096, *, patient: bool = True
) -> tuple[object, ...] | None:
    found = session.execute(b"SELECT * FROM integrate(%s, %s)", (most, patient))
    return found.fetchone()


def head(session: Session) -> tuple[object, ...] | None:
    return session.execute(b"SELECT size, frontier, root, time_us FROM head").fetchone()


def expected(frontier: Frontier, time_us: int) -> tuple[object, ...]:
    return frontier.size, frontier.to_bytes(), frontier.root(), time_us


def places(session: Session) -> list[object]:
    return [
        place
        for (place,) in session.execute(
            b"SELECT leaf_index FROM entry ORDER BY id"
        ).fetchall()
    ]


def test_every_size_up_to_600_one_by_one(session: Session) -> None:
    """PGS-2.1: the bytes of the frontier too, at each size."""
    data = [b"%d" % number for number in range(SIZES)]
    leaves = insert(session, data)
    frontier = EMPTY
    assert head(session) == expected(EMPTY, 0)
    for leaf in leaves:
        frontier = frontier.append(leaf)
        assert integrate(session, 1) == (1, frontier.size, frontier.root(), 1)
        assert head(session) == expected(frontier, 1)
        assert Frontier.from_bytes(frontier.to_bytes()) == frontier
        if frontier.size <= 130:
            assert frontier.root() == tree_hash(data[: frontier.size])
    assert places(session) == list(range(SIZES))


@given(
    batches=st.lists(
        st.tuples(st.integers(0, 70), st.integers(1, 90)), min_size=1, max_size=8
    ),
    seed=st.binary(max_size=4),
)
@settings(max_examples=60)
def test_any_batches(
    ledger: Ledger, batches: list[tuple[int, int]], seed: bytes
) -> None:
    """PGS-2.1, PGS-2.3: however many wait, and however many one call takes."""
    with (
        ledger.session("postgres") as session,
        session.transaction(force_rollback=True),
    ):
        waiting: list[bytes] = []
        numbered: list[bytes] = []
        for turn, (inserted, most) in enumerate(batches):
            data = [b"%s %d %d" % (seed, turn, n) for n in range(inserted)]
            waiting += insert(session, data)
            taken, waiting = waiting[:most], waiting[most:]
            numbered += taken
            frontier = EMPTY.extend(numbered)
            time_us = 1 if numbered else 0
            assert integrate(session, most) == (
                len(taken), frontier.size, frontier.root(), time_us,
            )  # fmt: skip
            assert head(session) == expected(frontier, time_us)
        assert places(session) == [*range(len(numbered)), *[None] * len(waiting)]


def test_a_call_is_bounded_whatever_it_is_asked_for(session: Session) -> None:
    """PGS-2.3."""
    leaves = insert(session, [b"%d" % n for n in range(MAX_BATCH + 3)])
    assert integrate(session, 2**31 - 1) == (
        MAX_BATCH, MAX_BATCH, EMPTY.extend(leaves[:MAX_BATCH]).root(), 1,
    )  # fmt: skip
    for most in (1, 0, -1):
        found = integrate(session, most)
        assert found is not None
        assert found[0] == 1
    found = integrate(session)
    assert found == (0, MAX_BATCH + 3, EMPTY.extend(leaves).root(), 1)


def test_no_number_asked_for_means_the_most(session: Session) -> None:
    """PGS-2.3: null is no way past the bound either."""
    insert(session, [b"%d" % n for n in range(MAX_BATCH + 1)])
    found = integrate(session, None)
    assert found is not None
    assert found[0] == MAX_BATCH


def test_the_heads_time_is_the_latest(session: Session) -> None:
    """PGS-2.1."""
    for time_us, latest in ((5, 5), (3, 5), (9, 9)):
        insert(session, [b"%d" % time_us], time_us=time_us)
        found = integrate(session)
        assert found is not None
        assert found[3] == latest


DAMAGE: Final = (
    "UPDATE head SET root = sha256('other')",
    "UPDATE head SET frontier = substr(frontier, 1, 8)",
    "UPDATE head SET frontier = frontier || sha256('other')",
    "UPDATE head SET frontier = overlay(frontier placing '\\x00' from 20)",
    "UPDATE head SET frontier = '\\x'",
    "UPDATE head SET frontier = int8send(size + 1) || substr(frontier, 9)",
    "UPDATE head SET size = size + 1",
    "UPDATE head SET size = size + 2",
)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_head_that_does_not_agree_with_itself_is_left_alone(
    session: Session, damage: str
) -> None:
    """PGS-2.4: what was tampered with is not covered up by growing it."""
    insert(session, [b"1", b"2", b"3", b"4", b"5"])
    integrate(session)
    session.execute(damage.encode())
    before = head(session)
    insert(session, [b"6"])
    with pytest.raises(errors.DataCorrupted), session.transaction():
        integrate(session)
    assert head(session) == before
    assert places(session)[-1] is None


def test_a_missing_head_is_refused(session: Session) -> None:
    """PGS-2.4."""
    session.execute(b"ALTER TABLE head DISABLE TRIGGER USER")
    session.execute(b"DELETE FROM head")
    with pytest.raises(errors.NoDataFound):
        integrate(session)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_only_a_transaction_that_sees_the_newest_may_number(
    ledger: Ledger, level: str
) -> None:
    """PGS-2.2: an old view would number on top of an old head."""
    with ledger.session("executor") as session, session.transaction():
        session.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
        with pytest.raises(errors.InvalidTransactionState), session.transaction():
            integrate(session)


@pytest.fixture
def shared(postgres: PostgresServer) -> Iterator[Ledger]:
    """A ledger that is this test's alone, for several sessions at once."""
    with made_ledger(postgres) as made:
        yield made


def test_entries_not_yet_committed_are_left_for_later(shared: Ledger) -> None:
    """PGS-2.2: their ids may be smaller than those of entries with a place."""
    with shared.session("postgres") as slow, shared.session("postgres") as quick:
        with slow.transaction():
            first = insert(slow, [b"slow"])
            rows = [
                ("execution:y", 0, 1, "t", "s", leaf_hash(b"q"), b"q", WRITER, 0, b"")
            ]
            quick.execute(INSERT.encode(), rows[0])
            assert integrate(quick) == (1, 1, leaf_hash(b"q"), 1)
        frontier = EMPTY.extend([leaf_hash(b"q"), *first])
        assert integrate(quick) == (1, 2, frontier.root(), 1)
        assert places(quick) == [1, 0]


def test_own_entries_are_numbered_before_they_are_committed(shared: Ledger) -> None:
    """PGS-2.2: and those of a transaction that fails take nothing with them."""
    with shared.session("postgres") as session:
        with session.transaction(force_rollback=True):
            insert(session, [b"lost"])
            found = integrate(session)
            assert found is not None
            assert found[:2] == (1, 1)
        assert head(session) == expected(EMPTY, 0)
        leaves = insert(session, [b"kept"])
        assert integrate(session) == (1, 1, EMPTY.extend(leaves).root(), 1)
        assert places(session) == [0]


def test_who_does_not_want_to_wait_is_told_that_somebody_is_at_it(
    shared: Ledger,
) -> None:
    """PGS-2.2."""
    with shared.session("executor") as one, shared.session("auditor") as two:
        with one.transaction():
            integrate(one)
            assert integrate(two, patient=False) == (None, None, None, None)
            two.execute(b"SET lock_timeout = 1")
            with pytest.raises(errors.LockNotAvailable):
                integrate(two)
        assert integrate(two, patient=False) == (0, 0, EMPTY.root(), 0)


@pytest.mark.parametrize("writers", [6])
def test_writers_and_numberers_at_once_lose_nothing(
    shared: Ledger, writers: int
) -> None:
    """PGS-2.5: dense, in one order, and the root is that of the entries in it."""
    start = threading.Barrier(writers)
    per_writer = 120

    def write(number: int) -> None:
        random = Random(number)  # noqa: S311  (a test's choices)
        with shared.session("executor") as session:
            start.wait()
            for turn in range(per_writer):
                data = b"%d %d" % (number, turn)
                stream = f"execution:{number:08x}-0000-4000-8000-{turn:012x}"
                row = (stream, 0, turn, "TOKEN_VALIDATION", "s", leaf_hash(data), data,
                       WRITER, 0, b"")  # fmt: skip
                with session.transaction(force_rollback=random.random() < 0.2):
                    session.execute(INSERT.encode(), row)
                    if random.random() < 0.2:
                        integrate(session, random.randint(1, 50))
                if random.random() < 0.3:
                    integrate(session, random.randint(1, 50), patient=False)

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    with shared.session("auditor") as session:
        while (found := integrate(session)) and found[0]:
            continue
        rows = session.execute(
            b"SELECT leaf_index, leaf_hash FROM entry ORDER BY leaf_index"
        ).fetchall()
        assert len(rows) > writers * per_writer / 2
        assert [row[0] for row in rows] == list(range(len(rows)))
        frontier = EMPTY.extend(bytes(row[1]) for row in rows)
        found_head = head(session)
        assert found_head is not None
        assert found_head[:3] == expected(frontier, 0)[:3]


def test_it_finds_what_is_pending_by_its_index(shared: Ledger) -> None:
    """PGS-2.6: however large the ledger, and whatever statistics say or do not say."""
    with shared.session("postgres") as session:
        insert(session, [b"%d" % number for number in range(3000)])
        integrate(session)
        insert(session, [b"last"])
        session.execute(b"ANALYZE entry")
        with session.transaction():
            before = _rows_read_in_order(session)
            assert integrate(session) is not None
            assert _rows_read_in_order(session) == before


def _rows_read_in_order(session: Session) -> object:
    """How many rows of ``entry`` this transaction read without an index."""
    return session.execute(
        b"SELECT pg_stat_get_xact_numscans('entry'::regclass)"
    ).fetchone()


def test_the_lock_is_the_same_number_in_both_languages(shared: Ledger) -> None:
    """PGS-2.2: or two numberers could be at it, one by each."""
    with shared.session("executor") as session, session.transaction():
        integrate(session)
        found = session.execute(
            b"SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks"
            b" WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        ).fetchall()
    assert found == [(lock_key(LEDGER_ID, TREE),)]
