"""The verifier: every kind of damage is found, at its place, and nothing else is."""

import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from audit.entry import draft_entry, encode_entry
from audit.events import AuditEventType, ReasonCode
from audit.merkle import EMPTY, Frontier, leaf_hash
from audit.records import LedgerHead, StoredEntry
from audit.verification import (
    FINDING_KINDS,
    MAX_FINDINGS,
    Records,
    VerificationReport,
    verify_ledger,
)
from tests.oracles.ledger_builder import (
    LEDGER,
    Ledger,
    Row,
    a_ledger,
    execution_id,
    token_hash,
)

WHOLE = a_ledger()
SIZE = len(WHOLE.entries)


def found(report: VerificationReport) -> set[tuple[int | None, str]]:
    assert bool(report) == (report.findings == ())
    assert {each.kind for each in report.findings} <= FINDING_KINDS
    return {(each.position, each.kind) for each in report.findings}


def test_a_whole_ledger_has_no_findings() -> None:
    """AUD-6.12: the control; size and root are those of the entries."""
    report = WHOLE.verify()

    assert report.findings == ()
    assert report
    assert (report.entries, report.size, report.omitted) == (SIZE, SIZE, 0)
    assert report.root == WHOLE.head.root


def test_an_empty_ledger_is_whole() -> None:
    """AUD-6.9."""
    report = Ledger().verify()

    assert report
    assert report.root == EMPTY.root()


@pytest.mark.parametrize("at", range(SIZE))
def test_a_deleted_entry_is_found_at_its_place(at: int) -> None:
    """AUD-6.12, AUD-6.1, AUD-6.9."""
    entries = WHOLE.entries[:at] + WHOLE.entries[at + 1 :]
    where = found(WHOLE.verify(entries))

    assert ((at, "position") in where) == (at < SIZE - 1)
    assert (SIZE - 1, "head") in where


@pytest.mark.parametrize("size", range(SIZE))
def test_a_truncation_is_found_at_its_place(size: int) -> None:
    """AUD-6.12, AUD-6.9."""
    assert (size, "head") in found(WHOLE.verify(WHOLE.entries[:size]))


@pytest.mark.parametrize("at", range(SIZE))
def test_a_duplicated_entry_is_found_at_its_place(at: int) -> None:
    """AUD-6.12, AUD-6.1: and the entries behind it are not blamed."""
    entries = [*WHOLE.entries[: at + 1], *WHOLE.entries[at:]]
    where = found(WHOLE.verify(entries))

    assert (at + 1, "position") in where
    assert {position for position, kind in where if kind == "position"} == {at + 1}


@pytest.mark.parametrize("at", range(SIZE - 1))
def test_two_exchanged_entries_are_found_at_their_place(at: int) -> None:
    """AUD-6.12, AUD-6.1."""
    first, second = WHOLE.entries[at : at + 2]
    entries = [*WHOLE.entries[:at], second, first, *WHOLE.entries[at + 2 :]]
    where = found(WHOLE.verify(entries))

    places = {position for position, kind in where if kind == "position"}
    assert places == {at, at + 2}


@pytest.mark.parametrize("at", range(SIZE - 1))
def test_two_entries_exchanged_under_their_places_are_found(at: int) -> None:
    """AUD-6.12, AUD-6.9: the tree sees what no single entry can show."""
    first, second = WHOLE.entries[at : at + 2]
    swapped = [second._replace(leaf_index=at), first._replace(leaf_index=at + 1)]
    entries = [*WHOLE.entries[:at], *swapped, *WHOLE.entries[at + 2 :]]
    where = found(WHOLE.verify(entries))

    assert (None, "head") in where
    if first.stream == second.stream:
        assert (at, "order") in where


COLUMNS: list[tuple[str, Callable[[StoredEntry], object], str]] = [
    ("leaf_index", lambda row: row.leaf_index + 1, "position"),
    ("leaf_index", lambda _: -1, "position"),
    ("leaf_index", lambda _: None, "position"),
    ("leaf_index", lambda row: float(row.leaf_index), "position"),
    ("stream", lambda row: row.stream + "x", "column"),
    ("stream", lambda _: None, "column"),
    ("index", lambda row: row.index + 1, "column"),
    ("index", lambda row: float(row.index), "column"),
    ("time_us", lambda row: row.time_us - 1, "column"),
    ("time_us", lambda row: str(row.time_us), "column"),
    ("type", lambda _: "KEY_STATE_CHANGED", "column"),
    ("state", lambda row: row.state + " ", "column"),
    ("state", lambda _: None, "column"),
    ("leaf_hash", lambda _: bytes(32), "hash"),
    ("leaf_hash", lambda row: row.leaf_hash.hex(), "hash"),
    ("data", lambda row: row.data + b" ", "hash"),
    ("data", lambda _: b"", "format"),
    ("data", lambda row: row.data.decode(), "format"),
    ("data", lambda _: None, "format"),
]


@pytest.mark.parametrize(("column", "change", "kind"), COLUMNS)
@pytest.mark.parametrize("at", range(SIZE))
def test_an_edited_column_is_found_at_its_place(
    at: int, column: str, change: Callable[[StoredEntry], object], kind: str
) -> None:
    """AUD-6.12, AUD-6.8, AUD-6.2, AUD-6.3: every column of every entry."""
    row = WHOLE.entries[at]
    edited = row._replace(**{column: change(row)})  # type: ignore[arg-type]
    where = found(WHOLE.verify([*WHOLE.entries[:at], edited, *WHOLE.entries[at + 1 :]]))

    assert (at, kind) in where


def reencoded(row: StoredEntry, **changes: str | bytes) -> StoredEntry:
    """Give the row with its bytes edited, its leaf hash made to fit."""
    data = row.data
    for old, new in changes.items():
        before = old.encode()
        assert data.count(before) == 1
        data = data.replace(before, new.encode() if isinstance(new, str) else new)
    return row._replace(data=data, leaf_hash=leaf_hash(data))


@pytest.mark.parametrize("at", range(SIZE))
def test_an_entry_rewritten_with_its_hash_is_found(at: int) -> None:
    """AUD-6.12, AUD-6.5, AUD-6.9: by the tree, and by the next of its stream."""
    row = WHOLE.entries[at]
    edited = reencoded(row, **{'"user":"alice"': '"user":"mallory"'})
    where = found(WHOLE.verify([*WHOLE.entries[:at], edited, *WHOLE.entries[at + 1 :]]))

    later = [r.leaf_index for r in WHOLE.entries[at + 1 :] if r.stream == row.stream]
    assert (None, "head") in where
    assert {place for place, kind in where if kind == "link"} == set(later[:1])


@pytest.mark.parametrize("at", range(SIZE))
def test_an_entry_that_cannot_be_read_is_one_place_and_no_more(at: int) -> None:
    """AUD-6.3: the entries behind it are not blamed."""
    damaged = WHOLE.entries[at]._replace(data=b"{}")
    entries = [*WHOLE.entries[:at], damaged, *WHOLE.entries[at + 1 :]]
    where = found(WHOLE.verify(entries))

    assert {(at, "hash"), (at, "format"), (None, "head")} <= where
    assert {position for position, _ in where} == {at, None}


@pytest.mark.parametrize("at", range(SIZE))
def test_an_entry_inserted_again_under_new_places_is_found(at: int) -> None:
    """AUD-6.12, AUD-6.4: with every later place renumbered."""
    rows = [*WHOLE.entries[: at + 1], *WHOLE.entries[at:]]
    entries = [row._replace(leaf_index=n) for n, row in enumerate(rows)]
    where = found(WHOLE.verify(entries))

    assert (at + 1, "order") in where
    assert (SIZE, "head") in where


def test_an_entry_of_another_ledger_is_found() -> None:
    """AUD-6.3."""
    edited = reencoded(WHOLE.entries[0], **{f'"{LEDGER}"': '"other"'})

    assert (0, "ledger") in found(WHOLE.verify([edited, *WHOLE.entries[1:]]))


def test_time_that_goes_back_in_a_stream_is_found() -> None:
    """AUD-6.6: one microsecond each side."""
    ledger = Ledger()
    ledger.append(
        f"execution:{execution_id(1)}", AuditEventType.TOKEN_VALIDATION, "denied"
    )
    for back, wrong in ((1, False), (2, True)):
        ledger.entries = ledger.entries[:1]
        ledger.now_us = ledger.entries[0].time_us - back
        ledger.append(
            f"execution:{execution_id(1)}", AuditEventType.EXECUTION_DENIED, "denied"
        )
        assert ((1, "time") in found(ledger.verify())) == wrong
        assert len(ledger.verify().findings) == int(wrong)


def test_time_may_go_back_between_streams_and_the_head_keeps_the_latest() -> None:
    """AUD-6.6, AUD-6.9: a clock that went back is not damage."""
    ledger = Ledger()
    ledger.issue(1)
    ledger.now_us -= 1_000_000
    ledger.issue(2)

    assert ledger.head.time_us == ledger.entries[0].time_us
    assert ledger.verify()


def test_an_entry_that_may_not_follow_is_found() -> None:
    """AUD-6.7: even when it is linked, numbered, hashed and in the tree."""
    ledger = a_ledger()
    last = [r for r in ledger.entries if r.stream == f"execution:{execution_id(1)}"][-1]
    draft = draft_entry(
        AuditEventType.OPERATION_ABORTED,
        user_id="alice",
        token_hash=token_hash(1),
        domain="apollo",
        method="analyze_habits",
        status="aborted",
        reason="because",
        reason_code=ReasonCode.INTERRUPTED,
    )
    data = encode_entry(
        draft,
        ledger_id=LEDGER,
        stream=last.stream,
        index=last.index + 1,
        time_us=ledger.now_us,
        prev=last.leaf_hash.hex(),
    )
    place = len(ledger.entries)
    ledger.entries.append(
        StoredEntry(
            place,
            last.stream,
            last.index + 1,
            ledger.now_us,
            "OPERATION_ABORTED",
            "aborted 2/2",
            leaf_hash(data),
            data,
        )
    )
    assert found(ledger.verify()) == {(place, "grammar"), (None, "execution")}


HEADS: list[tuple[Callable[[LedgerHead], LedgerHead], int | None]] = [
    (lambda head: head._replace(size=head.size + 1), SIZE),
    (lambda head: head._replace(size=head.size - 1), SIZE - 1),
    (lambda head: head._replace(root=bytes(32)), None),
    (lambda head: head._replace(time_us=head.time_us + 1), None),
]


@pytest.mark.parametrize(("change", "position"), HEADS)
def test_a_head_of_something_else_is_found(
    change: Callable[[LedgerHead], LedgerHead], position: int | None
) -> None:
    """AUD-6.9."""
    report = verify_ledger(
        WHOLE.entries, ledger_id=LEDGER, head=change(WHOLE.head), frontier=WHOLE.tree
    )

    assert found(report) == {(position, "head")}


def test_a_frontier_of_something_else_is_found() -> None:
    """AUD-6.9."""
    hashes = WHOLE.tree.hashes
    other = Frontier(SIZE, (*hashes[:-1], bytes(32)))
    report = verify_ledger(
        WHOLE.entries, ledger_id=LEDGER, head=WHOLE.head, frontier=other
    )

    assert found(report) == {(None, "head")}


def test_a_ledger_without_rows_is_verified_without_them() -> None:
    """AUD-8: collections that are not kept are not compared."""
    report = verify_ledger(WHOLE.entries, ledger_id=LEDGER, head=WHOLE.head)

    assert report


def with_rows(
    executions: list[Row] | None = None,
    usage: list[Row] | None = None,
    uses: list[Row] | None = None,
) -> set[tuple[str, str]]:
    """Verify the whole ledger with other rows; gives kinds and streams."""
    own = WHOLE.records
    assert own.executions is not None
    assert own.usage is not None
    assert own.uses is not None
    report = verify_ledger(
        WHOLE.entries,
        ledger_id=LEDGER,
        head=WHOLE.head,
        records=Records(
            own.executions if executions is None else executions,
            own.usage if usage is None else usage,
            own.uses if uses is None else uses,
        ),
    )
    return {(each.kind, each.stream) for each in report.findings}


EXECUTIONS = list(WHOLE.executions.values())
USAGE = list(WHOLE.usage.values())
USES = list(WHOLE.records.uses or ())
EXECUTION_EDITS: list[tuple[str, object]] = [
    ("events", 99),
    ("events", "1"),
    ("events", True),
    ("events", None),
    ("last_hash", "0" * 64),
    ("last_hash", None),
    ("trail_state", "validated 0/9"),
    ("trail_state", b""),
    ("state", "other"),
    ("state", None),
    ("token_hash", f"sha256:{'0' * 64}"),
    ("user_id", "mallory"),
    ("user_id", None),
    ("started_us", 0),
    ("started_us", "0"),
]


@pytest.mark.parametrize("at", range(len(EXECUTIONS)))
@pytest.mark.parametrize(("column", "value"), EXECUTION_EDITS)
def test_an_edited_execution_row_is_found(at: int, column: str, value: object) -> None:
    """AUD-8.1."""
    row = EXECUTIONS[at]
    edited: Row = {**row, column: value}  # type: ignore[dict-item]  # hostile
    rows = [*EXECUTIONS[:at], edited, *EXECUTIONS[at + 1 :]]

    assert with_rows(executions=rows) == {
        ("execution", f"execution:{row['execution_id']}")
    }


@pytest.mark.parametrize("at", range(len(EXECUTIONS)))
def test_execution_rows_and_streams_match_one_to_one(at: int) -> None:
    """AUD-8.1: missing, doubled, without a stream, claiming another's state."""
    row = EXECUTIONS[at]
    stream = ("execution", f"execution:{row['execution_id']}")
    other = {**row, "execution_id": execution_id(99)}
    flipped = {"open": "closed", "closed": "open"}[str(row["state"])]

    assert with_rows(executions=EXECUTIONS[:at] + EXECUTIONS[at + 1 :]) == {stream}
    assert with_rows(executions=[*EXECUTIONS, row]) == {stream}
    rows = [*EXECUTIONS[:at], {**row, "state": flipped}, *EXECUTIONS[at + 1 :]]
    assert with_rows(executions=rows) == {stream}
    assert with_rows(executions=[*EXECUTIONS, other]) == {
        ("execution", f"execution:{execution_id(99)}")
    }


@pytest.mark.parametrize("at", range(len(USAGE)))
@pytest.mark.parametrize("column", ["invocations", "units", "reserved", "executions"])
def test_an_edited_usage_row_is_found(at: int, column: str) -> None:
    """AUD-8.3: one more, one less, another type."""
    row = USAGE[at]
    right = row[column]
    assert isinstance(right, int)
    for value in (right + 1, right - 1, str(right), None, float(right)):
        edited: Row = {**row, column: value}  # type: ignore[dict-item]  # hostile
        rows = [*USAGE[:at], edited, *USAGE[at + 1 :]]
        assert with_rows(usage=rows) == {("usage", f"token:{row['token_hash']}")}


def test_usage_rows_and_tokens_match() -> None:
    """AUD-8.3: missing and doubled rows; zeros are allowed where nothing started."""
    zeros: Row = dict.fromkeys(["invocations", "units", "reserved", "executions"], 0)
    first = ("usage", f"token:{USAGE[0]['token_hash']}")

    assert with_rows(usage=USAGE[1:]) == {first}
    assert with_rows(usage=[*USAGE, USAGE[0]]) == {first}
    assert with_rows(usage=[*USAGE, {"token_hash": token_hash(9), **zeros}]) == set()
    nine = {"token_hash": token_hash(9), **zeros, "units": 1}
    assert with_rows(usage=[*USAGE, nine]) == {("usage", f"token:{token_hash(9)}")}


def use_mutants() -> Iterator[list[Row]]:
    for at, row in enumerate(USES):
        before, behind = USES[:at], USES[at + 1 :]
        time_us = row["time_us"]
        assert isinstance(time_us, int)
        yield before + behind
        yield [*before, row, row, *behind]
        yield [*before, {**row, "time_us": time_us + 1}, *behind]
        yield [*before, {**row, "time_us": str(time_us)}, *behind]
        yield [*before, {**row, "execution_id": execution_id(99)}, *behind]
        yield [*before, {**row, "execution_id": None}, *behind]
        yield [*before, {**row, "number": 9}, *behind]
        yield [*before, {**row, "number": "1"}, *behind]
        yield [*before, {**row, "token_hash": token_hash(9)}, *behind]
        yield [*before, {**row, "token_hash": b"x"}, *behind]
    yield [*USES, {**USES[0], "token_hash": token_hash(9)}]
    yield [USES[1], USES[0], *USES[2:]]
    yield []


@pytest.mark.parametrize("rows", list(use_mutants()), ids=range(10 * len(USES) + 3))
def test_edited_use_rows_are_found(rows: list[Row]) -> None:
    """AUD-8.4."""
    assert {kind for kind, _ in with_rows(uses=rows)} == {"use"}


DETAILS: list[tuple[str, dict[str, object]]] = [
    ("started", {}),
    ("started", {"step": 0}),
    ("started", {"reserved": 1}),
    ("started", {"step": 1, "reserved": 100}),
    ("started", {"step": 0, "reserved": -1}),
    ("started", {"step": 0, "reserved": True}),
    ("started", {"step": False, "reserved": 100}),
    ("started", {"step": 0, "reserved": "100"}),
    ("success", {}),
    ("success", {"step": 0}),
    ("success", {"charged": 40}),
    ("success", {"step": 1, "charged": 40}),
    ("success", {"step": 0, "charged": 101}),
    ("success", {"step": 0, "charged": -1}),
    ("success", {"step": 0, "charged": None}),
    ("aborted", {}),
    ("aborted", {"charged": 101}),
    ("foreign", {"step": 0, "charged": 40}),
]


def booked(which: str, details: dict[str, object]) -> set[tuple[int | None, str]]:
    """Verify a plan of one step whose start or end has these details."""
    ledger = Ledger()
    stream = f"execution:{execution_id(1)}"
    ledger.validate(1, steps=1)
    ledger.append(stream, AuditEventType.AUTHORIZATION_SCOPE_CHECK, "success")
    ledger.append(stream, AuditEventType.RESOURCE_LIMIT_CHECK, "success")
    start = details if which == "started" else {"step": 0, "reserved": 100}
    ledger.append(stream, AuditEventType.EXECUTION_STARTED, "started", details=start)
    if which in {"success", "foreign"}:
        ledger.append(
            stream,
            AuditEventType.EXECUTION_COMPLETED,
            "success",
            token_hash=token_hash(2 if which == "foreign" else 1),
            details=details,
        )
    if which == "aborted":
        kind = AuditEventType.OPERATION_ABORTED
        ledger.append(stream, kind, "aborted", details=details)
    report = verify_ledger(
        ledger.entries,
        ledger_id=LEDGER,
        head=ledger.head,
        records=Records(usage=()),
    )
    return {pair for pair in found(report) if pair[1] == "details"}


@pytest.mark.parametrize(("which", "details"), DETAILS)
def test_numbers_that_cannot_be_are_found(
    which: str, details: dict[str, object]
) -> None:
    """AUD-8.2."""
    assert booked(which, details) == {(3 if which == "started" else 4, "details")}


@pytest.mark.parametrize(
    ("which", "details"),
    [
        ("started", {"step": 0, "reserved": 0}),
        ("success", {"step": 0, "charged": 100}),
        ("success", {"step": 0, "charged": 0}),
        ("aborted", {"charged": 100}),
        ("aborted", {"step": None, "charged": 0}),
    ],
)
def test_numbers_at_their_bounds_are_accepted(
    which: str, details: dict[str, object]
) -> None:
    """AUD-8.2: the other side of the bounds."""
    assert booked(which, details) == set()


def test_a_report_is_bounded() -> None:
    """AUD-6.11: exactly at the bound nothing is omitted."""

    def rows(count: int) -> list[Row]:
        return [{"execution_id": execution_id(n)} for n in range(count)]

    for count in (MAX_FINDINGS, MAX_FINDINGS + 1):
        report = verify_ledger(
            [],
            ledger_id=LEDGER,
            head=Ledger().head,
            records=Records(executions=rows(count)),
        )
        assert len(report.findings) == MAX_FINDINGS
        assert report.omitted == count - MAX_FINDINGS
        assert not report


def test_progress_is_told_and_ends_at_the_size() -> None:
    """Anything over a second can show how far it is."""
    told: list[tuple[int, int]] = []
    verify_ledger(
        (WHOLE.entries[0] for _ in range(2500)),
        ledger_id=LEDGER,
        head=WHOLE.head,
        progress=lambda done, total: told.append((done, total)),
    )

    assert told == [(1024, SIZE), (2048, SIZE), (2500, SIZE)]


def test_memory_grows_with_streams_and_not_with_entries() -> None:
    """W10: twenty times the entries of one stream, the same memory."""

    def endless(count: int) -> Iterator[StoredEntry]:
        prev, kind = "", AuditEventType.TOKEN_ISSUED
        for n in range(count):
            draft = draft_entry(
                kind,
                user_id="alice",
                token_hash=token_hash(1),
                domain="d",
                method="m",
                status="success",
            )
            data = encode_entry(
                draft,
                ledger_id=LEDGER,
                stream="platform",
                index=n,
                time_us=n,
                prev=prev,
            )
            leaf = leaf_hash(data)
            prev = leaf.hex()
            yield StoredEntry(n, "platform", n, n, kind.value, "x", leaf, data)

    def peak(count: int) -> int:
        tracemalloc.start()
        verify_ledger(endless(count), ledger_id=LEDGER, head=Ledger().head)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak_bytes

    peak(1_500)
    assert peak(20_000) < 2 * peak(1_500) + 100_000


CLOSED = [row for row in EXECUTIONS if row["state"] == "closed"]


@pytest.mark.parametrize("row", CLOSED, ids=lambda row: str(row["execution_id"])[-2:])
@pytest.mark.parametrize(
    "outcome",
    [
        None,
        b"{}",
        "",
        "[]",
        "{}",
        '{"success":1}',
        '{"code":"TOKEN_REVOKED","success":false}',
        '{"code":"INTERRUPTED","success":true}',
        '{"code":null,"success":false}',
        '{ "success": true }',
        "\ud800",
    ],
)
def test_an_edited_outcome_is_found(row: Row, outcome: object) -> None:
    """AUD-8.1: a repeated id is answered with it, so it must be the record's."""
    edited: Row = {**row, "outcome": outcome}  # type: ignore[dict-item]  # hostile
    rows = [edited if each is row else each for each in EXECUTIONS]

    assert with_rows(executions=rows) == {
        ("execution", f"execution:{row['execution_id']}")
    }


def test_the_opposite_outcome_is_found() -> None:
    """AUD-8.1: a success made of a failure, and the reverse."""
    for row in CLOSED:
        failed = '{"code":"INTERRUPTED","success":false}'
        other = failed if row["outcome"] == '{"success":true}' else '{"success":true}'
        rows = [
            {**row, "outcome": other} if each is row else each for each in EXECUTIONS
        ]
        assert with_rows(executions=rows)
