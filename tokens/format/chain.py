"""Believing the entries of one stream: exact bytes, linked, in their place.

Pure. It is what lets the registry take a stored entry for true without walking
the whole tree; that the tree itself is whole is what ``audit.verification`` says.

Spec: docs/spec/authority.md, AUT-2.
"""

from collections.abc import Mapping
from hashlib import sha256

from audit.canonical import JsonValue
from audit.entry import Entry, decode_entry
from audit.errors import LedgerFormatError
from audit.merkle import leaf_hash
from audit.records import StoredEntry
from tokens.errors import RegistryIntegrityError

__all__ = ["linked_entry", "place_of", "text_digest", "text_of"]


def linked_entry(
    stored: StoredEntry, *, ledger_id: str, stream: str, index: int, prev: str
) -> Entry:
    """Read one entry and check that it stands where it says it stands.

    Args:
        stored: The row as read.
        ledger_id: The ledger it must belong to.
        stream: The stream it was read from.
        index: The place in the stream that is next.
        prev: The leaf hash of the entry before it, in hexadecimal; empty for
            the first.

    Raises:
        RegistryIntegrityError: The bytes are not an entry, not the bytes that
            were hashed, or an entry of another place.

    Source:
        AUT-2.1.
    """
    try:
        entry = decode_entry(stored.data)
    except LedgerFormatError as error:
        raise RegistryIntegrityError(
            f"entry {index} of {stream} cannot be read"
        ) from error
    place = (entry.ledger_id, entry.stream, entry.index, entry.prev)
    if place != (ledger_id, stream, index, prev):
        raise RegistryIntegrityError(f"entry {index} of {stream} is out of place")
    if leaf_hash(stored.data) != stored.leaf_hash:
        raise RegistryIntegrityError(f"entry {index} of {stream} was changed")
    return entry


def place_of(stored: StoredEntry) -> int:
    """Return the place in the ledger of an entry whose order against others counts.

    Raises:
        RegistryIntegrityError: It has none: the store did not number it at once.
    """
    if stored.leaf_index is None:
        raise RegistryIntegrityError("an entry has no place in the ledger")
    return stored.leaf_index


def text_digest(text: str) -> str:
    """Return ``sha256:`` and the hexadecimal digest of an ASCII text."""
    return "sha256:" + sha256(text.encode("ascii", "backslashreplace")).hexdigest()


def text_of(details: Mapping[str, JsonValue], name: str) -> str:
    """Return a text from an entry's details.

    Raises:
        RegistryIntegrityError: There is none of this name.
    """
    value = details.get(name)
    if type(value) is not str:
        raise RegistryIntegrityError(f"an entry lacks the detail {name}")
    return value
