"""Reading tokens and the platform: what registry and authority have in common.

It reads, and remembers exact bytes; it has no way to write.

Spec: docs/spec/authority.md, AUT-5 and AUT-6.
"""

from dataclasses import replace

from audit.store.interface import ReadTransaction, Store
from audit.trail import PLATFORM_STREAM
from tokens.errors import TokenUnknownError
from tokens.keys import VerificationKey
from tokens.state.collections import ISSUANCE, TOKEN_COLLECTIONS
from tokens.state.platform_reader import PlatformReader
from tokens.state.platform_state import PlatformState
from tokens.state.registered import RegisteredToken
from tokens.state.token_records import Examined, TokenExaminer, read_token_rows

__all__ = [
    "TokenReader",
    "key_refusal_of",
    "registered",
    "revoker_of",
    "root_of",
    "shown_keys",
]


def root_of(store: Store) -> VerificationKey | None:
    """Return the root key that was pinned when the store was opened, if any.

    Raises:
        ValueError: What was pinned is not a public key.
    """
    if store.trust is None:
        return None
    return VerificationKey.of(store.trust.root_x, purpose="root")


class TokenReader:
    """Reads tokens and the platform of one store. Safe across threads."""

    def __init__(self, store: Store) -> None:
        store.declare(*TOKEN_COLLECTIONS)
        self.platforms = PlatformReader(store.ledger_id, root_of(store))
        self.tokens = TokenExaminer(store.ledger_id)

    def platform(self, tx: ReadTransaction) -> PlatformState:
        """Return the state of the platform as this transaction sees it.

        Raises:
            RegistryIntegrityError: It cannot be believed.
        """
        return self.platforms.current(tx, tx.stream_head(PLATFORM_STREAM))

    def token(self, tx: ReadTransaction, token_hash: str) -> RegisteredToken:
        """Return one token.

        Raises:
            TokenUnknownError: No such token was issued here.
            RegistryIntegrityError: Its records cannot be believed.
        """
        platform = self.platform(tx)
        rows = read_token_rows(tx, token_hash)
        examined = self.tokens.examine(rows, platform)
        if examined is None:
            raise TokenUnknownError(f"token {token_hash} not found")
        return registered(examined, platform)

    def tokens_of(
        self, tx: ReadTransaction, user_id: str, *, ending_after_s: int = 0
    ) -> list[RegisteredToken]:
        """Return the tokens of a user in the order of their issue.

        Args:
            tx: The transaction to read in.
            user_id: The user, compared exactly.
            ending_after_s: Leave out those that end at or before this second.

        Raises:
            TokenUnknownError: The list names a token that does not exist.
            RegistryIntegrityError: The records of one cannot be believed.
        """
        rows = tx.scan(ISSUANCE, {"user_id": user_id})
        return [
            self.token(tx, str(row["token_hash"]))
            for row in rows
            if int(row["expires_s"] or 0) > ending_after_s
        ]


def registered(examined: Examined, platform: PlatformState) -> RegisteredToken:
    """Return an examined token with what the platform's state makes of it."""
    claims, trail = examined.claims, examined.trail
    return RegisteredToken(
        claims=claims,
        revoked_by=revoker_of(examined, platform),
        key_refusal=key_refusal_of(examined, platform),
        first_used=trail.first_used,
        expired_noted=trail.expired_noted,
    )


def revoker_of(examined: Examined, platform: PlatformState) -> str | None:
    """Name what revokes a token: ``token``, the kind of a selector, or nothing."""
    if examined.trail.revocation_digest is not None:
        return "token"
    claims = examined.claims
    return platform.selector_against(
        user_id=claims.user_id,
        issued_by=claims.token.issued_by,
        kid=claims.kid,
        issued_leaf=examined.trail.issued_leaf,
    )


def key_refusal_of(examined: Examined, platform: PlatformState) -> str | None:
    """Say why the key of a token does not count for it, if it does not."""
    return platform.key_refusal(
        examined.claims.kid,
        issued_at_s=examined.claims.issued_at_s,
        issued_leaf=examined.trail.issued_leaf,
    )


def shown_keys(platform: PlatformState) -> dict[str, VerificationKey]:
    """Return the keys that count, by key id, as verifiers elsewhere must see them.

    A key under which every token was revoked is shown as compromised.
    """
    return {
        kid: replace(key, state="compromised") if kid in platform.revoked_keys else key
        for kid, key in platform.trusted_keys().items()
    }
