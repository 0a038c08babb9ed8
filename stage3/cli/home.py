"""The home folder: the store, the trust file and the sealed keys of one ledger.

::

    stage3.db      the store (with its companions while it is open)
    trust.json     the ledger's id and the public root key; keep a copy elsewhere
    keys/          <purpose>-<key id>.key, sealed under the passphrase

Source: docs/spec/cli.md, CLI-5.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audit.store.opening import open_store
from audit.trust import Trust, load_trust
from stage3.cli.errors import (
    HomeMissingError,
    InputRefusedError,
    StoreMissingError,
    UsageError,
)
from stage3.cli.intake.files import shown

if TYPE_CHECKING:
    from audit.store.interface import Store
    from stage3.cli.arguments import Given

__all__ = [
    "POSTGRES",
    "Home",
    "home_of",
    "open_given_store",
    "refuse_password",
    "store_url",
    "trust_of",
]

POSTGRES: Final = ("postgresql://", "postgres://")
_SECRETS: Final = ("password", "sslpassword")
_SQLITE: Final = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything of one ledger is."""

    folder: Path

    @property
    def database(self) -> Path:
        """The file of the store."""
        return self.folder / "stage3.db"

    @property
    def trust_file(self) -> Path:
        """The file that pins ledger and root key."""
        return self.folder / "trust.json"

    @property
    def keys(self) -> Path:
        """The folder of the sealed keys."""
        return self.folder / "keys"

    @property
    def url(self) -> str:
        """The address of the store."""
        return _SQLITE + os.path.realpath(self.database)

    def key_file(self, purpose: str, kid: str) -> Path:
        """The file of one sealed key."""
        return self.keys / f"{purpose}-{kid}.key"


def home_of(given: Given) -> Home:
    """Give the home that the arguments name."""
    return Home(Path(given.home))


def store_url(given: Given) -> str:
    """Give the address of the store that the arguments name."""
    return given.store if given.store is not None else home_of(given).url


def trust_of(given: Given) -> Trust | None:
    """Read the trust file, or give None where --no-trust says so.

    Raises:
        UsageError: --trust and --no-trust are both given.
        HomeMissingError: There is no trust file: without one, who can write the
            store can make its keys, so that has to be asked for.
        LedgerFormatError: It is not a trust file.

    Source:
        CLI-5.4.
    """
    if given.no_trust and given.trust is not None:
        raise UsageError("--trust and --no-trust contradict each other")
    if given.no_trust:
        return None
    path = home_of(given).trust_file if given.trust is None else Path(given.trust)
    if not os.path.lexists(path):
        raise HomeMissingError(
            f"there is no trust file {shown(path)}",
            hint="Make a home with `stage3 init`, name the file with --trust FILE, "
            "or believe the store's own keys with --no-trust.",
        )
    return load_trust(path)


def open_given_store(given: Given) -> Store:
    """Open the store that the arguments name; no command but init makes one.

    Raises:
        InputRefusedError: The address is not one of a store on a disk.
        HomeMissingError: The home has no store, or no trust file.
        StoreMissingError: There is no file at the address.
        LedgerFormatError, StoreUnavailableError, StoreBusyError: As ``open_store``.

    Source:
        CLI-5.3.
    """
    url = store_url(given)
    if url.startswith(POSTGRES):
        return _open_on_server(url, trust_of(given))
    if not url.startswith(_SQLITE):
        raise InputRefusedError(
            "--store must name a file (sqlite:///relative.db, sqlite:////absolute.db)"
            " or a database (postgresql://host/database)"
        )
    path = url.removeprefix(_SQLITE)
    if "\0" in path or not os.path.lexists(path):
        if given.store is None:
            raise HomeMissingError(f"there is no store {shown(path)}")
        raise StoreMissingError(f"there is no store {shown(path)}")
    trust = trust_of(given)
    try:
        return open_store(url, trust=trust)
    except ValueError as error:
        raise InputRefusedError(f"the store cannot be opened: {error}") from error


def _open_on_server(url: str, trust: Trust | None) -> Store:
    """Open a ledger that is there; without a trust nothing else would ask that."""
    try:
        refuse_password(url)
        if trust is None and _ledger_at(url) is None:
            raise StoreMissingError("there is no ledger at the address of --store")
        return open_store(url, trust=trust)
    except ValueError as error:
        raise InputRefusedError(f"the store cannot be opened: {error}") from error


def refuse_password(url: str) -> None:
    """Refuse an address with a password, which everybody on the machine could read.

    Raises:
        InputRefusedError: It has one, or is no address.

    Source:
        CLI-12.3.
    """
    user, at, _ = url.partition("://")[2].partition("/")[0].rpartition("@")
    words = url.partition("?")[2].split("&")
    if (at and ":" in user) or any(word.startswith(_SECRETS) for word in words):
        raise InputRefusedError(
            "an argument is no place for a password",
            hint="Put it into a password file (PGPASSFILE) or into PGPASSWORD.",
        )


def _ledger_at(url: str) -> str | None:
    try:
        from audit.store.postgres.administration import ledger_at  # noqa: PLC0415 - an extra
    except ImportError:
        return ""  # opening it says what is missing
    return ledger_at(url)
