"""The key set that ``keys export`` writes and ``token verify --jwks`` reads.

It is a JWK Set (RFC 7517) of the issue keys, for any verifier, with one more member
that our own understands: the root's signed statement of each key. With a trust file,
only what the pinned root signed counts; without one, whoever wrote the file is
believed.

Source: docs/spec/cli.md, CLI-6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stage2_domains.canonical import parse
from stage2_domains.errors import ValueRefusedError
from stage3.cli.errors import InputRefusedError
from stage3.cli.intake.validation import first_finding
from tokens.errors import TokenError
from tokens.format.statements import verify_key_statement
from tokens.keys import VerificationKey, jwks
from tokens.registry import TokenRegistry
from tokens.state.collections import KEY

if TYPE_CHECKING:
    from audit.store.interface import Store
    from audit.trust import Trust
    from stage3.cli.output.rendering import Json

__all__ = ["MAX_KEY_SET_BYTES", "key_set", "read_key_set"]

MAX_KEY_SET_BYTES: Final = 1 << 20
_STATEMENTS: Final = "stage3_statements"


class _Jwk(BaseModel):  # type: ignore[explicit-any]  # pydantic's own
    """One key of the set; members that are not known are passed over."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str = Field(max_length=64)


class _JwkSet(BaseModel):  # type: ignore[explicit-any]  # pydantic's own
    """The whole file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    keys: list[_Jwk] = Field(max_length=1_000)
    stage3_statements: list[str] = Field(default_factory=list, max_length=1_000)


def key_set(store: Store) -> dict[str, Json]:
    """Give the published issue keys of a store, each with its statement, if any.

    Raises:
        RegistryIntegrityError: The platform stream cannot be believed.
        AuditWriteError: The store cannot be read.
    """
    published = jwks(TokenRegistry(store).verification_keys().values())
    wanted = {key["kid"] for key in published["keys"]}
    with store.read() as tx:
        rows = tx.scan(KEY, {"purpose": "issue"})
    newest = {str(row["kid"]): row["statement"] for row in rows if row["statement"]}
    statements = [str(text) for kid, text in newest.items() if kid in wanted]
    return {"keys": published["keys"], _STATEMENTS: statements}


def read_key_set(data: bytes, trust: Trust | None) -> dict[str, VerificationKey]:
    """Read the keys that count of a key set, by key id.

    Args:
        data: The file.
        trust: The pinned root: only keys it signed count. None believes the file.

    Raises:
        InputRefusedError: It is not a key set, or a statement of it is not the
            pinned root's.

    Source:
        CLI-6.2, CLI-6.3.
    """
    try:
        found = _JwkSet.model_validate(parse(data, max_bytes=MAX_KEY_SET_BYTES))
        if trust is not None:
            return _signed_keys(found.stage3_statements, trust)
        keys = [VerificationKey.of(key.x, purpose="issue") for key in found.keys]
    except ValueRefusedError as error:
        raise InputRefusedError(f"the key set is not JSON: {error}") from error
    except ValidationError as error:
        raise InputRefusedError(f"the key set: {first_finding(error)}") from error
    except (TokenError, ValueError) as error:
        raise InputRefusedError(f"the key set: {error}") from error
    return {key.kid: key for key in keys}


def _signed_keys(statements: list[str], trust: Trust) -> dict[str, VerificationKey]:
    root = VerificationKey.of(trust.root_x, purpose="root")
    stated = [
        verify_key_statement(text, {root.kid: root}, trust.ledger_id)
        for text in statements
    ]
    in_order = sorted(stated, key=lambda one: one.origin.sequence)
    return {one.key.kid: one.key for one in in_order if one.key.purpose == "issue"}
