"""What can go wrong with a token, a key or a signed statement.

Everything this package raises on account of received bytes or the state of
the registry is one of these. Values that cannot be a token at all
(``CapabilityToken(...)`` with a bad argument) are plain ``ValueError``, because
they are the caller's own and nobody signed them yet.

::

    TokenError
    ├── TokenMalformedError            the sender: not of the one accepted form
    ├── TokenSignatureError            the sender: the key named did not sign this
    ├── TokenExpiredError              time: at or after the end
    ├── TokenNotActiveError            time: before the beginning
    ├── TokenUnknownError (KeyError)   the caller: no such token here
    ├── TokenRevokedError (KeyError)   the security team: withdrawn for good
    ├── KeyNotTrustedError             the key: unknown, or not trusted for this
    ├── KeystoreError                  the key file: unreadable, damaged, too open
    ├── RegistryIntegrityError         the store: rows and entries disagree
    ├── AmbiguousAuthorizationError    the caller: more than one token would do
    └── AuthorityError                 the issuer side: wrong key, unknown selector

Branch on the type or on ``code``; the texts are for people.
"""

from typing import ClassVar

__all__ = [
    "AmbiguousAuthorizationError",
    "AuthorityError",
    "KeyNotTrustedError",
    "KeystoreError",
    "RegistryIntegrityError",
    "TokenError",
    "TokenExpiredError",
    "TokenMalformedError",
    "TokenNotActiveError",
    "TokenRevokedError",
    "TokenSignatureError",
    "TokenUnknownError",
]


class TokenError(Exception):
    """The root of everything this package raises about tokens and keys."""

    code: ClassVar[str] = "TOKEN_ERROR"

    def __str__(self) -> str:
        # KeyError would print the repr of its sentence, with quotes around it.
        return Exception.__str__(self)


class TokenMalformedError(TokenError):
    """The text is not a token or statement of the one accepted form."""

    code = "TOKEN_MALFORMED"


class TokenSignatureError(TokenError):
    """The key that the header names did not sign exactly these bytes."""

    code = "TOKEN_SIGNATURE"


class TokenExpiredError(TokenError):
    """The time is at or after the token's end (the end is exclusive)."""

    code = "TOKEN_EXPIRED"


class TokenNotActiveError(TokenError):
    """The time is before the token's beginning."""

    code = "TOKEN_NOT_ACTIVE"


class TokenUnknownError(TokenError, KeyError):
    """No token with this handle was issued here."""

    code = "TOKEN_UNKNOWN"


class TokenRevokedError(TokenError, KeyError):
    """The token was revoked, by itself or by a selector it falls under."""

    code = "TOKEN_REVOKED"


class KeyNotTrustedError(TokenError):
    """The key is unknown, of another purpose, or not trusted at that time."""

    code = "KEY_NOT_TRUSTED"


class KeystoreError(TokenError):
    """A key file cannot be written, read, decrypted or believed."""

    code = "KEYSTORE_ERROR"


class RegistryIntegrityError(TokenError):
    """What the registry holds is not what its ledger entries say it must hold."""

    code = "REGISTRY_INTEGRITY"


class AmbiguousAuthorizationError(TokenError):
    """More than one live token authorises the operation, and none is picked."""

    code = "AMBIGUOUS_AUTHORIZATION"


class AuthorityError(TokenError):
    """The issuer side was asked for something that its keys or state forbid."""

    code = "AUTHORITY_ERROR"
