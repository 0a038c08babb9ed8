"""The public names of this package in one place, for its root to load lazily.

The authority and the keystore are not among them: the root loads those by
themselves, so that whoever only reads tokens loads neither.
"""

from tokens.acts.issued import IssuedToken
from tokens.credential import handle, token_hash_of, verify_credential
from tokens.errors import (
    AmbiguousAuthorizationError,
    AuthorityError,
    KeyNotTrustedError,
    KeystoreError,
    RegistryIntegrityError,
    TokenError,
    TokenExpiredError,
    TokenMalformedError,
    TokenNotActiveError,
    TokenRevokedError,
    TokenSignatureError,
    TokenUnknownError,
)
from tokens.format.claims import Claims
from tokens.keys import SigningKey, VerificationKey, jwks
from tokens.limits import Limits, Usage
from tokens.model import CapabilityToken
from tokens.registry import TokenRegistry
from tokens.state.listing import TokenFilter, TokenPage
from tokens.state.registered import RegisteredToken
from tokens.state.selector import Selector

__all__ = [
    "AmbiguousAuthorizationError",
    "AuthorityError",
    "CapabilityToken",
    "Claims",
    "IssuedToken",
    "KeyNotTrustedError",
    "KeystoreError",
    "Limits",
    "RegisteredToken",
    "RegistryIntegrityError",
    "Selector",
    "SigningKey",
    "TokenError",
    "TokenExpiredError",
    "TokenFilter",
    "TokenMalformedError",
    "TokenNotActiveError",
    "TokenPage",
    "TokenRegistry",
    "TokenRevokedError",
    "TokenSignatureError",
    "TokenUnknownError",
    "Usage",
    "VerificationKey",
    "handle",
    "jwks",
    "token_hash_of",
    "verify_credential",
]
