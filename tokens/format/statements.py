"""Signed statements about keys, revocations and the platform's pause.

Each binds its ledger and its *sequence*: the index that the ledger entry which
records it has in its stream. So a statement can be used once, in one place: a
copy at another index, or in another ledger, says something false and is refused
by whoever compares (the sequence and the signer's state are the caller's to
check; history must stay readable after its keys have retired).

Each type has its own ``typ`` and its own purpose of key; none can be taken for
another, nor for a credential.

Specification: docs/spec/tokens.md, section 6.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from audit.canonical import JsonValue
from audit.signer import Signer
from tokens.errors import TokenMalformedError
from tokens.format.jws import (
    KEY_TYPE,
    PLATFORM_TYPE,
    REVOCATION_TYPE,
    sign_compact,
    verify_compact,
)
from tokens.format.ledger_id import ledger_of, ledger_uri
from tokens.format.members import integer, object_with, text
from tokens.keys import MAX_TIME_S, VerificationKey
from tokens.names import checked_actor, checked_principal, checked_text

__all__ = [
    "MAX_REASON_CHARACTERS",
    "PLATFORM_ACTIONS",
    "SELECTOR_KINDS",
    "KeyStatement",
    "Origin",
    "PlatformStatement",
    "RevocationStatement",
    "sign_key_statement",
    "sign_platform_statement",
    "sign_revocation_statement",
    "verify_key_statement",
    "verify_platform_statement",
    "verify_revocation_statement",
]

SELECTOR_KINDS: Final = ("token", "user", "issuer", "key", "all")
"""What a revocation may select; ``all`` takes the empty value."""

PLATFORM_ACTIONS: Final = ("pause", "resume")

MAX_REASON_CHARACTERS: Final = 500
MAX_SEQUENCE: Final = 2**53 - 1

_VERSION: Final = 1
_KID: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_TOKEN_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ORIGIN_MEMBERS: Final = ("v", "sequence", "reason", "by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where, when, by whom and why a statement is made.

    Attributes:
        ledger_id: The one ledger it is for.
        sequence: The index of its entry in its stream, from 0.
        reason: 1 to 500 printable characters, for people.
        by: The person or service that decided it, as issuers are written.
        issued_at_s: Unix seconds.

    Raises:
        ValueError: A field is not as described.
    """

    ledger_id: str
    sequence: int
    reason: str
    by: str
    issued_at_s: int

    def __post_init__(self) -> None:
        ledger_uri(self.ledger_id)
        _require_number("sequence", self.sequence, MAX_SEQUENCE)
        _require_number("issued_at_s", self.issued_at_s, MAX_TIME_S)
        checked_text("reason", self.reason, MAX_REASON_CHARACTERS)
        checked_actor(self.by)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatement:
    """The root says: this key has this purpose, window and state.

    Raises:
        ValueError: ``key`` is not a ``VerificationKey``, or is itself a root
            key, which only a trust file can make trusted.
    """

    origin: Origin
    key: VerificationKey

    def __post_init__(self) -> None:
        _require_origin(self.origin)
        if type(self.key) is not VerificationKey or self.key.purpose == "root":
            raise ValueError("key must be a VerificationKey that is no root key")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationStatement:
    """Everything selected is revoked, for ever.

    ``value`` is a token hash, a user, an issuer or a key id, compared exactly;
    for ``all`` it is empty.

    Raises:
        ValueError: ``kind`` is not one of ``SELECTOR_KINDS``, or ``value`` is not
            of that kind.
    """

    origin: Origin
    kind: str
    value: str

    def __post_init__(self) -> None:
        _require_origin(self.origin)
        _require_selector(self.kind, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformStatement:
    """The whole platform is paused, or goes on.

    Raises:
        ValueError: ``action`` is not one of ``PLATFORM_ACTIONS``.
    """

    origin: Origin
    action: str

    def __post_init__(self) -> None:
        _require_origin(self.origin)
        if type(self.action) is not str or self.action not in PLATFORM_ACTIONS:
            raise ValueError(f"action must be one of {', '.join(PLATFORM_ACTIONS)}")


def sign_key_statement(statement: KeyStatement, key: Signer) -> str:
    """Sign with the root key what a key is for.

    Raises:
        AuthorityError: ``key`` is not a root key.

    Source:
        TOK-6.1, TOK-6.2.
    """
    stated = statement.key
    body: dict[str, JsonValue] = {
        "kid": stated.kid,
        "x": stated.x,
        "purpose": stated.purpose,
        "not_before": stated.not_before_s,
        "not_after": stated.not_after_s,
        "state": stated.state,
    }
    return _signed(statement.origin, body, KEY_TYPE, key)


def verify_key_statement(
    statement: str, keys: Mapping[str, VerificationKey], ledger_id: str
) -> KeyStatement:
    """Return what a root key in ``keys`` signed, for this ledger.

    The sequence is the caller's to compare.

    Raises:
        TokenMalformedError: It is not a key statement, or for another ledger.
        KeyNotTrustedError: No root key in ``keys`` has its key id.
        TokenSignatureError: That key did not sign it.

    Source:
        TOK-3.1 to TOK-3.5, TOK-6.1, TOK-6.2.
    """
    names = ("kid", "x", "purpose", "not_before", "not_after", "state")
    origin, body = _verified(statement, keys, ledger_id, KEY_TYPE, names)
    not_after = body["not_after"]
    if not_after is not None:
        not_after = integer(body, "not_after", maximum=MAX_TIME_S)
    try:
        key = VerificationKey(
            kid=text(body, "kid"),
            x=text(body, "x"),
            purpose=text(body, "purpose"),
            not_before_s=integer(body, "not_before", maximum=MAX_TIME_S),
            not_after_s=not_after,
            state=text(body, "state"),
        )
        return KeyStatement(origin=origin, key=key)
    except ValueError as error:
        raise TokenMalformedError(f"the statement states no key: {error}") from error


def sign_revocation_statement(statement: RevocationStatement, key: Signer) -> str:
    """Sign a revocation.

    Raises:
        AuthorityError: ``key`` is not for ``revoke``.

    Source:
        TOK-6.1, TOK-6.4.
    """
    body: dict[str, JsonValue] = {"kind": statement.kind, "value": statement.value}
    return _signed(statement.origin, body, REVOCATION_TYPE, key)


def verify_revocation_statement(
    statement: str, keys: Mapping[str, VerificationKey], ledger_id: str
) -> RevocationStatement:
    """Return the revocation that a key for ``revoke`` signed, for this ledger.

    The sequence is the caller's to compare. The state of the key is not asked on
    purpose: a stop stays a stop after its key has retired, or was stolen.

    Raises:
        TokenMalformedError: It is not a revocation, or for another ledger.
        KeyNotTrustedError: No key for ``revoke`` in ``keys`` has its key id.
        TokenSignatureError: That key did not sign it.

    Source:
        TOK-3.1 to TOK-3.5, TOK-6.1, TOK-6.4.
    """
    names = ("kind", "value")
    origin, body = _verified(statement, keys, ledger_id, REVOCATION_TYPE, names)
    try:
        return RevocationStatement(
            origin=origin, kind=text(body, "kind"), value=text(body, "value")
        )
    except ValueError as error:
        raise TokenMalformedError(f"the statement selects nothing: {error}") from error


def sign_platform_statement(statement: PlatformStatement, key: Signer) -> str:
    """Sign a pause or the end of one.

    Raises:
        AuthorityError: ``key`` is not for ``pause``.

    Source:
        TOK-6.1, TOK-6.5.
    """
    return _signed(statement.origin, {"action": statement.action}, PLATFORM_TYPE, key)


def verify_platform_statement(
    statement: str, keys: Mapping[str, VerificationKey], ledger_id: str
) -> PlatformStatement:
    """Return the pause or resume that a key for ``pause`` signed, for this ledger.

    The sequence is the caller's to compare, and for a resume the state of the
    key too.

    Raises:
        TokenMalformedError: It is not a platform statement, or for another
            ledger.
        KeyNotTrustedError: No key for ``pause`` in ``keys`` has its key id.
        TokenSignatureError: That key did not sign it.

    Source:
        TOK-3.1 to TOK-3.5, TOK-6.1, TOK-6.5.
    """
    origin, body = _verified(statement, keys, ledger_id, PLATFORM_TYPE, ("action",))
    try:
        return PlatformStatement(origin=origin, action=text(body, "action"))
    except ValueError as error:
        raise TokenMalformedError(f"the statement says nothing: {error}") from error


def _signed(
    origin: Origin, body: Mapping[str, JsonValue], typ: str, key: Signer
) -> str:
    payload: dict[str, JsonValue] = {
        "iss": ledger_uri(origin.ledger_id),
        "iat": origin.issued_at_s,
        "s3": {
            **body,
            "v": _VERSION,
            "sequence": origin.sequence,
            "reason": origin.reason,
            "by": origin.by,
        },
    }
    return sign_compact(payload, typ=typ, key=key)


def _verified(
    statement: str,
    keys: Mapping[str, VerificationKey],
    ledger_id: str,
    typ: str,
    names: tuple[str, ...],
) -> tuple[Origin, dict[str, JsonValue]]:
    verified = verify_compact(statement, typ=typ, keys=keys)
    payload = object_with(verified.payload, ("iss", "iat", "s3"), "the statement")
    body = object_with(payload["s3"], (*_ORIGIN_MEMBERS, *names), "s3")
    if integer(body, "v", maximum=_VERSION) != _VERSION:
        raise TokenMalformedError("s3.v is not 1")
    if ledger_of(text(payload, "iss")) != ledger_id:
        raise TokenMalformedError("the statement is for another ledger")
    try:
        origin = Origin(
            ledger_id=ledger_id,
            sequence=integer(body, "sequence", maximum=MAX_SEQUENCE),
            reason=text(body, "reason"),
            by=text(body, "by"),
            issued_at_s=integer(payload, "iat", maximum=MAX_TIME_S),
        )
    except ValueError as error:
        raise TokenMalformedError(f"the statement has no origin: {error}") from error
    return origin, body


def _require_origin(value: object) -> None:
    if type(value) is not Origin:
        raise ValueError("origin must be an Origin")


def _require_number(name: str, value: object, maximum: int) -> None:
    if type(value) is not int or not 0 <= value <= maximum:
        raise ValueError(f"{name} must be an integer from 0 to {maximum}")


def _require_selector(kind: object, value: object) -> None:
    if type(kind) is not str or kind not in SELECTOR_KINDS:
        raise ValueError(f"kind must be one of {', '.join(SELECTOR_KINDS)}")
    if type(value) is not str:
        raise ValueError("value must be a string")
    match kind:
        case "token":
            _require_form(value, _TOKEN_HASH, "a token hash, sha256: and 64 digits")
        case "key":
            _require_form(value, _KID, "a key id")
        case "all":
            if value:
                raise ValueError("value must be empty when everything is revoked")
        case _:
            checked_principal(value)


def _require_form(value: str, form: re.Pattern[str], what: str) -> None:
    if form.fullmatch(value) is None:
        raise ValueError(f"value must be {what}")
