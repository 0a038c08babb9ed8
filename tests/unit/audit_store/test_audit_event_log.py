"""The audit log: where events go, what reading gives, what verifying reports."""

import copy
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.errors import (
    EntryRefusedError,
    GrammarError,
    LedgerFormatError,
    StoreBusyError,
    StoreClosedError,
)
from audit.events import AuditEvent, AuditEventType, PlatformEventType, ReasonCode
from audit.log import AuditEventLog
from audit.store.interface import Collection, Column, Store
from audit.store.opening import open_store
from tests.conformance.store_samples import (
    TOKEN,
    FakeClock,
    denied,
    execution,
    key_added,
)

RUN_1 = "00000000-0000-0000-0000-000000000001"
RUN_2 = "00000000-0000-0000-0000-000000000002"


def event(
    kind: AuditEventType | PlatformEventType = AuditEventType.EXECUTION_DENIED,
    status: str = "denied",
    *,
    timestamp: int = 5,
    token_hash: str = TOKEN,
    **details: int,
) -> AuditEvent:
    reason, code = (
        ("because", ReasonCode.TOKEN_UNKNOWN) if status == "denied" else (None, None)
    )
    return AuditEvent(
        kind,
        timestamp,
        "alice",
        token_hash,
        "apollo",
        "analyze_habits",
        status,
        reason,
        code,
        details,
    )


VALIDATED = event(AuditEventType.TOKEN_VALIDATION, "success", steps=1)
ISSUED = event(AuditEventType.TOKEN_ISSUED, "success")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=FakeClock()) as opened:
        yield opened


@pytest.fixture
def log(store: Store) -> AuditEventLog:
    return AuditEventLog(store)


def test_a_log_without_a_store_has_its_own() -> None:
    with AuditEventLog() as log, AuditEventLog() as other:
        log.append(event(), execution_id=RUN_1)
        assert len(log.get_events()) == 1
        assert other.get_events() == []
    with pytest.raises(StoreClosedError):
        log.get_events()


def test_a_log_does_not_close_a_store_that_was_given(store: Store) -> None:
    with AuditEventLog(store) as log:
        assert log.store is store
    assert log.get_events() == []


def test_an_event_comes_back_equal(log: AuditEventLog) -> None:
    """STO-8.1, STO-8.2."""
    receipt = log.append(VALIDATED, execution_id=RUN_1)

    assert (receipt.stream, receipt.index, receipt.leaf_index) == (execution(1), 0, 0)
    assert log.get_events() == [VALIDATED]
    assert log.head().size == 1
    assert log.verify()


def test_a_receipt_is_for_what_is_durable(log: AuditEventLog, store: Store) -> None:
    """STO-8.1."""
    receipt = log.append(event(), execution_id=RUN_1)

    with open_store(store.url) as other, other.read() as tx:
        assert tx.entries()[0].data == receipt.data


@pytest.mark.parametrize(
    "kind",
    [
        AuditEventType.TOKEN_ISSUED,
        AuditEventType.TOKEN_FIRST_USED,
        AuditEventType.TOKEN_REVOKED,
        AuditEventType.TOKEN_EXPIRED,
    ],
)
def test_a_tokens_life_goes_into_its_own_stream(
    log: AuditEventLog, kind: AuditEventType
) -> None:
    """STO-8.1."""
    if kind is not AuditEventType.TOKEN_ISSUED:
        log.append(ISSUED)
    status = "expired" if kind is AuditEventType.TOKEN_EXPIRED else "success"

    receipt = log.append(event(kind, status))

    assert receipt.stream == f"token:{TOKEN}"
    with pytest.raises(EntryRefusedError):
        log.append(event(kind, status), execution_id=RUN_1)


@pytest.mark.parametrize("kind", list(PlatformEventType))
def test_platform_events_are_refused(
    log: AuditEventLog, kind: PlatformEventType
) -> None:
    """STO-8.1."""
    for execution_id in (None, RUN_1):
        with pytest.raises(EntryRefusedError):
            log.append(event(kind, "success"), execution_id=execution_id)


def test_an_execution_needs_its_id(log: AuditEventLog) -> None:
    with pytest.raises(EntryRefusedError):
        log.append(event())
    for wrong in ("", "x", RUN_1.replace("-", ""), RUN_1.upper().replace("0", "A")):
        with pytest.raises(GrammarError):
            log.append(event(), execution_id=wrong)
        with pytest.raises(GrammarError):
            log.trail(wrong)
    for wrong_type in (5, None, b"x"):
        with pytest.raises(EntryRefusedError):
            log.append(event(), execution_id=wrong_type)  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(EntryRefusedError):
            log.trail(wrong_type)  # type: ignore[arg-type]  # wrong on purpose


def test_what_is_no_event_is_refused(log: AuditEventLog) -> None:
    for wrong in (None, "event", {}, denied()):
        with pytest.raises(EntryRefusedError):
            log.append(wrong, execution_id=RUN_1)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(GrammarError):
        log.append(
            event(AuditEventType.EXECUTION_STARTED, "started"), execution_id=RUN_1
        )
    with pytest.raises(GrammarError):
        log.append(event(AuditEventType.TOKEN_ISSUED, "success", token_hash="x"))  # noqa: S106  # no hash
    assert log.get_events() == []


@pytest.mark.parametrize(
    ("timestamp", "fits"),
    [(1_000_000, True), (1_000_001, False), (0, True), (-1, False)],
)
def test_an_event_is_not_later_than_the_clock(
    log: AuditEventLog, timestamp: int, *, fits: bool
) -> None:
    """STO-8.5."""
    if fits:
        log.append(event(timestamp=timestamp), execution_id=RUN_1)
        assert log.get_events()[0].timestamp == timestamp
    else:
        with pytest.raises(EntryRefusedError):
            log.append(event(timestamp=timestamp), execution_id=RUN_1)


def test_only_the_twelve_types_are_events(log: AuditEventLog, store: Store) -> None:
    """STO-8.2."""
    log.append(ISSUED)
    with store.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()])
    log.append(VALIDATED, execution_id=RUN_1)
    log.append(event(), execution_id=RUN_2)

    assert log.get_events() == [ISSUED, VALIDATED, event()]
    assert log.get_events_by_type("EXECUTION_DENIED") == [event()]
    assert log.get_events_by_type(AuditEventType.TOKEN_ISSUED) == [ISSUED]
    assert log.trail(RUN_2) == (event(),)
    assert log.trail(RUN_1.replace("1", "9")) == ()
    records = log.get_records()
    assert [record.leaf_index for record in records] == [0, 1, 2, 3]
    assert [record.stream for record in records] == [
        f"token:{TOKEN}",
        "platform",
        execution(1),
        execution(2),
    ]
    for wrong in ("KEY_ADDED", "nothing", None, 5):
        with pytest.raises(EntryRefusedError):
            log.get_events_by_type(wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_reads_give_copies(log: AuditEventLog) -> None:
    """STO-8.3."""
    log.append(VALIDATED, execution_id=RUN_1)
    before = copy.deepcopy(log.get_events())

    log.get_events().clear()
    log.get_events()[0].details["steps"] = 99
    log.get_records().clear()

    assert log.get_events() == before
    assert log.verify()


def test_verifying_waits_for_no_writer(log: AuditEventLog, store: Store) -> None:
    """STO-8.4."""
    with open_store(store.url) as other, other.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()])
        assert log.verify()
        assert log.verify().entries == 0


def test_verifying_tells_how_far_it_is(log: AuditEventLog, store: Store) -> None:
    """STO-8.4: and must not be answered by using the store."""
    with store.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()] * 2_100)
    calls: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        calls.append((done, total))
        with pytest.raises(StoreBusyError):
            log.head()

    report = log.verify(progress)

    assert report
    assert report.entries == 2_100
    assert calls[-1] == (2_100, 2_100)
    assert len(calls) > 2


SWAPPED = "data = CAST(replace(data, 'alice', 'mallo') AS BLOB)"
TAMPERING = {
    "bytes": SWAPPED,
    "hash": "leaf_hash = zeroblob(32)",
    "type": "type = 'EXECUTION_STARTED'",
    "state": "state = 'start'",
    "time": "time_us = time_us + 1",
    "stream": "stream = 'platform'",
    "stream not text": "stream = CAST(x'ff' AS TEXT)",
    "moved down": "leaf_index = -1",
    "moved up": "leaf_index = 9223372036854775807",
}


@pytest.mark.parametrize("change", TAMPERING.values(), ids=TAMPERING.keys())
def test_an_edited_entry_is_reported_with_its_position(
    log: AuditEventLog, tmp_path: Path, change: str
) -> None:
    """STO-8.4: whatever was put into the columns."""
    for number in range(1, 4):
        log.append(event(), execution_id=f"00000000-0000-0000-0000-{number:012d}")
    tamper(tmp_path, f"UPDATE entry SET {change} WHERE leaf_index = 1")  # ours

    report = log.verify()

    assert not report
    where = report.findings[0].position
    # What was moved before the first entry is found where it is now.
    assert where == (0 if change == "leaf_index = -1" else 1)


def test_a_deleted_entry_is_reported_with_its_position(
    log: AuditEventLog, tmp_path: Path
) -> None:
    """STO-8.4."""
    for number in range(1, 4):
        log.append(event(), execution_id=f"00000000-0000-0000-0000-{number:012d}")
    tamper(tmp_path, "DELETE FROM entry WHERE leaf_index = 1")

    assert log.verify().findings[0].position == 1


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM head",
        "UPDATE head SET frontier = x'00'",
        "UPDATE head SET frontier = 'text'",
        "UPDATE head SET root = 'text'",
        "UPDATE head SET root = zeroblob(32)",
        "UPDATE head SET size = size + 1",
        "UPDATE head SET time_us = 0",
    ],
)
def test_a_damaged_head_is_reported(
    log: AuditEventLog, tmp_path: Path, sql: str
) -> None:
    """STO-8.4: instead of raising."""
    log.append(event(), execution_id=RUN_1)
    tamper(tmp_path, sql)

    assert "head" in {finding.kind for finding in log.verify().findings}


@pytest.mark.parametrize(
    "sql", ["DELETE FROM head", "UPDATE head SET frontier = x'00'"]
)
def test_nothing_is_appended_to_a_ledger_whose_head_is_damaged(
    log: AuditEventLog, store: Store, tmp_path: Path, sql: str
) -> None:
    """STO-3.4: and it is not repaired."""
    tamper(tmp_path, sql)

    with pytest.raises(LedgerFormatError):
        log.append(event(), execution_id=RUN_1)

    assert store.latch is None


def tamper(folder: Path, sql: str) -> None:
    connection = sqlite3.connect(folder / "ledger.db")
    with connection:
        connection.execute('DROP TRIGGER "entry.no_update"')
        connection.execute('DROP TRIGGER "entry.no_delete"')
        assert connection.execute(sql).rowcount == 1
    connection.close()


def test_execution_rows_are_compared_when_there_are_any(
    log: AuditEventLog, store: Store
) -> None:
    """STO-8.4: an event appended without its row is reported as that."""
    log.append(event(), execution_id=RUN_1)
    assert log.verify()

    store.declare(
        Collection("execution", ("execution_id",), (Column("execution_id", "text"),))
    )

    findings = log.verify().findings
    assert [(finding.kind, finding.stream) for finding in findings] == [
        ("execution", execution(1))
    ]


def test_a_damaged_declaration_is_reported(
    log: AuditEventLog, store: Store, tmp_path: Path
) -> None:
    """STO-8.4."""
    store.declare(Collection("usage", ("token_hash",), (Column("token_hash", "text"),)))
    for value in (
        "",
        "{}",
        '{"columns":[[1]],"indexes":[],"insert_only":true,"key":[],"name":"usage"}',
    ):
        with sqlite3.connect(tmp_path / "ledger.db") as connection:
            sql = "UPDATE meta SET value = ? WHERE name = 'collection:usage'"
            connection.execute(sql, (value,))
        connection.close()

        assert [finding.kind for finding in log.verify().findings] == ["usage"]


def test_records_are_read_by_the_page(log: AuditEventLog, store: Store) -> None:
    """STO-8.4: every row is seen, not only those of the first page."""
    rows = Collection(
        "use",
        ("token_hash", "number"),
        (Column("token_hash", "text"), Column("number", "integer")),
    )
    store.declare(rows)
    with store.write() as tx:
        for number in range(1_001):
            tx.insert(rows, {"token_hash": TOKEN, "number": number})

    report = log.verify()

    assert len(report.findings) + report.omitted >= 1_001


def test_a_store_nobody_closed_is_closed_with_it(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    with store.write(authority="exclusive") as tx:
        tx.append("platform", [key_added()])
    with store.read() as tx:
        tx.head()
    del store, tx

    # The last connection to close takes the journal with it.
    assert not (tmp_path / "ledger.db-wal").exists()
