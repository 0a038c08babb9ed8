"""The credential given to a command: from a file or a descriptor, never a hash.

A token's hash is a public handle: it stands in logs and in this record, so it must
not open anything. What is accepted here is the credential itself, exactly as it was
issued; its SHA-256 is the handle, so only the registered characters have it.

Source: docs/spec/cli.md, CLI-8.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from stage3.cli.errors import CredentialRefusedError
from stage3.cli.intake.files import read_descriptor, read_file, text_of
from tokens.errors import TokenMalformedError
from tokens.format.jws import unverified_kid

if TYPE_CHECKING:
    from stage3.cli.arguments import Given

__all__ = ["read_credential"]

MAX_CREDENTIAL_BYTES: Final = 8_192 + 2
_HANDLE: Final = re.compile(r"\s*sha256:[0-9a-fA-F]{64}\s*")
_COMPACT: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_HASH_IS_NO_AUTHORITY: Final = (
    "a token hash is a public handle and no authority; give the credential itself"
)


def read_credential(given: Given) -> str:
    """Read the credential that the arguments name; its line end is left out.

    Raises:
        CredentialRefusedError: It is a token hash, or nothing that could be a
            credential. What it is, is not shown.
        InputRefusedError: It cannot be read.

    Source:
        CLI-8.1 to CLI-8.3.
    """
    text = text_of(_read(given), "the credential").removesuffix("\n").removesuffix("\r")
    if _HANDLE.fullmatch(text):
        raise CredentialRefusedError(_HASH_IS_NO_AUTHORITY)
    try:
        unverified_kid(text)
    except TokenMalformedError as error:
        raise CredentialRefusedError(f"this is no credential: {error}") from error
    return text


def _read(given: Given) -> bytes:
    if given.credential_fd is not None:
        what = "the credential"
        return read_descriptor(given.credential_fd, what, MAX_CREDENTIAL_BYTES)
    name = given.credential or ""
    if _HANDLE.fullmatch(name):
        raise CredentialRefusedError(_HASH_IS_NO_AUTHORITY)
    if _COMPACT.fullmatch(name):
        # Not shown again: this line may be logged, too.
        raise CredentialRefusedError(
            "a credential was given as an argument, where every process can read it",
            hint="Revoke that token with `stage3 token revoke`; give a file instead.",
        )
    return read_file(name, "the credential file", MAX_CREDENTIAL_BYTES)
