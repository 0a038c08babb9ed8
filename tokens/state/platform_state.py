"""What the platform stream says: keys, revocations by selector, pause.

Values only, and the two questions that are asked of them. How the stream is
read into them is in ``tokens.state.platform_fold``.

Spec: docs/spec/authority.md, AUT-3 and AUT-4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from tokens.keys import VerificationKey

__all__ = ["EMPTY_PLATFORM", "PlatformKey", "PlatformState"]


@dataclass(frozen=True, slots=True)
class PlatformKey:
    """A registered key as the stream left it.

    ``trusted`` is false for a key that the pinned root never signed. ``sequence``
    is the place of its newest entry in the stream; ``signing_ended_leaf`` the
    place in the ledger from which on it may sign nothing, once it has one.
    """

    key: VerificationKey
    trusted: bool
    sequence: int
    signing_ended_leaf: int | None = None


def _nothing() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformState:
    """Where the platform stands after the first ``size`` entries of its stream.

    ``last_hash`` is the leaf hash of the newest of them in hexadecimal, empty
    when there is none. The three mappings give, for each revoked value, the
    place in the stream of the entry that revoked it. ``all_revoked`` is the
    place in the stream and in the ledger of the newest revocation of everything.
    ``turned`` is the place of the newest pause or resumption.
    """

    size: int = 0
    last_hash: str = ""
    time_us: int = 0
    keys: Mapping[str, PlatformKey] = field(
        default_factory=lambda: MappingProxyType({})
    )
    revoked_users: Mapping[str, int] = field(default_factory=_nothing)
    revoked_issuers: Mapping[str, int] = field(default_factory=_nothing)
    revoked_keys: Mapping[str, int] = field(default_factory=_nothing)
    all_revoked: tuple[int, int] | None = None
    paused: bool = False
    turned: int | None = None

    def trusted_key(self, kid: str) -> VerificationKey | None:
        """Return the key with this id if it counts."""
        held = self.keys.get(kid)
        return held.key if held is not None and held.trusted else None

    def trusted_keys(self) -> dict[str, VerificationKey]:
        """Return every key that counts, by key id, whatever its state."""
        return {kid: held.key for kid, held in self.keys.items() if held.trusted}

    def selector_against(
        self, *, user_id: str, issued_by: str, kid: str, issued_leaf: int
    ) -> str | None:
        """Name the kind of selector under which a token is revoked, if any.

        User, issuer and key hold for every token, whenever it was issued; ``all``
        for those issued before it.

        Source:
            AUT-4.3, AUT-4.4.
        """
        if user_id in self.revoked_users:
            return "user"
        if issued_by in self.revoked_issuers:
            return "issuer"
        if kid in self.revoked_keys:
            return "key"
        if self.all_revoked is not None and issued_leaf < self.all_revoked[1]:
            return "all"
        return None

    def key_refusal(
        self, kid: str, *, issued_at_s: int, issued_leaf: int
    ) -> str | None:
        """Say why a token signed by this key at that time does not count.

        Args:
            kid: The key that signed it.
            issued_at_s: When the token says it was issued, in Unix seconds.
            issued_leaf: The place of its TOKEN_ISSUED in the ledger.

        Source:
            AUT-3.5.
        """
        held = self.keys.get(kid)
        if held is None:
            return f"key {kid} is not registered"
        if not held.trusted:
            return f"key {kid} has no valid statement of the pinned root key"
        if held.key.purpose != "issue":
            # It was of another purpose, unvouched for, when the signature was checked.
            return f"key {kid} is not for issuing tokens"
        ended = held.signing_ended_leaf
        if ended is not None and issued_leaf >= ended:
            return f"key {kid} signed nothing any more when the token was issued"
        return held.key.verification_refusal(issued_at_s)


EMPTY_PLATFORM: Final = PlatformState()
"""The platform before its first entry: no key, nothing revoked, running."""
