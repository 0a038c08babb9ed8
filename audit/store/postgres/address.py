"""Addresses of ledgers in PostgreSQL: libpq's, and the schema of the ledger.

```
postgresql://user:password@host:port/database?schema=stage3
postgresql:///database?host=/run/postgresql          a local server's socket
```

Everything that libpq knows may be given (``sslmode``, several hosts...), by the
address or by its environment variables and files, where passwords belong.

Source: docs/spec/postgres.md, PGS-6.
"""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from audit.store.postgres.schema import DEFAULT_SCHEMA

__all__ = ["ACCEPTED", "Address", "address_of"]

ACCEPTED: Final = "postgresql://user@host/database, with ?schema=name if you like"

_PREFIXES: Final = ("postgresql://", "postgres://")
_LONGEST_NAME: Final = 63


@dataclass(frozen=True, slots=True)
class Address:
    """Where a ledger is; ``shown`` is for people, without any password."""

    conninfo: str = field(repr=False)
    schema: str
    shown: str


def address_of(url: str) -> Address:
    """Read an address.

    Raises:
        ValueError: It is not one; what it says is not repeated.
    """
    base, _, query = url.partition("?")
    parts = [part for part in query.split("&") if part]
    schemas = [part for part in parts if part.startswith("schema=")]
    others = [part for part in parts if not part.startswith("schema=")]
    conninfo = f"{base}?{'&'.join(others)}" if others else base
    schema = unquote(schemas[0].removeprefix("schema=")) if schemas else DEFAULT_SCHEMA
    if not url.startswith(_PREFIXES) or len(schemas) > 1 or not _is_name(schema):
        raise ValueError(f"a store in PostgreSQL is opened by {ACCEPTED}")
    try:
        known = conninfo_to_dict(conninfo)
    except psycopg.Error:
        raise ValueError(f"a store in PostgreSQL is opened by {ACCEPTED}") from None
    return Address(conninfo, schema, _shown(known, schema))


def _is_name(schema: str) -> bool:
    return (
        0 < len(schema.encode("utf-8", "replace")) <= _LONGEST_NAME
        and schema.isprintable()
        and not schema.startswith("pg_")
    )


def _shown(known: dict[str, str | int | None], schema: str) -> str:
    user = f"{known['user']}@" if known.get("user") else ""
    host = str(known.get("host") or "")
    port = f":{known['port']}" if known.get("port") else ""
    where = f"{host}{port}" if not host.startswith("/") else ""
    query = f"schema={schema}" + (f"&host={host}" if host.startswith("/") else "")
    shown = f"postgresql://{user}{where}/{known.get('dbname') or ''}?{query}"
    return shown if shown.isascii() and shown.isprintable() else "postgresql://..."
