"""Capability tokens, keys, limits, the registry and the authority.

The names below are what users import. They are loaded when first asked for, so
that whoever needs one pure part (an offline verifier) loads no database and no
signing code. Code of this project imports the submodules.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokens.acts.issued import IssuedToken
    from tokens.authority import TokenAuthority
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
    from tokens.keystore import load_key, save_key
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
    "TokenAuthority",
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
    "load_key",
    "save_key",
    "token_hash_of",
    "verify_credential",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for.

    Raises:
        AttributeError: There is no such name.
    """
    value: object
    if name not in __all__:
        raise AttributeError(f"module 'tokens' has no attribute {name!r}")
    if name == "TokenAuthority":
        from tokens import authority  # noqa: PLC0415  # loaded when first asked for

        value = authority.TokenAuthority
    elif name in {"load_key", "save_key"}:
        from tokens import keystore  # noqa: PLC0415  # loaded when first asked for

        value = getattr(keystore, name)
    else:
        from tokens import _public  # noqa: PLC0415  # loaded when first asked for

        value = getattr(_public, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
