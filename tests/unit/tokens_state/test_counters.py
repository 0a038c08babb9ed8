"""Counting, reserving, settling (rules 2C; AUT-7)."""

import pytest

from audit.entry import decode_entry
from audit.errors import StreamConflictError
from audit.store.interface import WriteTransaction
from audit.trail import token_stream
from tests.oracles.token_world import START_US, World, grant
from tokens.errors import RegistryIntegrityError
from tokens.limits import Usage
from tokens.state.accounting import AccountingError
from tokens.state.collections import USAGE, USE
from tokens.state.snapshot import TokenSnapshot


def snapshot_of(world: World, token_hash: str) -> TokenSnapshot:
    with world.store.write() as tx:
        return world.registry.snapshot(tx, token_hash)


def reserve(
    world: World, tx: WriteTransaction, token_hash: str, *, step: int = 0
) -> int:
    snapshot = world.registry.snapshot(tx, token_hash)
    return world.registry.reserve(
        tx, snapshot, execution_id="e", step=step, time_us=tx.now_us
    ).reserved


def test_a_start_counts_once_and_reserves_the_largest_answer() -> None:
    """AUT-7.1; rules 2C.1."""
    world = World()
    issued = world.issue()

    with world.store.write() as tx:
        snapshot = world.registry.snapshot(tx, issued.token_hash)
        first = world.registry.reserve(
            tx, snapshot, execution_id="one", step=0, time_us=tx.now_us
        )
    with world.store.write() as tx:
        snapshot = world.registry.snapshot(tx, issued.token_hash)
        second = world.registry.reserve(
            tx, snapshot, execution_id="one", step=1, time_us=tx.now_us
        )
        uses = tx.scan(USE)

    assert first.reserved == second.reserved == 512
    assert (first.usage_before, first.usage_after) == (
        Usage(),
        Usage(invocations=1, reserved=512, executions=1),
    )
    assert second.usage_after == Usage(invocations=2, reserved=1024, executions=1)
    assert uses == [
        {
            "token_hash": issued.token_hash,
            "number": 1,
            "time_us": START_US,
            "execution_id": "one",
        }
    ]


@pytest.mark.parametrize("charged", [0, 1, 511, 512])
def test_settling_releases_the_reservation_and_charges_what_was_used(
    charged: int,
) -> None:
    """AUT-7.6."""
    world = World()
    issued = world.issue()
    with world.store.write() as tx:
        reserved = reserve(world, tx, issued.token_hash)
        after = world.registry.settle(tx, issued.token_hash, reserved, charged)

    assert after == Usage(invocations=1, units=charged, executions=1)
    assert snapshot_of(world, issued.token_hash).usage == after


@pytest.mark.parametrize(
    ("reserved", "charged"),
    [(513, 0), (512, 513), (512, -1), (0, 0), (-1, -1), (1024, 512)],
)
def test_a_settlement_that_does_not_fit_is_a_fault_and_writes_nothing(
    reserved: int, charged: int
) -> None:
    """AUT-7.6, one step each side of both bounds."""
    world = World()
    issued = world.issue()
    with world.store.write() as tx:
        reserve(world, tx, issued.token_hash)

    with pytest.raises(AccountingError), world.store.write() as tx:
        world.registry.settle(tx, issued.token_hash, reserved, charged)

    usage = snapshot_of(world, issued.token_hash).usage
    assert usage == Usage(invocations=1, reserved=512, executions=1)


def test_a_token_that_never_started_has_nothing_to_settle() -> None:
    world = World()
    issued = world.issue()

    with pytest.raises(AccountingError), world.store.write() as tx:
        world.registry.settle(tx, issued.token_hash, 1, 0)


@pytest.mark.parametrize(
    ("token", "word"),
    [
        (grant(max_invocations=2), "max_invocations"),
        (grant(max_total_tokens=1), "total"),
        (grant(max_frequency="2 per 10 seconds"), "max_frequency"),
        (grant(max_executions=2), "max_executions"),
    ],
)
def test_no_caller_can_reserve_against_a_limit(token: object, word: str) -> None:
    """AUT-7.3: a gate that was forgotten stops here, and writes nothing."""
    world = World()
    issued = world.authority.issue_token(token)  # type: ignore[arg-type]
    for _ in range(1 if word == "total" else 2):
        with world.store.write() as tx:
            reserved = reserve(world, tx, issued.token_hash)
            world.registry.settle(tx, issued.token_hash, reserved, reserved)
    before = snapshot_of(world, issued.token_hash).usage

    with pytest.raises(AccountingError, match=word), world.store.write() as tx:
        reserve(world, tx, issued.token_hash)

    assert snapshot_of(world, issued.token_hash).usage == before


def test_the_limit_on_executions_does_not_stop_a_running_plan() -> None:
    world = World()
    issued = world.issue(grant(max_executions=1, max_frequency="1 per 10 seconds"))

    assert world.start(issued.token_hash) == "ok"
    assert world.start(issued.token_hash, step=1) == "ok"
    assert world.start(issued.token_hash) == "max_frequency"
    world.clock.forward(10)
    assert world.start(issued.token_hash) == "max_executions"


def test_open_reservations_hold_the_total() -> None:
    """Rules 2C.3: reserved units are as good as spent until settled."""
    world = World()
    issued = world.issue(grant(max_total_tokens=700))

    with world.store.write() as tx:
        assert reserve(world, tx, issued.token_hash) == 512
        assert reserve(world, tx, issued.token_hash) == 188
        with pytest.raises(AccountingError, match="max_total_tokens"):
            reserve(world, tx, issued.token_hash)
        world.registry.settle(tx, issued.token_hash, 512, 100)
        assert reserve(world, tx, issued.token_hash) == 412


def test_a_snapshot_of_another_transaction_cannot_be_reserved_on() -> None:
    """AUT-7.5: what was decided on must still be so."""
    world = World()
    issued = world.issue()
    stale = snapshot_of(world, issued.token_hash)
    assert world.start(issued.token_hash) == "ok"

    with pytest.raises(AccountingError, match="not those"), world.store.write() as tx:
        world.registry.reserve(tx, stale, execution_id="e", step=0, time_us=tx.now_us)


def test_asking_consumes_nothing() -> None:
    """AUT-7.2; rules 2C.1."""
    world = World()
    issued = world.issue(grant(max_invocations=1))
    assert world.start(issued.token_hash) == "ok"
    before = snapshot_of(world, issued.token_hash).usage

    assert [world.start(issued.token_hash) for _ in range(3)] == ["max_invocations"] * 3

    assert snapshot_of(world, issued.token_hash).usage == before


def test_budgets_are_those_of_one_token() -> None:
    """Rules 2C.6."""
    world = World()
    small = world.issue(grant(max_invocations=1))
    large = world.issue(grant(max_invocations=2))
    for each in (small, large):
        assert world.start(each.token_hash) == "ok"

    assert world.start(small.token_hash) == "max_invocations"
    assert world.start(large.token_hash) == "ok"


def test_the_bounding_use_is_the_nth_newest() -> None:
    """AUT-7.4; rules 2C.5."""
    world = World()
    issued = world.issue(grant(max_frequency="3 per 10 seconds"))
    seen = []
    for _ in range(6):
        seen.append(snapshot_of(world, issued.token_hash).bounding_use_us)
        assert world.start(issued.token_hash) == "ok"
        world.clock.forward(4)

    offsets = [
        None if each is None else (each - START_US) // 1_000_000 for each in seen
    ]
    assert offsets == [None, None, None, 0, 4, 8]


@pytest.mark.parametrize(("after_s", "word"), [(9.999999, "max_frequency"), (10, "ok")])
def test_the_window_slides_and_is_half_open(after_s: float, word: str) -> None:
    """Rules 2C.5; a refused attempt does not push it."""
    world = World()
    issued = world.issue(grant(max_frequency="1 per 10 seconds"))
    assert world.start(issued.token_hash) == "ok"
    world.clock.forward(2)
    assert world.start(issued.token_hash) == "max_frequency"
    world.clock.forward(after_s - 2)

    assert world.start(issued.token_hash) == word


def test_the_first_use_is_recorded_once_in_the_users_name() -> None:
    """AUT-7.7; rules 4B row 2."""
    world = World()
    issued = world.issue()
    for _ in range(3):
        assert world.start(issued.token_hash) == "ok"

    with world.store.read() as tx:
        stored = tx.stream_entries(token_stream(issued.token_hash))
    entry = decode_entry(stored[1].data)
    assert [each.type for each in stored] == ["TOKEN_ISSUED", "TOKEN_FIRST_USED"]
    assert (entry.user_id, entry.domain, entry.method) == (
        "alice",
        "system",
        "token_lifecycle",
    )


@pytest.mark.parametrize(("after_s", "word"), [(899.999999, "ok"), (900, "expired")])
def test_expiry_is_half_open_and_recorded_once(after_s: float, word: str) -> None:
    """AUT-7.8; rules 2A.10, 4B row 10."""
    world = World()
    issued = world.issue()
    world.clock.forward(after_s)

    assert [world.start(issued.token_hash) for _ in range(3)] == [word] * 3

    with world.store.read() as tx:
        stored = tx.stream_entries(token_stream(issued.token_hash))
    types = [each.type for each in stored]
    assert types.count("TOKEN_EXPIRED") == (1 if word == "expired" else 0)
    if word == "expired":
        entry = decode_entry(stored[-1].data)
        assert (entry.user_id, entry.status, entry.domain, entry.method) == (
            "system",
            "expired",
            "system",
            "token_lifecycle",
        )


def test_expiry_that_was_noted_stays_when_the_clock_goes_back() -> None:
    """A clock that is turned back does not revive a token."""
    world = World()
    issued = world.issue()
    world.clock.forward(900)
    assert world.start(issued.token_hash) == "expired"

    world.clock.forward(-600)

    assert world.start(issued.token_hash) == "expired"
    assert not world.registry.get_token(issued.token_hash).is_live(world.clock())


def test_a_token_cannot_be_called_expired_before_its_end() -> None:
    """AUT-7.8, one microsecond before."""
    world = World()
    issued = world.issue()
    end_us = issued.expires_at_us

    with world.store.write() as tx:
        snapshot = world.registry.snapshot(tx, issued.token_hash)
        with pytest.raises(AccountingError, match="before its end"):
            world.registry.note_expired(tx, snapshot, end_us - 1)
        world.registry.note_expired(tx, snapshot, end_us)


def test_a_life_event_on_a_stale_snapshot_is_refused() -> None:
    world = World()
    issued = world.issue()
    stale = snapshot_of(world, issued.token_hash)
    assert world.start(issued.token_hash) == "ok"

    with pytest.raises(StreamConflictError), world.store.write() as tx:
        world.registry.note_first_use(tx, stale, tx.now_us)


def test_nothing_can_be_done_on_a_token_that_is_not_there() -> None:
    world = World()
    world.issue()
    nobody = "sha256:" + "0" * 64

    with world.store.write() as tx:
        snapshot = world.registry.snapshot(tx, nobody)
        with pytest.raises(RegistryIntegrityError, match="no such token"):
            world.registry.note_first_use(tx, snapshot, tx.now_us)
        with pytest.raises(RegistryIntegrityError, match="no such token"):
            world.registry.note_expired(tx, snapshot, tx.now_us)
        with pytest.raises(RegistryIntegrityError, match="no such token"):
            world.registry.reserve(
                tx, snapshot, execution_id="e", step=0, time_us=tx.now_us
            )
        assert tx.get(USAGE, nobody) is None


def test_a_start_that_is_rolled_back_leaves_the_counters() -> None:
    """AUT-1.2."""
    world = World()
    issued = world.issue()

    def reserve_and_fail() -> None:
        with world.store.write() as tx:
            reserve(world, tx, issued.token_hash)
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011  # raised just above
        reserve_and_fail()

    assert snapshot_of(world, issued.token_hash).usage == Usage()
    assert world.start(issued.token_hash) == "ok"
