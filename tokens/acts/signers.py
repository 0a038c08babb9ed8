"""The keys an authority holds, and one act of it: who, why, and when.

Spec: docs/spec/authority.md, AUT-3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from audit.entry import MAX_REASON_LENGTH, printable
from audit.signer import Signer
from tokens.errors import AuthorityError
from tokens.format.statements import Origin
from tokens.keys import SigningKey

__all__ = ["Act", "Entropy", "SignerRing"]

Entropy = Callable[[int], bytes]
"""Gives as many random bytes as it is asked for."""

_KEY_BYTES: Final = 32
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Act:
    """Something that somebody does for a reason, checked before any lock.

    Raises:
        ValueError: ``reason`` is not 1 to 500 printable characters, or ``by`` is
            not the name of a person or service.
    """

    reason: str
    by: str
    ledger_id: str

    def __post_init__(self) -> None:
        self.origin(0, 0)

    def origin(self, sequence: int, time_us: int) -> Origin:
        """Return the origin of its statement, at its place and time."""
        return Origin(
            ledger_id=self.ledger_id,
            sequence=sequence,
            reason=self.reason,
            by=self.by,
            issued_at_s=time_us // _MICROSECONDS,
        )

    @property
    def shown_reason(self) -> str:
        """The reason as the ledger shows it; the statement has it in full."""
        return printable(self.reason, MAX_REASON_LENGTH)


class SignerRing:
    """One key for each purpose; those for stopping are made when first needed."""

    def __init__(
        self,
        issue: Signer,
        revoke: Signer | None,
        pause: Signer | None,
        entropy: Entropy,
    ) -> None:
        """Take the keys given.

        Raises:
            AuthorityError: A key is for another purpose.
        """
        given = {"issue": issue, "revoke": revoke, "pause": pause}
        self._signers: dict[str, Signer] = {}
        for purpose, signer in given.items():
            if signer is not None:
                self.replace(purpose, signer)
        self._entropy = entropy

    def given(self) -> tuple[Signer, ...]:
        """Return the keys there are so far."""
        return tuple(self._signers.values())

    def signer(self, purpose: str) -> Signer:
        """Return the key for a purpose; without one, make it.

        A key made here lives as long as this process. Give real ones wherever a
        revocation must be possible after it.
        """
        held = self._signers.get(purpose)
        if held is None:
            held = SigningKey.from_private_bytes(
                self._entropy(_KEY_BYTES), purpose=purpose
            )
            self._signers[purpose] = held
        return held

    def replace(self, purpose: str, signer: Signer) -> None:
        """Use another key from now on.

        Raises:
            AuthorityError: It is for another purpose.
        """
        if signer.purpose != purpose:
            raise AuthorityError(
                f"the {purpose} key must be made for {purpose!r}; purposes are never"
                " shared"
            )
        self._signers[purpose] = signer
