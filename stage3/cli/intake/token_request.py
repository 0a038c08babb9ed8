"""The token request file: what ``token issue`` shall grant.

The file is judged here for its form; whether it can be a token is for
``CapabilityToken``, which has the last word on every value.

Source: docs/spec/cli.md, CLI-7.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stage2_domains.canonical import parse
from stage2_domains.errors import ValueRefusedError
from stage3.cli.errors import InputRefusedError
from stage3.cli.intake.validation import first_finding
from tokens.model import CapabilityToken

__all__ = ["MAX_REQUEST_BYTES", "read_token_request"]

MAX_REQUEST_BYTES: Final = 65_536
_VERSION: Final = 1
_STRICT: Final = ConfigDict(strict=True, frozen=True, extra="forbid")


class _Limits(BaseModel):  # type: ignore[explicit-any]  # pydantic's own
    """The four limits, all required."""

    model_config = _STRICT

    max_invocations: int
    max_tokens_per_response: int
    max_total_tokens: int
    max_frequency: str


class _TokenRequest(BaseModel):  # type: ignore[explicit-any]  # pydantic's own
    """The arguments of ``CapabilityToken``, with a version."""

    model_config = _STRICT

    v: int = Field(ge=_VERSION, le=_VERSION)  # a Literal would take true for 1
    user_id: str
    capability: str
    issued_by: str
    domain_scope: list[str]
    method_scope: dict[str, list[str]]
    duration_seconds: int
    resource_limits: _Limits
    allowed_trigger_types: list[str]
    plan_digest: str | None = None
    max_executions: int | None = None
    holder_key: str | None = None


def read_token_request(data: bytes) -> tuple[CapabilityToken, str | None]:
    """Read what is to be granted, and the holder's public key, if there is one.

    Raises:
        InputRefusedError: It is not JSON of the one accepted form, or cannot be a
            token.

    Source:
        CLI-7.1, CLI-7.2.
    """
    try:
        found = _TokenRequest.model_validate(parse(data, max_bytes=MAX_REQUEST_BYTES))
        return _token(found), found.holder_key
    except ValueRefusedError as error:
        raise InputRefusedError(f"the token request is not JSON: {error}") from error
    except ValidationError as error:
        raise InputRefusedError(f"the token request: {first_finding(error)}") from error
    except ValueError as error:
        raise InputRefusedError(f"the token request: {error}") from error


def _token(request: _TokenRequest) -> CapabilityToken:
    limits = request.resource_limits
    return CapabilityToken(
        user_id=request.user_id,
        capability=request.capability,
        domain_scope=request.domain_scope,
        method_scope=request.method_scope,
        duration_seconds=request.duration_seconds,
        resource_limits={
            "max_invocations": limits.max_invocations,
            "max_tokens_per_response": limits.max_tokens_per_response,
            "max_total_tokens": limits.max_total_tokens,
            "max_frequency": limits.max_frequency,
        },
        allowed_trigger_types=request.allowed_trigger_types,
        issued_by=request.issued_by,
        plan_digest=request.plan_digest,
        max_executions=request.max_executions,
    )
