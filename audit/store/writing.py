"""Appending inside a block: the same on every database but for its statements.

Source: docs/spec/store.md, STO-3.
"""

from collections.abc import Sequence

from audit.canonical import MAX_INTEGER
from audit.entry import EntryDraft, decode_entry, encode_entry
from audit.errors import EntryRefusedError
from audit.merkle import leaf_hash
from audit.records import Receipt, StoredEntry, StreamHead
from audit.trail import PLATFORM_STREAM, advance

__all__ = ["checked_time", "described", "encoded", "refuse_platform"]


def encoded(
    head: StreamHead, drafts: Sequence[EntryDraft], *, ledger_id: str, at_us: int
) -> list[StoredEntry]:
    """Encode drafts that follow a head, all of them before any is written.

    Their places in the ledger are not known here.

    Raises:
        GrammarError: One may not follow.
        EntryRefusedError: One is not a draft, or is too large.
    """
    stream, index, prev, state, _ = head
    entries = []
    for draft in drafts:
        if type(draft) is not EntryDraft:
            raise EntryRefusedError("an entry is appended as a draft")
        state = advance(stream, state, draft.type, draft.status, steps=draft.steps)
        data = encode_entry(
            draft,
            ledger_id=ledger_id,
            stream=stream,
            index=index,
            time_us=at_us,
            prev=prev,
        )
        leaf = leaf_hash(data)
        prev = leaf.hex()
        entries.append(
            StoredEntry(None, stream, index, at_us, draft.type, state, leaf, data)
        )
        index += 1
    return entries


def checked_time(time_us: object) -> int:
    """Give back a time that an entry can carry.

    Raises:
        EntryRefusedError: It is not an integer from 0 to 2**53 - 1.
    """
    if type(time_us) is not int or not 0 <= time_us <= MAX_INTEGER:
        raise EntryRefusedError("a time is in microseconds, from 0 to 2**53 - 1")
    return time_us


def refuse_platform(stream: str, *, exclusive: bool) -> None:
    """Refuse to append to the platform's stream where others may be deciding by it.

    Raises:
        EntryRefusedError: It is that stream, and the block is not exclusive.
    """
    if stream == PLATFORM_STREAM and not exclusive:
        raise EntryRefusedError("the platform stream is for exclusive blocks")


def described(receipt: Receipt) -> str:
    """Describe an entry that was lost, for a notice."""
    entry = decode_entry(receipt.data)
    code = "-" if entry.reason_code is None else entry.reason_code.value
    kind = entry.event_type.value
    return f"{receipt.stream} {receipt.index} {kind} {entry.status} {code}"
