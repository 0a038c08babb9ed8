"""What the ledger needs of a key: its name, its purpose and a signature.

Keys live elsewhere, so that a hardware module or a key service fits as well.
"""

from typing import Protocol

__all__ = ["Signer"]


class Signer(Protocol):
    """A private key that signs, wherever it is kept.

    Guarantees: ``sign`` is Ed25519 over exactly the bytes given (64 bytes back),
    deterministic, and safe to call from several threads; the key never leaves.
    """

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint of the public key."""
        ...

    @property
    def purpose(self) -> str:
        """The one thing this key signs, such as ``issue`` or ``revoke``."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Sign exactly these bytes."""
        ...
