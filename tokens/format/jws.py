"""One strict form of signed text: a compact JWS with nothing left to choose.

The header is one of the exact texts that we would write ourselves, found in a
map and never parsed; so there is no algorithm to negotiate and no `crit`, `jwk`,
`jku`, `x5u`, `b64` or `zip` to trip over. The payload must be the canonical form
of its value, so a signed statement has one spelling, one hash and no duplicate
members.

What is *not* decided here: what the claims say, and whether time, state of the
key or registry still allow it.

Specification: docs/spec/tokens.md, section 3. Base: RFC 7515, RFC 8037, RFC 9864.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from audit.canonical import JsonValue, canonical_bytes, parse_canonical
from audit.errors import LedgerFormatError
from audit.signer import Signer
from tokens.base64url import decode_base64url, encode_base64url
from tokens.errors import AuthorityError, KeyNotTrustedError, TokenMalformedError
from tokens.keys import VerificationKey

__all__ = [
    "CAPABILITY_TYPE",
    "KEY_TYPE",
    "MAX_COMPACT_CHARACTERS",
    "PLATFORM_TYPE",
    "PURPOSE_OF_TYPE",
    "REVOCATION_TYPE",
    "Verified",
    "sign_compact",
    "unverified_kid",
    "verify_compact",
]

CAPABILITY_TYPE: Final = "stage3-cap+jwt"
KEY_TYPE: Final = "stage3-key+jwt"
REVOCATION_TYPE: Final = "stage3-revocation+jwt"
PLATFORM_TYPE: Final = "stage3-platform+jwt"

PURPOSE_OF_TYPE: Final[Mapping[str, str]] = {
    CAPABILITY_TYPE: "issue",
    KEY_TYPE: "root",
    REVOCATION_TYPE: "revoke",
    PLATFORM_TYPE: "pause",
}
"""The one purpose whose keys sign each type; nothing else counts for it."""

MAX_COMPACT_CHARACTERS: Final = 8192
"""The longest compact form, in characters, which are ASCII and so bytes."""

_SIGNATURE_BYTES: Final = 64
_KID: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})")
_HEADER: Final = re.compile(
    rb'\{"alg":"Ed25519","kid":"([A-Za-z0-9_-]{43})","typ":"([a-z0-9+-]{1,40})"\}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A payload whose signature was checked. Made only by ``verify_compact``.

    ``payload_bytes`` are the bytes that were signed, before base64url.
    """

    payload: Mapping[str, JsonValue]
    payload_bytes: bytes
    key: VerificationKey


def sign_compact(payload: Mapping[str, JsonValue], *, typ: str, key: Signer) -> str:
    """Sign ``payload`` as a statement of the type ``typ``.

    Raises:
        AuthorityError: The key is for another purpose than the type needs, or
            its id or signature is not of the form of an Ed25519 key.
        ValueError: The payload has no canonical form, or the result would be
            longer than ``MAX_COMPACT_CHARACTERS``.

    Source:
        TOK-3.1 to TOK-3.5, TOK-3.7, TOK-5.2.
    """
    if key.purpose != PURPOSE_OF_TYPE[typ]:
        raise AuthorityError(
            f"a {typ} is signed by a key for {PURPOSE_OF_TYPE[typ]!r}; the key given"
            " is for another purpose, and purposes are never shared"
        )
    if _KID.fullmatch(key.kid) is None:
        raise AuthorityError("the key's id is not an RFC 7638 thumbprint")
    body = encode_base64url(canonical_bytes(payload))
    signed = f"{_header_segment(key.kid, typ)}.{body}"
    signature = key.sign(signed.encode("ascii"))
    if len(signature) != _SIGNATURE_BYTES:
        raise AuthorityError("the key returned something that is no signature")
    text = f"{signed}.{encode_base64url(signature)}"
    if len(text) > MAX_COMPACT_CHARACTERS:
        raise ValueError(
            f"the signed form has {len(text)} characters,"
            f" at most {MAX_COMPACT_CHARACTERS} are accepted"
        )
    return text


def verify_compact(
    text: str, *, typ: str, keys: Mapping[str, VerificationKey]
) -> Verified:
    """Turn received text into a payload that a trusted key signed, or say why not.

    Nothing in ``text`` is believed before step (5) has passed. The caller must
    still check the claims, the state of the key, the time and the registry.

    Args:
        text: The compact form as received.
        typ: The one type that is expected here.
        keys: The trusted keys, by key id. Only those of the type's purpose count.

    Raises:
        TokenMalformedError: ``text`` is not of the one accepted form.
        KeyNotTrustedError: No key of the right purpose in ``keys`` has the id
            that the header names.
        TokenSignatureError: That key did not sign exactly these characters.

    Source:
        docs/spec/tokens.md, TOK-3.1 to TOK-3.5, in that order.
    """
    # (1) TOK-3.1: bound the input before looking at it, then cut it in three.
    header, body, tail = _segments(text)

    # (2) TOK-3.2: the header must be, character for character, one that a trusted
    #     key of this purpose would write. Its JSON is never parsed.
    purpose = PURPOSE_OF_TYPE[typ]
    known = {
        _header_segment(key.kid, typ): key
        for key in keys.values()
        if key.purpose == purpose
    }
    key = known.get(header)
    if key is None:
        # Only to choose the sentence; nothing is decided by what is found.
        _unverified_kid_in(header, typ)
        raise KeyNotTrustedError(
            f"no trusted key for {purpose!r} has the id that the header names"
        )

    # (3) TOK-3.3: one spelling only, or one token would have several hashes.
    payload_bytes = decode_base64url(body)
    signature = decode_base64url(tail)

    # (4) No check that the signature has 64 bytes: 86 characters of canonical
    #     base64url hold exactly 64.

    # (5) TOK-3.4: the signature, over the characters as received. They are never
    #     encoded again: two encoders that disagree would let a forgery through.
    key.verify(signature, text[: -len(tail) - 1].encode("ascii"))

    # (6) TOK-3.5: the payload must be the canonical form of one JSON object.
    #     After (5) only a signer can fail here, but a signer that writes
    #     duplicate members would be read differently by different readers.
    try:
        payload = parse_canonical(payload_bytes)
    except LedgerFormatError as error:
        raise TokenMalformedError("the payload is not canonical JSON") from error
    if type(payload) is not dict:
        raise TokenMalformedError("the payload is not a JSON object")
    return Verified(payload=payload, payload_bytes=payload_bytes, key=key)


def unverified_kid(text: str) -> str:
    """Return the key id that a text of any of our types claims to be signed by.

    Nobody has vouched for it: it may choose a key to try, and nothing else.

    Raises:
        TokenMalformedError: ``text`` has not the form of any of our types.
    """
    header, _body, _tail = _segments(text)
    return _unverified_kid_in(header, *PURPOSE_OF_TYPE)


def _segments(text: str) -> tuple[str, str, str]:
    if type(text) is not str:
        raise TokenMalformedError("not a text")
    if len(text) > MAX_COMPACT_CHARACTERS:
        raise TokenMalformedError(
            f"{len(text)} characters, at most {MAX_COMPACT_CHARACTERS} are accepted"
        )
    match = _COMPACT.fullmatch(text)
    if match is None:
        raise TokenMalformedError("not three base64url segments with a signature")
    return match[1], match[2], match[3]


def _unverified_kid_in(header: str, *types: str) -> str:
    match = _HEADER.fullmatch(decode_base64url(header))
    if match is None or match[2].decode("ascii") not in types:
        raise TokenMalformedError("the header is not one of those accepted here")
    return match[1].decode("ascii")


@lru_cache(maxsize=256)
def _header_segment(kid: str, typ: str) -> str:
    return encode_base64url(canonical_bytes({"alg": "Ed25519", "kid": kid, "typ": typ}))
