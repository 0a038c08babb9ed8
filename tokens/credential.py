"""The credential: a capability token, signed, with a beginning and an end.

Signing turns a ``CapabilityToken`` into a text; verifying turns a text back into
``Claims``. There is nothing in between: claims are made only from a text whose
signature was checked, and the token in them is equal to the one that was signed.

What a good signature does not say: whether the token was revoked, whether its
key still counts, and whether this is the time. ``verify_credential`` answers the
last two for somebody who is offline; the first needs the registry.

Specification: docs/spec/tokens.md, sections 3 and 4.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from audit.canonical import JsonValue
from audit.signer import Signer
from tokens.base64url import decode_base64url, encode_base64url
from tokens.errors import (
    KeyNotTrustedError,
    TokenExpiredError,
    TokenMalformedError,
    TokenNotActiveError,
)
from tokens.jws import CAPABILITY_TYPE, Verified, sign_compact, verify_compact
from tokens.keys import MAX_TIME_S, VerificationKey
from tokens.ledger_id import ledger_of, ledger_uri
from tokens.limits import LIMIT_KEYS
from tokens.members import integer, object_with, optional_text, text, texts
from tokens.model import MAX_DURATION_SECONDS, CapabilityToken, TokenFields

__all__ = [
    "Claims",
    "ClaimsFields",
    "check_time",
    "handle",
    "sign_credential",
    "token_hash_of",
    "token_id",
    "verify_credential",
    "verify_signature",
]

SCOPE_TYPE: Final = "stage3_domain"
CLAIMS_VERSION: Final = 1

_MICROSECONDS: Final = 1_000_000
_TOKEN_ID_BYTES: Final = 16
_THUMBPRINT_BYTES: Final = 32
_HANDLE: Final = re.compile(r"sha256:[0-9a-f]{64}")
_CLAIMS: Final = (
    "iss",
    "aud",
    "sub",
    "iat",
    "nbf",
    "exp",
    "jti",
    "authorization_details",
    "s3",
)
_CLAIMS_WITH_HOLDER: Final = (*_CLAIMS, "cnf")
_PRIVATE_CLAIMS: Final = (
    "v",
    "capability",
    "issued_by",
    "limits",
    "triggers",
    "plan",
    "max_executions",
)


class ClaimsFields(TokenFields):
    """The fields of a token and of its issue, as plain values."""

    issued_at: str
    expires_at: str
    token_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a credential says, all of it covered by the signature.

    Made only by this module, from a text that passed every check.

    Attributes:
        token: The capability token, equal to the one that was signed.
        token_hash: ``sha256:`` and the SHA-256 of the credential's characters.
        claims_digest: ``sha256:`` and the SHA-256 of the payload's bytes.
        ledger_id: The ledger the credential is for.
        issued_at_s: Unix seconds, the first in which it is valid.
        expires_at_s: Unix seconds, the first in which it is not.
        jti: 128 random bits in base64url, which make each credential unique.
        kid: The id of the key that signed it.
        holder_jkt: The thumbprint of the holder's key, or ``None``.
    """

    token: CapabilityToken
    token_hash: str
    claims_digest: str
    ledger_id: str
    issued_at_s: int
    expires_at_s: int
    jti: str
    kid: str
    holder_jkt: str | None

    @property
    def user_id(self) -> str:
        """Who the token is for."""
        return self.token.user_id

    def to_dict(self) -> ClaimsFields:
        """Return the token's fields, and when it was issued, in a fresh dict.

        Times are ISO 8601 in UTC, for people.

        Source:
            rules 1A.16, 1B.2; TOK-4.9.
        """
        return {
            **self.token.to_dict(),
            "issued_at": _iso(self.issued_at_s),
            "expires_at": _iso(self.expires_at_s),
            "token_hash": self.token_hash,
        }


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
    uri = ledger_uri(ledger_id)
    issued_at_s = _issue_second(now_us, token.duration_seconds)
    payload: dict[str, JsonValue] = {
        "iss": uri,
        "aud": uri,
        "sub": token.user_id,
        "iat": issued_at_s,
        "nbf": issued_at_s,
        "exp": issued_at_s + token.duration_seconds,
        "jti": _checked_bits("jti", jti, _TOKEN_ID_BYTES),
        "authorization_details": _scope_details(token),
        "s3": _private_claims(token),
    }
    if holder_jkt is not None:
        jkt = _checked_bits("holder_jkt", holder_jkt, _THUMBPRINT_BYTES)
        payload["cnf"] = {"jkt": jkt}
    return sign_compact(payload, typ=CAPABILITY_TYPE, key=key)


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
    return _claims_of(verified, credential, ledger_id)


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
            f"the token is not active before {_iso(claims.issued_at_s)}"
        )
    if now_us >= claims.expires_at_s * _MICROSECONDS:
        raise TokenExpiredError(f"the token expired at {_iso(claims.expires_at_s)}")


def token_hash_of(credential: str) -> str:
    """Return the public handle of a credential: ``sha256:`` and 64 digits.

    Any string has one, so that whatever somebody passes can be named in a record
    without being repeated there.

    Source:
        TOK-4.10.
    """
    return _digest(credential.encode("utf-8", "surrogatepass"))


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
    if type(random_bytes) is not bytes or len(random_bytes) != _TOKEN_ID_BYTES:
        raise ValueError(f"a token id is made of exactly {_TOKEN_ID_BYTES} bytes")
    return encode_base64url(random_bytes)


def _scope_details(token: CapabilityToken) -> list[JsonValue]:
    methods = token.method_scope
    return [
        {
            "type": SCOPE_TYPE,
            "identifier": domain,
            "actions": list(methods.get(domain, ())),
        }
        for domain in token.domain_scope
    ]


def _private_claims(token: CapabilityToken) -> dict[str, JsonValue]:
    return {
        "v": CLAIMS_VERSION,
        "capability": token.capability,
        "issued_by": token.issued_by,
        "limits": token.resource_limits,
        "triggers": list(token.allowed_trigger_types),
        "plan": token.plan_digest,
        "max_executions": token.max_executions,
    }


def _issue_second(now_us: int, duration_seconds: int) -> int:
    if type(now_us) is not int or not now_us >= 0:
        raise ValueError("now_us must be a time in Unix microseconds")
    second = now_us // _MICROSECONDS
    if second + duration_seconds > MAX_TIME_S:
        raise ValueError("now_us must be a time before the year 10000")
    return second


def _claims_of(verified: Verified, credential: str, ledger_id: str | None) -> Claims:
    """Read a verified payload as claims, with no room for anything else.

    Raises:
        TokenMalformedError: A claim is missing, unknown, of the wrong type or not
            what this library would sign.
    """
    names = _CLAIMS_WITH_HOLDER if "cnf" in verified.payload else _CLAIMS
    payload = object_with(verified.payload, names, "the credential")

    # (1) TOK-4.1: issuer and audience are the one ledger.
    ledger = ledger_of(text(payload, "iss"))
    if text(payload, "aud") != text(payload, "iss"):
        raise TokenMalformedError("aud is not iss")
    if ledger_id is not None and ledger != ledger_id:
        raise TokenMalformedError("the credential is for another ledger")

    # (2) TOK-4.2: it begins when it is issued and ends 1 to 1800 seconds later.
    issued_at_s = integer(payload, "iat", maximum=MAX_TIME_S)
    if integer(payload, "nbf", maximum=MAX_TIME_S) != issued_at_s:
        raise TokenMalformedError("nbf is not iat")
    expires_at_s = integer(payload, "exp", maximum=MAX_TIME_S)
    duration_s = expires_at_s - issued_at_s
    if not 1 <= duration_s <= MAX_DURATION_SECONDS:
        raise TokenMalformedError(
            f"exp must be 1 to {MAX_DURATION_SECONDS} seconds after iat"
        )

    # (3) TOK-4.3, TOK-4.4: the identifiers are exactly as long as they must be.
    jti = _claimed_bits("jti", text(payload, "jti"), _TOKEN_ID_BYTES)
    jkt = _holder_of(payload["cnf"]) if "cnf" in payload else None

    # (4) TOK-4.5, TOK-4.6: the rest must be a token that could have been made.
    return Claims(
        token=_token_of(payload, duration_s),
        token_hash=token_hash_of(credential),
        claims_digest=_digest(verified.payload_bytes),
        ledger_id=ledger,
        issued_at_s=issued_at_s,
        expires_at_s=expires_at_s,
        jti=jti,
        kid=verified.key.kid,
        holder_jkt=jkt,
    )


def _token_of(payload: Mapping[str, JsonValue], duration_s: int) -> CapabilityToken:
    claims = object_with(payload["s3"], _PRIVATE_CLAIMS, "s3")
    if integer(claims, "v", maximum=CLAIMS_VERSION) != CLAIMS_VERSION:
        raise TokenMalformedError("s3.v is not 1")
    domains, methods = _scope_of(payload["authorization_details"])
    try:
        return CapabilityToken(
            user_id=text(payload, "sub"),
            capability=text(claims, "capability"),
            domain_scope=domains,
            method_scope=methods,
            duration_seconds=duration_s,
            resource_limits=_limits_of(claims["limits"]),
            allowed_trigger_types=texts(claims, "triggers"),
            issued_by=text(claims, "issued_by"),
            plan_digest=optional_text(claims, "plan"),
            max_executions=_executions_of(claims["max_executions"]),
        )
    except ValueError as error:
        raise TokenMalformedError(f"the claims are no capability: {error}") from error


def _scope_of(value: JsonValue) -> tuple[list[str], dict[str, list[str]]]:
    if type(value) is not list:
        raise TokenMalformedError("authorization_details is not an array")
    domains: list[str] = []
    methods: dict[str, list[str]] = {}
    for element in value:
        detail = object_with(
            element, ("type", "identifier", "actions"), "authorization_details"
        )
        if text(detail, "type") != SCOPE_TYPE:
            raise TokenMalformedError(f"authorization_details: only {SCOPE_TYPE}")
        domain = text(detail, "identifier")
        domains.append(domain)
        actions = texts(detail, "actions")
        if actions:
            methods[domain] = actions
    return domains, methods


def _limits_of(value: JsonValue) -> dict[str, int | str]:
    members = object_with(value, LIMIT_KEYS, "s3.limits")
    limits: dict[str, int | str] = {}
    for name, member in members.items():
        # `type`, not isinstance: true and false are no numbers here.
        if type(member) is int or type(member) is str:
            limits[name] = member
        else:
            raise TokenMalformedError("s3.limits holds neither number nor text")
    return limits


def _executions_of(value: JsonValue) -> int | None:
    if value is None or type(value) is int:
        return value
    raise TokenMalformedError("s3.max_executions is neither an integer nor null")


def _holder_of(value: JsonValue) -> str:
    holder = object_with(value, ("jkt",), "cnf")
    return _claimed_bits("cnf.jkt", text(holder, "jkt"), _THUMBPRINT_BYTES)


def _checked_bits(name: str, value: object, size: int) -> str:
    if type(value) is not str or len(value) > size * 2:
        raise ValueError(f"{name} must be {size} bytes in base64url")
    try:
        return _claimed_bits(name, value, size)
    except TokenMalformedError as error:
        raise ValueError(f"{name} must be {size} bytes in base64url") from error


def _claimed_bits(name: str, value: str, size: int) -> str:
    if len(decode_base64url(value)) != size:
        raise TokenMalformedError(f"{name} is not {size} bytes in base64url")
    return value


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
