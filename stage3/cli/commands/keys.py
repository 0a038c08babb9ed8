"""``stage3 keys``: list, export, rotate, retire.

Every change is signed by the root key of the home and written to the platform stream.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage3.cli.errors import HomeMissingError, InputRefusedError
from stage3.cli.home import home_of, open_given_store
from stage3.cli.intake.files import new_file
from stage3.cli.intake.key_set import key_set
from stage3.cli.intake.passphrase import read_passphrase
from stage3.cli.output.answers import Answer
from stage3.cli.output.rendering import json_lines, pairs, table, time_text_s
from stage3.cli.signing import SealedKeys, active_kid, authority, platform_of
from tokens.keys import SigningKey
from tokens.keystore import save_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audit.store.interface import Store
    from stage3.cli.arguments import Given
    from stage3.cli.dispatch import Command
    from stage3.cli.output.console import Console
    from stage3.cli.output.rendering import Json
    from tokens.authority import TokenAuthority
    from tokens.state.platform_state import PlatformKey, PlatformState

__all__ = ["COMMANDS"]


def _list(given: Given, _console: Console) -> Answer:
    home = home_of(given)
    with open_given_store(given) as store:
        platform = platform_of(store)
    rows: list[dict[str, Json]] = [
        {
            "purpose": held.key.purpose,
            "kid": kid,
            "state": "revoked" if kid in platform.revoked_keys else held.key.state,
            "trusted": held.trusted,
            "not_before": time_text_s(held.key.not_before_s or None),
            "not_after": time_text_s(held.key.not_after_s),
            "file_here": home.key_file(held.key.purpose, kid).exists(),
        }
        for kid, held in sorted(platform.keys.items(), key=_by_purpose)
    ]
    headings = ("PURPOSE", "KID", "STATE", "TRUSTED", "FROM", "TO", "FILE HERE")
    return Answer(
        document={"keys": rows},
        lines=tuple(table(headings, [tuple(row.values()) for row in rows])),
    )


def _by_purpose(item: tuple[str, PlatformKey]) -> tuple[str, int]:
    return item[1].key.purpose, item[1].sequence


def _export(given: Given, _console: Console) -> Answer:
    with open_given_store(given) as store:
        document = key_set(store)
    if given.out is None:
        return Answer(document=document, lines=tuple(json_lines(document)))
    with new_file(given.out, private=False) as file:
        file.write("".join(f"{line}\n" for line in json_lines(document)).encode())
    said: dict[str, Json] = {"file": given.out}
    return Answer(document=said, lines=tuple(pairs(said.items())))


def _rotate(given: Given, _console: Console) -> Answer:
    home, purpose = home_of(given), given.purpose
    sealed = SealedKeys(home, read_passphrase(given))
    with open_given_store(given) as store:
        platform = platform_of(store)
        old = active_kid(platform, purpose)
        new = SigningKey.generate(purpose=purpose)
        acting = _with_root(store, platform, sealed)
        path = home.key_file(purpose, new.kid)
        # Saved before it is registered: a registered key that nobody has is no use.
        save_key(path, new, sealed.passphrase)
        try:
            _replace(acting, old, new, given)
        except BaseException:
            if new.kid not in platform_of(store).keys:
                path.unlink()
            raise
    document: dict[str, Json] = {"purpose": purpose, "kid": new.kid, "replaced": old}
    return Answer(document=document, lines=tuple(pairs(document.items())))


def _replace(
    acting: TokenAuthority, old: str | None, new: SigningKey, given: Given
) -> None:
    try:
        acting.register_key(new.public, reason=given.reason, by=given.by)
        if old is not None:
            acting.set_key_state(old, "verify-only", reason=given.reason, by=given.by)
    except ValueError as error:
        raise InputRefusedError(str(error)) from error


def _state(given: Given, _console: Console) -> Answer:
    sealed = SealedKeys(home_of(given), read_passphrase(given))
    with open_given_store(given) as store:
        acting = _with_root(store, platform_of(store), sealed)
        try:
            acting.set_key_state(
                given.kid, given.state, reason=given.reason, by=given.by
            )
        except ValueError as error:
            raise InputRefusedError(str(error)) from error
    document: dict[str, Json] = {"kid": given.kid, "state": given.state}
    return Answer(document=document, lines=tuple(pairs(document.items())))


def _with_root(
    store: Store, platform: PlatformState, sealed: SealedKeys
) -> TokenAuthority:
    if store.trust is None:
        raise HomeMissingError(
            "keys are changed under the root key that a trust file pins",
            hint="Leave --no-trust out, or name the file with --trust.",
        )
    return authority(store, platform, root=sealed.root(store.trust.root_x))


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        "keys export": _export,
        "keys list": _list,
        "keys rotate": _rotate,
        "keys state": _state,
    }
)
