"""A token as the registry knows it: what was granted, and what became of it.

Spec: docs/spec/authority.md, AUT-6.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tokens.format.claims import Claims, ClaimsFields
from tokens.model import CapabilityToken

__all__ = ["RegisteredToken"]

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredToken:
    """A copy of what the registry knows of one token; it authorises nothing.

    Attributes:
        claims: What the credential says, all of it covered by its signature.
        revoked_by: ``token``, ``user``, ``issuer``, ``key`` or ``all``, if any.
        key_refusal: Why the key that signed it does not count, as a sentence.
        first_used: Whether a plan was ever validated under it.
        expired_noted: Whether it was refused as expired before.
    """

    claims: Claims
    revoked_by: str | None
    key_refusal: str | None
    first_used: bool
    expired_noted: bool

    @property
    def token(self) -> CapabilityToken:
        """What was granted."""
        return self.claims.token

    @property
    def token_hash(self) -> str:
        """The public handle."""
        return self.claims.token_hash

    @property
    def issued_at_us(self) -> int:
        """When it begins, in Unix microseconds."""
        return self.claims.issued_at_s * _MICROSECONDS

    @property
    def expires_at_us(self) -> int:
        """When it ends, exclusive, in Unix microseconds."""
        return self.claims.expires_at_s * _MICROSECONDS

    @property
    def issued_at(self) -> str:
        """When it begins, as an ISO 8601 text in UTC."""
        return self.claims.to_dict()["issued_at"]

    @property
    def kid(self) -> str:
        """The id of the key that signed it."""
        return self.claims.kid

    @property
    def revoked(self) -> bool:
        """Whether it was revoked, by itself or by a selector."""
        return self.revoked_by is not None

    @property
    def user_id(self) -> str:
        """Who it is for."""
        return self.token.user_id

    @property
    def capability(self) -> str:
        """Its label, which grants nothing."""
        return self.token.capability

    @property
    def domain_scope(self) -> tuple[str, ...]:
        """The domains it covers."""
        return self.token.domain_scope

    @property
    def method_scope(self) -> Mapping[str, tuple[str, ...]]:
        """The methods it covers, by domain."""
        return self.token.method_scope

    @property
    def duration_seconds(self) -> int:
        """How long it lasts."""
        return self.token.duration_seconds

    @property
    def resource_limits(self) -> dict[str, int | str]:
        """Its four limits, in a fresh dict."""
        return self.token.resource_limits

    @property
    def allowed_trigger_types(self) -> tuple[str, ...]:
        """The ways in which it may be triggered."""
        return self.token.allowed_trigger_types

    @property
    def issued_by(self) -> str:
        """Who granted it."""
        return self.token.issued_by

    def is_live(self, now_us: int) -> bool:
        """Tell whether nothing known here would refuse it at ``now_us``."""
        return (
            self.revoked_by is None
            and self.key_refusal is None
            and not self.expired_noted
            and self.issued_at_us <= now_us < self.expires_at_us
        )

    def allows(self, domain: str, method: str) -> bool:
        """Tell whether its scope has exactly this domain with this method."""
        return method in self.token.method_scope.get(domain, ())

    def to_dict(self) -> ClaimsFields:
        """Return the token and its issue as plain values, in a fresh dict.

        Source:
            rules 1A.16.
        """
        return self.claims.to_dict()
