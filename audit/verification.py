"""Verify a ledger: walk its entries once and report everything that is wrong.

Pure: it works over rows and a head from wherever they come, needs no store and
no writer, and keeps only where each stream stands. What it finds is data. It
does not raise, whatever the rows hold, and does not stop at the first finding:
it takes up the walk again behind each, so that one damaged entry is one finding
and not a thousand.

It detects what differs from the head it is given. A writer who rewrites entries,
rows and head consistently is detected only by a head kept elsewhere.

Source: docs/spec/ledger.md, AUD-6 and AUD-8.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from audit.accounting import Accounts, Records, StreamState, compare_executions
from audit.decoding import Entry, decode_entry
from audit.errors import AuditError, GrammarError, LedgerFormatError
from audit.merkle import EMPTY, Frontier, leaf_hash
from audit.records import LedgerHead, StoredEntry
from audit.text import printable
from audit.trail import START, advance

__all__ = [
    "FINDING_KINDS",
    "MAX_FINDINGS",
    "Finding",
    "Progress",
    "Records",
    "VerificationReport",
    "verify_ledger",
]

Progress: TypeAlias = Callable[[int, int], None]
"""Takes how many entries were examined and how many the head announces."""

FINDING_KINDS: Final = frozenset(
    {
        "position",  # the places in the ledger are not 0, 1, 2, ...
        "format",  # the bytes are not a canonical entry
        "hash",  # the stored leaf hash is not that of the bytes
        "ledger",  # the entry belongs to another ledger
        "column",  # a derived column differs from the bytes
        "order",  # the indexes in a stream are not 0, 1, 2, ...
        "link",  # the previous hash is not that of the entry before
        "time",  # the time in a stream goes backwards
        "grammar",  # the entry may not follow the one before
        "details",  # the numbers in the details cannot be
        "head",  # size, root, frontier or time of the head differ
        "execution",  # an execution row differs from the entries
        "usage",  # a usage row differs from the entries
        "use",  # a use row differs from the entries
    }
)

MAX_FINDINGS: Final = 1_000
"""Kept in a report; further ones are only counted."""

_BATCH: Final = 1_024
_LONGEST_STATE: Final = 64
_LONGEST_STREAM: Final = 128


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where.

    ``position`` is the index in the ledger, None where the finding is about a row
    or about the ledger as a whole. ``message`` is printable ASCII.
    """

    position: int | None
    stream: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What a verification found; true when it found nothing.

    ``entries`` were examined; ``size`` and ``root`` are those of the tree over
    their bytes. ``omitted`` findings came after the first ``MAX_FINDINGS``.
    """

    findings: tuple[Finding, ...]
    entries: int
    size: int
    root: bytes
    omitted: int = 0

    def __bool__(self) -> bool:
        return not self.findings


def verify_ledger(
    entries: Iterable[StoredEntry],
    *,
    ledger_id: str,
    head: LedgerHead,
    frontier: Frontier | None = None,
    records: Records | None = None,
    progress: Progress | None = None,
) -> VerificationReport:
    """Examine a whole ledger, once, in its order.

    Args:
        entries: Every stored entry, by place.
        ledger_id: The id every entry must carry.
        head: What the entries must amount to.
        frontier: The stored frontier, if there is one.
        records: The rows that must agree with the entries, if kept. They are
            read after the entries.
        progress: Called now and then, and at the end of the entries.

    Returns:
        The report; its memory is bounded by the number of streams, not entries.

    Source:
        AUD-6.1 to AUD-6.9, in that order for each entry; AUD-6.13.
    """
    walk = _Walk(ledger_id, records or Records())
    tree = EMPTY
    leaves: list[bytes] = []
    for row in entries:
        leaves.append(walk.examine(row))
        if len(leaves) == _BATCH:
            tree = tree.extend(leaves)
            leaves.clear()
            if progress is not None:
                progress(tree.size, head.size)
    tree = tree.extend(leaves)
    if progress is not None:
        progress(tree.size, head.size)
    walk.compare_head(tree, head, frontier)
    walk.compare_search()
    walk.compare_records()
    return VerificationReport(
        tuple(walk.findings), tree.size, tree.size, tree.root(), walk.omitted
    )


class _Walk:
    """The state of one verification."""

    __slots__ = (
        "_accounts",
        "_ledger_id",
        "_next",
        "_records",
        "_streams",
        "_time_us",
        "findings",
        "omitted",
    )

    def __init__(self, ledger_id: str, records: Records) -> None:
        self._ledger_id = ledger_id
        self._records = records
        keeps_accounts = records.usage is not None or records.uses is not None
        self._accounts = Accounts() if keeps_accounts else None
        self._streams: dict[str, StreamState] = {}
        self._next = 0
        self._time_us = 0
        self.findings: list[Finding] = []
        self.omitted = 0

    def examine(self, row: StoredEntry) -> bytes:
        """Examine one entry; gives the leaf hash of its bytes."""
        # (1) AUD-6.1: places are dense. After a gap the walk goes on from what
        #     the row says, so that one missing entry is one finding.
        place = self._next
        if type(row.leaf_index) is not int or row.leaf_index != place:
            self._found(place, row.stream, "position", "another place was expected")
        if type(row.leaf_index) is int and row.leaf_index >= place:
            place = row.leaf_index
            self._next = place + 1
        # (2) AUD-6.2: the stored hash is that of the stored bytes.
        data = row.data if type(row.data) is bytes else b""
        leaf = leaf_hash(data)
        if row.leaf_hash != leaf:
            self._found(place, row.stream, "hash", "the leaf hash is not the bytes'")
        # (3) AUD-6.3: the bytes are one canonical entry of this ledger.
        try:
            entry = decode_entry(data)
        except LedgerFormatError as error:
            self._found(place, row.stream, "format", str(error))
            self._step_over(row, leaf)
            return leaf
        if entry.ledger_id != self._ledger_id:
            self._found(place, entry.stream, "ledger", "an entry of another ledger")
        self._time_us = max(self._time_us, entry.time_us)
        # (4) The stream, and (5) the columns, from the bytes alone.
        state = self._follow(place, entry, leaf)
        self._compare_columns(place, row, entry, state)
        return leaf

    def _follow(self, place: int, entry: Entry, leaf: bytes) -> str | None:
        """Take the entry's stream one entry on; None where grammar forbids it."""
        stream = self._streams.get(entry.stream)
        if stream is None:
            stream = self._streams[entry.stream] = StreamState(0, b"", START, 0)
        # AUD-6.4: dense in its stream.
        if entry.index != stream.size:
            self._found(
                place, entry.stream, "order", f"entry {stream.size} was expected"
            )
        # AUD-6.5: linked to the entry before.
        if entry.prev != stream.last_hash.hex():
            self._found(place, entry.stream, "link", "another entry came before")
        # AUD-6.6: never back in time.
        if entry.time_us < stream.time_us:
            self._found(place, entry.stream, "time", "earlier than the entry before")
        stream.size = entry.index + 1
        stream.last_hash = leaf
        stream.time_us = entry.time_us
        stream.code = None if entry.reason_code is None else entry.reason_code.value
        if stream.opened is None:
            stream.opened = (entry.token_hash, entry.user_id, entry.time_us)
        return self._advance(place, entry, stream)

    def _advance(self, place: int, entry: Entry, stream: StreamState) -> str | None:
        """Apply the grammar, and book what the entry says was used."""
        steps = entry.details.get("steps")
        # AUD-6.7: the grammar. What may not follow leaves the state as it is.
        try:
            state = advance(
                entry.stream,
                stream.state,
                entry.event_type,
                entry.status,
                steps=steps if type(steps) is int else None,
            )
        except GrammarError as error:
            self._found(place, entry.stream, "grammar", str(error))
            return None
        stream.state = state
        # AUD-8.2: the numbers.
        if self._accounts is not None:
            wrong = self._accounts.book(entry, stream)
            if wrong is not None:
                self._found(place, entry.stream, "details", wrong)
        return state

    def _compare_columns(
        self, place: int, row: StoredEntry, entry: Entry, state: str | None
    ) -> None:
        """Compare the derived columns with the bytes (AUD-6.8)."""
        wanted = (entry.stream, entry.index, entry.time_us, entry.event_type.value)
        given = (row.stream, row.index, row.time_us, row.type)
        # Python takes 1, 1.0 and True for equal; a column does not.
        are_integers = type(row.index) is int and type(row.time_us) is int
        is_state = state is None or row.state == state
        if given == wanted and are_integers and is_state:
            return
        pairs = zip(("stream", "index", "time", "type"), given, wanted, strict=True)
        wrong = [
            name
            for name, is_now, was in pairs
            if type(is_now) is not type(was) or is_now != was
        ]
        wrong += [] if is_state else ["state"]
        text = f"columns not as in the bytes: {', '.join(wrong)}"
        self._found(place, entry.stream, "column", text)

    def _step_over(self, row: StoredEntry, leaf: bytes) -> None:
        """Go on behind an entry that cannot be read.

        Its columns are believed for what follows, and for that only: the finding
        about it stands already.
        """
        if type(row.stream) is not str or len(row.stream) > _LONGEST_STREAM:
            return
        stream = self._streams.setdefault(row.stream, StreamState(0, b"", START, 0))
        stream.size += 1
        stream.last_hash = row.leaf_hash if type(row.leaf_hash) is bytes else leaf
        if type(row.state) is str and len(row.state) <= _LONGEST_STATE:
            stream.state = row.state

    def compare_head(
        self, tree: Frontier, head: LedgerHead, frontier: Frontier | None
    ) -> None:
        """Compare what the entries amount to with the head (AUD-6.9)."""
        if type(head.size) is not int or tree.size != head.size:
            lesser = min(tree.size, head.size) if type(head.size) is int else None
            text = f"{tree.size} entries, the head has another size"
            self._found(lesser, "", "head", text)
        elif tree.root() != head.root:
            # A place of its own only where nothing else has told one already.
            known = None if self.findings else frontier
            self._found(*_first_difference(tree, head, known))
        elif tree.size and self._time_us != head.time_us:
            self._found(None, "", "head", "the time is not the latest of the entries")
        if frontier is not None and frontier != tree:
            self._found(None, "", "head", "the frontier is not that of the entries")

    def compare_search(self) -> None:
        """Look each stream up by its name (AUD-6.13)."""
        search = self._records.search
        if search is None:
            return
        for name, stream in self._streams.items():
            try:
                size = search(name).size
            except AuditError:
                size = -1
            if size != stream.size:
                text = f"a search by name does not end at entry {stream.size - 1}"
                self._found(None, name, "order", text)

    def compare_records(self) -> None:
        """Compare the rows kept beside the ledger (AUD-8)."""
        if self._records.executions is not None:
            compare_executions(self._records.executions, self._streams, self._about)
        if self._accounts is not None and self._records.usage is not None:
            self._accounts.compare_usage(self._records.usage, self._about)
        if self._accounts is not None and self._records.uses is not None:
            self._accounts.compare_uses(self._records.uses, self._about)

    def _about(self, kind: str, stream: str, message: str) -> None:
        """Report a finding about a row."""
        self._found(None, stream, kind, message)

    def _found(
        self, position: int | None, stream: object, kind: str, message: str
    ) -> None:
        if len(self.findings) >= MAX_FINDINGS:
            self.omitted += 1
            return
        name = stream if type(stream) is str else ""
        self.findings.append(Finding(position, printable(name), kind, message))


def _first_difference(
    tree: Frontier, head: LedgerHead, frontier: Frontier | None
) -> tuple[int | None, str, str, str]:
    """Say where the entries are not those the root was computed from.

    Entries that fit each on their own but stand in another order show only in the
    tree. The head keeps the roots of its perfect subtrees; the first of them that
    differs bounds the place (AUD-6.9).
    """
    text = "the root is not that of the entries"
    if frontier is None or frontier.size != tree.size or frontier.root() != head.root:
        return None, "", "head", text
    start = 0
    for was, is_now, length in zip(
        frontier.hashes, tree.hashes, _subtrees(tree.size), strict=True
    ):
        if was != is_now:
            break
        start += length
    else:
        length = tree.size - start
    return start, "", "head", f"{text}, somewhere from {start} to {start + length - 1}"


def _subtrees(size: int) -> list[int]:
    """Give the sizes of the perfect subtrees of a tree, the largest first."""
    return [1 << bit for bit in reversed(range(size.bit_length())) if size >> bit & 1]
