"""One strict signed form: TOK-3, and base64url in its one spelling."""

import json
from pathlib import Path

import pytest

from tests.unit.tokens.token_samples import (
    ISSUE_KEY,
    KEYS,
    KEYS_BY_PURPOSE,
    LEDGER,
    b64,
    credential,
    forged,
    header_of,
    public_keys,
    unb64,
)
from tokens import errors
from tokens.base64url import decode_base64url, encode_base64url
from tokens.credential import verify_signature
from tokens.errors import (
    AuthorityError,
    KeyNotTrustedError,
    TokenMalformedError,
    TokenSignatureError,
)
from tokens.format.jws import (
    PURPOSE_OF_TYPE,
    sign_compact,
    unverified_kid,
    verify_compact,
)
from tokens.keys import SigningKey

VECTORS = Path(__file__).parents[2] / "vectors" / "tokens"
CAP = "stage3-cap+jwt"


def loaded(name: str) -> list:
    return json.loads((VECTORS / name).read_text())


@pytest.mark.parametrize("vector", loaded("refused_base64url.json"), ids=repr)
def test_base64url_has_one_spelling(vector: dict) -> None:
    """TOK-3.3."""
    with pytest.raises(TokenMalformedError, match="base64url"):
        decode_base64url(vector["text"])


@pytest.mark.parametrize("size", range(10))
def test_base64url_comes_back(size: int) -> None:
    """TOK-3.3; RFC 4648 section 5: the alphabet has - and _."""
    data = bytes([0xFB, 0xFF, 0xBF] * 4)[:size]

    assert decode_base64url(encode_base64url(data)) == data
    assert "=" not in encode_base64url(data)
    assert encode_base64url(b"\xfb\xff\xbf") == "-_-_"


@pytest.mark.parametrize(
    "vector", loaded("refused_credentials.json"), ids=lambda vector: vector["name"]
)
def test_what_our_own_key_signed_is_refused_when_it_is_not_the_profile(
    vector: dict,
) -> None:
    """TOK-3.2, TOK-3.5, TOK-4.1 to TOK-4.6; each vector names its origin."""
    payload = vector["payload"]
    header = vector["header"]
    text = forged(
        unb64(credential().split(".")[1]) if payload is None else payload.encode(),
        header=None if header is None else header.encode(),
    )

    with pytest.raises(getattr(errors, vector["error"])):
        verify_signature(text, KEYS, LEDGER)


def test_the_vectors_differ_from_a_good_credential_only_where_they_say() -> None:
    """Else they could be refused for another reason."""
    payload = unb64(credential().split(".")[1])

    assert verify_signature(forged(payload), KEYS, LEDGER).user_id == "alice"
    assert forged(payload) == credential()


def test_the_longest_text_is_read_and_one_more_character_is_not() -> None:
    """TOK-3.1: the bound comes before everything else."""
    with pytest.raises(TokenMalformedError, match="three base64url segments"):
        verify_compact("x" * 8192, typ=CAP, keys=KEYS)
    with pytest.raises(TokenMalformedError, match="8193 characters, at most 8192"):
        verify_compact("x" * 8193, typ=CAP, keys=KEYS)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "=",
        lambda text: text + "==",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text + ".",
        lambda text: "." + text,
        lambda text: text + ".x",
        lambda text: text.replace(".", ","),
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text.rpartition(".")[0],
        lambda text: text.rpartition(".")[0] + ".",
        lambda text: "." + text.partition(".")[2],
        lambda text: text.split(".")[0] + ".." + text.split(".")[2],
        lambda _: "",
        lambda _: "..",
        lambda _: "a.b.c",
        lambda text: text.encode(),
        lambda _: None,
        lambda _: 5,
        lambda text: text.replace("e", "\u0435", 1),
    ],
)
def test_what_has_not_three_segments_is_malformed(change: object) -> None:
    """TOK-3.1, TOK-3.3: PyJWT once took a token with == after it for the same."""
    text = change(credential())

    with pytest.raises(TokenMalformedError):
        verify_compact(text, typ=CAP, keys=KEYS)
    with pytest.raises(TokenMalformedError):
        unverified_kid(text)


def test_every_single_bit_counts() -> None:
    """TOK-3.2 to TOK-3.4: no bit of header, payload or signature is without effect."""
    segments = [unb64(part) for part in credential().split(".")]
    for place, segment in enumerate(segments):
        for bit in range(len(segment) * 8):
            flipped = bytearray(segment)
            flipped[bit // 8] ^= 1 << bit % 8
            parts = [*segments[:place], bytes(flipped), *segments[place + 1 :]]
            text = ".".join(b64(part) for part in parts)
            with pytest.raises(
                (TokenMalformedError, TokenSignatureError, KeyNotTrustedError)
            ):
                verify_compact(text, typ=CAP, keys=KEYS)


def test_every_other_last_character_of_a_segment_is_refused() -> None:
    """TOK-3.3: some of them encode the same bytes."""
    text = credential()
    ends = [place - 1 for place, letter in enumerate(text + ".") if letter == "."]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for end in ends:
        for letter in alphabet.replace(text[end], ""):
            with pytest.raises(errors.TokenError):
                verify_compact(
                    text[:end] + letter + text[end + 1 :], typ=CAP, keys=KEYS
                )


def test_a_signature_of_another_text_does_not_fit() -> None:
    """TOK-3.4."""
    first = credential().rpartition(".")[0]
    second = credential(now_us=1).rpartition(".")[2]

    with pytest.raises(TokenSignatureError):
        verify_compact(f"{first}.{second}", typ=CAP, keys=KEYS)


def test_a_signature_by_another_key_does_not_fit() -> None:
    """TOK-3.4: with the trusted key's own header."""
    thief = SigningKey.generate(purpose="issue")
    text = forged({"a": 1}, header=header_of(ISSUE_KEY), key=thief)

    with pytest.raises(TokenSignatureError):
        verify_compact(text, typ=CAP, keys=KEYS)


def test_a_key_that_nobody_trusts_is_named_as_such() -> None:
    """TOK-3.2."""
    with pytest.raises(KeyNotTrustedError, match="'issue'"):
        verify_compact(credential(), typ=CAP, keys={})


def test_what_a_key_is_filed_under_does_not_matter() -> None:
    """TOK-3.2: its own id does, which is its thumbprint."""
    other = SigningKey.generate(purpose="issue")
    misfiled = {ISSUE_KEY.kid: other.public, other.kid: ISSUE_KEY.public}

    assert verify_compact(credential(), typ=CAP, keys=misfiled).key == ISSUE_KEY.public


@pytest.mark.parametrize("typ", sorted(PURPOSE_OF_TYPE))
@pytest.mark.parametrize("purpose", sorted(KEYS_BY_PURPOSE))
def test_each_type_is_signed_and_verified_by_one_purpose_only(
    typ: str, purpose: str
) -> None:
    """TOK-5.2, TOK-6.6: even when the key of another purpose did sign it."""
    key = KEYS_BY_PURPOSE[purpose]
    text = forged({"a": 1}, header=header_of(key, typ), key=key)

    if PURPOSE_OF_TYPE[typ] == purpose:
        assert sign_compact({"a": 1}, typ=typ, key=key) == text
        assert verify_compact(text, typ=typ, keys=KEYS).payload == {"a": 1}
    else:
        with pytest.raises(AuthorityError, match="never shared"):
            sign_compact({"a": 1}, typ=typ, key=key)
        with pytest.raises(KeyNotTrustedError):
            verify_compact(text, typ=typ, keys=KEYS)


@pytest.mark.parametrize("typ", sorted(PURPOSE_OF_TYPE))
@pytest.mark.parametrize("expected", sorted(PURPOSE_OF_TYPE))
def test_no_type_is_taken_for_another(typ: str, expected: str) -> None:
    """TOK-6.6: under one private key registered for both purposes."""
    seed = bytes(range(32))
    keys = [
        SigningKey.from_private_bytes(seed, purpose=PURPOSE_OF_TYPE[name])
        for name in (typ, expected)
    ]
    text = sign_compact({"a": 1}, typ=typ, key=keys[0])

    if typ == expected:
        assert verify_compact(text, typ=typ, keys=public_keys(*keys))
    else:
        with pytest.raises(TokenMalformedError, match="header"):
            verify_compact(text, typ=expected, keys=public_keys(*keys))


def test_verifying_gives_the_bytes_that_were_signed() -> None:
    """TOK-3.4."""
    text = sign_compact({"b": [1, None], "a": "\u00fc"}, typ=CAP, key=ISSUE_KEY)
    verified = verify_compact(text, typ=CAP, keys=KEYS)

    assert verified.payload_bytes == '{"a":"\u00fc","b":[1,null]}'.encode()
    assert verified.payload == {"a": "\u00fc", "b": [1, None]}
    assert verified.key == ISSUE_KEY.public


@pytest.mark.parametrize("payload", [{"a": 1.5}, {"a": 2**53}, {"a": "\ud800"}])
def test_what_has_no_canonical_form_is_not_signed(payload: dict) -> None:
    """TOK-3.5."""
    with pytest.raises(ValueError, match=r".+"):
        sign_compact(payload, typ=CAP, key=ISSUE_KEY)


def test_what_would_be_too_long_is_not_signed() -> None:
    """TOK-3.7: under a header that leaves room for exactly 8192 characters."""
    typ, key = "stage3-revocation+jwt", KEYS_BY_PURPOSE["revoke"]
    room = (8192 - len(b64(header_of(key, typ))) - 88) * 3 // 4

    longest = sign_compact({"a": "x" * (room - 8)}, typ=typ, key=key)

    assert len(longest) == 8192
    assert verify_compact(longest, typ=typ, keys=KEYS)
    with pytest.raises(ValueError, match="at most 8192"):
        sign_compact({"a": "x" * (room - 7)}, typ=typ, key=key)


class BadSigner:
    """A key service that misbehaves."""

    purpose = "issue"

    def __init__(self, kid: str, signature: bytes) -> None:
        self.kid = kid
        self.signature = signature

    def sign(self, data: bytes) -> bytes:
        """Return the same for everything."""
        return self.signature[: len(data)]


@pytest.mark.parametrize(
    ("kid", "signature"),
    [
        (ISSUE_KEY.kid, bytes(63)),
        (ISSUE_KEY.kid, bytes(65)),
        ("short", bytes(64)),
        (ISSUE_KEY.kid + "\n", bytes(64)),
    ],
)
def test_a_signer_that_misbehaves_signs_nothing(kid: str, signature: bytes) -> None:
    """TOK-3.7."""
    with pytest.raises(AuthorityError, match="the key"):
        sign_compact({"a": 1}, typ=CAP, key=BadSigner(kid, signature))


def test_the_claimed_key_can_be_asked_for_every_type() -> None:
    for typ in PURPOSE_OF_TYPE:
        assert unverified_kid(forged({}, header=header_of(typ=typ))) == ISSUE_KEY.kid
    with pytest.raises(TokenMalformedError, match="header"):
        unverified_kid(forged({}, header=header_of(typ="jwt")))


def test_the_vector_of_rfc_8037_carries_the_older_name_and_is_refused() -> None:
    """TOK-3.2; RFC 8037 appendix A.4; RFC 9864."""
    vector = json.loads((VECTORS / "rfc_ed25519.json").read_text())["jws"]
    key = SigningKey.from_private_bytes(unb64(vector["d"]), purpose="issue")
    start, _, signature = vector["compact"].rpartition(".")

    assert b64(key.sign(start.encode())) == signature
    with pytest.raises(TokenMalformedError, match="header"):
        verify_compact(vector["compact"], typ=CAP, keys=public_keys(key))
