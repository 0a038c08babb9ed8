"""Every store: records by key, scans, what is refused before it is stored."""

from collections.abc import Callable

import pytest

from audit.errors import (
    DuplicateKeyError,
    EntryRefusedError,
    LedgerFormatError,
    MissingKeyError,
)
from audit.store.interface import (
    MAX_KEY_BYTES,
    MAX_VALUE_BYTES,
    Collection,
    Column,
    Index,
    Record,
    Store,
    Value,
)
from tests.conformance.store_samples import FACT, RUN


def run(name: str, state: str = "open", count: int = 0) -> Record:
    return {"run_id": name, "state": state, "count": count, "salt": b"\x00\xff"}


def fact(subject: str, number: int, note: str | None = None) -> Record:
    return {"subject": subject, "number": number, "note": note}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a",
        "é",
        "\U0010ffff",
        "'; DROP TABLE run; --",
        '"',
        "?",
        "%s $1 \\",
        "x" * MAX_KEY_BYTES,
        "é" * (MAX_KEY_BYTES // 2),
    ],
    ids=lambda text: f"{len(text)} characters",
)
def test_text_comes_back_as_it_was(store: Store, text: str) -> None:
    longest = text + "x" * (MAX_VALUE_BYTES - len(text.encode()))
    with store.write() as tx:
        tx.insert(FACT, fact(text, 1, text))
        tx.insert(FACT, fact(text, 2, longest))

    with store.read() as tx:
        assert tx.get(FACT, text, 1) == fact(text, 1, text)
        assert tx.get(FACT, text, 2) == fact(text, 2, longest)


@pytest.mark.parametrize(
    "text", ["x" * (MAX_KEY_BYTES + 1), "é" * (MAX_KEY_BYTES // 2 + 1)]
)
def test_what_no_index_has_room_for_is_not_stored(store: Store, text: str) -> None:
    """STO-3.8: but it may be looked for, and is not found."""
    with store.write() as tx:
        with pytest.raises(EntryRefusedError):
            tx.insert(FACT, fact(text, 1))
        assert tx.get(FACT, text, 1) is None
        assert tx.scan(FACT, {"subject": text}) == []


@pytest.mark.parametrize("number", [0, 1, -1, 2**63 - 1, -(2**63)])
def test_integers_come_back_as_they_were(store: Store, number: int) -> None:
    with store.write() as tx:
        tx.insert(FACT, fact("a", number))

    with store.read() as tx:
        assert tx.get(FACT, "a", number) == fact("a", number)


@pytest.mark.parametrize("blob", [b"", b"\x00", b"x" * MAX_VALUE_BYTES, None])
def test_blobs_come_back_as_they_were(store: Store, blob: bytes | None) -> None:
    with store.write() as tx:
        tx.insert(RUN, {**run("a"), "salt": blob})

    with store.read() as tx:
        assert tx.get(RUN, "a") == {**run("a"), "salt": blob}


def test_a_key_is_inserted_once(store: Store) -> None:
    """STO-3.6."""
    with store.write() as tx:
        tx.insert(RUN, run("a"))
        with pytest.raises(DuplicateKeyError):
            tx.insert(RUN, run("a", "closed"))
        tx.insert(RUN, run("b"))

    with store.read() as tx:
        assert [row["state"] for row in tx.scan(RUN)] == ["open", "open"]


def test_an_update_changes_what_it_names(store: Store) -> None:
    with store.write() as tx:
        tx.insert(RUN, run("a"))
        tx.insert(RUN, run("b"))
    with store.write() as tx:
        tx.update(RUN, ("a",), {"count": 5, "salt": None})
        tx.update(RUN, ("a",), {"state": "closed"})

    with store.read() as tx:
        assert tx.get(RUN, "a") == {**run("a", "closed", 5), "salt": None}
        assert tx.get(RUN, "b") == run("b")


def test_an_update_needs_its_record(store: Store) -> None:
    """STO-3.6."""
    with store.write() as tx, pytest.raises(MissingKeyError):
        tx.update(RUN, ("a",), {"count": 1})


@pytest.mark.parametrize(
    "changes",
    [{}, {"run_id": "b"}, {"count": 1, "run_id": "b"}, {"nothing": 1}, {"count": None}],
)
def test_a_change_names_columns_that_are_not_of_the_key(
    store: Store, changes: dict[str, Value]
) -> None:
    with store.write() as tx:
        tx.insert(RUN, run("a"))
        with pytest.raises(EntryRefusedError):
            tx.update(RUN, ("a",), changes)


def test_an_insert_only_record_is_never_changed(store: Store) -> None:
    """STO-3.5."""
    with store.write() as tx:
        tx.insert(FACT, fact("a", 1))
        with pytest.raises(EntryRefusedError):
            tx.update(FACT, ("a", 1), {"note": "another"})


def test_a_scan_is_in_key_order(store: Store) -> None:
    """STO-3.7."""
    keys = [("b", 1), ("a", 10), ("a", 9), ("\U00010000", 0), ("\uffff", 0), ("a", -1)]
    with store.write() as tx:
        for subject, number in keys:
            tx.insert(FACT, fact(subject, number))

    with store.read() as tx:
        found = [(row["subject"], row["number"]) for row in tx.scan(FACT)]
        falling = [
            (row["subject"], row["number"]) for row in tx.scan(FACT, descending=True)
        ]
    assert found == sorted(keys)
    assert falling == sorted(keys, reverse=True)


def test_a_scan_goes_on_after_a_key(store: Store) -> None:
    """STO-3.7."""
    with store.write() as tx:
        for number in range(5):
            tx.insert(FACT, fact("a", number))
        tx.insert(FACT, fact("b", 0))

    def numbers(rows: list[Record]) -> list[Value]:
        return [row["number"] for row in rows]

    with store.read() as tx:
        assert numbers(tx.scan(FACT, limit=2)) == [0, 1]
        assert numbers(tx.scan(FACT, after=("a", 1), limit=2)) == [2, 3]
        assert numbers(tx.scan(FACT, after=("a", 4))) == [0]
        assert tx.scan(FACT, after=("b", 0)) == tx.scan(FACT, limit=0) == []
        down = tx.scan(FACT, {"subject": "a"}, after=("a", 2), descending=True)
        assert numbers(down) == [1, 0]


def test_a_scan_keeps_to_its_filter(store: Store) -> None:
    """STO-3.7: also where the filter is the constant of a partial index."""
    with store.write() as tx:
        tx.insert(RUN, run("a", "open", 1))
        tx.insert(RUN, run("b", "closed", 1))
        tx.insert(RUN, {**run("c", "open", 2), "salt": None})

    def names(where: dict[str, Value]) -> list[Value]:
        return [row["run_id"] for row in tx.scan(RUN, where)]

    with store.read() as tx:
        assert names({"state": "open"}) == ["a", "c"]
        assert names({"state": "closed"}) == ["b"]
        assert names({"state": "open", "count": 1}) == ["a"]
        assert names({"salt": None}) == ["c"]
        assert names({"state": "nowhere"}) == names({"state": None}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "lone \ud800 surrogate",
        "a \0 in it",
        "x" * (MAX_VALUE_BYTES + 1),
        "é" * (MAX_VALUE_BYTES // 2 + 1),
        b"bytes",
        1,
        True,
        None,
        1.5,
        [],
        type("Text", (str,), {})("a subclass"),
    ],
    ids=lambda value: f"{type(value).__name__} of {len(str(value))}",
)
def test_what_no_text_column_can_hold_is_refused(store: Store, wrong: str) -> None:
    """STO-3.8, STO-6.1: wherever it is given, and nothing is latched."""
    with store.write() as tx:
        tx.insert(FACT, fact("a", 1))
        for use in (
            lambda: tx.insert(FACT, fact(wrong, 1)),
            lambda: tx.get(FACT, wrong, 1),
            lambda: tx.scan(FACT, after=(wrong, 1)),
            lambda: tx.insert(RUN, run("b", wrong)),
            lambda: tx.update(RUN, (wrong,), {"count": 1}),
        ):
            with pytest.raises(EntryRefusedError):
                use()
        if wrong is not None:
            with pytest.raises(EntryRefusedError):
                tx.scan(FACT, {"subject": wrong})

    assert store.latch is None


@pytest.mark.parametrize("wrong", [2**63, -(2**63) - 1, True, 1.0, "1", None])
def test_what_no_integer_column_can_hold_is_refused(store: Store, wrong: int) -> None:
    """STO-3.8."""
    with store.write() as tx:
        with pytest.raises(EntryRefusedError):
            tx.insert(FACT, fact("a", wrong))
        with pytest.raises(EntryRefusedError):
            tx.get(FACT, "a", wrong)


@pytest.mark.parametrize(
    "wrong", ["text", 1, b"x" * (MAX_VALUE_BYTES + 1), bytearray()]
)
def test_what_no_blob_column_can_hold_is_refused(store: Store, wrong: bytes) -> None:
    """STO-3.8."""
    with store.write() as tx, pytest.raises(EntryRefusedError):
        tx.insert(RUN, {**run("a"), "salt": wrong})


def test_a_record_has_exactly_its_columns(store: Store) -> None:
    with store.write() as tx:
        for wrong in ({"subject": "a", "number": 1}, {**fact("a", 1), "more": 1}, {}):
            with pytest.raises(EntryRefusedError):
                tx.insert(FACT, wrong)


@pytest.mark.parametrize("key", [(), ("a",), ("a", 1, 2)])
def test_a_key_has_exactly_its_values(store: Store, key: tuple[Value, ...]) -> None:
    with store.read() as tx:
        with pytest.raises(EntryRefusedError):
            tx.get(FACT, *key)
        with pytest.raises(EntryRefusedError):
            tx.scan(FACT, after=key)


@pytest.mark.parametrize("name", ["nothing", "sub\ud800ject", 'subject" = 1 OR "a', 5])
def test_a_filter_names_columns(store: Store, name: str) -> None:
    with store.read() as tx, pytest.raises(EntryRefusedError):
        tx.scan(FACT, {name: "a"})


@pytest.mark.parametrize("limit", [-1, 2**63, True, "1"])
def test_a_limit_is_a_natural_number(store: Store, limit: int) -> None:
    with store.read() as tx, pytest.raises(EntryRefusedError):
        tx.scan(FACT, limit=limit)


def test_what_is_read_is_fresh(store: Store) -> None:
    """STO-3.10."""
    given = run("a")
    with store.write() as tx:
        tx.insert(RUN, given)
    given["state"] = "changed"

    with store.read() as tx:
        first = tx.get(RUN, "a")
        assert first == run("a")
        first["state"] = "changed"
        assert tx.get(RUN, "a") == run("a")
        tx.scan(RUN)[0]["state"] = "changed"
        assert tx.scan(RUN) == [run("a")]


def test_declaring_again_is_harmless(store: Store) -> None:
    """STO-3.9."""
    with store.write() as tx:
        tx.insert(RUN, run("a"))
    store.declare(RUN, FACT, RUN)

    with store.read() as tx:
        assert tx.scan(RUN) == [run("a")]


def test_a_collection_cannot_change_its_shape(store: Store) -> None:
    """STO-3.9."""
    for other in (
        Collection("fact", FACT.key, FACT.columns),
        Collection("fact", ("subject",), FACT.columns, insert_only=True),
        Collection("fact", FACT.key, FACT.columns[::-1], insert_only=True),
        Collection(
            "fact", FACT.key, FACT.columns, (Index(("note",)),), insert_only=True
        ),
    ):
        with pytest.raises(LedgerFormatError):
            store.declare(other)
        with store.read() as tx, pytest.raises(EntryRefusedError):
            tx.scan(other)


def test_a_collection_is_used_after_it_was_declared(store: Store) -> None:
    """STO-3.9."""
    other = Collection("other", ("name",), (Column("name", "text"),))
    with store.write() as tx:
        with pytest.raises(EntryRefusedError):
            tx.get(other, "a")
        with pytest.raises(EntryRefusedError):
            tx.get("run", "a")  # type: ignore[arg-type]  # wrong on purpose

    store.declare(other)
    with store.write() as tx:
        tx.insert(other, {"name": "a"})


COLUMN = Column("name", "text")


@pytest.mark.parametrize(
    "wrong",
    [
        Collection("", ("name",), (COLUMN,)),
        Collection("Run", ("name",), (COLUMN,)),
        Collection("a b", ("name",), (COLUMN,)),
        Collection("x" * 41, ("name",), (COLUMN,)),
        Collection("entry", ("name",), (COLUMN,)),
        Collection("head", ("name",), (COLUMN,)),
        Collection("meta", ("name",), (COLUMN,)),
        Collection("sqlite_x", ("name",), (COLUMN,)),
        Collection("other", (), (COLUMN,)),
        Collection("other", ("name", "name"), (COLUMN,)),
        Collection("other", ("missing",), (COLUMN,)),
        Collection("other", ("name",), (COLUMN, COLUMN)),
        Collection("other", ("name",), (Column("name", "text", nullable=True),)),
        Collection("other", ("name",), (Column("name", "float"),)),  # type: ignore[arg-type]
        Collection("other", ('n"',), (Column('n"', "text"),)),
        Collection("other", ("name",), (COLUMN,), (Index(()),)),
        Collection("other", ("name",), (COLUMN,), (Index(("missing",)),)),
        Collection("other", ("name",), (COLUMN,), (Index(("name",), (("x", 1),)),)),
        Collection("other", ("name",), (COLUMN,), (Index(("name",), (("name", 1),)),)),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(
    store: Store, wrong: Collection
) -> None:
    with pytest.raises(EntryRefusedError):
        store.declare(wrong)
    assert store.latch is None


@pytest.mark.parametrize("name", ["x" * 40, "order", "select", "a_1"])
def test_any_lower_case_word_names_a_collection(store: Store, name: str) -> None:
    value = "it's"
    made = Collection(
        name, ("key",), (Column("key", "text"),), (Index(("key",), (("key", value),)),)
    )
    store.declare(made)

    with store.write() as tx:
        tx.insert(made, {"key": value})
        assert tx.scan(made, {"key": value}) == [{"key": value}]
        assert tx.collection(name) == made


def test_a_collection_is_found_by_name(
    store: Store, reopen: Callable[[], Store]
) -> None:
    """STO-3.9: a handle that declared nothing finds what another declared."""
    with store.write() as tx:
        tx.insert(RUN, run("a"))

    with reopen().read() as tx:
        found = tx.collection("run")
        assert found == RUN
        assert tx.scan(RUN) == [run("a")]
        assert tx.collection("nothing") is None
        for wrong in ("\ud800", 5):
            with pytest.raises(EntryRefusedError):
                tx.collection(wrong)  # type: ignore[arg-type]  # wrong on purpose
