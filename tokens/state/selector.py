"""What a revocation selects: one token, or all tokens of a kind.

Spec: docs/spec/authority.md, AUT-4.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from tokens.errors import AuthorityError
from tokens.names import checked_principal

__all__ = ["Selector", "require_handle"]

_TOKEN_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")


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


def require_handle(token_hash: object) -> None:
    """Return if this has the form of a handle.

    Raises:
        AuthorityError: It is another text. It is not shown: it may be a credential.
        TypeError: It is no text.

    Source:
        AUT-4.6.
    """
    if type(token_hash) is not str:
        raise TypeError("token_hash must be a string")
    if _TOKEN_HASH.fullmatch(token_hash) is None:
        raise AuthorityError(
            "a token is named by its token_hash, sha256: and 64 hexadecimal digits;"
            " what was given is something else (a credential, perhaps)"
        )
