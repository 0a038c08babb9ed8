"""Where the public names of ``audit`` come from; see the package itself."""

from audit.errors import AuditError, AuditWriteError
from audit.events import (
    AuditEvent,
    AuditEventType,
    AuditRecord,
    PlatformEventType,
    ReasonCode,
)
from audit.log import AuditEventLog
from audit.records import LedgerHead, Receipt
from audit.store.interface import Store
from audit.store.opening import open_store
from audit.trust import Trust, load_trust
from audit.verification import Finding, VerificationReport

__all__ = [
    "AuditError",
    "AuditEvent",
    "AuditEventLog",
    "AuditEventType",
    "AuditRecord",
    "AuditWriteError",
    "Finding",
    "LedgerHead",
    "PlatformEventType",
    "ReasonCode",
    "Receipt",
    "Store",
    "Trust",
    "VerificationReport",
    "load_trust",
    "open_store",
]
