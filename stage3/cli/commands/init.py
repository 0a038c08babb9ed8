"""``stage3 init``: a new home, complete or not at all.

It is built in a temporary folder beside its place and moved there in one step, so a
failure at any point leaves nothing behind.

Source: docs/spec/cli.md, CLI-5.1.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from audit.entry import is_ledger_id
from audit.store.opening import open_store
from audit.trust import Trust, write_trust
from stage3.cli.errors import (
    HomeNotEmptyError,
    InputRefusedError,
    OutputFailedError,
    UsageError,
)
from stage3.cli.home import POSTGRES, Home, home_of, refuse_password
from stage3.cli.intake.files import shown
from stage3.cli.intake.passphrase import read_new_passphrase
from stage3.cli.output.answers import Answer
from stage3.cli.output.rendering import pairs
from tokens.authority import TokenAuthority
from tokens.keys import SigningKey
from tokens.keystore import save_key
from tokens.names import checked_actor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stage3.cli.arguments import Given
    from stage3.cli.dispatch import Command
    from stage3.cli.output.console import Console
    from stage3.cli.output.rendering import Json

__all__ = ["COMMANDS"]

_PURPOSES: Final = ("root", "issue", "revoke", "pause")
_ID_BYTES: Final = 16
_WHY: Final = "home made"


def _init(given: Given, _console: Console) -> Answer:
    _refuse_other_stores(given)
    home = home_of(given)
    _refuse_taken(home.folder)
    if given.ledger_id is not None and not is_ledger_id(given.ledger_id):
        raise InputRefusedError("a ledger id is 1 to 64 letters, digits or . _ -")
    _check_actor(given.by)
    ledger_id = given.ledger_id or os.urandom(_ID_BYTES).hex()
    passphrase = read_new_passphrase(given)
    with _new_folder(home.folder) as building:
        made = _Made(Home(building), given.store or Home(building).url, ledger_id)
        trust, keys = _fill(made, passphrase, given.by)
    return _answer(home, trust, keys)


def _check_actor(by: str) -> None:
    try:
        checked_actor(by)
    except ValueError as error:
        raise InputRefusedError(f"--by: {error}") from error


def _refuse_other_stores(given: Given) -> None:
    on_server = given.store is not None and given.store.startswith(POSTGRES)
    if (
        given.trust is not None
        or given.no_trust
        or not (given.store is None or on_server)
    ):
        raise UsageError("init makes the store and the trust file of --home itself")
    if given.store is not None:
        refuse_password(given.store)


def _refuse_taken(folder: Path) -> None:
    try:
        if not os.path.lexists(folder):
            return
        taken = not folder.is_dir() or folder.is_symlink() or any(folder.iterdir())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a possible name"
        raise InputRefusedError(f"{shown(folder)} cannot be used: {why}") from error
    if taken:
        raise HomeNotEmptyError(f"{shown(folder)} is there already, and not empty")


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill that becomes ``folder`` when the block ends well."""
    try:
        parent = folder.absolute().parent
        building = Path(tempfile.mkdtemp(prefix=".stage3-init-", dir=parent))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a possible name"
        raise OutputFailedError(f"{shown(folder)} cannot be made: {why}") from error
    try:
        yield building
        _put_in_place(building, folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _put_in_place(building: Path, folder: Path) -> None:
    """Move it to its name: that fails where a folder with something in it is."""
    try:
        building.rename(folder)
        descriptor = os.open(folder.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OutputFailedError(
            f"{shown(folder)} cannot be made: {error.strerror}"
        ) from error


@dataclass(frozen=True, slots=True)
class _Made:
    """What is being made: a home, and the ledger it is for."""

    home: Home
    url: str
    ledger_id: str


def _fill(
    made: _Made, passphrase: bytes, by: str
) -> tuple[Trust, dict[str, SigningKey]]:
    """Make keys, trust file and store, and let the root sign the other keys."""
    home, ledger_id = made.home, made.ledger_id
    keys = {purpose: SigningKey.generate(purpose=purpose) for purpose in _PURPOSES}
    trust = Trust(ledger_id=ledger_id, root_x=keys["root"].public.x)
    home.keys.mkdir(mode=0o700)
    for purpose, key in keys.items():
        save_key(home.key_file(purpose, key.kid), key, passphrase)
    write_trust(home.trust_file, trust)
    _make_store(made)
    with open_store(made.url, trust=trust) as store:
        authority = TokenAuthority(
            store,
            keys["issue"],
            revoke_key=keys["revoke"],
            pause_key=keys["pause"],
            root_key=keys["root"],
        )
        for purpose in _PURPOSES[1:]:
            authority.register_key(keys[purpose].public, reason=_WHY, by=by)
    return trust, keys


def _make_store(made: _Made) -> None:
    """Make the file; on a server, the ledger unless its owner has done so."""
    try:
        store = open_store(made.url, ledger_id=made.ledger_id)
        with store, store.read() as tx:
            size = tx.head().size
    except ValueError as error:
        raise InputRefusedError(f"the store cannot be made: {error}") from error
    if size:
        raise HomeNotEmptyError("the ledger at --store has entries already")
    if made.url == made.home.url:
        made.home.database.chmod(0o600)


def _answer(home: Home, trust: Trust, keys: Mapping[str, SigningKey]) -> Answer:
    document: dict[str, Json] = {
        "home": str(home.folder),
        "ledger_id": trust.ledger_id,
        "trust_file": str(home.trust_file),
        "keys": {purpose: key.kid for purpose, key in keys.items()},
    }
    lines = [
        *pairs(
            [
                ("home", home.folder),
                ("ledger", trust.ledger_id),
                *((f"{purpose} key", key.kid) for purpose, key in keys.items()),
            ]
        ),
        "",
        "Keep a copy of trust.json where the store's writers cannot reach it, and move",
        f"keys/root-{keys['root'].kid}.key",
        "offline: only `keys rotate` and `keys state` need it.",
    ]
    return Answer(document=document, lines=tuple(lines))


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType({"init": _init})
