"""Signing and verifying credentials: TOK-4."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from tests.unit.tokens.token_samples import (
    HOLDER,
    ISSUE_KEY,
    JTI,
    KEYS,
    KEYS_BY_PURPOSE,
    LEDGER,
    NOW_S,
    NOW_US,
    b64,
    credential,
    fields,
    forged,
    payload_of,
    token,
    unb64,
)
from tokens.credential import (
    check_time,
    handle,
    sign_credential,
    token_hash_of,
    token_id,
    verify_credential,
    verify_signature,
)
from tokens.errors import (
    AuthorityError,
    KeyNotTrustedError,
    TokenExpiredError,
    TokenMalformedError,
    TokenNotActiveError,
)
from tokens.format.jws import unverified_kid
from tokens.keys import MAX_TIME_S, SigningKey, VerificationKey
from tokens.model import CapabilityToken

VECTOR = Path(__file__).parents[2] / "vectors" / "tokens" / "credential.json"
END_US = NOW_US + 900 * 1_000_000


def keys_with(**changes: object) -> dict[str, VerificationKey]:
    return {ISSUE_KEY.kid: dataclasses.replace(ISSUE_KEY.public, **changes)}


def test_verifying_gives_back_the_token_that_was_signed() -> None:
    """TOK-4.6."""
    text = credential(holder_jkt=HOLDER)

    claims = verify_signature(text, KEYS, LEDGER)

    assert claims.token == token()
    assert claims.user_id == "alice"
    assert claims.ledger_id == LEDGER
    assert (claims.issued_at_s, claims.expires_at_s) == (NOW_S, NOW_S + 900)
    assert (claims.jti, claims.holder_jkt) == (JTI, HOLDER)
    assert claims.kid == ISSUE_KEY.kid == unverified_kid(text)
    assert claims.token_hash == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    digest = hashlib.sha256(unb64(text.split(".")[1])).hexdigest()
    assert claims.claims_digest == f"sha256:{digest}"


def test_the_payload_is_the_documented_one() -> None:
    """TOK-4.1 to TOK-4.6; a domain without methods stays, TOK-4.5."""
    made = token(method_scope={"hermes": ["compose_message"]}, max_executions=2)

    assert payload_of(credential(made, holder_jkt=HOLDER)) == {
        "iss": "stage3:ledger-1",
        "aud": "stage3:ledger-1",
        "sub": "alice",
        "iat": NOW_S,
        "nbf": NOW_S,
        "exp": NOW_S + 900,
        "jti": JTI,
        "cnf": {"jkt": HOLDER},
        "authorization_details": [
            {"type": "stage3_domain", "identifier": "apollo", "actions": []},
            {
                "type": "stage3_domain",
                "identifier": "hermes",
                "actions": ["compose_message"],
            },
        ],
        "s3": {
            "v": 1,
            "capability": "weekly_review",
            "issued_by": "security_admin",
            "limits": fields()["resource_limits"],
            "triggers": ["direct_command", "async_request"],
            "plan": None,
            "max_executions": 2,
        },
    }
    assert "cnf" not in payload_of(credential())


def test_the_same_input_gives_the_same_characters_everywhere() -> None:
    """TOK-4.10; promise P11."""
    vector = json.loads(VECTOR.read_text())
    key = SigningKey.from_private_bytes(
        unb64(vector["issue_private_key"]), purpose="issue"
    )

    text = sign_credential(
        CapabilityToken(**vector["token"]),
        key=key,
        ledger_id=vector["ledger_id"],
        now_us=vector["now_us"],
        jti=vector["jti"],
        holder_jkt=vector["holder_jkt"],
    )

    assert text == vector["credential"]
    assert unb64(text.split(".")[1]).decode() == vector["payload"]
    assert token_hash_of(text) == vector["token_hash"]


@pytest.mark.parametrize("micros", [0, 1, 999_999])
def test_a_credential_begins_with_the_second_of_its_issue(micros: int) -> None:
    """TOK-4.2."""
    claims = verify_signature(credential(now_us=NOW_US + micros), KEYS, LEDGER)

    assert claims.issued_at_s == NOW_S


@pytest.mark.parametrize(
    ("now", "error"),
    [
        (0, TokenNotActiveError),
        (NOW_US - 1, TokenNotActiveError),
        (NOW_US, None),
        (NOW_US + 1, None),
        (END_US - 1, None),
        (END_US, TokenExpiredError),
        (END_US + 1, TokenExpiredError),
        (10**30, TokenExpiredError),
    ],
)
def test_a_credential_is_valid_until_its_end_excluded(
    now: int, error: type[Exception] | None
) -> None:
    """Rules 2A.10; TOK-4.8."""
    if error is None:
        claims = verify_credential(credential(), keys=KEYS, now=now)
        check_time(claims, now)
        return
    with pytest.raises(error, match=r"active|expired"):
        verify_credential(credential(), keys=KEYS, now=now)


def test_the_time_of_the_check_is_an_integer() -> None:
    for now in (1.5, True, None, "0"):
        with pytest.raises(TypeError, match="microseconds"):
            verify_credential(credential(), keys=KEYS, now=now)


@pytest.mark.parametrize(
    ("changes", "trusted"),
    [
        ({"state": "active"}, True),
        ({"state": "verify-only"}, True),
        ({"state": "prepublished"}, False),
        ({"state": "retired"}, False),
        ({"state": "compromised"}, False),
        ({"not_before_s": NOW_S}, True),
        ({"not_before_s": NOW_S + 1}, False),
        ({"not_after_s": NOW_S + 1}, True),
        ({"not_after_s": NOW_S}, False),
    ],
)
def test_the_key_must_have_been_trusted_to_sign_when_it_did(
    changes: dict, *, trusted: bool
) -> None:
    """TOK-4.7, TOK-5.5: at the bounds of its window."""
    keys = keys_with(**changes)

    assert verify_signature(credential(), keys, LEDGER)
    if trusted:
        assert verify_credential(credential(), keys=keys, now=NOW_US + 1)
    else:
        with pytest.raises(KeyNotTrustedError):
            verify_credential(credential(), keys=keys, now=NOW_US + 1)


def test_a_credential_counts_in_its_own_ledger_only() -> None:
    """TOK-4.1."""
    text = credential(ledger_id="ledger-2")

    assert verify_signature(text, KEYS).ledger_id == "ledger-2"
    assert verify_credential(text, keys=KEYS, now=NOW_US, ledger_id="ledger-2")
    with pytest.raises(TokenMalformedError, match="another ledger"):
        verify_signature(text, KEYS, LEDGER)
    with pytest.raises(TokenMalformedError, match="another ledger"):
        verify_credential(text, keys=KEYS, now=NOW_US, ledger_id=LEDGER)


@pytest.mark.parametrize(
    "changes",
    [
        {"ledger_id": ""},
        {"ledger_id": "a b"},
        {"ledger_id": "a\n"},
        {"ledger_id": "x" * 65},
        {"ledger_id": None},
        {"now_us": -1},
        {"now_us": True},
        {"now_us": 1.5},
        {"now_us": (MAX_TIME_S - 899) * 1_000_000},
        {"jti": ""},
        {"jti": JTI + "=="},
        {"jti": JTI[:-1] + "x"},
        {"jti": b64(bytes(15))},
        {"jti": "A" * 100_000},
        {"jti": None},
        {"jti": bytes(16)},
        {"holder_jkt": ""},
        {"holder_jkt": b64(bytes(31))},
        {"holder_jkt": 5},
    ],
)
def test_a_bad_argument_of_signing_is_a_value_error(changes: dict) -> None:
    """TOK-4.1 to TOK-4.4."""
    with pytest.raises(ValueError, match=next(iter(changes))):
        credential(**changes)


def test_the_last_moment_of_the_calendar_can_be_signed() -> None:
    """TOK-4.2."""
    text = credential(now_us=(MAX_TIME_S - 900) * 1_000_000)
    claims = verify_signature(text, KEYS, LEDGER)

    assert claims.expires_at_s == MAX_TIME_S
    assert claims.to_dict()["expires_at"] == "9999-12-31T23:59:59+00:00"


def test_only_tokens_are_signed() -> None:
    for thing in (None, {}, token().to_dict(), "token"):
        with pytest.raises(TypeError, match="CapabilityToken"):
            sign_credential(
                thing, key=ISSUE_KEY, ledger_id=LEDGER, now_us=NOW_US, jti=JTI
            )


@pytest.mark.parametrize("purpose", sorted(set(KEYS_BY_PURPOSE) - {"issue"}))
def test_only_an_issue_key_signs_a_credential(purpose: str) -> None:
    """TOK-5.2."""
    with pytest.raises(AuthorityError, match="'issue'"):
        credential(key=KEYS_BY_PURPOSE[purpose])


def test_a_holder_that_is_not_there_is_not_there() -> None:
    """TOK-4.4."""
    assert verify_signature(credential(), KEYS, LEDGER).holder_jkt is None


def test_a_claim_that_is_added_is_refused() -> None:
    """TOK-4.6: each of them, one at a time."""
    good = payload_of(credential())
    for name in ("scope", "client_id", "act", "may_act", "crit", "", "x" * 500):
        with pytest.raises(TokenMalformedError, match="not known"):
            verify_signature(forged({**good, name: None}), KEYS, LEDGER)


def test_a_claim_that_is_left_out_is_refused() -> None:
    """TOK-4.6: each of them, one at a time."""
    good = payload_of(credential(holder_jkt=HOLDER))
    for name in set(good) - {"cnf"}:
        less = {key: value for key, value in good.items() if key != name}
        with pytest.raises(TokenMalformedError, match=f"lacks {name}"):
            verify_signature(forged(less), KEYS, LEDGER)
    for name in good["s3"]:
        s3 = {key: value for key, value in good["s3"].items() if key != name}
        with pytest.raises(TokenMalformedError, match=f"s3 lacks {name}"):
            verify_signature(forged({**good, "s3": s3}), KEYS, LEDGER)


@pytest.mark.parametrize("seconds", [-900, 0, 1801, 10**9])
def test_another_life_is_refused_for_what_it_is(seconds: int) -> None:
    """TOK-4.2."""
    text = forged({**payload_of(credential()), "exp": NOW_S + seconds})

    with pytest.raises(TokenMalformedError, match="1 to 1800 seconds after iat"):
        verify_signature(text, KEYS, LEDGER)


@pytest.mark.parametrize("value", [None, 5, True, "apollo", {}, {"identifier": "a"}])
def test_the_scope_must_be_an_array(value: object) -> None:
    """TOK-4.5."""
    text = forged({**payload_of(credential()), "authorization_details": value})

    with pytest.raises(TokenMalformedError, match="authorization_details is not an"):
        verify_signature(text, KEYS, LEDGER)


@pytest.mark.parametrize("value", [None, 5, True, "scheduled", {"scheduled": 1}])
def test_triggers_must_be_an_array(value: object) -> None:
    """TOK-4.6."""
    good = payload_of(credential())
    text = forged({**good, "s3": {**good["s3"], "triggers": value}})

    with pytest.raises(TokenMalformedError, match="triggers is not an array"):
        verify_signature(text, KEYS, LEDGER)


@pytest.mark.parametrize("uri", ["stage3:", "stage3:a b", "stage3:\n", "ledger-1"])
def test_an_issuer_must_be_a_ledger_even_when_any_is_accepted(uri: str) -> None:
    """TOK-4.1."""
    text = forged({**payload_of(credential()), "iss": uri, "aud": uri})

    with pytest.raises(TokenMalformedError, match="iss is not stage3: and a ledger"):
        verify_signature(text, KEYS)


@pytest.mark.parametrize("value", [None, True, [], {}])
def test_a_limit_must_be_a_number_or_a_text(value: object) -> None:
    """TOK-4.6."""
    good = payload_of(credential())
    for name in good["s3"]["limits"]:
        limits = {**good["s3"]["limits"], name: value}
        text = forged({**good, "s3": {**good["s3"], "limits": limits}})
        with pytest.raises(TokenMalformedError, match="neither number nor text"):
            verify_signature(text, KEYS, LEDGER)


def test_the_first_second_of_all_can_be_signed() -> None:
    """TOK-4.2."""
    assert verify_signature(credential(now_us=0), KEYS, LEDGER).issued_at_s == 0


@pytest.mark.parametrize("lifetime", [1, 1800])
def test_the_shortest_and_the_longest_life_are_accepted(lifetime: int) -> None:
    """TOK-4.2; the other side of each bound is in the vectors."""
    text = forged({**payload_of(credential()), "exp": NOW_S + lifetime})

    claims = verify_signature(text, KEYS, LEDGER)

    assert claims.token == token(duration_seconds=lifetime)


def test_the_claims_say_when_and_as_what_the_token_was_issued() -> None:
    """Rules 1A.16, 1B.2; TOK-4.9."""
    first = verify_signature(credential(), KEYS, LEDGER)
    later = verify_signature(credential(now_us=NOW_US + 5_000_000), KEYS, LEDGER)

    assert first.to_dict() == {
        **token().to_dict(),
        "issued_at": "2027-01-15T08:00:00+00:00",
        "expires_at": "2027-01-15T08:15:00+00:00",
        "token_hash": token_hash_of(credential()),
    }
    assert later.to_dict()["issued_at"] > first.to_dict()["issued_at"]
    assert later.token_hash != first.token_hash


def test_a_handle_stays_and_anything_else_becomes_one() -> None:
    """TOK-4.10: somebody will pass a credential where a handle belongs."""
    text = credential()
    made = token_hash_of(text)

    assert handle(made) == made
    assert handle(text) == made
    for near in (
        made.upper(),
        made + "\n",
        made[:-1],
        "sha256:",
        "",
        "\ud800",
        "\u00e9",
    ):
        assert handle(near) == token_hash_of(near) != near
        assert handle(handle(near)) == handle(near)


def test_a_token_id_is_sixteen_bytes() -> None:
    """TOK-4.3."""
    assert token_id(bytes(16)) == "A" * 22
    for wrong in (b"", bytes(15), bytes(17), "A" * 16, None, bytearray(16)):
        with pytest.raises(ValueError, match="16 bytes"):
            token_id(wrong)


def test_the_largest_token_fits_its_credential() -> None:
    """TOK-1.10, TOK-4.11: everything at its longest at once."""
    label = "\U0001f600" * 128
    names = [f"{number:02d}" + "x" * 126 for number in range(22)]
    limits = {
        "max_invocations": 2**53 - 1,
        "max_tokens_per_response": 2**53 - 1,
        "max_total_tokens": 2**53 - 1,
        "max_frequency": "999999999 per 999999999 seconds",
    }
    made = token(
        user_id="u" * 128,
        issued_by="i" * 128,
        capability=label,
        domain_scope=names,
        method_scope={names[0]: ["m" * 89]},
        resource_limits=limits,
        allowed_trigger_types=[
            "direct_command",
            "async_request",
            "acknowledgment",
            "scheduled",
        ],
        plan_digest="sha256:" + "f" * 64,
        max_executions=2**53 - 1,
        duration_seconds=1800,
    )
    latest_us = (MAX_TIME_S - 1800) * 1_000_000
    text = credential(made, ledger_id="l" * 64, now_us=latest_us, holder_jkt=HOLDER)

    assert len(text) <= 8192
    assert verify_signature(text, KEYS, "l" * 64).token == made
