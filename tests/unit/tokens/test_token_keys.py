"""Keys, their ids, states, windows and purposes: TOK-5."""

import copy
import json
import pickle  # noqa: TID251  # that a key refuses it is what is tested
from pathlib import Path

import pytest

from tests.unit.tokens.token_samples import ISSUE_KEY, KEYS_BY_PURPOSE, b64
from tokens.errors import TokenSignatureError
from tokens.keys import (
    KEY_PURPOSES,
    KEY_STATE_CHANGES,
    KEY_STATES,
    MAX_TIME_S,
    SigningKey,
    VerificationKey,
    jwks,
    thumbprint,
)

VECTOR = json.loads(
    (Path(__file__).parents[2] / "vectors" / "tokens" / "rfc_ed25519.json").read_text()
)
X = ISSUE_KEY.public.x
KID = ISSUE_KEY.kid


def key(**changes: object) -> VerificationKey:
    return VerificationKey(**({"kid": KID, "x": X, "purpose": "issue"} | changes))


def test_a_key_id_is_the_thumbprint_of_rfc_8037() -> None:
    """TOK-5.1."""
    x = VECTOR["thumbprint"]["x"]

    assert thumbprint(x) == VECTOR["thumbprint"]["kid"]
    assert VerificationKey.of(x, purpose="issue").kid == VECTOR["thumbprint"]["kid"]


@pytest.mark.parametrize("vector", VECTOR["signatures"], ids=lambda v: v["origin"])
def test_signatures_are_those_of_rfc_8032(vector: dict) -> None:
    """TOK-3.4."""
    private = bytes.fromhex(vector["secret"])
    message = bytes.fromhex(vector["message"])
    signing = SigningKey.from_private_bytes(private, purpose="log")

    assert signing.public.x == b64(bytes.fromhex(vector["public"]))
    assert signing.sign(message).hex() == vector["signature"]
    signing.public.verify(bytes.fromhex(vector["signature"]), message)
    with pytest.raises(TokenSignatureError):
        signing.public.verify(bytes.fromhex(vector["signature"]), message + b"x")


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_another_size_does_not_fit(size: int) -> None:
    with pytest.raises(TokenSignatureError):
        ISSUE_KEY.public.verify(bytes(size), b"")


def test_a_signature_with_a_larger_scalar_does_not_fit() -> None:
    """RFC 8032 section 5.1.7: S + L would be a second signature of the same text."""
    order = 2**252 + 27742317777372353535851937790883648493
    good = ISSUE_KEY.sign(b"text")
    scalar = int.from_bytes(good[32:], "little") + order

    with pytest.raises(TokenSignatureError):
        ISSUE_KEY.public.verify(good[:32] + scalar.to_bytes(32, "little"), b"text")


SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
NOT_CANONICAL = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


@pytest.mark.parametrize("point", [*SMALL_ORDER, *NOT_CANONICAL])
def test_a_point_that_identifies_nobody_is_no_key(point: str) -> None:
    """TOK-5.3."""
    with pytest.raises(ValueError, match="not the public key"):
        VerificationKey.of(b64(bytes.fromhex(point)), purpose="issue")


@pytest.mark.parametrize(
    "x",
    ["", X + "=", X[:-1] + "B", b64(bytes(31)), b64(bytes(33)), None, 5, X.encode()],
)
def test_a_public_key_is_32_bytes_in_base64url(x: object) -> None:
    """TOK-5.3."""
    with pytest.raises(ValueError, match="x must be"):
        VerificationKey.of(x, purpose="issue")


class Text(str):
    """A string that could print as another."""

    __slots__ = ()


@pytest.mark.parametrize("x", ["", X + "=", b64(bytes(31)), b64(bytes(32)), Text(X)])
def test_a_bad_public_key_is_refused_under_its_own_id_too(x: str) -> None:
    """TOK-5.1, TOK-5.3."""
    with pytest.raises(ValueError, match=r"^x "):
        key(x=x, kid=thumbprint(str(x)))


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"kid": "A" * 43}, "kid"),
        ({"kid": None}, "kid"),
        ({"kid": Text(KID)}, "kid"),
        ({"purpose": Text("issue")}, "purpose"),
        ({"state": Text("active")}, "state"),
        ({"purpose": "sign"}, "purpose"),
        ({"purpose": None}, "purpose"),
        ({"state": "revoked"}, "state"),
        ({"state": "Active"}, "state"),
        ({"not_before_s": -1}, "not_before_s"),
        ({"not_before_s": True}, "not_before_s"),
        ({"not_before_s": MAX_TIME_S + 1}, "not_before_s"),
        ({"not_before_s": 1.5}, "not_before_s"),
        ({"not_before_s": 10, "not_after_s": 10}, "not_after_s"),
        ({"not_after_s": MAX_TIME_S + 1}, "not_after_s"),
        ({"not_after_s": "9"}, "not_after_s"),
    ],
)
def test_a_key_is_described_completely(changes: dict, names: str) -> None:
    """TOK-5.1."""
    with pytest.raises(ValueError, match=names):
        key(**changes)


def test_the_smallest_and_the_largest_window_are_accepted() -> None:
    assert key(not_before_s=10, not_after_s=11).not_after_s == 11
    assert key(not_before_s=MAX_TIME_S).not_after_s is None
    assert key(not_after_s=MAX_TIME_S).not_before_s == 0


@pytest.mark.parametrize("state", KEY_STATES)
def test_only_an_active_key_signs(state: str) -> None:
    """TOK-5.4."""
    refusal = key(state=state).signing_refusal(5)

    assert (refusal is None) == (state == "active")
    assert refusal is None or state in refusal


@pytest.mark.parametrize("state", KEY_STATES)
def test_an_active_and_a_verify_only_key_vouch_for_what_they_signed(state: str) -> None:
    """TOK-5.5."""
    refusal = key(state=state).verification_refusal(5)

    assert (refusal is None) == (state in {"active", "verify-only"})
    assert refusal is None or state in refusal


@pytest.mark.parametrize(
    ("at_s", "inside"), [(9, False), (10, True), (19, True), (20, False), (21, False)]
)
def test_a_window_is_half_open(at_s: int, *, inside: bool) -> None:
    """TOK-5.4, TOK-5.5."""
    found = key(not_before_s=10, not_after_s=20)

    assert (found.signing_refusal(at_s) is None) == inside
    assert (found.verification_refusal(at_s) is None) == inside


def test_the_states_follow_one_another_and_never_back() -> None:
    assert set(KEY_STATE_CHANGES) == set(KEY_STATES)
    for state, following in KEY_STATE_CHANGES.items():
        for later in following:
            assert KEY_STATES.index(later) > KEY_STATES.index(state)
    assert all("compromised" in KEY_STATE_CHANGES[state] for state in KEY_STATES[:-1])


def test_the_key_set_holds_one_purpose_and_no_private_member() -> None:
    """TOK-5.6."""
    one = VerificationKey.of(VECTOR["thumbprint"]["x"], purpose="issue")
    others = [KEYS_BY_PURPOSE[purpose].public for purpose in KEY_PURPOSES]
    found = jwks([*others, one])["keys"]

    assert [entry["kid"] for entry in found] == sorted([KID, one.kid])
    assert found[0].keys() == {"alg", "crv", "kid", "kty", "use", "x"}
    assert {entry["alg"] for entry in found} == {"Ed25519"}
    assert jwks(others, purpose="log")["keys"][0]["x"] == others[5].x


@pytest.mark.parametrize("state", KEY_STATES)
def test_a_key_that_is_over_is_not_in_the_key_set(state: str) -> None:
    """TOK-5.6."""
    published = state not in {"retired", "compromised"}

    assert len(jwks([key(state=state)])["keys"]) == published


def test_the_purposes_are_these() -> None:
    """TOK-5.2."""
    assert tuple(KEYS_BY_PURPOSE) == KEY_PURPOSES


def test_a_generated_key_is_a_new_one() -> None:
    first, second = (SigningKey.generate(purpose="revoke") for _ in range(2))

    assert first.kid != second.kid
    assert first.purpose == first.public.purpose == "revoke"
    first.public.verify(first.sign(b"x"), b"x")
    again = SigningKey.from_private_bytes(
        first.unsafe_private_bytes(), purpose="revoke"
    )
    assert again.kid == first.kid


def test_a_key_of_no_purpose_is_not_made() -> None:
    for purpose in ("", "sign", None, "Issue"):
        with pytest.raises(ValueError, match="purpose"):
            SigningKey.generate(purpose=purpose)


@pytest.mark.parametrize(
    "data", [b"", bytes(31), bytes(33), "x" * 32, None, bytearray(32)]
)
def test_a_private_key_is_32_bytes(data: object) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey.from_private_bytes(data, purpose="issue")


def test_a_private_key_shows_in_no_text() -> None:
    """TOK-5.7."""
    private = ISSUE_KEY.unsafe_private_bytes()
    texts = [repr(ISSUE_KEY), str(ISSUE_KEY), f"{ISSUE_KEY}", repr([ISSUE_KEY])]

    assert texts[0] == f"SigningKey(kid={KID!r}, purpose='issue')"
    for text in texts:
        assert private.hex() not in text
        assert b64(private) not in text
        assert repr(private) not in text


def test_a_private_key_is_not_pickled() -> None:
    """TOK-5.7."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="save_key"):
            pickle.dumps(ISSUE_KEY, protocol)


def test_a_private_key_cannot_be_changed_copied_apart_or_subclassed() -> None:
    """TOK-5.7."""
    for name in ("purpose", "_private", "new"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(ISSUE_KEY, name, "root")
        with pytest.raises(AttributeError, match="immutable"):
            delattr(ISSUE_KEY, name)
    assert copy.copy(ISSUE_KEY) is ISSUE_KEY
    assert copy.deepcopy(ISSUE_KEY) is ISSUE_KEY
    with pytest.raises(TypeError, match="subclass"):
        type("Louder", (SigningKey,), {})
