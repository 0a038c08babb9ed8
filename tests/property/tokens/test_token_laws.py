"""Laws: nothing undocumented is raised, what goes in comes out, nothing leaks."""

import copy
import dataclasses
import json
import pickle  # noqa: TID251  # a token must survive it, and only that is tested
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.tokens.token_strategies import junk, names, tokens
from tests.unit.tokens.token_samples import (
    HOLDER,
    ISSUE_KEY,
    KEYS,
    KEYS_BY_PURPOSE,
    LEDGER,
    credential,
    fields,
    forged,
    header_of,
)
from tokens import limits as limits_module
from tokens.base64url import decode_base64url, encode_base64url
from tokens.credential import (
    handle,
    sign_credential,
    token_hash_of,
    verify_credential,
    verify_signature,
)
from tokens.errors import TokenError, TokenMalformedError
from tokens.format.jws import PURPOSE_OF_TYPE, unverified_kid, verify_compact
from tokens.format.statements import (
    KeyStatement,
    Origin,
    PlatformStatement,
    RevocationStatement,
    verify_key_statement,
    verify_platform_statement,
    verify_revocation_statement,
)
from tokens.keys import SigningKey, VerificationKey
from tokens.limits import (
    Frequency,
    Limits,
    Usage,
    check_before_start,
    parse_limits,
    reservation,
    settle,
)
from tokens.model import CapabilityToken

ARGUMENTS = [*fields(), "plan_digest", "max_executions"]
VERIFIERS = {
    "stage3-cap+jwt": lambda text: verify_signature(text, KEYS, LEDGER),
    "stage3-key+jwt": lambda text: verify_key_statement(text, KEYS, LEDGER),
    "stage3-revocation+jwt": lambda text: verify_revocation_statement(
        text, KEYS, LEDGER
    ),
    "stage3-platform+jwt": lambda text: verify_platform_statement(text, KEYS, LEDGER),
}


def tried(make: Callable[[], object]) -> tuple[object, ValueError | None]:
    """What was made, or the refusal; any other exception fails the test."""
    try:
        return make(), None
    except ValueError as error:
        return None, error


@settings(max_examples=200, deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from(ARGUMENTS), junk, min_size=1, max_size=3)
)
def test_a_token_is_made_or_refused_with_a_value_error(changes: dict) -> None:
    """TOK-1.1."""
    made, refusal = tried(lambda: CapabilityToken(**fields(**changes)))

    if made is None:
        assert type(refusal) is ValueError
        assert 0 < len(str(refusal)) < 1000
    else:
        assert CapabilityToken(**made.to_dict()) == made


@settings(max_examples=100, deadline=None)
@given(made=tokens)
def test_a_token_survives_every_way_of_carrying_it(made: CapabilityToken) -> None:
    """TOK-1.12, TOK-1.13."""
    assert CapabilityToken(**made.to_dict()) == made
    assert CapabilityToken(**json.loads(json.dumps(made.to_dict()))) == made
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301
    assert copy.deepcopy(made) is made
    assert hash(CapabilityToken(**made.to_dict())) == hash(made)


@settings(max_examples=100, deadline=None)
@given(made=tokens, data=st.data())
def test_changing_what_came_out_changes_nothing_inside(
    made: CapabilityToken, data: st.DataObject
) -> None:
    """TOK-1.13."""
    before = copy.deepcopy(made.to_dict())
    plain = made.to_dict()
    for name in data.draw(st.lists(st.sampled_from(list(plain)), min_size=1)):
        value = plain[name]
        if isinstance(value, dict | list):
            value.clear()
        plain[name] = None
    made.resource_limits.clear()

    assert made.to_dict() == before


@settings(max_examples=100, deadline=None)
@given(made=tokens, holder=st.sampled_from([None, HOLDER]), now=st.integers(0, 2**50))
def test_signing_and_verifying_give_back_the_token(
    made: CapabilityToken, holder: str | None, now: int
) -> None:
    """TOK-4.6: and there is one text for one token, key, time and id."""
    text = credential(made, now_us=now, holder_jkt=holder)
    claims = verify_credential(text, keys=KEYS, now=now, ledger_id=LEDGER)

    assert claims.token == made
    assert claims.issued_at_s * 1_000_000 <= now < claims.expires_at_s * 1_000_000
    assert claims.token_hash == handle(text) == token_hash_of(text)
    assert len(text) <= 8192
    assert credential(claims.token, now_us=now, holder_jkt=claims.holder_jkt) == text


@settings(max_examples=200, deadline=None)
@given(thing=junk | st.text("ABCabc012-_.=", max_size=60))
def test_any_thing_at_all_is_a_token_error_to_every_verifier(thing: object) -> None:
    """TOK-3.6."""
    for verify in VERIFIERS.values():
        with pytest.raises(TokenError):
            verify(thing)
    with pytest.raises(TokenMalformedError):
        unverified_kid(thing)


@settings(max_examples=150, deadline=None)
@given(
    typ=st.sampled_from(sorted(PURPOSE_OF_TYPE)),
    payload=st.binary(max_size=200)
    | junk.map(lambda x: repr(x)[:500].encode("utf-8", "replace")),
)
def test_any_signed_bytes_at_all_are_a_token_error_to_every_verifier(
    typ: str, payload: bytes
) -> None:
    """TOK-3.6: after the signature, too."""
    key = KEYS_BY_PURPOSE[PURPOSE_OF_TYPE[typ]]
    text = forged(payload, header=header_of(key, typ), key=key)

    with pytest.raises(TokenMalformedError):
        VERIFIERS[typ](text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | names,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["v", "s3", "kind", "jkt", "type"]), inner)
    ),
    max_leaves=8,
)
MEMBERS = {
    typ: sorted(
        {
            *("iss", "aud", "sub", "iat", "nbf", "exp", "jti", "s3", "cnf"),
            "authorization_details",
        }
        if typ == "stage3-cap+jwt"
        else {"iss", "iat", "s3"}
    )
    for typ in PURPOSE_OF_TYPE
}


@settings(max_examples=150, deadline=None)
@given(typ=st.sampled_from(sorted(PURPOSE_OF_TYPE)), data=st.data())
def test_any_signed_members_at_all_are_read_or_a_token_error(
    typ: str, data: st.DataObject
) -> None:
    """TOK-3.6: objects with the right names and anything in them."""
    payload = {name: data.draw(json_values) for name in MEMBERS[typ]}
    key = KEYS_BY_PURPOSE[PURPOSE_OF_TYPE[typ]]
    text = forged(payload, header=header_of(key, typ), key=key)

    with pytest.raises(TokenMalformedError):
        VERIFIERS[typ](text)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=80))
def test_base64url_is_a_bijection(data: bytes) -> None:
    """TOK-3.3."""
    assert decode_base64url(encode_base64url(data)) == data


@settings(max_examples=200, deadline=None)
@given(text=st.text("ABCDwxyz0189-_=+/ \n", max_size=12) | st.text(max_size=5))
def test_base64url_has_no_second_spelling(text: str) -> None:
    """TOK-3.3."""
    try:
        data = decode_base64url(text)
    except TokenMalformedError:
        return
    assert encode_base64url(data) == text


@settings(max_examples=150, deadline=None)
@given(values=st.lists(junk, min_size=6, max_size=6))
def test_keys_statements_and_limits_are_made_or_refused_with_a_value_error(
    values: list,
) -> None:
    """TOK-1.1, TOK-5.3, TOK-6.1: every constructor of the room."""
    origin = Origin(
        ledger_id=LEDGER, sequence=0, reason="why", by="admin", issued_at_s=0
    )
    a, b, c, d, e, f = values
    makers = [
        lambda: VerificationKey(
            kid=a, x=b, purpose=c, not_before_s=d, not_after_s=e, state=f
        ),
        lambda: VerificationKey(
            kid=ISSUE_KEY.kid, x=ISSUE_KEY.public.x, purpose="issue", not_after_s=a
        ),
        lambda: VerificationKey.of(a, purpose=b),
        lambda: SigningKey.from_private_bytes(a, purpose=b),
        lambda: SigningKey.from_private_bytes(bytes(32), purpose=a),
        lambda: Origin(ledger_id=a, sequence=b, reason=c, by=d, issued_at_s=e),
        lambda: KeyStatement(origin=origin, key=a),
        lambda: RevocationStatement(origin=a, kind=b, value=c),
        lambda: RevocationStatement(origin=origin, kind=a, value=b),
        lambda: RevocationStatement(origin=origin, kind="token", value=a),
        lambda: PlatformStatement(origin=origin, action=a),
        lambda: Limits(a, b, c, d),
        lambda: Usage(a, b, c, d),
        lambda: Frequency(a, b),
        lambda: parse_limits(a),
        lambda: parse_limits({**fields()["resource_limits"], "max_frequency": a}),
        lambda: limits_module.output_units(a),
        lambda: sign_credential(
            CapabilityToken(**fields()),
            key=ISSUE_KEY,
            ledger_id=a,
            now_us=b,
            jti=c,
            holder_jkt=d,
        ),
    ]
    for make in makers:
        _made, refusal = tried(make)
        assert len(str(refusal)) < 1000


counters = st.integers(0, 40)
some_limits = st.builds(
    Limits,
    st.integers(1, 8),
    st.integers(1, 12),
    st.integers(1, 40),
    st.builds(Frequency, st.integers(1, 3), st.integers(1, 4)),
)


@settings(max_examples=200, deadline=None)
@given(
    limits=some_limits,
    usage=st.builds(Usage, counters, counters, counters, counters),
    units=st.integers(0, 60),
)
def test_what_may_start_can_be_charged_without_exceeding_the_total(
    limits: Limits, usage: Usage, units: int
) -> None:
    """TOK-2.3, TOK-2.4: whatever the answer turns out to be."""
    refusal = check_before_start(
        limits, usage, now_us=0, bounding_use_us=None, first_step=True
    )
    held = reservation(limits, usage)
    settlement = settle(limits, held, units)

    assert settlement.charged <= held
    assert (settlement.refusal is None) == (units <= held)
    if refusal is None:
        assert usage.units + usage.reserved + held <= limits.max_total_tokens
        assert held >= 1


@settings(max_examples=100, deadline=None)
@given(
    limits=some_limits,
    usage=st.builds(Usage, counters, counters, counters, counters),
    name=st.sampled_from(["invocations", "units", "reserved"]),
)
def test_using_more_never_permits_more(limits: Limits, usage: Usage, name: str) -> None:
    """TOK-2.1."""
    more = dataclasses.replace(usage, **{name: getattr(usage, name) + 1})
    now = {"now_us": 0, "bounding_use_us": None, "first_step": True}

    if check_before_start(limits, usage, **now) is not None:
        assert check_before_start(limits, more, **now) is not None


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_compact_text_is_verified_by_its_own_key_only(data: st.DataObject) -> None:
    """TOK-3.4."""
    seeds = data.draw(
        st.lists(
            st.binary(min_size=32, max_size=32), min_size=2, max_size=2, unique=True
        )
    )
    mine, other = (SigningKey.from_private_bytes(s, purpose="issue") for s in seeds)
    text = forged({"a": 1}, header=header_of(mine), key=mine)
    fake = forged({"a": 1}, header=header_of(mine), key=other)
    keys = {mine.kid: mine.public, other.kid: other.public}

    assert verify_compact(text, typ="stage3-cap+jwt", keys=keys).key == mine.public
    with pytest.raises(TokenError):
        verify_compact(fake, typ="stage3-cap+jwt", keys=keys)
    with pytest.raises(TokenError):
        verify_compact(text, typ="stage3-cap+jwt", keys={other.kid: other.public})
