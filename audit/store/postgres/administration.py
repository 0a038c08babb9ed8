"""What the owner of a ledger is asked to do by its address, and who is told what.

Nothing here needs a store: a ledger can be looked at, created, granted and migrated
before anybody may open it.

Source: docs/spec/postgres.md, PGS-1, PGS-3 and PGS-4.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from audit.errors import LedgerFormatError
from audit.store.declarations import Collection
from audit.store.postgres.address import address_of
from audit.store.postgres.connecting import Connector
from audit.store.postgres.failures import ServerError
from audit.store.postgres.migrations import migrate
from audit.store.postgres.names import literal, quoted
from audit.store.postgres.owning import OwnerSession, create, declare, grant, run
from audit.store.postgres.roles import Roles

__all__ = [
    "connected",
    "create_at",
    "grant_at",
    "has_password",
    "ledger_at",
    "migrate_at",
]

_DENIED: Final = "42501"
_WAIT_S: Final = 5.0


def ledger_at(url: str) -> str | None:
    """Tell which ledger is at an address; None when there is none.

    Raises:
        ValueError: It is no address.
        LedgerFormatError: This login may not look.
        StoreUnavailableError, StoreBusyError: The server cannot be asked.
    """
    with connected(url) as (session, schema):
        name = f"{quoted(schema)}.meta"
        if run(session, f"SELECT to_regclass({literal(name)}) IS NULL") == [(True,)]:
            return None
        found = run(session, f"SELECT value FROM {name} WHERE name = 'ledger'")  # noqa: S608  # quoted
    return str(found[0][0]) if found else None


def create_at(
    url: str,
    *,
    ledger_id: str,
    roles: Roles | None,
    collections: Iterable[Collection],
) -> bool:
    """Create a ledger, with roles and collections. As ``owning.create`` otherwise."""
    with connected(url) as (session, schema):
        return create(
            session,
            schema=schema,
            ledger_id=ledger_id,
            roles=roles,
            collections=collections,
        )


def grant_at(url: str, *, roles: Roles, collections: Iterable[Collection]) -> None:
    """Make roles and grant exactly what is meant, to every collection there is.

    Collections that are not there yet are created. As ``owning.grant`` otherwise.
    """
    declared = tuple(collections)
    with connected(url) as (session, schema):
        declare(session, schema=schema, collections=declared)
        grant(session, schema=schema, roles=roles, collections=declared)


def migrate_at(url: str) -> int:
    """Take a ledger to the newest version. As ``migrations.migrate`` otherwise."""
    with connected(url) as (session, schema):
        return migrate(session, schema=schema)


def has_password(url: str) -> bool:
    """Tell whether an address has a password in it, which others could then see.

    Raises:
        ValueError: It is no address.
    """
    known = psycopg.conninfo.conninfo_to_dict(address_of(url).conninfo)
    return bool(known.get("password") or known.get("sslpassword"))


@contextmanager
def connected(url: str) -> Iterator[tuple[OwnerSession, str]]:
    """Connect as the login of an address, and say what fails without its words.

    Raises:
        ValueError: It is no address.
        LedgerFormatError: This login may not do what was asked.
        StoreUnavailableError, StoreBusyError: The server cannot be asked, or failed.
    """
    address = address_of(url)
    session = Connector(address, _WAIT_S).raw()
    try:
        run(session, f"SET lock_timeout = {round(_WAIT_S * 1000)}")
        yield session, address.schema
    except psycopg.Error as error:
        if error.sqlstate == _DENIED:
            raise LedgerFormatError("this login may not do that here") from error
        failed = ServerError(error.sqlstate, lost=session.broken)
        raise failed.refusal("the database did not do it") from error
    finally:
        session.close()
