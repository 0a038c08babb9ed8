"""How a token is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stage3.cli.output.rendering import pairs, time_text_s

if TYPE_CHECKING:
    from stage3.cli.output.rendering import Json
    from tokens.format.claims import Claims
    from tokens.state.registered import RegisteredToken

__all__ = ["claims_document", "claims_lines", "state_of"]


def state_of(token: RegisteredToken, now_us: int) -> str:
    """Say in a word or a few what became of a token, as the registry tells it."""
    if token.revoked_by is not None:
        by = token.revoked_by
        return "revoked" if by == "token" else f"revoked (by {by})"
    if token.key_refusal is not None:
        return "key not trusted"
    if now_us < token.issued_at_us:
        return "not active"
    return "active" if token.is_live(now_us) else "expired"


def claims_document(claims: Claims) -> dict[str, Json]:
    """Give everything a credential says, for machines."""
    fields = claims.to_dict()
    return {
        "token_hash": claims.token_hash,
        "ledger_id": claims.ledger_id,
        "kid": claims.kid,
        "holder_key": claims.holder_jkt,
        "user_id": fields["user_id"],
        "capability": fields["capability"],
        "issued_by": fields["issued_by"],
        "issued_at": fields["issued_at"],
        "expires_at": fields["expires_at"],
        "domain_scope": fields["domain_scope"],
        "method_scope": fields["method_scope"],
        "allowed_trigger_types": fields["allowed_trigger_types"],
        "resource_limits": fields["resource_limits"],
        "plan_digest": fields["plan_digest"],
        "max_executions": fields["max_executions"],
    }


def claims_lines(claims: Claims, state: str) -> list[str]:
    """Give everything a credential says, for people."""
    token = claims.token
    scope = [
        (f"may use {domain}", ", ".join(token.method_scope.get(domain, ())) or None)
        for domain in token.domain_scope
    ]
    return pairs(
        [
            ("state", state),
            ("token hash", claims.token_hash),
            ("user", token.user_id),
            ("capability", token.capability),
            ("issued by", token.issued_by),
            ("issued", time_text_s(claims.issued_at_s)),
            ("expires", time_text_s(claims.expires_at_s)),
            ("triggers", ", ".join(token.allowed_trigger_types)),
            *scope,
            *((name, value) for name, value in token.resource_limits.items()),
            ("plan", token.plan_digest or "any"),
            ("max_executions", token.max_executions or "any number"),
            ("ledger", claims.ledger_id),
            ("signed by key", claims.kid),
            ("bound to key", claims.holder_jkt or "nobody's"),
        ]
    )
