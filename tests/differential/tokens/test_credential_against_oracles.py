"""Credentials agree with an oracle, with joserfc and with PyJWT.

What we accept, they accept with the same payload; what they sign, we verify; and
on payloads broken in every way, genuinely signed, the oracle decides as we do.
"""

import copy
import json

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey
from jwt.algorithms import OKPAlgorithm

from tests.oracles.credential_oracle import oracle_reads
from tests.property.tokens.token_strategies import names, tokens
from tests.unit.tokens.token_samples import (
    HOLDER,
    ISSUE_KEY,
    JTI,
    KEYS,
    LEDGER,
    NOW_S,
    b64,
    credential,
    forged,
    header_of,
    payload_of,
    unb64,
)
from tokens.credential import verify_signature
from tokens.errors import TokenError, TokenMalformedError, TokenSignatureError
from tokens.model import CapabilityToken

HEADER = json.loads(header_of())
X = ISSUE_KEY.public.x
PRIVATE = ISSUE_KEY.unsafe_private_bytes()
JOSE_KEY = OKPKey.import_key(
    {"kty": "OKP", "crv": "Ed25519", "x": X, "d": b64(PRIVATE)}
)
PYJWT = jwt.PyJWS()
PYJWT.register_algorithm("Ed25519", OKPAlgorithm())


@settings(max_examples=60, deadline=None)
@given(made=tokens, holder=st.sampled_from([None, HOLDER]))
def test_what_we_sign_the_others_read_alike(
    made: CapabilityToken, holder: str | None
) -> None:
    """TOK-3.4: the same payload bytes, the same header."""
    text = credential(made, holder_jkt=holder)
    payload = unb64(text.split(".")[1])
    public = Ed25519PublicKey.from_public_bytes(unb64(X))

    theirs = jws.deserialize_compact(text, JOSE_KEY, algorithms=["Ed25519"])
    assert (theirs.payload, theirs.headers()) == (payload, HEADER)
    found = PYJWT.decode_complete(text, public, algorithms=["Ed25519"])
    assert (found["payload"], found["header"]) == (payload, HEADER)
    assert verify_signature(text, KEYS, LEDGER).token == made
    assert CapabilityToken(**oracle_reads(text, x=X, ledger=LEDGER)) == made


@settings(max_examples=60, deadline=None)
@given(made=tokens)
def test_what_the_others_sign_we_read_alike(made: CapabilityToken) -> None:
    """TOK-3.4: Ed25519 is deterministic, so their characters are ours."""
    ours = credential(made)
    payload = unb64(ours.split(".")[1])
    private = Ed25519PrivateKey.from_private_bytes(PRIVATE)

    joserfc = jws.serialize_compact(HEADER, payload, JOSE_KEY, algorithms=["Ed25519"])
    pyjwt = PYJWT.encode(
        payload, private, algorithm="Ed25519", headers=HEADER, sort_headers=True
    )

    assert joserfc == pyjwt == ours
    assert verify_signature(joserfc, KEYS, LEDGER).token == made


ODD = [
    *(None, True, False, 0, 1, -1, 2, 1800, 1801, NOW_S, NOW_S + 1, 2**53 - 1, 2**53),
    *("", " ", "*", "apollo", "alice", "stage3", "1 per 1 second", "unlimited", JTI),
    *("stage3:ledger-1", "stage3:ledger-2", "sha256:" + "0" * 64, "timer", "scheduled"),
    *([], {}, [[]], ["apollo"], ["scheduled", "scheduled"], {"jkt": HOLDER}, 1.5),
    *("permission_system", "systemExecutor", "\u00fc", "x" * 129, "x" * 128, HOLDER),
]


@st.composite
def broken_payloads(draw: st.DrawFn) -> dict:
    """A good payload in which one to three places were changed."""
    payload = copy.deepcopy(payload_of(credential(draw(tokens))))
    for _ in range(draw(st.integers(1, 3))):
        holder: dict | list = payload
        for _ in range(draw(st.integers(0, 3))):
            inner = list(holder.values() if isinstance(holder, dict) else holder)
            inner = [one for one in inner if isinstance(one, dict | list) and one]
            holder = draw(st.sampled_from(inner)) if inner else holder
        _break(draw, holder)
    return payload


def _break(draw: st.DrawFn, holder: dict | list) -> None:
    odd = draw(st.one_of(st.sampled_from(ODD), names, st.integers(-1, 2000)))
    places = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    place = draw(st.sampled_from(places)) if places else None
    match draw(st.sampled_from(["replace", "replace", "remove", "add"])):
        case "replace" if place is not None:
            holder[place] = odd
        case "remove" if place is not None:
            del holder[place]
        case _ if isinstance(holder, dict):
            holder[draw(st.sampled_from(["cnf", "extra", "v", "scope"]))] = odd
        case _:
            holder.append(odd)


@settings(max_examples=200, deadline=None)
@given(payload=broken_payloads())
def test_the_oracle_decides_as_we_do_on_broken_payloads(payload: dict) -> None:
    """TOK-4.1 to TOK-4.6: every payload is genuinely signed."""
    text = forged(payload)
    expected = oracle_reads(text, x=X, ledger=LEDGER)
    try:
        ours = verify_signature(text, KEYS, LEDGER).token
    except TokenMalformedError:
        ours = None

    assert (ours is None) == (expected is None), payload
    if ours is not None:
        assert ours == CapabilityToken(**expected)


@settings(max_examples=200, deadline=None)
@given(name=names)
def test_the_oracle_decides_as_we_do_on_names(name: str) -> None:
    """Rules 1C; TOK-1.3 to TOK-1.6, as user, issuer and domain."""
    good = payload_of(credential())
    element = {"type": "stage3_domain", "identifier": name, "actions": []}
    for payload in (
        {**good, "sub": name},
        {**good, "s3": {**good["s3"], "issued_by": name}},
        {**good, "authorization_details": [element]},
    ):
        text = forged(payload)
        expected = oracle_reads(text, x=X, ledger=LEDGER) is not None
        try:
            accepted = verify_signature(text, KEYS, LEDGER) is not None
        except TokenMalformedError:
            accepted = False
        assert accepted == expected, name


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_text_changed_anywhere_is_refused_by_both(data: st.DataObject) -> None:
    """TOK-3.1 to TOK-3.4."""
    text = credential()
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(max_codepoint=0x2FF))
    kind = data.draw(st.sampled_from(["replace", "insert", "remove"]))
    changed = {
        "replace": text[:place] + letter + text[place + 1 :],
        "insert": text[:place] + letter + text[place:],
        "remove": text[:place] + text[place + 1 :],
    }[kind]
    if changed == text:
        return

    assert oracle_reads(changed, x=X, ledger=LEDGER) is None
    try:
        verify_signature(changed, KEYS, LEDGER)
    except (TokenSignatureError, TokenError):
        return
    raise AssertionError(changed)
