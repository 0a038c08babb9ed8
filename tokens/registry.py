"""The executor's half of the registry: look up, state, reserve, settle.

Nothing here can make, widen, refill or revive authority: there is no signing
key, and the only rows it writes are counters. What it says of a token is read
inside the caller's transaction, under the lock that orders every start against
every revocation.

For a start, the caller goes through these steps:

1. ``prepare``, before the lock: what is slow and does not change.
2. ``snapshot``, inside the write transaction: everything to decide on.
3. ``note_expired`` or ``note_first_use``, as the decision was.
4. ``reserve``, with the step's EXECUTION_STARTED.
5. ``settle``, in the transaction that records how the step ended.

Spec: docs/spec/authority.md, AUT-5 to AUT-7.
"""

import sys

from audit.entry import draft_entry
from audit.errors import LedgerFormatError
from audit.events import AuditEventType
from audit.records import Receipt, StreamHead
from audit.store.interface import HeadOf, ReadTransaction, Store, WriteTransaction
from audit.trail import PLATFORM_STREAM
from tokens.credential import handle
from tokens.errors import (
    AmbiguousAuthorizationError,
    RegistryIntegrityError,
    TokenError,
    TokenRevokedError,
    TokenUnknownError,
)
from tokens.keys import VerificationKey
from tokens.limits import Usage
from tokens.state.accounting import (
    AccountingError,
    Reservation,
    Start,
    close_reservation,
    open_reservation,
    read_bounding_use,
    read_usage,
)
from tokens.state.reading import TokenReader, key_refusal_of, revoker_of, shown_keys
from tokens.state.registered import RegisteredToken
from tokens.state.snapshot import TokenSnapshot
from tokens.state.token_records import TokenRows, read_token_rows
from tokens.state.token_trail import token_head

__all__ = ["TokenRegistry"]

_MICROSECONDS = 1_000_000


class TokenRegistry:
    """Answers what a token is, and keeps count of what was done under it.

    Guarantees: every answer is a copy; nothing is remembered but exact bytes and
    what follows from them alone; every method may be called from any thread.
    """

    def __init__(self, store: Store) -> None:
        """Use a store, declaring the collections of this package to it.

        Raises:
            LedgerFormatError: The store has other collections of these names.
            AuditWriteError: The store cannot be used now.
            ValueError: The root key pinned for the store is no public key.
        """
        _guard("open")
        self._store = store
        self._reader = TokenReader(store)

    @property
    def store(self) -> Store:
        """The store it reads."""
        return self._store

    def get_token(self, token_hash: str) -> RegisteredToken:
        """Return a token that exists and was not revoked, expired or not.

        Raises:
            TokenUnknownError: No such token was issued here (a ``KeyError``).
            TokenRevokedError: It was revoked (a ``KeyError``).
            RegistryIntegrityError: Its records cannot be believed.
            AuditWriteError: The store cannot be read.

        Source:
            rules 1A.17, 1B.5.
        """
        _guard("get_token")
        with self._store.read() as tx:
            token = self._reader.token(tx, handle(token_hash))
        if token.revoked_by is not None:
            raise TokenRevokedError(
                f"token {token.token_hash} was revoked (by {token.revoked_by})"
            )
        return token

    def is_revoked(self, token_hash: str) -> bool:
        """Tell whether a token was revoked, by itself or by a selector.

        Raises:
            TokenUnknownError: No such token was issued here. It is not revoked,
                but neither is it anything else.
            RegistryIntegrityError: Its records cannot be believed.
            AuditWriteError: The store cannot be read.

        Source:
            rules 2D.1, 2D.5.
        """
        _guard("is_revoked")
        with self._store.read() as tx:
            return self._reader.token(tx, handle(token_hash)).revoked

    def get_user_tokens(self, user_id: str) -> list[RegisteredToken]:
        """Return every token ever issued for a user, oldest first.

        The revoked and expired ones too: each says what became of it.

        Raises:
            RegistryIntegrityError: The records of one cannot be believed.
            EntryRefusedError: The name is no string, or cannot be encoded.
            AuditWriteError: The store cannot be read.

        Source:
            rules 1B.1 to 1B.4, 1B.8.
        """
        _guard("get_user_tokens")
        with self._store.read() as tx:
            return self._reader.tokens_of(tx, user_id)

    def find_token(self, user_id: str, domain: str, method: str) -> RegisteredToken:
        """Return the one live token under which a user may call a method.

        Raises:
            TokenUnknownError: There is none.
            AmbiguousAuthorizationError: There is more than one; say which.
            RegistryIntegrityError: The records of one cannot be believed.
            AuditWriteError: The store cannot be read.

        Source:
            rules 1A.19, 1B.9.
        """
        _guard("find_token")
        with self._store.read() as tx:
            now_us = tx.now_us
            tokens = self._reader.tokens_of(
                tx, user_id, ending_after_s=now_us // _MICROSECONDS
            )
        live = [t for t in tokens if t.is_live(now_us) and t.allows(domain, method)]
        if not live:
            raise TokenUnknownError("no live token of this user covers that method")
        if len(live) > 1:
            raise AmbiguousAuthorizationError(
                f"{len(live)} live tokens cover that method; name one by its token_hash"
            )
        return live[0]

    def verification_keys(self) -> dict[str, VerificationKey]:
        """Return the keys that count, by key id, whatever their purpose and state.

        A key under which every token was revoked is shown as compromised, so
        that a verifier elsewhere refuses them too.

        Raises:
            RegistryIntegrityError: The platform stream cannot be believed.
            AuditWriteError: The store cannot be read.
        """
        _guard("verification_keys")
        with self._store.read() as tx:
            return shown_keys(self._reader.platform(tx))

    def prepare(self, token_hash: str) -> None:
        """Do before the lock what is slow: read the platform, verify a signature.

        It decides nothing and refuses nothing; ``snapshot`` does without it,
        only slower.

        Raises:
            AuditWriteError: The store cannot be read.

        Source:
            AUT-5.5.
        """
        _guard("prepare")
        name, platforms = handle(token_hash), self._reader.platforms
        is_known = self._reader.tokens.remembers(name)
        if is_known and not platforms.has_news:
            return
        with self._store.read(ahead=(HeadOf(PLATFORM_STREAM),)) as tx:
            platform = platforms.settle(tx)
            if is_known:
                return
            rows = read_token_rows(tx, name)
        try:
            self._reader.tokens.examine(rows, platform)
        except RegistryIntegrityError:
            # The snapshot will say so, on what it reads itself.
            return

    def snapshot(self, tx: ReadTransaction, token_hash: str) -> TokenSnapshot:
        """Read everything that a decision about a start depends on.

        Args:
            tx: The write transaction in which the start is recorded.
            token_hash: A handle; anything else is taken as its own SHA-256.

        Returns:
            The snapshot. Where records cannot be believed, ``integrity`` says
            so; no exception does.

        Raises:
            AuditWriteError: The store cannot be read.

        Source:
            AUT-6.1 to AUT-6.5.
        """
        _guard("snapshot")
        rows = read_token_rows(tx, handle(token_hash))
        heads = (
            token_head(rows.token_hash, rows.entries),
            tx.stream_head(PLATFORM_STREAM),
        )
        try:
            return self._filled(tx, rows, heads)
        except (TokenError, AccountingError, LedgerFormatError) as error:
            return TokenSnapshot.of_no_token(heads, integrity=str(error))

    def note_first_use(
        self, tx: WriteTransaction, snapshot: TokenSnapshot, time_us: int
    ) -> Receipt | None:
        """Record TOKEN_FIRST_USED, once, with the first successful validation.

        Returns:
            The receipt; ``None`` where it is on record already.

        Raises:
            RegistryIntegrityError: The snapshot is not of a token to believe.
            StreamConflictError: The snapshot is of another transaction.
            AuditWriteError: The store cannot be written.

        Source:
            rules 4B row 2; AUT-7.7.
        """
        _guard("note_first_use")
        user_id = snapshot.believed_claims().user_id
        if snapshot.first_used:
            return None
        kind = AuditEventType.TOKEN_FIRST_USED
        return _append_lifecycle(tx, snapshot, time_us, kind, user_id)

    def note_expired(
        self, tx: WriteTransaction, snapshot: TokenSnapshot, time_us: int
    ) -> Receipt | None:
        """Record TOKEN_EXPIRED, once, with the first refusal that saw it.

        Returns:
            The receipt; ``None`` where it is on record already.

        Raises:
            AccountingError: The token has not expired at ``time_us``.
            RegistryIntegrityError: The snapshot is not of a token to believe.
            StreamConflictError: The snapshot is of another transaction.
            AuditWriteError: The store cannot be written.

        Source:
            rules 4B row 10; AUT-7.8.
        """
        _guard("note_expired")
        claims = snapshot.believed_claims()
        if snapshot.expired_noted:
            return None
        if time_us < claims.expires_at_s * _MICROSECONDS:
            raise AccountingError("a token was called expired before its end")
        kind = AuditEventType.TOKEN_EXPIRED
        return _append_lifecycle(tx, snapshot, time_us, kind, "system")

    def reserve(
        self,
        tx: WriteTransaction,
        snapshot: TokenSnapshot,
        *,
        execution_id: str,
        step: int,
        time_us: int,
    ) -> Reservation:
        """Count a step that starts now, and reserve the units it may be charged.

        Raises:
            AccountingError: A limit does not allow the step, or the snapshot is
                of another transaction: a fault of the caller, never a refusal.
            RegistryIntegrityError: The snapshot is not of a token to believe.
            AuditWriteError: The store cannot be written.

        Source:
            AUT-7.1 to AUT-7.5.
        """
        _guard("reserve")
        basis = snapshot.basis()
        token_hash = snapshot.believed_claims().token_hash
        return open_reservation(
            tx, Start(token_hash, execution_id, step, time_us), basis
        )

    def settle(
        self, tx: WriteTransaction, token_hash: str, reserved: int, charged: int
    ) -> Usage:
        """Release a step's reservation and charge what it used of it.

        Returns:
            The counters after it.

        Raises:
            AccountingError: That much was not reserved, or more is charged.
            AuditWriteError: The store cannot be written.

        Source:
            AUT-7.6.
        """
        _guard("settle")
        return close_reservation(
            tx, handle(token_hash), reserved=reserved, charged=charged
        )

    def _filled(
        self,
        tx: ReadTransaction,
        rows: TokenRows,
        heads: tuple[StreamHead, StreamHead],
    ) -> TokenSnapshot:
        """Make a snapshot; ``heads`` are those of the token and of the platform.

        Raises:
            RegistryIntegrityError: Records cannot be believed.
            AccountingError: Counters cannot be believed.
        """
        # (1) AUT-6.1: the platform, as this transaction sees it.
        platform = self._reader.platforms.current(tx, heads[1])

        # (2) AUT-6.2: the token, and its counters only if there is a token.
        examined = self._reader.tokens.examine(rows, platform)
        usage = read_usage(tx, rows.token_hash)
        if examined is None:
            if usage is not None:
                raise RegistryIntegrityError("an unknown token has counters")
            return TokenSnapshot.of_no_token(heads, paused=platform.paused)

        # (3) AUT-6.3: what the platform's state makes of it, never remembered.
        limits = examined.claims.token.limits
        counted = usage if usage is not None else Usage()
        return TokenSnapshot(
            claims=examined.claims,
            key_refusal=key_refusal_of(examined, platform),
            revoked_by=revoker_of(examined, platform),
            paused=platform.paused,
            usage=counted,
            bounding_use_us=read_bounding_use(tx, rows.token_hash, limits, counted),
            first_used=examined.trail.first_used,
            expired_noted=examined.trail.expired_noted,
            token_head=heads[0],
            platform_head=heads[1],
            integrity=None,
        )


def _append_lifecycle(
    tx: WriteTransaction,
    snapshot: TokenSnapshot,
    time_us: int,
    kind: AuditEventType,
    user_id: str,
) -> Receipt:
    draft = draft_entry(
        kind,
        user_id=user_id,
        token_hash=snapshot.believed_claims().token_hash,
        domain="system",
        method="token_lifecycle",
        status="expired" if kind is AuditEventType.TOKEN_EXPIRED else "success",
    )
    head = snapshot.token_head
    return tx.append(head.stream, [draft], expected_size=head.size, time_us=time_us)[0]


def _guard(call: str) -> None:
    """Let the box of a domain see a call that must not come from inside it."""
    sys.audit("stage3.guard", f"tokens.registry.{call}")
