"""Laws of verification: whole ledgers pass, damaged ones do not, nothing raises."""

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.records import LedgerHead, StoredEntry
from audit.verification import Records, verify_ledger
from tests.oracles.ledger_builder import LEDGER, Ledger, a_ledger, execution_id

WHOLE = a_ledger()
HOSTILE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-2, 50)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=40)
    | st.sampled_from([value for row in WHOLE.entries for value in row])
)
ROWS = st.dictionaries(
    st.sampled_from(
        [
            "execution_id",
            "token_hash",
            "number",
            "time_us",
            "events",
            "last_hash",
            "trail_state",
            "outcome",
            "user_id",
            "started_us",
            "state",
            "invocations",
            "units",
            "reserved",
            "executions",
        ]
    ),
    HOSTILE | st.sampled_from([execution_id(n) for n in range(9)]),
)
ACTIONS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(1, 3),
        st.sampled_from(["success", "failed", "aborted", "open", "validated"]),
    ),
    max_size=6,
)


def played(actions: list[tuple[int, int, str]]) -> Ledger:
    """Play plans of these tokens, step counts and endings."""
    ledger = Ledger()
    for number, (token, steps, ending) in enumerate(actions):
        if ending == "success":
            ledger.plan(number, token, steps)
            continue
        ledger.validate(number, token, steps)
        if ending != "validated":
            ledger.start(number, token, 0)
        if ending in {"failed", "aborted"}:
            ledger.finish(number, token, 0, ending)
    return ledger


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_whatever_was_written_by_the_rules_is_whole(
    actions: list[tuple[int, int, str]],
) -> None:
    """AUD-6.12: no finding without damage, rows included (AUD-8.1 to AUD-8.4)."""
    assert played(actions).verify().findings == ()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_single_change_of_any_column_is_found(data: st.DataObject) -> None:
    """AUD-6.12."""
    at = data.draw(st.integers(0, len(WHOLE.entries) - 1))
    column = data.draw(st.sampled_from(StoredEntry._fields))
    value = data.draw(HOSTILE)
    row = WHOLE.entries[at]
    before = getattr(row, column)
    edited = row._replace(**{column: value})  # type: ignore[arg-type]  # hostile
    report = WHOLE.verify([*WHOLE.entries[:at], edited, *WHOLE.entries[at + 1 :]])

    is_same = type(value) is type(before) and value == before
    assert bool(report) == is_same
    assert is_same or at in {each.position for each in report.findings}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_single_change_of_any_byte_is_found_at_its_place(
    data: st.DataObject,
) -> None:
    """AUD-6.12, AUD-6.2."""
    at = data.draw(st.integers(0, len(WHOLE.entries) - 1))
    row = WHOLE.entries[at]
    where = data.draw(st.integers(0, len(row.data) - 1))
    flipped = row.data[where] ^ data.draw(st.integers(1, 255))
    edited = row._replace(
        data=row.data[:where] + bytes([flipped]) + row.data[where + 1 :]
    )
    report = WHOLE.verify([*WHOLE.entries[:at], edited, *WHOLE.entries[at + 1 :]])

    assert at in {each.position for each in report.findings}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.builds(StoredEntry, *[HOSTILE] * 8)  # type: ignore[arg-type]  # hostile
        | st.sampled_from(WHOLE.entries)
        | st.builds(
            lambda row, column, value: row._replace(**{column: value}),
            st.sampled_from(WHOLE.entries),
            st.sampled_from(StoredEntry._fields),
            HOSTILE,
        ),
        max_size=8,
    ),
    st.builds(LedgerHead, HOSTILE, HOSTILE, HOSTILE),  # type: ignore[arg-type]
    st.lists(ROWS, max_size=3),
)
def test_nothing_that_a_store_could_hold_makes_verification_raise(
    entries: list[StoredEntry],
    head: LedgerHead,
    rows: list[dict[str, str | int | bytes | None]],
) -> None:
    """AUD-6.10, AUD-6.11: hostile rows, heads and bytes become findings."""
    report = verify_ledger(
        entries,
        ledger_id=LEDGER,
        head=head,
        records=Records(rows, rows, rows),
    )

    assert report.entries == len(entries)
    for each in report.findings:
        shown = f"{each.stream}{each.kind}{each.message}"
        assert shown.isascii()
        assert shown.isprintable()
        assert len(shown) < 512
        assert each.position is None or type(each.position) is int
