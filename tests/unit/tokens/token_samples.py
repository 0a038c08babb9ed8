"""Tokens, keys and forged texts for the tests of this room."""

import base64
import json

from tokens.credential import sign_credential, token_id
from tokens.keys import SigningKey, VerificationKey
from tokens.model import CapabilityToken

__all__ = [
    "HOLDER",
    "ISSUE_KEY",
    "JTI",
    "KEYS",
    "KEYS_BY_PURPOSE",
    "LEDGER",
    "NOW_S",
    "NOW_US",
    "b64",
    "credential",
    "fields",
    "forged",
    "header_of",
    "payload_of",
    "public_keys",
    "token",
    "unb64",
]

LEDGER = "ledger-1"
NOW_S = 1_800_000_000
NOW_US = NOW_S * 1_000_000
JTI = token_id(bytes(range(16)))
HOLDER = base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()

KEYS_BY_PURPOSE = {
    purpose: SigningKey.from_private_bytes(bytes([number] * 32), purpose=purpose)
    for number, purpose in enumerate(
        ("root", "issue", "revoke", "approve", "pause", "log", "witness"), start=1
    )
}
ISSUE_KEY = KEYS_BY_PURPOSE["issue"]


def public_keys(*keys: SigningKey) -> dict[str, VerificationKey]:
    return {key.kid: key.public for key in keys}


KEYS = public_keys(*KEYS_BY_PURPOSE.values())


def fields(**changes: object) -> dict:
    """The arguments of a good token, with these changes."""
    return {
        "user_id": "alice",
        "capability": "weekly_review",
        "domain_scope": ["apollo", "hermes"],
        "method_scope": {
            "apollo": ["analyze_habits", "plan_routine"],
            "hermes": ["compose_message"],
        },
        "duration_seconds": 900,
        "resource_limits": {
            "max_invocations": 5,
            "max_tokens_per_response": 512,
            "max_total_tokens": 2048,
            "max_frequency": "1 per 10 seconds",
        },
        "allowed_trigger_types": ["direct_command", "async_request"],
        "issued_by": "security_admin",
    } | changes


def token(**changes: object) -> CapabilityToken:
    return CapabilityToken(**fields(**changes))


def credential(made: CapabilityToken | None = None, **changes: object) -> str:
    arguments = {"key": ISSUE_KEY, "ledger_id": LEDGER, "now_us": NOW_US, "jti": JTI}
    return sign_credential(made or token(), **(arguments | changes))


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header_of(key: SigningKey = ISSUE_KEY, typ: str = "stage3-cap+jwt") -> bytes:
    return f'{{"alg":"Ed25519","kid":"{key.kid}","typ":"{typ}"}}'.encode()


def payload_of(text: str) -> dict:
    return json.loads(unb64(text.split(".")[1]))


def forged(
    payload: object, *, header: bytes | None = None, key: SigningKey = ISSUE_KEY
) -> str:
    """A text that ``key`` really signed, whatever it says."""
    if not isinstance(payload, bytes):
        payload = json.dumps(
            payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    start = f"{b64(header_of(key) if header is None else header)}.{b64(payload)}"
    return f"{start}.{b64(key.sign(start.encode()))}"
