"""Signed statements: TOK-6."""

import dataclasses
import json

import pytest

from tests.unit.tokens.token_samples import (
    ISSUE_KEY,
    KEYS,
    KEYS_BY_PURPOSE,
    LEDGER,
    NOW_S,
    credential,
    forged,
    header_of,
    payload_of,
    public_keys,
)
from tokens.errors import AuthorityError, KeyNotTrustedError, TokenMalformedError
from tokens.format.statements import (
    KeyStatement,
    Origin,
    PlatformStatement,
    RevocationStatement,
    sign_key_statement,
    sign_platform_statement,
    sign_revocation_statement,
    verify_key_statement,
    verify_platform_statement,
    verify_revocation_statement,
)
from tokens.keys import SigningKey


class Text(str):
    """A string that could print as another."""

    __slots__ = ()


ORIGIN = Origin(
    ledger_id=LEDGER,
    sequence=7,
    reason="laptop lost \u2013 in a train",
    by="security_admin",
    issued_at_s=NOW_S,
)
ROOT, REVOKE, PAUSE = (KEYS_BY_PURPOSE[name] for name in ("root", "revoke", "pause"))
STATED = dataclasses.replace(
    ISSUE_KEY.public, not_before_s=5, not_after_s=10, state="verify-only"
)
HASH = "sha256:" + "0f" * 32

KINDS = {
    "key": (
        sign_key_statement,
        verify_key_statement,
        KeyStatement(origin=ORIGIN, key=STATED),
        ROOT,
        "stage3-key+jwt",
    ),
    "revocation": (
        sign_revocation_statement,
        verify_revocation_statement,
        RevocationStatement(origin=ORIGIN, kind="user", value="alice"),
        REVOKE,
        "stage3-revocation+jwt",
    ),
    "platform": (
        sign_platform_statement,
        verify_platform_statement,
        PlatformStatement(origin=ORIGIN, action="pause"),
        PAUSE,
        "stage3-platform+jwt",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_stated_comes_back(kind: str) -> None:
    """TOK-6.1."""
    sign, verify, statement, key, _typ = KINDS[kind]

    text = sign(statement, key)

    assert verify(text, KEYS, LEDGER) == statement
    assert text == sign(statement, key)


@pytest.mark.parametrize("kind", KINDS)
def test_the_payload_binds_where_when_by_whom_and_why(kind: str) -> None:
    """TOK-6.1."""
    sign, _verify, statement, key, _typ = KINDS[kind]
    payload = payload_of(sign(statement, key))

    assert payload["iss"] == "stage3:ledger-1"
    assert payload["iat"] == NOW_S
    assert payload["s3"]["sequence"] == 7
    assert payload["s3"]["reason"] == ORIGIN.reason
    assert payload["s3"]["by"] == "security_admin"
    assert payload["s3"]["v"] == 1
    assert payload.keys() == {"iss", "iat", "s3"}


def test_a_key_statement_says_everything_about_the_key() -> None:
    """TOK-6.2."""
    body = payload_of(sign_key_statement(KINDS["key"][2], ROOT))["s3"]

    assert body["kid"] == ISSUE_KEY.kid
    assert body["x"] == ISSUE_KEY.public.x
    assert (body["purpose"], body["state"]) == ("issue", "verify-only")
    assert (body["not_before"], body["not_after"]) == (5, 10)
    always = KeyStatement(origin=ORIGIN, key=ISSUE_KEY.public)
    assert payload_of(sign_key_statement(always, ROOT))["s3"]["not_after"] is None
    assert (
        verify_key_statement(sign_key_statement(always, ROOT), KEYS, LEDGER) == always
    )


@pytest.mark.parametrize("purpose", sorted(KEYS_BY_PURPOSE))
@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_is_signed_by_its_own_purpose(kind: str, purpose: str) -> None:
    """TOK-5.2."""
    sign, _verify, statement, key, _typ = KINDS[kind]
    if purpose == key.purpose:
        assert sign(statement, KEYS_BY_PURPOSE[purpose])
    else:
        with pytest.raises(AuthorityError, match="never shared"):
            sign(statement, KEYS_BY_PURPOSE[purpose])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", [*KINDS, "credential"])
def test_no_statement_is_taken_for_another(kind: str, other: str) -> None:
    """TOK-6.6."""
    _sign, verify, _statement, _key, _typ = KINDS[kind]
    if other == kind:
        return
    if other == "credential":
        text = credential()
    else:
        sign, _, statement, key, _ = KINDS[other]
        text = sign(statement, key)

    with pytest.raises(TokenMalformedError, match="header"):
        verify(text, KEYS, LEDGER)


@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_for_another_ledger_says_nothing_here(kind: str) -> None:
    """TOK-6.1."""
    sign, verify, statement, key, _typ = KINDS[kind]
    moved = dataclasses.replace(
        statement, origin=dataclasses.replace(ORIGIN, ledger_id="ledger-2")
    )

    with pytest.raises(TokenMalformedError, match="another ledger"):
        verify(sign(moved, key), KEYS, LEDGER)


@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_by_a_key_that_is_not_trusted_says_nothing(kind: str) -> None:
    """TOK-5.2."""
    sign, verify, statement, key, _typ = KINDS[kind]
    thief = SigningKey.generate(purpose=key.purpose)

    with pytest.raises(KeyNotTrustedError):
        verify(sign(statement, thief), KEYS, LEDGER)
    assert verify(sign(statement, thief), public_keys(thief), LEDGER) == statement


BAD_MEMBERS = {
    "v": [0, 2, True, "1", None],
    "sequence": [-1, 2**53, True, "7", None, 7.5],
    "reason": ["", " ", "a\nb", "x" * 501, None, 5, "\u202ex"],
    "by": ["", "stage3", "the_executor", "a b", "x" * 129, None, 5],
    "kind": ["", "tokens", "ALL", None, 5, "all", "token", "key"],
    "value": ["", "*", "a b", None, 5, "x" * 129],
    "action": ["", "stop", "PAUSE", None, 5],
    "kid": ["", "A" * 43, None, REVOKE.kid],
    "x": ["", "A" * 43, None, REVOKE.public.x],
    "purpose": ["", "root", "sign", None, 5],
    "state": ["", "revoked", None, 5],
    "not_before": [-1, 10, 11, None, "5", True, 2**53 - 1],
    "not_after": [-1, 5, 4, "10", True, 2**53 - 1],
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_member_is_needed_and_checked_and_none_is_added(kind: str) -> None:
    """TOK-6.1 to TOK-6.5: however genuine the signature."""
    sign, verify, statement, key, typ = KINDS[kind]
    good = payload_of(sign(statement, key))

    def signed(payload: object) -> str:
        return forged(payload, header=header_of(key, typ), key=key)

    assert verify(signed(good), KEYS, LEDGER) == statement
    bad = [{**good, "extra": 1}, {**good, "s3": {**good["s3"], "extra": 1}}]
    bad += [{**good, "s3": value} for value in (None, [], "x", {})]
    bad += [{**good, "iat": value} for value in (-1, True, "5", None, 2**53 - 1)]
    bad += [{**good, "iss": value} for value in ("", LEDGER, "stage3:", None, 5)]
    for name in good:
        bad.append({key: value for key, value in good.items() if key != name})
    for name in good["s3"]:
        rest = {key: value for key, value in good["s3"].items() if key != name}
        bad.append({**good, "s3": rest})
        bad += [{**good, "s3": {**rest, name: value}} for value in BAD_MEMBERS[name]]
    for payload in bad:
        with pytest.raises(TokenMalformedError):
            verify(signed(payload), KEYS, LEDGER)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("token", HASH),
        ("user", "alice"),
        ("user", "stage3"),
        ("issuer", "security_admin"),
        ("key", ISSUE_KEY.kid),
        ("all", ""),
    ],
)
def test_a_revocation_selects_what_can_be_selected(kind: str, value: str) -> None:
    """TOK-6.4."""
    statement = RevocationStatement(origin=ORIGIN, kind=kind, value=value)
    text = sign_revocation_statement(statement, REVOKE)

    assert verify_revocation_statement(text, KEYS, LEDGER) == statement


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *[("token", value) for value in ("", "0f" * 32, HASH.upper(), HASH + "\n")],
        *[("user", value) for value in ("", "*", "a b", "x" * 129)],
        *[("issuer", value) for value in ("", "a*")],
        *[("key", value) for value in ("", ISSUE_KEY.kid[:-1], ISSUE_KEY.kid + "\n")],
        *[("all", value) for value in ("*", "all", " ")],
        *[(kind, "alice") for kind in ("", "User", "domain", None, 5, Text("user"))],
        *[("user", value) for value in (None, 5, b"alice", Text("alice"))],
        *[("all", value) for value in (None, 0, [], False)],
    ],
)
def test_a_revocation_selects_nothing_else(kind: object, value: object) -> None:
    """TOK-6.4: no wildcards; everything has a kind of its own."""
    with pytest.raises(ValueError, match=r"must be"):
        RevocationStatement(origin=ORIGIN, kind=kind, value=value)


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_the_platform_pauses_and_goes_on(action: str) -> None:
    """TOK-6.5."""
    statement = PlatformStatement(origin=ORIGIN, action=action)
    text = sign_platform_statement(statement, PAUSE)

    assert verify_platform_statement(text, KEYS, LEDGER) == statement
    assert json.dumps(payload_of(text)["s3"]["action"]) == f'"{action}"'


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"ledger_id": ""}, "ledger_id"),
        ({"ledger_id": None}, "ledger_id"),
        ({"sequence": -1}, "sequence"),
        ({"sequence": True}, "sequence"),
        ({"sequence": 2**53}, "sequence"),
        ({"issued_at_s": -1}, "issued_at_s"),
        ({"issued_at_s": 1.5}, "issued_at_s"),
        ({"issued_at_s": 253_402_300_800}, "issued_at_s"),
        ({"reason": ""}, "reason"),
        ({"reason": "\t"}, "reason"),
        ({"reason": "x" * 501}, "at most 500 characters, got 501"),
        ({"reason": None}, "reason"),
        ({"by": "stage3"}, "by"),
        ({"by": None}, "by"),
    ],
)
def test_an_origin_is_bounded(changes: dict, names: str) -> None:
    """TOK-6.1, TOK-6.3."""
    with pytest.raises(ValueError, match=names):
        dataclasses.replace(ORIGIN, **changes)


def test_the_first_entry_of_a_stream_has_sequence_zero() -> None:
    """TOK-6.1."""
    first = dataclasses.replace(ORIGIN, sequence=0, issued_at_s=0)
    statement = PlatformStatement(origin=first, action="resume")
    text = sign_platform_statement(statement, PAUSE)

    assert verify_platform_statement(text, KEYS, LEDGER) == statement


def test_an_origin_at_its_bounds_fits_a_statement() -> None:
    """TOK-6.1, TOK-6.3."""
    origin = Origin(
        ledger_id="l" * 64,
        sequence=2**53 - 1,
        reason="\U0001f600" * 500,
        by="b" * 128,
        issued_at_s=253_402_300_799,
    )
    statement = RevocationStatement(origin=origin, kind="user", value="u" * 128)
    text = sign_revocation_statement(statement, REVOKE)

    assert verify_revocation_statement(text, KEYS, "l" * 64) == statement


def test_a_statement_is_made_of_its_parts_only() -> None:
    """TOK-6.2: and no key statement is about a root key."""
    with pytest.raises(ValueError, match="root key"):
        KeyStatement(origin=ORIGIN, key=ROOT.public)
    with pytest.raises(ValueError, match="action must be one of"):
        PlatformStatement(origin=ORIGIN, action=Text("pause"))
    with pytest.raises(ValueError, match="VerificationKey"):
        KeyStatement(origin=ORIGIN, key=ISSUE_KEY)
    for kind in (
        lambda origin: KeyStatement(origin=origin, key=STATED),
        lambda origin: RevocationStatement(origin=origin, kind="all", value=""),
        lambda origin: PlatformStatement(origin=origin, action="pause"),
    ):
        with pytest.raises(ValueError, match="Origin"):
            kind(None)
