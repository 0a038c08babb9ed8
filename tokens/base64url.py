"""Base64url without padding, in its one canonical spelling.

The usual decoders accept several texts for the same bytes (padding, foreign
characters, unused bits). A token that can be spelled twice has two hashes, so
here only the text that encoding gives back is accepted.

Source: RFC 4648 section 5 and section 3.5; docs/spec/tokens.md, TOK-3.3.
"""

import base64
import binascii

from tokens.errors import TokenMalformedError

__all__ = ["decode_base64url", "encode_base64url"]


def encode_base64url(data: bytes) -> str:
    """Return ``data`` in base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Return the bytes of which ``text`` is the canonical encoding.

    Raises:
        TokenMalformedError: ``text`` is not what encoding gives for any bytes.
    """
    padding = "=" * (-len(text) % 4)
    try:
        data = base64.b64decode(text + padding, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        # Not chained: the text of the cause may quote what came.
        raise TokenMalformedError("not base64url") from None
    if encode_base64url(data) != text:
        raise TokenMalformedError("not the canonical base64url of any bytes")
    return data
