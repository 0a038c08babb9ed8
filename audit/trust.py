"""The trust file: which ledger this is, and whose signature makes its keys count.

Trust starts outside the store. The file pins the ledger id and the public root
key; whoever can write the store but not this file cannot make a key count.

Source: docs/spec/ledger.md, AUD-7.
"""

import base64
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.canonical import JsonValue
from audit.entry import is_ledger_id
from audit.errors import LedgerFormatError, StoreUnavailableError

__all__ = ["MAX_TRUST_BYTES", "Trust", "load_trust", "write_trust"]

MAX_TRUST_BYTES: Final = 4_096
_KEY_BYTES: Final = 32
_READABLE: Final = 0o644


@dataclass(frozen=True, slots=True)
class Trust:
    """A ledger's id and the public Ed25519 root key of its keys.

    ``root_x`` is the key in base64url without padding (RFC 8037 section 2).

    Raises:
        LedgerFormatError: The id or the key is not of its form.
    """

    ledger_id: str
    root_x: str

    def __post_init__(self) -> None:
        if not is_ledger_id(self.ledger_id):
            raise LedgerFormatError("the trust file names no possible ledger id")
        if not _is_key(self.root_x):
            raise LedgerFormatError("the trust file holds no Ed25519 public key")


def load_trust(path: str | os.PathLike[str]) -> Trust:
    """Read a trust file.

    Raises:
        LedgerFormatError: It is missing, cannot be read, has more than
            ``MAX_TRUST_BYTES`` bytes, or is not exactly a trust file.

    Source:
        AUD-7.1, AUD-7.2.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_TRUST_BYTES + 1)
    except OSError as error:
        raise LedgerFormatError(
            f"the trust file cannot be read ({type(error).__name__})"
        ) from error
    if len(data) > MAX_TRUST_BYTES:
        raise LedgerFormatError(f"a trust file has at most {MAX_TRUST_BYTES} bytes")
    try:
        value: JsonValue = json.loads(data, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise LedgerFormatError("the trust file is not JSON") from None
    return _trust_of(value)


def write_trust(path: str | os.PathLike[str], trust: Trust) -> None:
    """Write a trust file, whole or not at all; an existing file is never replaced.

    Raises:
        StoreUnavailableError: It exists already, or could not be written.

    Source:
        AUD-7.3.
    """
    target = Path(path)
    text = json.dumps(_file_of(trust), indent=2) + "\n"
    try:
        handle, scratch = tempfile.mkstemp(prefix=".trust-", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), _READABLE)
                os.fsync(file.fileno())
            # A link, not a rename: it fails where a file of this name exists.
            os.link(scratch, target)
        finally:
            Path(scratch).unlink()
    except OSError as error:
        raise StoreUnavailableError(
            f"the trust file was not written ({type(error).__name__})"
        ) from error


def _file_of(trust: Trust) -> dict[str, JsonValue]:
    root: JsonValue = {"kty": "OKP", "crv": "Ed25519", "x": trust.root_x}
    return {"v": 1, "ledger": trust.ledger_id, "root": root}


def _trust_of(value: JsonValue) -> Trust:
    """Accept exactly the shape that ``write_trust`` writes."""
    root = value.get("root") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(root, dict):
        raise LedgerFormatError("the trust file has another shape")
    ledger_id, root_x = value.get("ledger"), root.get("x")
    if not isinstance(ledger_id, str) or not isinstance(root_x, str):
        raise LedgerFormatError("the trust file has another shape")
    trust = Trust(ledger_id, root_x)
    # `True == 1` in Python: the version's type is looked at too.
    if value != _file_of(trust) or type(value["v"]) is not int:
        raise LedgerFormatError("the trust file has another shape")
    return trust


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    """Build one object, refusing a repeated key."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError
    return value


def _is_key(root_x: str) -> bool:
    """Tell whether this is the one spelling of 32 bytes in base64url."""
    try:
        raw = base64.b64decode(root_x + "=", altchars=b"-_", validate=True)
    except ValueError:
        return False
    spelled = base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
    return len(raw) == _KEY_BYTES and spelled == root_x
