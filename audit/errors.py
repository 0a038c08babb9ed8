"""The errors of the ledger, one root and nothing else.

```
AuditError                   the root: everything the ledger raises
├── EntryRefusedError        the caller's fields cannot be an entry
├── GrammarError             the entry may not follow the state of its stream
├── StreamConflictError      the stream is not at the size the caller expected
├── DuplicateKeyError        a record with this key already exists
├── MissingKeyError          no record with this key exists
├── LedgerFormatError        bytes or files are not what they must be
└── AuditWriteError          the record could not be made durable
    ├── StoreUnavailableError    input or output failed; the store has latched
    ├── StoreBusyError           the lock was not obtained in time
    ├── StoreLatchedError        an earlier failure stands
    ├── HoldLostError            the caller's own sign of life has ended
    └── StoreClosedError         the store is closed, or belongs to another process
```

The first five are the caller's to answer and never latch a store.
``LedgerFormatError`` means that what lies on disk is foreign or damaged. The
``AuditWriteError`` family is what an executor reports as ``AUDIT_UNAVAILABLE``.
"""

from typing import ClassVar

__all__ = [
    "AuditError",
    "AuditWriteError",
    "DuplicateKeyError",
    "EntryRefusedError",
    "GrammarError",
    "HoldLostError",
    "LedgerFormatError",
    "MissingKeyError",
    "StoreBusyError",
    "StoreClosedError",
    "StoreLatchedError",
    "StoreUnavailableError",
    "StreamConflictError",
]


class AuditError(Exception):
    """The root of everything the ledger raises."""

    code: ClassVar[str] = "AUDIT_ERROR"


class EntryRefusedError(AuditError, ValueError):
    """The caller's fields cannot be an entry: wrong type, size or alphabet."""

    code: ClassVar[str] = "ENTRY_REFUSED"


class GrammarError(AuditError):
    """The entry may not follow the state its stream is in."""

    code: ClassVar[str] = "GRAMMAR_REFUSED"


class StreamConflictError(AuditError):
    """A compare-and-append lost: the stream is not at the expected size."""

    code: ClassVar[str] = "STREAM_CONFLICT"


class DuplicateKeyError(AuditError):
    """A record with this key already exists in its collection."""

    code: ClassVar[str] = "DUPLICATE_KEY"


class MissingKeyError(AuditError, LookupError):
    """No record with this key exists in its collection."""

    code: ClassVar[str] = "MISSING_KEY"


class LedgerFormatError(AuditError):
    """Bytes, a file or a store are not what a ledger must hold."""

    code: ClassVar[str] = "LEDGER_FORMAT"


class AuditWriteError(AuditError):
    """The record could not be made durable, so nothing may go on."""

    code: ClassVar[str] = "AUDIT_UNAVAILABLE"


class StoreUnavailableError(AuditWriteError):
    """Input or output failed and the store has latched itself.

    Attributes:
        uncertain: True when the commit may have become durable all the same.
    """

    code: ClassVar[str] = "STORE_UNAVAILABLE"

    def __init__(self, message: str, *, uncertain: bool = False) -> None:
        super().__init__(message)
        self.uncertain = uncertain


class StoreBusyError(AuditWriteError):
    """The lock was not obtained within its deadline; nothing is latched."""

    code: ClassVar[str] = "STORE_BUSY"


class StoreLatchedError(AuditWriteError):
    """A notice beside the store, or this process's own latch, stands."""

    code: ClassVar[str] = "STORE_LATCHED"


class HoldLostError(AuditWriteError):
    """The hold that a block was fenced with is not held any more; no latch."""

    code: ClassVar[str] = "HOLD_LOST"


class StoreClosedError(AuditWriteError):
    """The store is closed, or was inherited by a forked process."""

    code: ClassVar[str] = "STORE_CLOSED"
