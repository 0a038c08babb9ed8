"""A private key in a file: sealed under a passphrase, never overwritten.

The file is canonical JSON and a line end: a header that says how it is sealed,
and the sealed 32 bytes. The passphrase is stretched with Argon2id (RFC 9106,
64 MiB by default) and the key sealed with AES-256-GCM, which also covers the
header, so that nobody can relabel a key's purpose or weaken its parameters
unnoticed. What is lost when the passphrase is lost is the key.

Source: docs/spec/tokens.md, section 7; NIST SP 800-38D for GCM.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from audit.canonical import JsonValue, canonical_bytes, parse_canonical
from audit.entry import printable
from audit.errors import LedgerFormatError
from tokens.base64url import decode_base64url, encode_base64url
from tokens.errors import KeystoreError, TokenMalformedError
from tokens.format.members import integer, object_with, text
from tokens.keys import SigningKey

__all__ = ["DEFAULT_STRETCHING", "Stretching", "load_key", "save_key"]

MAX_FILE_BYTES: Final = 4096
MAX_PASSPHRASE_BYTES: Final = 1024

_VERSION: Final = 1
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_AES_KEY_BYTES: Final = 32
_SEALED_BYTES: Final = 32 + 16
_KIB_PER_LANE: Final = 8
_KDF_MEMBERS: Final = ("name", "memory_kib", "passes", "lanes", "salt")
_CIPHER_MEMBERS: Final = ("name", "nonce")
_HEADER_MEMBERS: Final = ("v", "kid", "purpose", "kdf", "cipher")

# The bounds hold for a file that is read, too: it may come from anywhere, and
# must not be able to ask for all the memory or an hour of work.
_MAX_MEMORY_KIB: Final = 1_048_576
_MAX_PASSES: Final = 16
_MAX_LANES: Final = 16


# Up here, because the default below is made while this module is read.
def _require_between(name: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} must be an integer from {least} to {most}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretching:
    """How much work each guess of the passphrase costs (RFC 9106 section 3.1).

    Attributes:
        memory_kib: KiB of memory, from 8 per lane to 1 GiB.
        passes: Passes over it, 1 to 16.
        lanes: Lanes computed side by side, 1 to 16.

    Raises:
        ValueError: A field is not as described.
    """

    memory_kib: int = 65_536
    passes: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        _require_between("passes", self.passes, 1, _MAX_PASSES)
        _require_between("lanes", self.lanes, 1, _MAX_LANES)
        least = _KIB_PER_LANE * self.lanes
        _require_between("memory_kib", self.memory_kib, least, _MAX_MEMORY_KIB)


DEFAULT_STRETCHING: Final = Stretching()
"""64 MiB, three passes, four lanes: about a third of a second per guess."""


def save_key(
    path: Path | str,
    key: SigningKey,
    passphrase: bytes,
    *,
    stretching: Stretching = DEFAULT_STRETCHING,
    entropy: Callable[[int], bytes] = os.urandom,
) -> None:
    """Write ``key`` to a new file that only its owner can read.

    When this returns, the file is complete and on disk; when it raises, there is
    no file of that name that was not there before.

    Args:
        path: Where; the folder exists, the file does not.
        key: The key.
        passphrase: 1 to 1024 bytes.
        stretching: What a guess of the passphrase shall cost.
        entropy: Gives random bytes, for salt and nonce.

    Raises:
        KeystoreError: The file exists or cannot be written, or stretching the
            passphrase is not possible here.
        ValueError: The passphrase is not 1 to 1024 bytes.

    Source:
        TOK-7.1 to TOK-7.3.
    """
    _require_passphrase(passphrase)
    salt, nonce = entropy(_SALT_BYTES), entropy(_NONCE_BYTES)
    header: dict[str, JsonValue] = {
        "v": _VERSION,
        "kid": key.kid,
        "purpose": key.purpose,
        "kdf": {
            "name": "argon2id",
            "memory_kib": stretching.memory_kib,
            "passes": stretching.passes,
            "lanes": stretching.lanes,
            "salt": encode_base64url(salt),
        },
        "cipher": {"name": "A256GCM", "nonce": encode_base64url(nonce)},
    }
    cipher = _cipher(passphrase, salt, stretching)
    sealed = cipher.encrypt(nonce, key.unsafe_private_bytes(), canonical_bytes(header))
    content = canonical_bytes({**header, "sealed": encode_base64url(sealed)})
    _write_new(Path(path), content + b"\n", nonce.hex())


def load_key(path: Path | str, passphrase: bytes) -> SigningKey:
    """Read the key in a file that ``save_key`` wrote.

    Raises:
        KeystoreError: The file cannot be read, is open to others, is not a key
            file, was changed, the passphrase is wrong, or stretching it is not
            possible here.
        ValueError: The passphrase is not 1 to 1024 bytes.

    Source:
        TOK-7.4 to TOK-7.7.
    """
    _require_passphrase(passphrase)
    content = _read_private(Path(path))
    try:
        return _opened(content, passphrase)
    except (LedgerFormatError, TokenMalformedError, ValueError) as error:
        raise KeystoreError(f"{_shown(path)} is not a key file: {error}") from error
    except InvalidTag as error:
        raise KeystoreError(
            f"{_shown(path)}: the passphrase is wrong, or the file was changed"
        ) from error


def _opened(content: bytes, passphrase: bytes) -> SigningKey:
    if content[-1:] != b"\n":
        raise TokenMalformedError("it is cut short")
    members = (*_HEADER_MEMBERS, "sealed")
    envelope = object_with(parse_canonical(content[:-1]), members, "the file")
    if integer(envelope, "v", maximum=_VERSION) != _VERSION:
        raise TokenMalformedError("v is not 1")
    kdf = object_with(envelope["kdf"], _KDF_MEMBERS, "kdf")
    cipher = object_with(envelope["cipher"], _CIPHER_MEMBERS, "cipher")
    if text(kdf, "name") != "argon2id" or text(cipher, "name") != "A256GCM":
        raise TokenMalformedError("it is sealed in a way that is not known")
    stretching = Stretching(
        memory_kib=integer(kdf, "memory_kib", maximum=_MAX_MEMORY_KIB),
        passes=integer(kdf, "passes", maximum=_MAX_PASSES),
        lanes=integer(kdf, "lanes", maximum=_MAX_LANES),
    )
    salt = _bits(text(kdf, "salt"), _SALT_BYTES)
    nonce = _bits(text(cipher, "nonce"), _NONCE_BYTES)
    sealed = _bits(text(envelope, "sealed"), _SEALED_BYTES)
    header = canonical_bytes({name: envelope[name] for name in _HEADER_MEMBERS})
    private = _cipher(passphrase, salt, stretching).decrypt(nonce, sealed, header)
    key = SigningKey.from_private_bytes(private, purpose=text(envelope, "purpose"))
    if key.kid != text(envelope, "kid"):
        raise TokenMalformedError("it holds another key than it says")
    return key


def _cipher(passphrase: bytes, salt: bytes, stretching: Stretching) -> AESGCM:
    try:
        stretched = Argon2id(
            salt=salt,
            length=_AES_KEY_BYTES,
            iterations=stretching.passes,
            lanes=stretching.lanes,
            memory_cost=stretching.memory_kib,
        ).derive(passphrase)
    except UnsupportedAlgorithm as error:
        raise KeystoreError("Argon2id needs OpenSSL 3.2 or newer") from error
    except MemoryError as error:
        raise KeystoreError("not enough memory for the passphrase") from error
    return AESGCM(stretched)


def _write_new(path: Path, content: bytes, draft_mark: str) -> None:
    # A complete file appears under its name in one step, and only if the name is
    # free: `rename` would replace what is there, `link` does not.
    try:
        draft = path.with_name(f".{draft_mark}.draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        finally:
            draft.unlink()
        _make_name_durable(path)
    except FileExistsError as error:
        raise KeystoreError(
            f"{_shown(path)} exists; a key file is never replaced"
        ) from error
    except (OSError, ValueError) as error:
        raise KeystoreError(
            f"{_shown(path)} cannot be written: {_what(error)}"
        ) from error


def _make_name_durable(path: Path) -> None:
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        # A name that a power cut may take away is not handed out as saved.
        path.unlink()
        raise


def _read_private(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            # Asked of what was opened, not of the name, which may change.
            _require_private(path, os.fstat(descriptor))
            content = os.read(descriptor, MAX_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise KeystoreError(f"{_shown(path)} cannot be read: {_what(error)}") from error
    if len(content) > MAX_FILE_BYTES:
        raise KeystoreError(f"{_shown(path)} is not a key file: it is too long")
    return content


def _require_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeystoreError(f"{_shown(path)} is not a regular file")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeystoreError(
            f"{_shown(path)} can be used by others than its owner; its mode must be"
            " 0600"
        )


def _bits(value: str, size: int) -> bytes:
    data = decode_base64url(value)
    if len(data) != size:
        raise TokenMalformedError(f"{size} bytes were expected, {len(data)} came")
    return data


def _require_passphrase(passphrase: object) -> None:
    if type(passphrase) is not bytes:
        raise ValueError("the passphrase must be bytes")
    if not 1 <= len(passphrase) <= MAX_PASSPHRASE_BYTES:
        raise ValueError(f"the passphrase must have 1 to {MAX_PASSPHRASE_BYTES} bytes")


def _what(error: Exception) -> str:
    # The system's own words; the exception's text repeats the path.
    return (error.strerror or "failed") if isinstance(error, OSError) else "a bad name"


def _shown(path: Path | str) -> str:
    return printable(str(path), 256)
