"""Finding a ledger in a database, or making one, and adding collections to it.

Only the owner of a schema can change its tables; whoever else declares a collection
finds it declared, or is told what is missing.

Source: docs/spec/postgres.md, PGS-1 and PGS-3.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psycopg

from audit.entry import is_ledger_id
from audit.errors import LedgerFormatError
from audit.store.declarations import Collection
from audit.store.postgres.connecting import Connector, Raw
from audit.store.postgres.failures import ServerError
from audit.store.postgres.migrations import refuse_version
from audit.store.postgres.names import literal, quoted
from audit.store.postgres.owning import create, declare, may_own
from audit.store.postgres.schema import FORMAT

__all__ = ["declare_missing", "find_or_create"]

_ID_BYTES: Final = 16
_DENIED: Final = "42501"


def find_or_create(
    connector: Connector, wanted: str | None, *, may_create: bool
) -> str:
    """Find out which ledger a schema holds; make one if there is none.

    Raises:
        LedgerFormatError: It is not a ledger, one of another version, another than
            the one wanted, or missing and may not be created.
        StoreUnavailableError: The server cannot be reached or failed.
        StoreBusyError: Others kept it locked.
    """
    schema = connector.address.schema
    with _opened(connector) as raw:
        says = _meta(raw, schema)
        if says is None:
            if not may_create:
                raise LedgerFormatError("the ledger of the trust is not there")
            new = secrets.token_hex(_ID_BYTES) if wanted is None else wanted
            create(raw, schema=schema, ledger_id=new)
            says = _meta(raw, schema) or {}
    return _known_id(says, wanted)


def declare_missing(connector: Connector, collections: Sequence[Collection]) -> None:
    """Add collections that were found missing.

    Raises:
        LedgerFormatError: This login may not, or one of them has another shape.
        StoreUnavailableError: The server cannot be reached or failed.
        StoreBusyError: Others kept the tables locked.
    """
    schema = connector.address.schema
    with _opened(connector) as raw:
        if not may_own(raw, schema):
            names = ", ".join(collection.name for collection in collections)
            raise LedgerFormatError(
                f"the ledger lacks collections ({names}), and only its owner can add"
                " them"
            )
        declare(raw, schema=schema, collections=collections)


@contextmanager
def _opened(connector: Connector) -> Iterator[Raw]:
    """Connect as one who may own things, after a look at the server."""
    connector.session().close()
    raw = connector.raw()
    try:
        # No session of executors waits longer for this than for others of its kind.
        timeout = f"{max(1, round(connector.wait_s * 1000))}ms"
        raw.execute(f"SET lock_timeout = {literal(timeout)}".encode())
        yield raw
    except psycopg.Error as error:
        if error.sqlstate == _DENIED:
            raise LedgerFormatError(
                "there is no ledger here that this login may use, and it may not"
                " create one"
            ) from error
        failed = ServerError(error.sqlstate, lost=raw.broken)
        raise failed.refusal("the ledger cannot be looked at") from error
    finally:
        raw.close()


def _meta(raw: Raw, schema: str) -> dict[str, str] | None:
    name = f"{quoted(schema)}.meta"
    found = raw.execute(f"SELECT to_regclass({literal(name)})".encode()).fetchone()
    if found is None or found[0] is None:
        return None
    rows = raw.execute(f"SELECT name, value FROM {name}".encode())  # noqa: S608  # quoted
    return {str(key): str(value) for key, value in rows}


def _known_id(says: dict[str, str], wanted: str | None) -> str:
    if says.get("format") != FORMAT:
        raise LedgerFormatError("the schema has tables, but is not a ledger")
    refuse_version(says)
    found = says.get("ledger", "")
    if not is_ledger_id(found):
        raise LedgerFormatError("the ledger does not say which one it is")
    if wanted not in (None, found):
        raise LedgerFormatError("the schema is another ledger than the one asked for")
    return found
