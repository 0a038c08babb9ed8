"""Revoking, pausing, resuming: signed, in the ledger, and read back.

Everything here runs inside an exclusive write block. Stopping twice is stopping
once: the second time nothing is written and the first receipt comes back.

Spec: docs/spec/authority.md, AUT-4.
"""

from typing import Final

from audit.entry import decode_entry, draft_entry, ledger_text
from audit.errors import LedgerFormatError
from audit.events import AuditEventType, PlatformEventType
from audit.records import Receipt, StoredEntry
from audit.signer import Signer
from audit.store.interface import ReadTransaction, WriteTransaction
from audit.trail import PLATFORM_STREAM, token_stream
from tokens.acts.signers import Act
from tokens.errors import AuthorityError, TokenUnknownError
from tokens.format.chain import text_digest
from tokens.format.statements import (
    Origin,
    PlatformStatement,
    RevocationStatement,
    sign_platform_statement,
    sign_revocation_statement,
)
from tokens.state.collections import REVOCATION, STATEMENT
from tokens.state.platform_state import PlatformState
from tokens.state.reading import TokenReader
from tokens.state.receipts import platform_receipt, receipt_of
from tokens.state.selector import Selector
from tokens.state.token_records import read_token_rows

__all__ = ["Stopper"]

LOOKED_BACK: Final = 1000
"""How many entries are searched for a newer token before revoking all again."""


class Stopper:
    """Writes revocations and pauses. It holds no key and no state."""

    def __init__(self, reader: TokenReader) -> None:
        self._reader = reader

    def revoke_token(
        self, tx: WriteTransaction, token_hash: str, signer: Signer, act: Act
    ) -> Receipt:
        """Revoke one token.

        Raises:
            TokenUnknownError: No such token was issued here.
            RegistryIntegrityError: Its records cannot be believed.
        """
        platform = self._reader.platform(tx)
        rows = read_token_rows(tx, token_hash)
        examined = self._reader.tokens.examine(rows, platform)
        if examined is None:
            raise TokenUnknownError(f"token {token_hash} not found")
        if examined.trail.revocation_index is not None:
            return receipt_of(rows.entries[examined.trail.revocation_index])

        sequence = len(rows.entries)
        time_us = max(tx.now_us, rows.entries[-1].time_us)
        statement = RevocationStatement(
            origin=act.origin(sequence, time_us), kind="token", value=token_hash
        )
        text = sign_revocation_statement(statement, signer)
        draft = draft_entry(
            AuditEventType.TOKEN_REVOKED,
            user_id=act.by,
            token_hash=token_hash,
            domain="system",
            method="revoke_token",
            status="success",
            reason=act.shown_reason,
            details={
                "reason": act.shown_reason,
                "revoked_user": ledger_text(examined.claims.user_id),
                "signer": signer.kid,
                "statement": text_digest(text),
            },
        )
        receipt = tx.append(token_stream(token_hash), [draft], expected_size=sequence)[
            0
        ]
        tx.insert(REVOCATION, {"token_hash": token_hash, "statement": text})
        self._reader.token(tx, token_hash)
        return receipt

    def revoke(
        self, tx: WriteTransaction, selector: Selector, signer: Signer, act: Act
    ) -> Receipt:
        """Revoke every token of a user, issuer or key, or all.

        Raises:
            AuthorityError: The selector is a key that signs no tokens here.
            RegistryIntegrityError: The platform stream cannot be believed.
        """
        platform = self._reader.platform(tx)
        standing = _standing(tx, platform, selector)
        if standing is not None:
            return platform_receipt(tx, standing)
        if selector.kind == "key":
            _require_issuing_key(platform, selector.value)
        statement = RevocationStatement(
            origin=_origin(tx, platform, act), kind=selector.kind, value=selector.value
        )
        text = sign_revocation_statement(statement, signer)
        selected = {"kind": selector.kind, "value": ledger_text(selector.value)}
        kind = PlatformEventType.SELECTOR_REVOKED
        return self._write(tx, kind, act, text, {**selected, "signer": signer.kid})

    def pause(self, tx: WriteTransaction, signer: Signer, act: Act) -> Receipt:
        """Pause the platform. A paused one stays as it is.

        Raises:
            RegistryIntegrityError: The platform stream cannot be believed.
        """
        platform = self._reader.platform(tx)
        if platform.paused and platform.turned is not None:
            return platform_receipt(tx, platform.turned)
        kind = PlatformEventType.PLATFORM_PAUSED
        return self._turn(tx, platform, kind, signer, act)

    def resume(
        self, tx: WriteTransaction, signer: Signer, act: Act, sequence: int | None
    ) -> Receipt:
        """End a pause. A platform that was resumed already stays as it is.

        Raises:
            AuthorityError: It never was paused, or ``sequence`` is not the place
                that the resumption would take now.
            RegistryIntegrityError: The platform stream cannot be believed.
        """
        platform = self._reader.platform(tx)
        if sequence is not None and sequence != platform.size:
            raise AuthorityError(
                f"the platform stream has moved on: it is at {platform.size}, the"
                f" resumption was meant for {sequence}"
            )
        if platform.turned is None:
            raise AuthorityError("the platform was never paused")
        if not platform.paused:
            return platform_receipt(tx, platform.turned)
        kind = PlatformEventType.PLATFORM_RESUMED
        return self._turn(tx, platform, kind, signer, act)

    def _turn(
        self,
        tx: WriteTransaction,
        platform: PlatformState,
        kind: PlatformEventType,
        signer: Signer,
        act: Act,
    ) -> Receipt:
        pausing = kind is PlatformEventType.PLATFORM_PAUSED
        statement = PlatformStatement(
            origin=_origin(tx, platform, act), action="pause" if pausing else "resume"
        )
        text = sign_platform_statement(statement, signer)
        return self._write(tx, kind, act, text, {"signer": signer.kid})

    def _write(
        self,
        tx: WriteTransaction,
        kind: PlatformEventType,
        act: Act,
        text: str,
        details: dict[str, str],
    ) -> Receipt:
        """Append the entry, insert its statement, and believe both."""
        sequence = self._reader.platform(tx).size
        draft = draft_entry(
            kind,
            user_id=act.by,
            token_hash="-",  # noqa: S106  # no token is meant
            domain="system",
            method=_METHODS[kind],
            status="success",
            reason=act.shown_reason,
            details={**details, "statement": text_digest(text)},
        )
        receipt = tx.append(PLATFORM_STREAM, [draft], expected_size=sequence)[0]
        tx.insert(STATEMENT, {"sequence": sequence, "statement": text})
        self._reader.platform(tx)
        return receipt


_METHODS: Final = {
    PlatformEventType.SELECTOR_REVOKED: "revoke",
    PlatformEventType.PLATFORM_PAUSED: "pause",
    PlatformEventType.PLATFORM_RESUMED: "resume",
}


def _origin(tx: ReadTransaction, platform: PlatformState, act: Act) -> Origin:
    return act.origin(platform.size, max(tx.now_us, platform.time_us))


def _standing(
    tx: ReadTransaction, platform: PlatformState, selector: Selector
) -> int | None:
    """Return the place of an identical revocation that stands, if there is one."""
    match selector.kind:
        case "user":
            return platform.revoked_users.get(selector.value)
        case "issuer":
            return platform.revoked_issuers.get(selector.value)
        case "key":
            return platform.revoked_keys.get(selector.value)
        case _:
            everything = platform.all_revoked
            if everything is None or not _nothing_issued_since(tx, everything[1]):
                return None
            return everything[0]


def _nothing_issued_since(tx: ReadTransaction, leaf_index: int) -> bool:
    """Tell whether no token was issued after a place in the ledger.

    Read from the entries themselves; after very many of them, or where one cannot
    be read, the answer is no, and everything is revoked once more, which harms
    nothing.
    """
    entries = tx.entries(leaf_index + 1, LOOKED_BACK)
    return len(entries) < LOOKED_BACK and not any(
        _may_have_issued(entry) for entry in entries
    )


def _may_have_issued(stored: StoredEntry) -> bool:
    try:
        return decode_entry(stored.data).event_type is AuditEventType.TOKEN_ISSUED
    except LedgerFormatError:
        # Somebody's damaged entry must not keep anybody from stopping everything.
        return True


def _require_issuing_key(platform: PlatformState, kid: str) -> None:
    key = platform.trusted_key(kid)
    if key is None or key.purpose != "issue":
        # A mistyped key id must not pass for a revocation that was made.
        raise AuthorityError("no issuing key with this id is registered here")
