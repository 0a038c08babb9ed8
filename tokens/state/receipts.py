"""The receipt of an entry that was written before, for those who ask again."""

from audit.records import Receipt, StoredEntry
from audit.store.interface import ReadTransaction
from audit.trail import PLATFORM_STREAM

__all__ = ["platform_receipt", "receipt_of"]


def receipt_of(stored: StoredEntry) -> Receipt:
    """Return the receipt that the append of this entry gave."""
    return Receipt(
        stored.leaf_index,
        stored.stream,
        stored.index,
        stored.leaf_hash.hex(),
        stored.time_us,
        stored.data,
    )


def platform_receipt(tx: ReadTransaction, sequence: int) -> Receipt:
    """Return the receipt of an entry of the platform stream that exists."""
    return receipt_of(tx.stream_entries(PLATFORM_STREAM, sequence, 1)[0])
