"""What a start must know of a token, read under the lock that orders it.

Spec: docs/spec/authority.md, AUT-6.
"""

from dataclasses import dataclass
from typing import Self

from audit.records import StreamHead
from tokens.errors import RegistryIntegrityError
from tokens.format.claims import Claims
from tokens.limits import Usage
from tokens.state.accounting import Basis

__all__ = ["TokenSnapshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSnapshot:
    """Everything the registry says of one token at one moment.

    It is worth something only inside the transaction that made it. Look at
    ``integrity`` first: where it is set, nothing else may be relied on.

    Attributes:
        claims: What the credential says; ``None`` where no such token exists.
        key_refusal: Why the key that signed it does not count, as a sentence.
        revoked_by: ``token``, ``user``, ``issuer``, ``key`` or ``all``, if any.
        paused: Whether the platform is paused.
        usage: The counters, all zero before the first start.
        bounding_use_us: When the use happened that bounds the frequency window,
            in Unix microseconds; ``None`` while fewer uses happened than it has.
        first_used: Whether TOKEN_FIRST_USED is on record.
        expired_noted: Whether TOKEN_EXPIRED is on record. It stays so, whatever
            a clock that went back may say.
        token_head: Where the token's stream stands.
        platform_head: Where the platform stream stands.
        integrity: Why the records cannot be believed, as a sentence. Every start
            that depends on them is refused.
    """

    claims: Claims | None
    key_refusal: str | None
    revoked_by: str | None
    paused: bool
    usage: Usage
    bounding_use_us: int | None
    first_used: bool
    expired_noted: bool
    token_head: StreamHead
    platform_head: StreamHead
    integrity: str | None

    @classmethod
    def of_no_token(
        cls,
        heads: tuple[StreamHead, StreamHead],
        *,
        paused: bool = False,
        integrity: str | None = None,
    ) -> Self:
        """Give the snapshot of a token that does not exist or cannot be believed.

        Args:
            heads: Of the token's stream and of the platform's.
            paused: Whether the platform is paused.
            integrity: Why it cannot be believed.
        """
        return cls(
            claims=None,
            key_refusal=None,
            revoked_by=None,
            paused=paused,
            usage=Usage(),
            bounding_use_us=None,
            first_used=False,
            expired_noted=False,
            token_head=heads[0],
            platform_head=heads[1],
            integrity=integrity,
        )

    def believed_claims(self) -> Claims:
        """Return the claims of a token that exists and whose records fit.

        Raises:
            RegistryIntegrityError: There are none to believe.
        """
        if self.integrity is not None:
            raise RegistryIntegrityError(self.integrity)
        if self.claims is None:
            raise RegistryIntegrityError("there is no such token")
        return self.claims

    def basis(self) -> Basis:
        """Return what a limit check of this token is made on.

        Raises:
            RegistryIntegrityError: As ``believed_claims``.
        """
        token = self.believed_claims().token
        return Basis(
            token.limits, token.max_executions, self.usage, self.bounding_use_us
        )
