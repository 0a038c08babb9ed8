"""The security team's half: issue, revoke, pause, resume, keys.

Only the faces and the tests import this module. Whoever holds a
``TokenAuthority`` holds its keys; in production that is another process than
the one that executes plans.

Every call is tried whatever the state of the latch. It ends done and durable,
or raises having promised nothing; after ``revoke_token``, ``revoke`` or
``pause`` has returned, no start of any process on this store is under what was
stopped.

Spec: docs/spec/authority.md.
"""

import os
import sys
from typing import Final

from audit.records import Receipt
from audit.signer import Signer
from audit.store.interface import Store, WriteTransaction
from tokens.acts.issued import IssuedToken
from tokens.acts.issuing import draft_issue, issue_streams, write_issue
from tokens.acts.key_changes import KeyBook, Stated
from tokens.acts.signers import Act, Entropy, SignerRing
from tokens.acts.stopping import Stopper
from tokens.credential import sign_credential, token_id, verify_signature
from tokens.errors import AuthorityError
from tokens.keys import SigningKey, VerificationKey
from tokens.model import CapabilityToken
from tokens.state.listing import TokenFilter, TokenPage, list_tokens
from tokens.state.platform_state import PlatformState
from tokens.state.reading import TokenReader, root_of, shown_keys
from tokens.state.selector import Selector, require_handle

__all__ = ["TokenAuthority"]

_JTI_BYTES: Final = 16
_FIRST_USE: Final = "first use of this key"
_SELF: Final = "authority"


class TokenAuthority:
    """Issues and withdraws authority over one store.

    Guarantees: every method may be called from any thread; a call that raises
    has written nothing; no message and no representation holds a credential.
    """

    def __init__(
        self,
        store: Store,
        issue_key: Signer,
        *,
        revoke_key: Signer | None = None,
        pause_key: Signer | None = None,
        root_key: Signer | None = None,
        entropy: Entropy = os.urandom,
    ) -> None:
        """Take the keys, and check them against what is pinned.

        Where the store was opened with a trust file, each key must have a
        statement of that root already, or ``root_key`` must be given to sign
        one. Without a trust file, a key is registered when it first signs.

        Args:
            store: Where tokens, keys and revocations are kept.
            issue_key: Signs credentials.
            revoke_key: Signs revocations; without one, it is made when needed
                and lost with this process. Give a real one in production.
            pause_key: Signs pauses and resumptions; as ``revoke_key``.
            root_key: Signs key statements. It belongs in a ceremony, not here,
                once the keys are registered.
            entropy: Gives random bytes: token ids, and keys that are made.

        Raises:
            AuthorityError: A key is for another purpose, or the root key is not
                the pinned one.
            KeyNotTrustedError: A key has no statement of the pinned root.
            RegistryIntegrityError: The platform stream cannot be believed.
            AuditWriteError: The store cannot be used now.
        """
        _guard("open")
        self._store = store
        self._entropy = entropy
        self._ring = SignerRing(issue_key, revoke_key, pause_key, entropy)
        self._reader = TokenReader(store)
        self._keys = KeyBook(self._reader, pinned=root_of(store), root=root_key)
        self._stopper = Stopper(self._reader)
        with store.read() as tx:
            platform = self._reader.platform(tx)
        for signer in self._ring.given():
            self._keys.require_usable(platform, signer)

    @property
    def store(self) -> Store:
        """The store it writes."""
        return self._store

    def issue_token(
        self, token: CapabilityToken, holder_key: str | None = None
    ) -> IssuedToken:
        """Issue a token; its credential is shown here only. Twice makes two.

        Args:
            token: What is granted.
            holder_key: The holder's Ed25519 public key in base64url, to which
                the credential is then bound.

        Raises:
            TypeError: ``token`` is not a ``CapabilityToken``.
            ValueError: ``holder_key`` is no public key, or the credential would
                be larger than 8192 characters.
            AuthorityError: The user or the issuer is revoked.
            KeyNotTrustedError: The key may not sign now, or is revoked.
            RegistryIntegrityError: The platform stream cannot be believed.
            AuditWriteError: It could not be made durable.

        Source:
            rules 1A.17, 1A.18; AUT-8.1 to AUT-8.4.
        """
        _guard("issue_token")
        holder_jkt = None
        if holder_key is not None:
            holder_jkt = VerificationKey.of(holder_key, purpose="approve").kid
        signer = self._ring.signer("issue")
        key, now_us = self._issuing_key(signer)
        credential = sign_credential(
            token,
            key=signer,
            ledger_id=self._store.ledger_id,
            now_us=now_us,
            jti=token_id(self._entropy(_JTI_BYTES)),
            holder_jkt=holder_jkt,
        )
        # Read back what was signed: a signer that errs must not be believed.
        claims = verify_signature(credential, {key.kid: key}, self._store.ledger_id)
        draft = draft_issue(claims)
        with self._store.write(past_latch=True, streams=issue_streams(claims)) as tx:
            platform = self._reader.platform(tx)
            write_issue(tx, platform, claims, credential, draft)
        return IssuedToken.of(claims, credential)

    def revoke_token(self, token_hash: str, reason: str, revoked_by: str) -> Receipt:
        """Revoke one token, for good. Revoking it again changes nothing.

        Returns:
            The receipt of its TOKEN_REVOKED, the first one's if it was revoked.

        Raises:
            TokenUnknownError: No such token was issued here (a ``KeyError``).
            AuthorityError: ``token_hash`` is not a handle.
            ValueError: The reason or the name is empty, too long or unprintable.
            KeyNotTrustedError: The revoke key may not sign now.
            RegistryIntegrityError: The records cannot be believed; nothing
                starts under the token then.
            AuditWriteError: It could not be made durable; try again.

        Source:
            rules 2D; AUT-4.1, AUT-4.5.
        """
        _guard("revoke_token")
        require_handle(token_hash)
        act = Act(reason, revoked_by, self._store.ledger_id)
        with self._store.write(authority="exclusive", past_latch=True) as tx:
            signer = self._signing(tx, "revoke")
            return self._stopper.revoke_token(tx, token_hash, signer, act)

    def revoke(self, selector: Selector, reason: str, revoked_by: str) -> Receipt:
        """Revoke everything selected, for good; again gives the first receipt.

        Raises:
            AuthorityError: The selector is a key that signs no tokens here, or
                not a selector that can be.
            ValueError, TokenError, AuditWriteError: As ``revoke_token``.

        Source:
            AUT-4.1 to AUT-4.6.
        """
        _guard("revoke")
        if type(selector) is not Selector:
            raise TypeError("selector must be a Selector")
        if selector.kind == "token":
            return self.revoke_token(selector.value, reason, revoked_by)
        act = Act(reason, revoked_by, self._store.ledger_id)
        with self._store.write(authority="exclusive", past_latch=True) as tx:
            signer = self._signing(tx, "revoke")
            return self._stopper.revoke(tx, selector, signer, act)

    def pause(self, reason: str, by: str) -> Receipt:
        """Pause the platform; gives the receipt of the pause that stands.

        Raises:
            ValueError, TokenError, AuditWriteError: As ``revoke_token``.

        Source:
            AUT-4.7.
        """
        _guard("pause")
        act = Act(reason, by, self._store.ledger_id)
        with self._store.write(authority="exclusive", past_latch=True) as tx:
            return self._stopper.pause(tx, self._signing(tx, "pause"), act)

    def resume(self, reason: str, by: str, *, sequence: int | None = None) -> Receipt:
        """End the pause, by a fresh signature over the current sequence.

        A platform that was resumed already stays so, and gives that receipt.

        Args:
            reason: Why it may go on.
            by: Who says so.
            sequence: The size of the platform stream that the decision was made
                on (``platform_sequence``); the resumption is refused if
                anything was added since.

        Raises:
            AuthorityError: ``sequence`` is stale, or it never was paused.
            ValueError, TokenError, AuditWriteError: As ``revoke_token``.

        Source:
            AUT-4.8.
        """
        _guard("resume")
        act = Act(reason, by, self._store.ledger_id)
        with self._store.write(authority="exclusive", past_latch=True) as tx:
            signer = self._signing(tx, "pause")
            return self._stopper.resume(tx, signer, act, sequence)

    def platform(self) -> PlatformState:
        """Return the state of the platform now: keys, revocations, pause.

        Raises:
            RegistryIntegrityError: The platform stream cannot be believed.
            AuditWriteError: The store cannot be read.
        """
        _guard("platform")
        with self._store.read() as tx:
            return self._reader.platform(tx)

    def register_key(
        self,
        key: VerificationKey,
        statement: str | None = None,
        *,
        reason: str = "key registered",
        by: str = _SELF,
    ) -> Receipt:
        """Register a key, prepublished or active. The same again is harmless.

        Args:
            key: The key with its purpose, window and first state.
            statement: The root's signed statement of exactly this, for the
                place ``platform().size``; needed where a root is pinned and
                ``root_key`` was not given.
            reason: Why, for the record.
            by: Who, for the record.

        Raises:
            AuthorityError: It is a root key, in a later state, or registered
                with other properties.
            KeyNotTrustedError: The pinned root did not sign this.
            ValueError, TokenError, AuditWriteError: As ``revoke_token``.

        Source:
            AUT-3.1 to AUT-3.4.
        """
        _guard("register_key")
        act = Act(reason, by, self._store.ledger_id)
        with self._store.write(authority="exclusive", past_latch=True) as tx:
            platform = self._reader.platform(tx)
            return self._keys.add(tx, platform, Stated(key, statement), act)

    def set_key_state(
        self,
        kid: str,
        state: str,
        statement: str | None = None,
        *,
        reason: str = "key state changed",
        by: str = _SELF,
    ) -> Receipt:
        """Move a key forward in its life. The state it has already is harmless.

        Raises:
            AuthorityError: The key is not registered, or cannot take the state.
            KeyNotTrustedError: The pinned root did not sign this.
            ValueError: There is no such state, reason or name.
            TokenError, AuditWriteError: As ``revoke_token``.

        Source:
            rules A5; AUT-3.3, AUT-3.4.
        """
        _guard("set_key_state")
        act = Act(reason, by, self._store.ledger_id)
        with self._store.write(authority="exclusive", past_latch=True) as tx:
            platform = self._reader.platform(tx)
            key = self._keys.restated(platform, kid, state)
            return self._keys.change(tx, platform, Stated(key, statement), act)

    def rotate(
        self,
        new_issue_key: SigningKey,
        *,
        reason: str = "key rotated",
        by: str = _SELF,
    ) -> tuple[Receipt, ...]:
        """Issue with another key from now on; the old one only verifies.

        The tokens it signed stay good until they end. Where verifiers elsewhere
        cache the key set, register the new key as ``prepublished`` first and
        rotate when twice their cache's age has passed.

        Returns:
            The receipts of what was written: the new key added or activated, the
            old one stopped.

        Raises:
            AuthorityError: It is the key in use, for another purpose, or in a
                state from which it cannot sign.
            KeyNotTrustedError: A root is pinned and ``root_key`` was not given:
                register and change the keys with its statements instead.
            ValueError, TokenError, AuditWriteError: As ``revoke_token``.

        Source:
            rules A5; AUT-3.6.
        """
        _guard("rotate")
        act = Act(reason, by, self._store.ledger_id)
        old = self._ring.signer("issue")
        if new_issue_key.kid == old.kid or new_issue_key.purpose != "issue":
            raise AuthorityError("rotate to another key, made for 'issue'")
        with self._store.write(authority="exclusive", past_latch=True) as tx:
            receipts = self._keys.rotate(tx, old, new_issue_key, act)
        self._ring.replace("issue", new_issue_key)
        return receipts

    def list_tokens(
        self,
        wanted: TokenFilter | None = None,
        *,
        cursor: int | None = None,
        limit: int = 100,
    ) -> TokenPage:
        """Return a page of tokens, newest first.

        Args:
            wanted: Which ones; all when ``None``.
            cursor: ``next_cursor`` of the page before; the newest when ``None``.
            limit: How many tokens to look at, 1 to 1000.

        Raises:
            ValueError: ``limit`` is out of bounds.
            RegistryIntegrityError: The records of a token cannot be believed.
            AuditWriteError: The store cannot be read.

        Source:
            AUT-8.5.
        """
        _guard("list_tokens")
        chosen = wanted or TokenFilter()
        with self._store.read() as tx:
            return list_tokens(self._reader, tx, chosen, cursor=cursor, limit=limit)

    def verification_keys(self) -> dict[str, VerificationKey]:
        """Return the keys that count, by key id, as ``TokenRegistry`` does.

        Raises:
            RegistryIntegrityError: The platform stream cannot be believed.
            AuditWriteError: The store cannot be read.
        """
        _guard("verification_keys")
        return shown_keys(self.platform())

    def _signing(self, tx: WriteTransaction, purpose: str) -> Signer:
        """Return the key for a purpose, registered and good to sign now."""
        signer = self._ring.signer(purpose)
        act = Act(_FIRST_USE, _SELF, self._store.ledger_id)
        self._keys.ensure(tx, self._reader.platform(tx), signer, act)
        return signer

    def _issuing_key(self, signer: Signer) -> tuple[VerificationKey, int]:
        """Return the registered issue key, and the time to issue at.

        A key that is not registered is, where that is possible: an exclusive
        change of its own, before the token's.
        """
        with self._store.read() as tx:
            key = self._reader.platform(tx).trusted_key(signer.kid)
            now_us = tx.now_us
        if key is not None:
            return key, now_us
        with self._store.write(authority="exclusive", past_latch=True) as tx:
            self._signing(tx, "issue")
            added = self._reader.platform(tx).keys[signer.kid]
            return added.key, tx.now_us


def _guard(call: str) -> None:
    """Let the box of a domain see a call that must not come from inside it."""
    sys.audit("stage3.guard", f"tokens.authority.{call}")
