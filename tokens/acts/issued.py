"""What issuing a token gives back.

Spec: docs/spec/authority.md, AUT-8.
"""

from dataclasses import dataclass, field
from typing import Final

from tokens.format.claims import Claims
from tokens.model import CapabilityToken

__all__ = ["IssuedToken"]

_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """What issuing gives back. The credential is shown here and never again.

    Attributes:
        token_hash: The public handle; it may be logged and shown.
        credential: The signed text. Whoever has it holds the authority.
        token: What was granted.
        issued_at_us: Its beginning, in Unix microseconds (a whole second).
        expires_at_us: Its end, exclusive, in Unix microseconds.
    """

    token_hash: str
    credential: str = field(repr=False)
    token: CapabilityToken
    issued_at_us: int
    expires_at_us: int

    @classmethod
    def of(cls, claims: Claims, credential: str) -> "IssuedToken":
        """Return what is handed out for a credential."""
        return cls(
            token_hash=claims.token_hash,
            credential=credential,
            token=claims.token,
            issued_at_us=claims.issued_at_s * _MICROSECONDS,
            expires_at_us=claims.expires_at_s * _MICROSECONDS,
        )
