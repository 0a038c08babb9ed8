"""What a revocation selects: one token, or all tokens of a kind.

Spec: docs/spec/authority.md, AUT-4.
"""

from dataclasses import dataclass
from typing import Self

from tokens.names import checked_principal

__all__ = ["Selector"]


@dataclass(frozen=True, slots=True)
class Selector:
    """What is revoked. Made by the five class methods, never from parts.

    A revoked user, issuer or key stays revoked for every token, issued before
    or after. ``everything`` revokes every token issued up to that moment, so
    that the platform can be used again after it.
    """

    kind: str
    value: str

    @classmethod
    def token(cls, token_hash: str) -> Self:
        """Select one token by its handle."""
        return cls("token", token_hash)

    @classmethod
    def user(cls, user_id: str) -> Self:
        """Select every token of a user, past and future.

        Raises:
            ValueError: No user can be called that.
        """
        return cls("user", checked_principal(user_id))

    @classmethod
    def issuer(cls, issued_by: str) -> Self:
        """Select every token granted by somebody, past and future.

        Raises:
            ValueError: No issuer can be called that.
        """
        return cls("issuer", checked_principal(issued_by))

    @classmethod
    def key(cls, kid: str) -> Self:
        """Select every token signed by a key, past and future."""
        return cls("key", kid)

    @classmethod
    def everything(cls) -> Self:
        """Select every token issued up to now."""
        return cls("all", "")
