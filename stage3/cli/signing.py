"""The sealed keys of a home, and the authority that signs with them.

Each command unseals only the keys it signs with: revoking needs no issue key.

Source: docs/spec/cli.md, CLI-5.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stage3.cli.errors import HomeMissingError
from stage3.cli.intake.files import shown
from tokens.authority import TokenAuthority
from tokens.errors import AuthorityError
from tokens.keys import SigningKey, thumbprint
from tokens.keystore import load_key
from tokens.state.reading import TokenReader

if TYPE_CHECKING:
    from audit.store.interface import Store
    from stage3.cli.home import Home
    from tokens.state.platform_state import PlatformState

__all__ = ["Sealed", "SealedKeys", "active_kid", "authority", "platform_of"]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A key that stays in its file: it has an id and cannot sign."""

    kid: str
    purpose: str

    def sign(self, data: bytes) -> bytes:
        """Refuse.

        Raises:
            AuthorityError: Always.
        """
        raise AuthorityError(
            f"the {self.purpose} key was not unsealed to sign {len(data)} bytes"
        )


def platform_of(store: Store) -> PlatformState:
    """Read the state of the platform: its keys, revocations and pause.

    Raises:
        RegistryIntegrityError: The platform stream cannot be believed.
        AuditWriteError: The store cannot be read.
    """
    reader = TokenReader(store)
    with store.read() as tx:
        return reader.platform(tx)


def active_kid(platform: PlatformState, purpose: str) -> str | None:
    """Give the id of the newest key of a purpose that is trusted and active."""
    found = [
        (held.sequence, kid)
        for kid, held in platform.keys.items()
        if held.trusted and held.key.purpose == purpose and held.key.state == "active"
    ]
    return max(found)[1] if found else None


class SealedKeys:
    """The keys of a home, unsealed one by one with its passphrase."""

    __slots__ = ("_home", "_passphrase")

    def __init__(self, home: Home, passphrase: bytes) -> None:
        self._home = home
        self._passphrase = passphrase

    @property
    def passphrase(self) -> bytes:
        """What the keys are sealed under."""
        return self._passphrase

    def root(self, x: str) -> SigningKey:
        """Unseal the root key with this public half.

        Raises:
            HomeMissingError: Its file is not in the home.
            KeystoreError: It cannot be unsealed.
        """
        return self._load("root", thumbprint(x))

    def active(self, platform: PlatformState, purpose: str) -> SigningKey:
        """Unseal the active key of a purpose.

        Raises:
            HomeMissingError: There is none, or its file is not in the home.
            KeystoreError: It cannot be unsealed.
        """
        kid = active_kid(platform, purpose)
        if kid is None:
            raise HomeMissingError(
                f"no {purpose} key is active", hint="See `stage3 keys list`."
            )
        return self._load(purpose, kid)

    def _load(self, purpose: str, kid: str) -> SigningKey:
        path = self._home.key_file(purpose, kid)
        if not path.exists():
            raise HomeMissingError(
                f"the {purpose} key is not here: there is no {shown(path)}",
                hint="Give the home that has it, or put the file there.",
            )
        return load_key(path, self._passphrase)


def authority(
    store: Store,
    platform: PlatformState,
    *,
    root: SigningKey | None = None,
    **unsealed: SigningKey,
) -> TokenAuthority:
    """Make an authority that can sign with the keys given and no others.

    Raises:
        AuthorityError, KeyNotTrustedError: As ``TokenAuthority``.
    """
    issue = unsealed.get("issue")
    return TokenAuthority(
        store,
        _sealed_issue_key(platform) if issue is None else issue,
        revoke_key=unsealed.get("revoke"),
        pause_key=unsealed.get("pause"),
        root_key=root,
    )


def _sealed_issue_key(platform: PlatformState) -> Sealed:
    """Name an issue key without having it; stopping must work with none active."""
    kid = active_kid(platform, "issue")
    if kid is None:
        known = [
            kid
            for kid, key in platform.trusted_keys().items()
            if key.purpose == "issue"
        ]
        kid = known[-1] if known else "none"
    return Sealed(kid, "issue")
