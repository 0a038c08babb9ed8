"""The credential: a capability token, signed, with a beginning and an end.

Signing turns a ``CapabilityToken`` into a text; verifying turns a text back into
``Claims``. There is nothing in between: claims are made only from a text whose
signature was checked, and the token in them is equal to the one that was signed.

What a good signature does not say: whether the token was revoked, whether its
key still counts, and whether this is the time. ``verify_credential`` answers the
last two for somebody who is offline; the first needs the registry.

Specification: docs/spec/tokens.md, sections 3 and 4.
"""

import re
from collections.abc import Mapping
from typing import Final

from audit.signer import Signer
from tokens.base64url import decode_base64url, encode_base64url
from tokens.errors import (
    KeyNotTrustedError,
    TokenExpiredError,
    TokenMalformedError,
    TokenNotActiveError,
)
from tokens.format.claims import (
    THUMBPRINT_BYTES,
    TOKEN_ID_BYTES,
    Claims,
    Issue,
    iso_time,
    read_claims,
    sha256_text,
    written_claims,
)
from tokens.format.jws import CAPABILITY_TYPE, sign_compact, verify_compact
from tokens.keys import MAX_TIME_S, VerificationKey
from tokens.model import CapabilityToken

__all__ = [
    "Claims",
    "check_time",
    "handle",
    "sign_credential",
    "token_hash_of",
    "token_id",
    "verify_credential",
    "verify_signature",
]

_MICROSECONDS: Final = 1_000_000
_HANDLE: Final = re.compile(r"sha256:[0-9a-f]{64}")


def sign_credential(  # the six things a credential is made of
    token: CapabilityToken,
    *,
    key: Signer,
    ledger_id: str,
    now_us: int,
    jti: str,
    holder_jkt: str | None = None,
) -> str:
    """Sign ``token`` as issued now, for one ledger.

    Args:
        token: What is granted.
        key: A key whose purpose is ``issue``. Its state and window are the
            caller's to check.
        ledger_id: The one ledger in which the credential counts.
        now_us: The time of issue in Unix microseconds; the credential begins at
            the second it falls in.
        jti: 128 random bits, as ``token_id`` writes them; never used twice.
        holder_jkt: The RFC 7638 thumbprint of the holder's key, if there is one.

    Returns:
        The credential, at most 8192 characters of ASCII.

    Raises:
        AuthorityError: The key is for another purpose, or its signer misbehaves.
        TypeError: ``token`` is not a ``CapabilityToken``.
        ValueError: Another argument is not as described.

    Source:
        TOK-4.1 to TOK-4.6.
    """
    if type(token) is not CapabilityToken:
        raise TypeError("token must be a CapabilityToken")
    issue = Issue(
        ledger_id=ledger_id,
        at_s=_issue_second(now_us, token.duration_seconds),
        jti=_checked_bits("jti", jti, TOKEN_ID_BYTES),
        holder_jkt=(
            None
            if holder_jkt is None
            else _checked_bits("holder_jkt", holder_jkt, THUMBPRINT_BYTES)
        ),
    )
    return sign_compact(written_claims(token, issue), typ=CAPABILITY_TYPE, key=key)


def verify_signature(
    credential: str,
    keys: Mapping[str, VerificationKey],
    ledger_id: str | None = None,
) -> Claims:
    """Check everything about a credential that does not depend on time or state.

    The answer is the same for ever, so it may be remembered by the credential's
    exact characters. The caller must still ask whether the key counts
    (``VerificationKey.verification_refusal``), whether it is time
    (``check_time``), and whether the token was revoked.

    Args:
        credential: The text as received.
        keys: The trusted keys, by key id; only those for ``issue`` count.
        ledger_id: The ledger it must be for; ``None`` accepts any one.

    Raises:
        TokenMalformedError: It is not a credential, or one for another ledger.
        KeyNotTrustedError: No key for ``issue`` in ``keys`` has its key id.
        TokenSignatureError: That key did not sign it.

    Source:
        TOK-3.1 to TOK-3.5 (``verify_compact``), then TOK-4.1 to TOK-4.6.
    """
    verified = verify_compact(credential, typ=CAPABILITY_TYPE, keys=keys)
    return read_claims(verified, credential, ledger_id)


def verify_credential(
    credential: str,
    *,
    keys: Mapping[str, VerificationKey],
    now: int,
    ledger_id: str | None = None,
) -> Claims:
    """Verify a credential offline: all but whether it was revoked.

    Args:
        credential: The text as received.
        keys: The trusted keys, by key id, with their states and windows.
        now: The time of the check, in Unix microseconds.
        ledger_id: The ledger it must be for; ``None`` accepts any one.

    Raises:
        TokenMalformedError: It is not a credential, or one for another ledger.
        KeyNotTrustedError: Its key is not in ``keys``, not for ``issue``, or was
            not trusted to sign when it was issued.
        TokenSignatureError: Its key did not sign it.
        TokenNotActiveError: ``now`` is before its beginning.
        TokenExpiredError: ``now`` is at or after its end.
        TypeError: ``now`` is not an ``int``.

    Source:
        TOK-3.1 to TOK-4.8, in that order.
    """
    if type(now) is not int:
        raise TypeError("now must be an int, in Unix microseconds")
    # (1) TOK-3.1 to TOK-4.6: form, signature and claims.
    claims = verify_signature(credential, keys, ledger_id)

    # (2) TOK-4.7: the key must have been trusted to sign when it did. The claims
    #     name the key that verified, whatever it is filed under in `keys`.
    key = next(key for key in keys.values() if key.kid == claims.kid)
    refusal = key.verification_refusal(claims.issued_at_s)
    if refusal is not None:
        raise KeyNotTrustedError(refusal)

    # (3) TOK-4.8: and it must be time.
    check_time(claims, now)

    # (4) No check of revocation: this function has no registry to ask.
    return claims


def check_time(claims: Claims, now_us: int) -> None:
    """Return if the credential is valid at ``now_us``, in Unix microseconds.

    Valid from its first second, inclusive, to its end, exclusive. No leeway:
    beginning and end are read on the one clock of the store that issued it.

    Raises:
        TokenNotActiveError: ``now_us`` is before the beginning.
        TokenExpiredError: ``now_us`` is at or after the end.

    Source:
        rules 2A.10; TOK-4.8.
    """
    # A clock that lags is met by this check too: `iat` and `nbf` are one number,
    # so a separate bound on `iat` in the future would never be reached.
    if now_us < claims.issued_at_s * _MICROSECONDS:
        raise TokenNotActiveError(
            f"the token is not active before {iso_time(claims.issued_at_s)}"
        )
    if now_us >= claims.expires_at_s * _MICROSECONDS:
        raise TokenExpiredError(f"the token expired at {iso_time(claims.expires_at_s)}")


def token_hash_of(credential: str) -> str:
    """Return the public handle of a credential: ``sha256:`` and 64 digits.

    Any string has one, so that whatever somebody passes can be named in a record
    without being repeated there.

    Source:
        TOK-4.10.
    """
    return sha256_text(credential.encode("utf-8", "surrogatepass"))


def handle(text: str) -> str:
    """Return ``text`` if it has the form of a token hash, else the hash of it.

    Somebody will pass a credential where a handle belongs; what is then written
    down must not be the credential.

    Source:
        TOK-4.10.
    """
    return text if _HANDLE.fullmatch(text) else token_hash_of(text)


def token_id(random_bytes: bytes) -> str:
    """Write 16 random bytes as a ``jti``.

    Raises:
        ValueError: Not exactly 16 bytes.
    """
    if type(random_bytes) is not bytes or len(random_bytes) != TOKEN_ID_BYTES:
        raise ValueError(f"a token id is made of exactly {TOKEN_ID_BYTES} bytes")
    return encode_base64url(random_bytes)


def _issue_second(now_us: int, duration_seconds: int) -> int:
    if type(now_us) is not int or not now_us >= 0:
        raise ValueError("now_us must be a time in Unix microseconds")
    second = now_us // _MICROSECONDS
    if second + duration_seconds > MAX_TIME_S:
        raise ValueError("now_us must be a time before the year 10000")
    return second


def _checked_bits(name: str, value: object, size: int) -> str:
    refusal = f"{name} must be {size} bytes in base64url"
    if type(value) is not str:
        raise ValueError(refusal)
    try:
        data = decode_base64url(value)
    except TokenMalformedError as error:
        raise ValueError(refusal) from error
    if len(data) != size:
        raise ValueError(refusal)
    return value
