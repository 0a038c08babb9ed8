"""What a credential may be, again, from docs/spec/tokens.md alone.

Shares nothing with the product: joserfc checks the signature, rfc8785 says what
is canonical, and the rest is one long list of conditions. It answers with the
arguments of the token, or None.
"""

import base64
import hashlib
import json
import re
import unicodedata

import rfc8785
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

__all__ = ["oracle_reads"]

TOP = {"iss", "aud", "sub", "iat", "nbf", "exp", "jti", "authorization_details", "s3"}
PRIVATE = {"v", "capability", "issued_by", "limits", "triggers", "plan"}
PRIVATE |= {"max_executions"}
TRIGGERS = {"direct_command", "async_request", "acknowledgment", "scheduled"}
NUMBERS = ("max_invocations", "max_tokens_per_response", "max_total_tokens")
WORDS = {"agent", "autonomy", "executor", "orchestrator", "planner", "scheduler"}
WHOLE = {"system", "permissionsystem", "orchestrationplan"}
LAST_SECOND = 253_402_300_799


# Too long on purpose: every condition in one place, none of it shared.
def oracle_reads(text: str, *, x: str, ledger: str) -> dict | None:  # noqa: C901, PLR0911  # see above
    """Read a credential signed by the issue key ``x``, or None."""
    payload = _signed_object(text, x)
    if payload is None or set(payload) - {"cnf"} != TOP:
        return None
    if payload["iss"] != f"stage3:{ledger}" or payload["aud"] != f"stage3:{ledger}":
        return None
    if not _times_are_good(payload) or not _is_bits(payload["jti"], 16):
        return None
    if "cnf" in payload:
        holder = payload["cnf"]
        if not isinstance(holder, dict) or set(holder) != {"jkt"}:
            return None
        if not _is_bits(holder["jkt"], 32):
            return None
    scope = _scope(payload["authorization_details"])
    private = payload["s3"]
    if scope is None or not isinstance(private, dict) or set(private) != PRIVATE:
        return None
    good = (
        _is_number(private["v"], 1, 1)
        and _is_principal(payload["sub"])
        and _is_principal(private["issued_by"])
        and _is_label(private["capability"])
        and _limits_are_good(private["limits"])
        and _are_distinct(private["triggers"], lambda one: one in TRIGGERS, 1, 4)
        and _is_plan(private["plan"])
        and (
            private["max_executions"] is None
            or _is_number(private["max_executions"], 1, 2**53 - 1)
        )
    )
    if not good:
        return None
    return {
        "user_id": payload["sub"],
        "capability": private["capability"],
        "domain_scope": scope[0],
        "method_scope": scope[1],
        "duration_seconds": payload["exp"] - payload["iat"],
        "resource_limits": private["limits"],
        "allowed_trigger_types": private["triggers"],
        "issued_by": private["issued_by"],
        "plan_digest": private["plan"],
        "max_executions": private["max_executions"],
    }


def _signed_object(text: str, x: str) -> dict | None:
    if not isinstance(text, str) or len(text) > 8192 or not text.isascii():
        return None
    thumb = rfc8785.dumps({"kty": "OKP", "crv": "Ed25519", "x": x})
    kid = _b64(hashlib.sha256(thumb).digest())
    expected = {"alg": "Ed25519", "kid": kid, "typ": "stage3-cap+jwt"}
    parts = text.split(".")
    if len(parts) != 3 or parts[0] != _b64(rfc8785.dumps(expected)):
        return None
    if any(_b64(_unb64(part)) != part for part in parts[1:]):
        return None
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
    try:
        found = jws.deserialize_compact(text, key, algorithms=["Ed25519"]).payload
        payload = json.loads(found)
        canonical = isinstance(payload, dict) and rfc8785.dumps(payload) == found
    except (JoseError, ValueError, RecursionError, rfc8785.CanonicalizationError):
        return None
    return payload if canonical else None


def _times_are_good(payload: dict) -> bool:
    names = ("iat", "nbf", "exp")
    if not all(_is_number(payload[name], 0, LAST_SECOND) for name in names):
        return False
    if payload["nbf"] != payload["iat"]:
        return False
    return payload["exp"] - payload["iat"] in range(1, 1801)


def _scope(details: object) -> tuple[list, dict] | None:  # noqa: C901, PLR0911  # as above
    if not isinstance(details, list) or not 1 <= len(details) <= 64:
        return None
    domains, methods = [], {}
    for detail in details:
        if not isinstance(detail, dict):
            return None
        if set(detail) != {"type", "identifier", "actions"}:
            return None
        domain, actions = detail["identifier"], detail["actions"]
        if detail["type"] != "stage3_domain" or not _is_domain(domain):
            return None
        if not _are_distinct(actions, _is_identifier, 0, 64):
            return None
        domains.append(domain)
        if actions:
            methods[domain] = actions
    size = len(rfc8785.dumps(details)) - 1
    size += sum(1 for actions in methods.values())  # a comma after each last action
    if len(set(domains)) != len(domains) or size > 4096:
        return None
    return domains, methods


def _limits_are_good(limits: object) -> bool:
    if not isinstance(limits, dict) or set(limits) != {*NUMBERS, "max_frequency"}:
        return False
    text = limits["max_frequency"]
    return all(_is_number(limits[name], 1, 2**53 - 1) for name in NUMBERS) and (
        isinstance(text, str)
        and re.fullmatch("[1-9][0-9]{0,8} per [1-9][0-9]{0,8} seconds?", text)
        is not None
    )


def _are_distinct(values: object, is_good: object, least: int, most: int) -> bool:
    return (
        isinstance(values, list)
        and least <= len(values) <= most
        and all(isinstance(value, str) and is_good(value) for value in values)
        and len(set(values)) == len(values)
    )


def _is_number(value: object, least: int, most: int) -> bool:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return is_integer and least <= value <= most


def _is_label(value: object) -> bool:
    if not isinstance(value, str) or len(value) not in range(1, 129):
        return False
    kinds = {unicodedata.category(letter) for letter in value.replace(" ", "")}
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}
    return bool(kinds) and not kinds & hidden


def _is_plan(value: object) -> bool:
    if value is None:
        return True
    return (
        isinstance(value, str)
        and re.fullmatch("sha256:[0-9a-f]{64}", value) is not None
    )


def _is_identifier(value: object) -> bool:
    first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
    return (
        isinstance(value, str)
        and 1 <= len(value) <= 128
        and value[0] in first
        and all(letter in first + ".-" for letter in value)
    )


def _is_principal(value: object) -> bool:
    if not isinstance(value, str):
        return False
    plain = "".join("-" if letter in ":@+|/=~" else letter for letter in value)
    starts = value[:1] not in set(":@+|/=~")
    return starts and _is_identifier(plain) and not _names_machinery(value)


def _is_domain(value: object) -> bool:
    if not _is_identifier(value) or _names_machinery(value):
        return False
    return "".join(filter(str.isalnum, value)).lower() not in WHOLE


def _names_machinery(name: str) -> bool:
    bare = "".join(filter(str.isalnum, name)).lower()
    letters = "".join(filter(str.isalpha, name)).lower()
    spaced = "".join(letter if letter.isalpha() else " " for letter in name)
    split = re.sub("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", spaced)
    words = set(spaced.lower().split()) | set(split.lower().split())
    return (
        "stage3" in bare
        or bool(words & WORDS)
        or letters in WORDS | {"autonomousagent"}
    )


def _is_bits(value: object, size: int) -> bool:
    return (
        isinstance(value, str)
        and value.isascii()
        and len(_unb64(value)) == size
        and (_b64(_unb64(value)) == value)
    )


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().replace("=", "")


def _unb64(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
