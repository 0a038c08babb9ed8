"""Opening a store in PostgreSQL by its address.

Source: docs/spec/postgres.md, PGS-6; docs/spec/store.md, STO-2.
"""

from audit.clock import Clock
from audit.store.postgres.address import address_of
from audit.store.postgres.connecting import Connector
from audit.store.postgres.creating import find_or_create
from audit.store.postgres.store import Known, PostgresStore
from audit.trust import Trust

__all__ = ["open_postgres"]


def open_postgres(
    url: str,
    *,
    trust: Trust | None,
    clock: Clock | None,
    lock_timeout_s: float,
    ledger_id: str | None,
) -> PostgresStore:
    """Open a store; see ``audit.store.opening.open_store``."""
    connector = Connector(address_of(url), lock_timeout_s)
    found = find_or_create(connector, ledger_id, may_create=trust is None)
    return PostgresStore(Known(connector, found, trust, clock))
