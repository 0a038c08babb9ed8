"""The claims of a credential: how a token becomes members, and comes back.

The two directions stand side by side because they must agree: what one writes is
the only thing the other accepts, and reading it gives back an equal token. A
claim that is missing, unknown or of another type is refused.

Signatures are not checked here; ``read_claims`` is only given what was verified.

Specification: docs/spec/tokens.md, section 4. Base: RFC 7519, RFC 7800, RFC 9396.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from audit.canonical import JsonValue
from tokens.base64url import decode_base64url
from tokens.errors import TokenMalformedError
from tokens.format.jws import Verified
from tokens.format.ledger_id import ledger_of, ledger_uri
from tokens.format.members import integer, object_with, optional_text, text, texts
from tokens.keys import MAX_TIME_S
from tokens.limits import LIMIT_KEYS
from tokens.model import MAX_DURATION_SECONDS, CapabilityToken, TokenFields

__all__ = [
    "THUMBPRINT_BYTES",
    "TOKEN_ID_BYTES",
    "Claims",
    "ClaimsFields",
    "Issue",
    "iso_time",
    "read_claims",
    "sha256_text",
    "written_claims",
]

SCOPE_TYPE: Final = "stage3_domain"
CLAIMS_VERSION: Final = 1
TOKEN_ID_BYTES: Final = 16
THUMBPRINT_BYTES: Final = 32

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
class Issue:
    """Where and when a token is issued, and to which key it is bound.

    ``at_s`` is in Unix seconds; ``jti`` and ``holder_jkt`` are 16 and 32 bytes in
    base64url, checked by who makes this.
    """

    ledger_id: str
    at_s: int
    jti: str
    holder_jkt: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a credential says, all of it covered by the signature.

    Made only by ``read_claims``, from a text whose signature was checked.

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
            "issued_at": iso_time(self.issued_at_s),
            "expires_at": iso_time(self.expires_at_s),
            "token_hash": self.token_hash,
        }


def written_claims(token: CapabilityToken, issue: Issue) -> dict[str, JsonValue]:
    """Return the payload that says ``token`` was issued as ``issue`` says.

    Raises:
        ValueError: The ledger id is not one that a ledger may have.

    Source:
        TOK-4.1 to TOK-4.6.
    """
    uri = ledger_uri(issue.ledger_id)
    payload: dict[str, JsonValue] = {
        "iss": uri,
        "aud": uri,
        "sub": token.user_id,
        "iat": issue.at_s,
        "nbf": issue.at_s,
        "exp": issue.at_s + token.duration_seconds,
        "jti": issue.jti,
        "authorization_details": _scope_details(token),
        "s3": _private_claims(token),
    }
    if issue.holder_jkt is not None:
        payload["cnf"] = {"jkt": issue.holder_jkt}
    return payload


def read_claims(verified: Verified, credential: str, ledger_id: str | None) -> Claims:
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
    jti = _bits("jti", text(payload, "jti"), TOKEN_ID_BYTES)
    jkt = _holder_of(payload["cnf"]) if "cnf" in payload else None

    # (4) TOK-4.5, TOK-4.6: the rest must be a token that could have been made.
    return Claims(
        token=_token_of(payload, duration_s),
        token_hash=sha256_text(credential.encode("ascii")),
        claims_digest=sha256_text(verified.payload_bytes),
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
    return _bits("cnf.jkt", text(holder, "jkt"), THUMBPRINT_BYTES)


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


def sha256_text(data: bytes) -> str:
    """Return ``sha256:`` and the 64 hexadecimal digits of the SHA-256 of ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def iso_time(seconds: int) -> str:
    """Return a time in Unix seconds as ISO 8601 text in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _bits(name: str, value: str, size: int) -> str:
    if len(decode_base64url(value)) != size:
        raise TokenMalformedError(f"{name} is not {size} bytes in base64url")
    return value
