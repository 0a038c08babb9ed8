"""Registering keys and changing their states: KEY_ADDED, KEY_STATE_CHANGED.

Each change is an entry of the platform stream with a record beside it, and is
read back and believed before the transaction ends. What would not be believed
by an executor is never written.

Spec: docs/spec/authority.md, AUT-3.
"""

from dataclasses import dataclass, replace

from audit.entry import draft_entry
from audit.events import PlatformEventType
from audit.records import Receipt
from audit.signer import Signer
from audit.store.interface import ReadTransaction, Value, WriteTransaction
from audit.trail import PLATFORM_STREAM
from tokens.acts.signers import Act
from tokens.errors import AuthorityError, KeyNotTrustedError
from tokens.format.chain import text_digest
from tokens.format.statements import KeyStatement, sign_key_statement
from tokens.keys import KEY_STATE_CHANGES, SigningKey, VerificationKey
from tokens.state.collections import KEY
from tokens.state.platform_state import PlatformState
from tokens.state.reading import TokenReader
from tokens.state.receipts import platform_receipt

__all__ = ["KeyBook", "Stated"]


@dataclass(frozen=True, slots=True)
class Stated:
    """A key as it shall be, and the root's statement of it, if given."""

    key: VerificationKey
    statement: str | None = None


class KeyBook:
    """Writes key changes. Stateless but for the root key it may hold."""

    def __init__(
        self,
        reader: TokenReader,
        *,
        pinned: VerificationKey | None,
        root: Signer | None,
    ) -> None:
        """Hold the root key, if given one.

        Raises:
            AuthorityError: It is no root key, or not the one that is pinned.
        """
        if root is not None and root.purpose != "root":
            raise AuthorityError("root_key must be a key for 'root'")
        if root is not None and pinned is not None and root.kid != pinned.kid:
            raise AuthorityError("root_key is not the root key pinned for this store")
        self._reader = reader
        self._pinned = pinned
        self._root = root

    def require_usable(self, platform: PlatformState, signer: Signer) -> None:
        """Return if a key counts already, or can be made to.

        Raises:
            KeyNotTrustedError: It does not count, and nothing here could sign it.
        """
        if platform.trusted_key(signer.kid) is not None:
            return
        if self._pinned is not None and self._root is None:
            raise KeyNotTrustedError(
                f"key {signer.kid} has no statement of the pinned root key; register"
                " it with one"
            )
        if not isinstance(signer, SigningKey):
            raise KeyNotTrustedError(f"key {signer.kid} is not registered")

    def ensure(
        self, tx: WriteTransaction, platform: PlatformState, signer: Signer, act: Act
    ) -> PlatformState:
        """Register a key that is about to sign, if it is not registered.

        Returns:
            The platform with the key in it.

        Raises:
            KeyNotTrustedError: It may not sign now, or cannot be registered.
        """
        if platform.trusted_key(signer.kid) is None:
            self.require_usable(platform, signer)
            if isinstance(signer, SigningKey):
                self.add(tx, platform, Stated(signer.public), act)
            platform = self._reader.platform(tx)
        self.require_signing(tx, platform, signer)
        return platform

    def require_signing(
        self, tx: ReadTransaction, platform: PlatformState, signer: Signer
    ) -> None:
        """Return if a key counts and may sign now.

        Raises:
            KeyNotTrustedError: It does not, or may not.
        """
        key = platform.trusted_key(signer.kid)
        if key is None or key.purpose != signer.purpose:
            raise KeyNotTrustedError(
                f"key {signer.kid} is not registered for {signer.purpose}"
            )
        time_us = max(tx.now_us, platform.time_us)
        refusal = key.signing_refusal(time_us // 1_000_000)
        if refusal is not None:
            raise KeyNotTrustedError(refusal)

    def add(
        self, tx: WriteTransaction, platform: PlatformState, stated: Stated, act: Act
    ) -> Receipt:
        """Register a key. Registering the same one again writes nothing.

        Raises:
            AuthorityError: It is a root key, starts in a later state, or is
                registered with other properties.
            KeyNotTrustedError: A root is pinned and did not sign this.
        """
        key = stated.key
        if key.purpose == "root":
            raise AuthorityError("a root key is pinned, never registered")
        if key.state not in {"prepublished", "active"}:
            raise AuthorityError(f"a key is not registered as {key.state}")
        held = platform.keys.get(key.kid)
        if held is not None and held.trusted:
            if held.key != key:
                raise AuthorityError(
                    f"key {key.kid} is registered with other properties"
                )
            return platform_receipt(tx, held.sequence)
        return self._write(tx, platform, stated, act, PlatformEventType.KEY_ADDED)

    def change(
        self, tx: WriteTransaction, platform: PlatformState, stated: Stated, act: Act
    ) -> Receipt:
        """Change a key's state. A state it has already writes nothing.

        Raises:
            AuthorityError: The key is not registered, or the state cannot
                follow the one it has.
            KeyNotTrustedError: A root is pinned and did not sign this.
        """
        key = stated.key
        held = platform.keys.get(key.kid)
        if held is None:
            raise AuthorityError(f"key {key.kid} is not registered")
        if held.key == key:
            return platform_receipt(tx, held.sequence)
        if key.state not in KEY_STATE_CHANGES[held.key.state]:
            raise AuthorityError(
                f"key {key.kid} is {held.key.state} and cannot become {key.state}"
            )
        return self._write(
            tx, platform, stated, act, PlatformEventType.KEY_STATE_CHANGED
        )

    def rotate(
        self, tx: WriteTransaction, old: Signer, new: SigningKey, act: Act
    ) -> tuple[Receipt, ...]:
        """Make one key active and let another only verify.

        Raises:
            AuthorityError: The new key is in a state from which it cannot sign.
            KeyNotTrustedError: A root is pinned and its key is not here.
        """
        platform = self._reader.platform(tx)
        if platform.trusted_key(new.kid) is None:
            receipts = [self.add(tx, platform, Stated(new.public), act)]
        else:
            active = Stated(self.restated(platform, new.kid, "active"))
            receipts = [self.change(tx, platform, active, act)]
        platform = self._reader.platform(tx)
        replaced = platform.trusted_key(old.kid)
        if replaced is not None and replaced.state == "active":
            ended = Stated(self.restated(platform, old.kid, "verify-only"))
            receipts.append(self.change(tx, platform, ended, act))
        return tuple(receipts)

    def restated(
        self, platform: PlatformState, kid: str, state: str
    ) -> VerificationKey:
        """Return a registered key as it would be in another state.

        Raises:
            AuthorityError: The key is not registered.
            ValueError: There is no such state.
        """
        held = platform.keys.get(kid)
        if held is None:
            raise AuthorityError("no key with this id is registered")
        return replace(held.key, state=state)

    def _write(
        self,
        tx: WriteTransaction,
        platform: PlatformState,
        stated: Stated,
        act: Act,
        kind: PlatformEventType,
    ) -> Receipt:
        """Append the entry, insert its record, and believe both."""
        key, sequence = stated.key, platform.size
        text = stated.statement
        if text is None and self._root is not None:
            origin = act.origin(sequence, max(tx.now_us, platform.time_us))
            text = sign_key_statement(KeyStatement(origin=origin, key=key), self._root)
        fields: dict[str, str | int | None] = {
            "kid": key.kid,
            "purpose": key.purpose,
            "x": key.x,
            "not_before_s": key.not_before_s,
            "not_after_s": key.not_after_s,
            "state": key.state,
        }
        draft = draft_entry(
            kind,
            user_id=act.by,
            token_hash="-",  # noqa: S106  # no token is meant
            domain="system",
            method="add_key" if kind is PlatformEventType.KEY_ADDED else "change_key",
            status="success",
            reason=act.shown_reason,
            details={
                **fields,
                "statement": None if text is None else text_digest(text),
            },
        )
        receipt = tx.append(PLATFORM_STREAM, [draft], expected_size=sequence)[0]
        record: dict[str, Value] = {**fields, "sequence": sequence, "statement": text}
        tx.insert(KEY, record)
        after = self._reader.platform(tx).trusted_key(key.kid)
        if after != key:
            raise KeyNotTrustedError(
                f"the pinned root key did not sign this of key {key.kid} for place"
                f" {sequence} of the platform stream"
            )
        return receipt
