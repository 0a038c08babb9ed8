"""Issuing a token: the signed credential, its entry and its records.

The credential is signed before the lock; whether it may be issued is decided
under it, where a revocation or a key change that came first is seen.

Spec: docs/spec/authority.md, AUT-8.
"""

from typing import Final

from audit.entry import EntryDraft, draft_entry, ledger_text
from audit.errors import DuplicateKeyError, StreamConflictError
from audit.events import AuditEventType
from audit.store.interface import WriteTransaction
from audit.trail import token_stream
from tokens.errors import AuthorityError, KeyNotTrustedError
from tokens.format.claims import Claims
from tokens.state.collections import CREDENTIAL, ISSUANCE
from tokens.state.platform_state import PlatformState

__all__ = ["draft_issue", "issue_streams", "write_issue"]

_SHOWN_DOMAINS: Final = 16


def draft_issue(claims: Claims) -> EntryDraft:
    """Draft TOKEN_ISSUED: the claims by their digest, and what may be shown.

    Raises:
        EntryRefusedError: Never, for claims of a credential that fits.
    """
    token = claims.token
    domains = token.domain_scope
    return draft_entry(
        AuditEventType.TOKEN_ISSUED,
        user_id=token.issued_by,
        token_hash=claims.token_hash,
        domain="system",
        method="issue_token",
        status="success",
        details={
            "capability": ledger_text(token.capability),
            "claims": claims.claims_digest,
            "domain_count": len(domains),
            "domains": [ledger_text(domain) for domain in domains[:_SHOWN_DOMAINS]],
            "exp": claims.expires_at_s,
            "iat": claims.issued_at_s,
            "kid": claims.kid,
            "user": ledger_text(claims.user_id),
        },
    )


def issue_streams(claims: Claims) -> tuple[str, ...]:
    """Name the streams that a block which issues a token decides about."""
    return (token_stream(claims.token_hash),)


def write_issue(
    tx: WriteTransaction,
    platform: PlatformState,
    claims: Claims,
    credential: str,
    draft: EntryDraft,
) -> None:
    """Append the entry and insert the records of a token.

    Raises:
        AuthorityError: Its user or issuer is revoked, or it exists.
        KeyNotTrustedError: Its key does not count, or may not sign now.
    """
    _require_not_revoked(platform, claims)
    key = platform.trusted_key(claims.kid)
    if key is None:
        raise KeyNotTrustedError(f"key {claims.kid} is not registered")
    refusal = key.signing_refusal(claims.issued_at_s)
    if refusal is not None:
        raise KeyNotTrustedError(refusal)
    try:
        stream = token_stream(claims.token_hash)
        receipt = tx.append(stream, [draft], expected_size=0)[0]
        tx.insert(
            CREDENTIAL, {"token_hash": claims.token_hash, "credential": credential}
        )
    except (StreamConflictError, DuplicateKeyError) as error:
        raise AuthorityError(
            "exactly this token exists: the source of randomness repeats itself"
        ) from error
    tx.insert(
        ISSUANCE,
        {
            "leaf_index": receipt.place,
            "token_hash": claims.token_hash,
            "user_id": claims.user_id,
            "expires_s": claims.expires_at_s,
        },
    )


def _require_not_revoked(platform: PlatformState, claims: Claims) -> None:
    if claims.user_id in platform.revoked_users:
        raise AuthorityError("the user of the token was revoked, for good")
    if claims.token.issued_by in platform.revoked_issuers:
        raise AuthorityError("the issuer of the token was revoked, for good")
    if claims.kid in platform.revoked_keys:
        raise KeyNotTrustedError(f"key {claims.kid} was revoked, for good")
