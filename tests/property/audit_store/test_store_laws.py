"""Laws of the store: it is what a plain model says, and nobody can latch it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import AuditError, DuplicateKeyError, MissingKeyError
from audit.log import AuditEventLog
from audit.store.interface import Store, Value, WriteTransaction
from audit.store.opening import open_store
from tests.conformance.store_samples import (
    FACT,
    RUN,
    FakeClock,
    denied,
    execution,
    key_added,
)


class Stop(Exception):  # noqa: N818  # it is no error
    """Ends a block of which nothing may remain."""


@dataclass
class Model:
    """What a store must hold, the obvious way."""

    platform: int = 0
    executions: list[str] = field(default_factory=list)
    runs: dict[str, int] = field(default_factory=dict)
    facts: set[tuple[str, int]] = field(default_factory=set)

    def copy(self) -> "Model":
        """Give another one that is equal."""
        return Model(self.platform, [*self.executions], {**self.runs}, {*self.facts})


Step = Callable[[WriteTransaction, Model], None]
names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4
)
numbers = st.integers(-(2**63), 2**63 - 1)


def append_platform(count: int) -> Step:
    def step(tx: WriteTransaction, model: Model) -> None:
        tx.append("platform", [key_added()] * count, expected_size=model.platform)
        model.platform += count

    return step


def append_denied(number: int) -> Step:
    def step(tx: WriteTransaction, model: Model) -> None:
        stream = execution(number)
        try:
            tx.append(stream, [denied()])
        except AuditError:
            assert stream in model.executions
        else:
            model.executions.append(stream)

    return step


def insert_run(name: str, count: int) -> Step:
    def step(tx: WriteTransaction, model: Model) -> None:
        row = {"run_id": name, "state": "open", "count": count, "salt": None}
        try:
            tx.insert(RUN, row)
        except DuplicateKeyError:
            assert name in model.runs
        else:
            model.runs[name] = count

    return step


def update_run(name: str, count: int) -> Step:
    def step(tx: WriteTransaction, model: Model) -> None:
        try:
            tx.update(RUN, (name,), {"count": count})
        except MissingKeyError:
            assert name not in model.runs
        else:
            model.runs[name] = count

    return step


def insert_fact(subject: str, number: int) -> Step:
    def step(tx: WriteTransaction, model: Model) -> None:
        try:
            tx.insert(FACT, {"subject": subject, "number": number, "note": None})
        except DuplicateKeyError:
            assert (subject, number) in model.facts
        else:
            model.facts.add((subject, number))

    return step


steps = st.one_of(
    st.builds(append_platform, st.integers(0, 3)),
    st.builds(append_denied, st.integers(0, 5)),
    st.builds(insert_run, names, numbers),
    st.builds(update_run, names, numbers),
    st.builds(insert_fact, names, numbers),
)
blocks = st.lists(st.tuples(st.lists(steps, max_size=6), st.booleans()), max_size=8)


@settings(max_examples=100)
@given(blocks)
def test_a_store_holds_what_its_model_holds(
    script: list[tuple[list[Step], bool]],
) -> None:
    """STO-1.2, STO-3.1, STO-3.6, STO-3.7."""
    with open_store("memory:", clock=FakeClock()) as store:
        store.declare(RUN, FACT)
        model = Model()
        for block, fails in script:
            tried = model.copy()
            try:
                with store.write(authority="exclusive") as tx:
                    for step in block:
                        step(tx, tried)
                    stop_if(fails)
                model = tried
            except Stop:
                pass
            compare(store, model)
        assert AuditEventLog(store).verify()


def stop_if(condition: bool) -> None:  # noqa: FBT001  # it says what it takes
    if condition:
        raise Stop


def compare(store: Store, model: Model) -> None:
    with store.read() as tx:
        rows = tx.entries()
        streams = [row.stream for row in rows if row.stream != "platform"]
        assert tx.head().size == len(rows) == model.platform + len(streams)
        assert streams == model.executions
        runs = [(row["run_id"], row["count"]) for row in tx.scan(RUN)]
        assert runs == sorted(model.runs.items())
        facts = [(row["subject"], row["number"]) for row in tx.scan(FACT)]
        assert facts == sorted(model.facts)


anything: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs"]), max_size=3)
    | st.binary()
    | st.just("x" * 2_000_000)
    | st.just(b"x" * 2_000_000),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=150)
@given(anything, anything, anything)
def test_no_value_latches_a_store(first: object, second: object, third: object) -> None:
    """STO-3.8, STO-6.1: the errors are ours, and the block can be committed."""
    with open_store("memory:", clock=FakeClock()) as store:
        store.declare(RUN, FACT)
        with store.write(authority="exclusive") as tx:
            for use in uses(tx, first, second, third):
                try:
                    use()
                except AuditError:
                    continue
            tx.append("platform", [key_added()])
        assert store.latch is None
        for name in (first, second, third):
            try:
                store.hold(name).close()  # type: ignore[arg-type]  # anything
                store.is_held(name)  # type: ignore[arg-type]  # anything
            except AuditError:
                continue
        assert store.latch is None
        assert AuditEventLog(store).verify()


def uses(
    tx: WriteTransaction, first: object, second: object, third: object
) -> list[Callable[[], object]]:
    """Every call of a transaction, with anything in the place of values."""
    key: tuple[Value, ...] = (first, second)  # type: ignore[assignment]  # anything
    values: dict[str, Value] = {"state": first, "count": second, "salt": third}  # type: ignore[dict-item]  # anything
    value: str = third  # type: ignore[assignment]  # anything
    number: int = first  # type: ignore[assignment]  # anything
    return [
        lambda: tx.insert(RUN, {"run_id": value, **values}),
        lambda: tx.insert(FACT, {"subject": value, "number": number, "note": None}),
        lambda: tx.update(RUN, (value,), values),
        lambda: tx.update(RUN, key, {"count": number}),
        lambda: tx.get(FACT, *key),
        lambda: tx.get(RUN, value),
        lambda: tx.scan(FACT, {"subject": value, "number": number}),
        lambda: tx.scan(FACT, after=key, limit=number),
        lambda: tx.scan(RUN, values, descending=True),
        lambda: tx.append(value, [denied()]),
        lambda: tx.append("platform", [key_added()], time_us=number),
        lambda: tx.append("platform", [key_added()], expected_size=number),
        lambda: tx.stream_head(value),
        lambda: tx.stream_entries(value, number),
        lambda: tx.entries(number, 1),
        lambda: tx.collection(value),
    ]


@settings(max_examples=100)
@given(st.text(st.characters()), st.lists(st.text(st.characters()), max_size=5))
def test_any_text_can_be_the_reason_of_a_latch(reason: str, lost: list[str]) -> None:
    """STO-6.4."""
    with open_store("memory:", clock=FakeClock()) as store:
        store.raise_latch(reason, lost)

        latch = store.latch
        assert latch is not None
        assert latch.reason.isascii()
        assert latch.reason == "" or latch.reason.isprintable()
        store.lift_latch()
        assert store.latch is None
