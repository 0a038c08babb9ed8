"""The ledger: entries, trail grammar, tree, stores, verification.

The names below are what users import. They are loaded when first asked for, so
that whoever needs one pure part (a verifier) does not load a database. Code of
this project imports the submodules.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for.

    Raises:
        AttributeError: There is no such name.
    """
    if name not in __all__:
        raise AttributeError(f"module 'audit' has no attribute {name!r}")
    from audit import _public  # noqa: PLC0415  # loaded when first asked for

    value: object = getattr(_public, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
