"""The fold over hand-made platform streams: what it believes, what stops it."""

from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from audit.entry import draft_entry, encode_entry
from audit.events import PlatformEventType
from audit.merkle import leaf_hash
from audit.records import StoredEntry, StreamHead
from audit.store.looks import next_look
from tests.oracles.token_world import START_US, named_key
from tokens.errors import RegistryIntegrityError
from tokens.format.chain import text_digest
from tokens.format.statements import (
    Origin,
    PlatformStatement,
    RevocationStatement,
    sign_platform_statement,
    sign_revocation_statement,
)
from tokens.keys import SigningKey, VerificationKey
from tokens.state.collections import KEY
from tokens.state.platform_fold import PlatformItem, fold_platform
from tokens.state.platform_reader import SETTLED_KEPT, PlatformReader
from tokens.state.platform_state import EMPTY_PLATFORM, PlatformState

LEDGER = "test-ledger"
SECOND = 1_000_000
REVOKE, PAUSE, ISSUE = (
    named_key("revoke", "revoke"),
    named_key("pause", "pause"),
    named_key("issue"),
)
Details = dict[str, str | int | None]


class Stream:
    """Builds a stream entry by entry, honest in bytes, dishonest where asked."""

    def __init__(self) -> None:
        self.items: list[PlatformItem] = []

    def add(
        self,
        kind: PlatformEventType,
        details: Mapping[str, str | int | None],
        record: Mapping[str, str | int | None] | None,
    ) -> "Stream":
        """Append one entry with the record that lies beside it."""
        index = len(self.items)
        draft = draft_entry(
            kind,
            user_id="admin",
            token_hash="-",  # noqa: S106  # no token is meant
            domain="system",
            method="m",
            status="success",
            details=dict(details),
        )
        data = encode_entry(
            draft,
            ledger_id=LEDGER,
            stream="platform",
            index=index,
            time_us=START_US + index,
            prev=self.items[-1].stored.leaf_hash.hex() if self.items else "",
        )
        stored = StoredEntry(
            index, "platform", index, START_US + index, kind.value, "running",
            leaf_hash(data), data,
        )  # fmt: skip
        self.items.append(
            PlatformItem(stored, None if record is None else dict(record))
        )
        return self

    def key(
        self,
        key: VerificationKey,
        kind: PlatformEventType = PlatformEventType.KEY_ADDED,
    ) -> "Stream":
        """Append a key event without a root's statement."""
        fields: Details = {
            "kid": key.kid,
            "purpose": key.purpose,
            "x": key.x,
            "not_before_s": key.not_before_s,
            "not_after_s": key.not_after_s,
            "state": key.state,
            "statement": None,
        }
        return self.add(kind, fields, {**fields, "sequence": len(self.items)})

    def changed(self, key: VerificationKey, state: str) -> "Stream":
        """Append a change of a key's state."""
        return self.key(in_state(key, state), PlatformEventType.KEY_STATE_CHANGED)

    def revoked(
        self,
        *,
        says: tuple[str, str] = ("user", "alice"),
        signs: tuple[str, str] = ("user", "alice"),
        offset: int = 0,
        digest: str | None = None,
        signer: SigningKey = REVOKE,
    ) -> "Stream":
        """Append a revocation; entry and statement may differ."""
        origin = origin_at(len(self.items) + offset)
        text = sign_revocation_statement(
            RevocationStatement(origin=origin, kind=signs[0], value=signs[1]), signer
        )
        return self.add(
            PlatformEventType.SELECTOR_REVOKED,
            {
                "kind": says[0],
                "value": says[1],
                "statement": digest or text_digest(text),
            },
            {"sequence": len(self.items), "statement": text},
        )

    def turned(
        self, says: str, *, signs: str | None = None, offset: int = 0
    ) -> "Stream":
        """Append a pause or resumption; entry and statement may differ."""
        origin = origin_at(len(self.items) + offset)
        text = sign_platform_statement(
            PlatformStatement(origin=origin, action=signs or says), PAUSE
        )
        kind = PlatformEventType[f"PLATFORM_{says.upper()}D"]
        return self.add(
            kind,
            {"statement": text_digest(text)},
            {"sequence": len(self.items), "statement": text},
        )

    def folded(self, base: PlatformState = EMPTY_PLATFORM) -> PlatformState:
        """Fold what follows ``base``."""
        rest = self.items[base.size :]
        return fold_platform(base, rest, ledger_id=LEDGER, root=None)


def in_state(key: VerificationKey, state: str) -> VerificationKey:
    return VerificationKey(kid=key.kid, x=key.x, purpose=key.purpose, state=state)


def origin_at(sequence: int) -> Origin:
    return Origin(
        ledger_id=LEDGER,
        sequence=sequence,
        reason="r",
        by="admin",
        issued_at_s=START_US // SECOND,
    )


def with_keys() -> Stream:
    return Stream().key(REVOKE.public).key(PAUSE.public).key(ISSUE.public)


def test_an_honest_stream_is_believed() -> None:
    state = (
        with_keys()
        .revoked()
        .turned("pause")
        .add(PlatformEventType.RECOVERED, {}, None)
        .turned("resume")
        .revoked(says=("all", _ledger("")), signs=("all", ""))
        .folded()
    )

    assert set(state.keys) == {REVOKE.kid, PAUSE.kid, ISSUE.kid}
    assert dict(state.revoked_users) == {"alice": 3}
    assert (state.paused, state.turned, state.all_revoked) == (False, 6, (7, 7))


def _ledger(text: str) -> str:
    return text or text_digest("") + "+0"


def test_folding_in_two_parts_gives_the_same() -> None:
    """AUT-5.2."""
    stream = with_keys().revoked().turned("pause").turned("resume")
    whole = stream.folded()

    for size in range(len(stream.items) + 1):
        part = fold_platform(
            EMPTY_PLATFORM, stream.items[:size], ledger_id=LEDGER, root=None
        )
        assert stream.folded(part) == whole


DISHONEST = {
    "statement for an earlier place": lambda: with_keys().revoked(offset=-1),
    "statement for a later place": lambda: with_keys().revoked(offset=1),
    "another digest": lambda: with_keys().revoked(digest="sha256:" + "0" * 64),
    "another value": lambda: with_keys().revoked(says=("user", "bob")),
    "another kind": lambda: with_keys().revoked(says=("issuer", "alice")),
    "a single token": lambda: with_keys().revoked(
        says=("token", "sha256:" + "0" * 64), signs=("token", "sha256:" + "0" * 64)
    ),
    "a key nobody added": lambda: Stream().key(PAUSE.public).revoked(),
    "a retired signer": lambda: (
        with_keys().changed(REVOKE.public, "verify-only").revoked()
    ),
    "a prepublished signer": lambda: (
        Stream().key(in_state(REVOKE.public, "prepublished")).revoked()
    ),
    "paused twice": lambda: with_keys().turned("pause").turned("pause"),
    "resumed without a pause": lambda: with_keys().turned("resume"),
    "a resumption signed as a pause": lambda: (
        with_keys().turned("pause").turned("resume", signs="pause")
    ),
    "an old resumption": lambda: (
        with_keys().turned("pause").turned("resume", offset=-2)
    ),
    "a key added as retired": lambda: Stream().key(in_state(ISSUE.public, "retired")),
    "a key brought back": lambda: (
        with_keys().changed(ISSUE.public, "verify-only").changed(ISSUE.public, "active")
    ),
    "a change of an unknown key": lambda: Stream().changed(ISSUE.public, "retired"),
    "a changed window": lambda: with_keys().key(
        VerificationKey(
            kid=ISSUE.kid,
            x=ISSUE.public.x,
            purpose="issue",
            not_after_s=2_000_000_000,
            state="verify-only",
        ),
        PlatformEventType.KEY_STATE_CHANGED,
    ),
    "a missing record": lambda: with_keys().add(
        PlatformEventType.PLATFORM_PAUSED, {}, None
    ),
    "an impossible key": lambda: Stream().add(
        PlatformEventType.KEY_ADDED,
        {**_FIELDS, "statement": None},
        {**_FIELDS, "statement": None, "sequence": 0},
    ),
    "a record of another place": lambda: Stream().add(
        PlatformEventType.KEY_ADDED,
        {**_FIELDS, "statement": None},
        {**_FIELDS, "statement": None, "sequence": 1},
    ),
}
_FIELDS: Details = {
    "kid": "A" * 43,
    "purpose": "issue",
    "x": "A" * 43,
    "not_before_s": 0,
    "not_after_s": None,
    "state": "active",
}


@pytest.mark.parametrize("fault", DISHONEST)
def test_a_dishonest_stream_stops_the_fold(fault: str) -> None:
    """AUT-3.1, AUT-3.3, AUT-4.2, AUT-4.8."""
    with pytest.raises(RegistryIntegrityError):
        DISHONEST[fault]().folded()


def test_a_compromised_key_is_not_revived_by_adding_it_again() -> None:
    """AUT-3.3: the first entry that counts makes the key."""
    stream = with_keys().changed(ISSUE.public, "compromised").key(ISSUE.public)

    assert stream.folded().keys[ISSUE.kid].key.state == "compromised"


@pytest.mark.parametrize(("issued_leaf", "good"), [(2, True), (3, False), (4, False)])
def test_a_key_signs_nothing_after_it_was_stopped(
    issued_leaf: int,
    good: bool,  # noqa: FBT001  # a table
) -> None:
    """AUT-3.5: ordered by places in the ledger, not by what a token claims."""
    stream = with_keys().changed(ISSUE.public, "verify-only")

    refusal = stream.folded().key_refusal(
        ISSUE.kid, issued_at_s=START_US // SECOND - 100, issued_leaf=issued_leaf
    )

    assert (refusal is None) == good


@pytest.mark.parametrize(("issued_leaf", "kind"), [(2, "all"), (3, None), (4, None)])
def test_all_revokes_what_stands_before_it(issued_leaf: int, kind: str | None) -> None:
    """AUT-4.4, one place each side."""
    state = with_keys().revoked(says=("all", _ledger("")), signs=("all", "")).folded()
    assert state.all_revoked == (3, 3)

    found = state.selector_against(
        user_id="alice", issued_by="admin", kid=ISSUE.kid, issued_leaf=issued_leaf
    )

    assert found == kind


def test_an_unknown_key_is_refused_by_name() -> None:
    refusal = EMPTY_PLATFORM.key_refusal("A" * 43, issued_at_s=0, issued_leaf=0)
    assert refusal == f"key {'A' * 43} is not registered"


def transaction(stream: Stream, began: int | None = None) -> SimpleNamespace:
    """A transaction over a hand-made stream; without ``began`` it is a write block."""
    last = stream.items[-1].stored
    head = StreamHead(
        "platform", len(stream.items), last.leaf_hash.hex(), last.state, last.time_us
    )

    def record(collection: object, sequence: int) -> object:
        found = stream.items[sequence].record
        is_key = found is not None and "kid" in found
        return found if is_key == (collection is KEY) else None

    return SimpleNamespace(
        stream_head=lambda _name: head,
        stream_entries=lambda _name, start: [
            item.stored for item in stream.items[start:]
        ],
        get=record,
        head=head,
        began=began,
    )


def test_what_is_ahead_is_forgotten_when_the_truth_went_another_way() -> None:
    """AUT-5.3, AUT-5.4: rolled back, then settled otherwise, then forged."""
    reader = PlatformReader(LEDGER, None)
    rolled_back = transaction(with_keys().revoked())
    committed = transaction(with_keys().turned("pause"))
    start = transaction(with_keys())
    reader.settle(start)  # type: ignore[arg-type]

    assert reader.current(rolled_back, rolled_back.head).revoked_users  # type: ignore[arg-type]
    assert reader.settle(committed).paused  # type: ignore[arg-type]
    assert reader.current(committed, committed.head).paused  # type: ignore[arg-type]

    with pytest.raises(RegistryIntegrityError, match="seen before"):
        reader.current(rolled_back, rolled_back.head)  # type: ignore[arg-type]
    with pytest.raises(RegistryIntegrityError, match="seen before"):
        reader.current(start, start.head)  # type: ignore[arg-type]


def test_an_older_view_settles_nothing() -> None:
    reader = PlatformReader(LEDGER, None)
    newer, older = transaction(with_keys().turned("pause")), transaction(with_keys())
    assert reader.settle(newer).paused  # type: ignore[arg-type]

    assert reader.settle(older).paused  # type: ignore[arg-type]


def test_a_view_is_held_against_what_was_settled_before_it_was_opened() -> None:
    """AUT-5.6: an older view is no forgery, a shorter stream is one."""
    reader = PlatformReader(LEDGER, None)
    first, second, third = (
        with_keys(),
        with_keys().revoked(),
        with_keys().revoked().turned("pause"),
    )
    reader.settle(transaction(first, next_look()))  # type: ignore[arg-type]
    seen_first, between = (
        transaction(stream, next_look()) for stream in (first, second)
    )
    assert reader.settle(transaction(third, next_look())).paused  # type: ignore[arg-type]

    assert not reader.current(seen_first, seen_first.head).revoked_users  # type: ignore[arg-type]
    # Nobody has settled this one: it is folded in the view itself.
    assert reader.current(between, between.head).revoked_users  # type: ignore[arg-type]
    for shorter in (first, second):
        for began in (next_look(), None):
            late = transaction(shorter, began)
            with pytest.raises(RegistryIntegrityError, match="seen before"):
                reader.current(late, late.head)  # type: ignore[arg-type]
    # What an older view gave is nothing that anybody goes on from.
    again = transaction(third)
    assert reader.current(again, again.head).paused  # type: ignore[arg-type]


def test_an_older_view_with_another_past_is_refused() -> None:
    """AUT-5.3, AUT-5.6."""
    reader = PlatformReader(LEDGER, None)
    reader.settle(transaction(with_keys().turned("pause"), next_look()))  # type: ignore[arg-type]
    forged = transaction(with_keys().revoked(), next_look())
    longer = with_keys().turned("pause").turned("resume")
    reader.settle(transaction(longer, next_look()))  # type: ignore[arg-type]

    with pytest.raises(RegistryIntegrityError, match="seen before"):
        reader.current(forged, forged.head)  # type: ignore[arg-type]


def test_only_so_many_settled_states_are_kept() -> None:
    """AUT-5.6: a view older than all of them is held against the oldest."""
    reader = PlatformReader(LEDGER, None)
    stream, views = with_keys(), []
    reader.settle(transaction(stream, next_look()))  # type: ignore[arg-type]
    for turn in range(SETTLED_KEPT + 1):
        older = Stream()
        older.items = [*stream.items]
        views.append(transaction(older, next_look()))
        stream.turned("resume" if turn % 2 else "pause")
        reader.settle(transaction(stream, next_look()))  # type: ignore[arg-type]

    assert reader.current(views[2], views[2].head)  # type: ignore[arg-type]
    with pytest.raises(RegistryIntegrityError, match="seen before"):
        reader.current(views[0], views[0].head)  # type: ignore[arg-type]


def test_a_damaged_stream_settles_nothing_and_is_refused_where_it_matters() -> None:
    reader = PlatformReader(LEDGER, None)
    damaged = transaction(with_keys().turned("resume"))

    assert reader.settle(damaged) is EMPTY_PLATFORM  # type: ignore[arg-type]

    with pytest.raises(RegistryIntegrityError):
        reader.current(damaged, damaged.head)  # type: ignore[arg-type]
