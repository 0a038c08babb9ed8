"""``stage3 store create``, ``grant`` and ``migrate``: ledgers in PostgreSQL.

They are for the owner of the database, once and at updates; nobody else needs them.

Source: docs/spec/cli.md, CLI-12.
"""

# ruff: noqa: PLC0415 - the driver is an extra, which may be missing

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from audit.entry import is_ledger_id
from audit.errors import StoreUnavailableError
from stage3.cli.errors import InputRefusedError, UsageError
from stage3.cli.home import refuse_password
from stage3.cli.output.answers import Answer
from stage3.cli.output.rendering import pairs
from stage3.records import EXECUTION
from tokens.state.collections import TOKEN_COLLECTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audit.store.postgres.roles import Roles
    from stage3.cli.arguments import Given
    from stage3.cli.dispatch import Command
    from stage3.cli.output.console import Console
    from stage3.cli.output.rendering import Json

__all__ = ["COLLECTIONS", "COMMANDS"]

COLLECTIONS: Final = (*TOKEN_COLLECTIONS, EXECUTION)
"""Everything that the product keeps beside its entries."""

_ID_BYTES: Final = 16


def _create(given: Given, _console: Console) -> Answer:
    url = _address(given)
    from audit.store.postgres.administration import create_at, ledger_at

    wanted = given.ledger_id or os.urandom(_ID_BYTES).hex()
    if not is_ledger_id(wanted):
        raise InputRefusedError("a ledger id is 1 to 64 letters, digits or . _ -")
    roles = None if given.no_roles else _roles(given)
    made = create_at(url, ledger_id=wanted, roles=roles, collections=COLLECTIONS)
    found = ledger_at(url)
    if given.ledger_id not in (None, found):
        raise InputRefusedError("another ledger is there already")
    return _answer(
        {
            "created": made,
            "ledger_id": found,
            "roles": None if roles is None else list(roles.users),
        }
    )


def _grant(given: Given, _console: Console) -> Answer:
    url = _address(given)
    from audit.store.postgres.administration import grant_at

    roles = _roles(given)
    grant_at(url, roles=roles, collections=COLLECTIONS)
    return _answer({"owner": roles.owner, "roles": list(roles.users)})


def _migrate(given: Given, _console: Console) -> Answer:
    url = _address(given)
    from audit.store.postgres.administration import migrate_at

    return _answer({"version": migrate_at(url)})


def _roles(given: Given) -> Roles:
    from audit.store.postgres.roles import Roles

    return Roles(given.roles)


def _address(given: Given) -> str:
    """Give the address of a ledger on a server, once the driver is there."""
    url = given.store
    if url is None or not url.startswith(("postgresql://", "postgres://")):
        raise UsageError("--store must name a database: postgresql://host/database")
    try:
        import audit.store.postgres.administration  # noqa: F401
    except ImportError as error:
        raise StoreUnavailableError(
            "the driver for PostgreSQL is not installed: pip install 'stage3[postgres]'"
        ) from error
    refuse_password(url)
    return url


def _answer(document: dict[str, Json]) -> Answer:
    shown = [
        (name.replace("_", " "), ", ".join(value) if isinstance(value, list) else value)
        for name, value in document.items()
    ]
    return Answer(document=document, lines=tuple(pairs(shown)))


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {"store create": _create, "store grant": _grant, "store migrate": _migrate}
)
