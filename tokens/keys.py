"""Ed25519 keys: one purpose each, a state, and a window in which they sign.

A key's id is the RFC 7638 thumbprint of its public half, so it cannot be chosen.
Whether a key counts is a pure function of its state, its window and the time
asked about; where the states are kept and who may change them is not decided
here.

Specification: docs/spec/tokens.md, section 5.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, Self, final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from audit.canonical import canonical_bytes
from tokens.base64url import decode_base64url, encode_base64url
from tokens.errors import TokenMalformedError, TokenSignatureError

__all__ = [
    "KEY_PURPOSES",
    "KEY_STATES",
    "KEY_STATE_CHANGES",
    "MAX_TIME_S",
    "SigningKey",
    "VerificationKey",
    "jwks",
    "thumbprint",
]

KEY_PURPOSES: Final = (
    "root",
    "issue",
    "revoke",
    "approve",
    "pause",
    "log",
    "witness",
)
"""What a key may sign; a key has exactly one of these and never changes it."""

KEY_STATES: Final = ("prepublished", "active", "verify-only", "retired", "compromised")
"""The life of a key, in order; ``compromised`` can follow each of the others."""

KEY_STATE_CHANGES: Final[Mapping[str, tuple[str, ...]]] = {
    "prepublished": ("active", "retired", "compromised"),
    "active": ("verify-only", "compromised"),
    "verify-only": ("retired", "compromised"),
    "retired": ("compromised",),
    "compromised": (),
}
"""The states that may follow each state."""

MAX_TIME_S: Final = 253_402_300_799
"""The last second of the year 9999, in Unix seconds: no time is later."""

_KEY_BYTES: Final = 32
_PRIME: Final = 2**255 - 19
# The y coordinates of the eight points of small order. Under such a "key" one
# signature fits many messages, so it identifies nobody.
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        _PRIME - 1,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """A public key with its purpose, its state and the window it signs in.

    ``x`` is the public key in base64url and ``kid`` its thumbprint.
    ``not_before_s`` is the first second in which it signs, ``not_after_s`` the
    first in which it does not, both in Unix seconds; ``None`` leaves it open.

    Raises:
        ValueError: A field is not as described, ``kid`` is not the thumbprint of
            ``x``, or ``x`` is no point, or one of small order.
    """

    kid: str
    x: str
    purpose: str
    not_before_s: int = 0
    not_after_s: int | None = None
    state: str = "active"

    def __post_init__(self) -> None:
        _require_public_key(self.x)
        if type(self.kid) is not str or self.kid != thumbprint(self.x):
            raise ValueError("kid must be the RFC 7638 thumbprint of x")
        _require_member("purpose", self.purpose, KEY_PURPOSES)
        _require_member("state", self.state, KEY_STATES)
        _require_window(self.not_before_s, self.not_after_s)

    @classmethod
    def of(cls, x: str, *, purpose: str) -> Self:
        """Return the active key ``x`` without a window; its id is computed.

        Raises:
            ValueError: ``x`` or ``purpose`` is not as the class describes.
        """
        _require_public_key(x)
        return cls(kid=thumbprint(x), x=x, purpose=purpose)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return if this key signed exactly ``data``.

        State and window are not looked at; that is ``verification_refusal``.

        Raises:
            TokenSignatureError: It did not.
        """
        public = Ed25519PublicKey.from_public_bytes(decode_base64url(self.x))
        try:
            public.verify(signature, data)
        except InvalidSignature as error:
            raise TokenSignatureError(
                "the signature does not fit the key that the header names"
            ) from error

    def signing_refusal(self, now_s: int) -> str | None:
        """Say why the key may not sign at ``now_s``; ``None`` means it may.

        Source:
            TOK-5.4.
        """
        if self.state != "active":
            return f"key {self.kid} is {self.state}, only an active key signs"
        return self._window_refusal(now_s)

    def verification_refusal(self, issued_at_s: int) -> str | None:
        """Say why nothing issued at ``issued_at_s`` counts under this key.

        ``None`` means the key is good for it. Only an active key, and one that
        stopped signing but still vouches, is; the moment must be in its window.

        Source:
            TOK-5.5.
        """
        if self.state not in {"active", "verify-only"}:
            return f"key {self.kid} is {self.state}"
        return self._window_refusal(issued_at_s)

    def _window_refusal(self, at_s: int) -> str | None:
        if at_s < self.not_before_s:
            return f"key {self.kid} does not sign before {self.not_before_s}"
        if self.not_after_s is not None and at_s >= self.not_after_s:
            return f"key {self.kid} does not sign from {self.not_after_s} on"
        return None


@final
class SigningKey:
    """A private Ed25519 key that signs for one purpose (``audit.signer.Signer``).

    Its private half shows in no text, is not pickled, and leaves only through
    ``unsafe_private_bytes``. It signs whatever it is given; that it is the right
    purpose is checked by the functions that make tokens and statements.
    """

    __slots__ = ("_private", "_public")

    _private: Ed25519PrivateKey
    _public: VerificationKey

    def __new__(cls, private: Ed25519PrivateKey, *, purpose: str) -> Self:
        """Wrap a private key.

        Raises:
            ValueError: ``purpose`` is not one of ``KEY_PURPOSES``.
        """
        self = super().__new__(cls)
        x = encode_base64url(private.public_key().public_bytes_raw())
        object.__setattr__(self, "_private", private)
        object.__setattr__(self, "_public", VerificationKey.of(x, purpose=purpose))
        return self

    @classmethod
    def generate(cls, *, purpose: str) -> Self:
        """Make a new key from the operating system's randomness.

        Raises:
            ValueError: ``purpose`` is not one of ``KEY_PURPOSES``.
        """
        return cls(Ed25519PrivateKey.generate(), purpose=purpose)

    @classmethod
    def from_private_bytes(cls, data: bytes, *, purpose: str) -> Self:
        """Return the key with these 32 private bytes.

        Raises:
            ValueError: Not 32 bytes, or ``purpose`` is not one of
                ``KEY_PURPOSES``.
        """
        if type(data) is not bytes or len(data) != _KEY_BYTES:
            raise ValueError(f"a private key is exactly {_KEY_BYTES} bytes")
        return cls(Ed25519PrivateKey.from_private_bytes(data), purpose=purpose)

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint of the public half."""
        return self._public.kid

    @property
    def purpose(self) -> str:
        """The one purpose of the key."""
        return self._public.purpose

    @property
    def public(self) -> VerificationKey:
        """The public half: active, without a window."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature of exactly ``data``."""
        return self._private.sign(data)

    def unsafe_private_bytes(self) -> bytes:
        """Return the 32 private bytes. Whoever has them is this key."""
        return self._private.private_bytes_raw()

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r}, purpose={self.purpose!r})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a SigningKey is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a SigningKey is immutable")

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("SigningKey has no subclasses")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SigningKey is not pickled: save it with save_key")


def thumbprint(x: str) -> str:
    """Return the RFC 7638 thumbprint of the Ed25519 public key ``x``.

    Source:
        RFC 7638 section 3; RFC 8037 appendix A.3; TOK-5.1.
    """
    members = canonical_bytes({"crv": "Ed25519", "kty": "OKP", "x": x})
    return encode_base64url(hashlib.sha256(members).digest())


def jwks(
    keys: Iterable[VerificationKey], *, purpose: str = "issue"
) -> dict[str, list[dict[str, str]]]:
    """Return the RFC 7517 key set of one purpose, for verifiers elsewhere.

    Prepublished, active and verify-only keys are in it, ordered by key id. One
    purpose at a time, because a verifier that knows no purposes would accept a
    token under any key of the set.

    Source:
        RFC 7517 section 5; RFC 8037 section 2; RFC 9864; TOK-5.6.
    """
    published = sorted(
        (
            key
            for key in keys
            if key.purpose == purpose and key.state not in {"retired", "compromised"}
        ),
        key=lambda key: key.kid,
    )
    return {
        "keys": [
            {
                "alg": "Ed25519",
                "crv": "Ed25519",
                "kid": key.kid,
                "kty": "OKP",
                "use": "sig",
                "x": key.x,
            }
            for key in published
        ]
    }


def _require_public_key(x: object) -> None:
    if type(x) is not str:
        raise ValueError("x must be a public key in base64url")
    try:
        data = decode_base64url(x)
    except TokenMalformedError as error:
        raise ValueError("x must be a public key in canonical base64url") from error
    if len(data) != _KEY_BYTES:
        raise ValueError(f"x must be {_KEY_BYTES} bytes in base64url")
    # The sign of the x coordinate is the top bit; the rest is y, little-endian.
    y = int.from_bytes(data, "little") & (2**255 - 1)
    if y >= _PRIME or y in _SMALL_ORDER_Y:
        raise ValueError("x is not the public key of any private key")


def _require_member(name: str, value: object, members: tuple[str, ...]) -> None:
    if type(value) is not str or value not in members:
        raise ValueError(f"{name} must be one of {', '.join(members)}")


def _require_window(not_before_s: object, not_after_s: object) -> None:
    if type(not_before_s) is not int or not 0 <= not_before_s <= MAX_TIME_S:
        raise ValueError("not_before_s must be a time in Unix seconds")
    if not_after_s is None:
        return
    if type(not_after_s) is not int or not not_before_s < not_after_s <= MAX_TIME_S:
        raise ValueError("not_after_s must be a time after not_before_s, or None")
