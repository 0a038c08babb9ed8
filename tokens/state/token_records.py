"""The records of one token, held against each other and against its stream.

A token counts only if everything that the store says of it fits: the credential
has the hash that names it, its signature is that of a key the platform knows,
its stream was opened for exactly these claims, and it is revoked in both places
or in neither. A signature, and the reading of exact bytes, may be remembered;
whether a key counts and whether a token is revoked is read anew each time.

Spec: docs/spec/authority.md, AUT-2 and AUT-6.
"""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Final

from audit.records import StoredEntry
from audit.store.interface import Ahead, EntriesOf, HeadOf, ReadTransaction, RecordAt
from audit.trail import PLATFORM_STREAM, token_stream
from tokens.credential import Claims, verify_signature
from tokens.errors import RegistryIntegrityError, TokenError
from tokens.format.chain import text_digest
from tokens.format.jws import unverified_kid
from tokens.format.statements import verify_revocation_statement
from tokens.state.collections import CREDENTIAL, REVOCATION, USAGE
from tokens.state.platform_state import PlatformState
from tokens.state.token_trail import MAX_TOKEN_ENTRIES, TokenTrail, fold_token

__all__ = [
    "Examined",
    "TokenExaminer",
    "TokenRows",
    "read_ahead",
    "read_token_rows",
]

REMEMBERED_TOKENS: Final = 1024
"""How many tokens' exact bytes are remembered; the longest unchanged goes first."""


@dataclass(frozen=True, slots=True)
class TokenRows:
    """What the store holds of one token, as read: texts and exact bytes."""

    token_hash: str
    credential: str | None
    revocation: str | None
    entries: tuple[StoredEntry, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """A token whose records fit: its claims, and what its stream tells."""

    claims: Claims
    trail: TokenTrail


def read_ahead(token_hash: str) -> tuple[Ahead, ...]:
    """Say what a snapshot of a token and a start under it are going to read.

    Args:
        token_hash: A handle.
    """
    return (
        RecordAt(CREDENTIAL, (token_hash,)),
        RecordAt(REVOCATION, (token_hash,)),
        EntriesOf(token_stream(token_hash), 0, MAX_TOKEN_ENTRIES + 1),
        HeadOf(PLATFORM_STREAM),
        RecordAt(USAGE, (token_hash,)),
    )


def read_token_rows(tx: ReadTransaction, token_hash: str) -> TokenRows:
    """Read everything of a token but its counters: three reads.

    Args:
        tx: The transaction to read in.
        token_hash: A handle, ``sha256:`` and 64 hexadecimal digits.
    """
    credential = tx.get(CREDENTIAL, token_hash)
    revocation = tx.get(REVOCATION, token_hash)
    # One more than there can be, so that a stream that is too long is seen.
    entries = tx.stream_entries(token_stream(token_hash), 0, MAX_TOKEN_ENTRIES + 1)
    return TokenRows(
        token_hash,
        None if credential is None else str(credential["credential"]),
        None if revocation is None else str(revocation["statement"]),
        tuple(entries),
    )


class TokenExaminer:
    """Examines the rows of tokens; remembers exact bytes. Safe across threads."""

    def __init__(self, ledger_id: str) -> None:
        self._ledger_id = ledger_id
        self._remembered: OrderedDict[str, tuple[TokenRows, Examined]] = OrderedDict()
        self._lock = Lock()

    def remembers(self, token_hash: str) -> bool:
        """Tell whether anything of this token is remembered."""
        return token_hash in self._remembered

    def examine(self, rows: TokenRows, platform: PlatformState) -> Examined | None:
        """Return the token if it exists and all of its records fit.

        Returns:
            ``None`` where no such token was ever issued.

        Raises:
            RegistryIntegrityError: The records do not fit, or what should be
                signed is not.

        Source:
            AUT-2.1 to AUT-2.6, AUT-6.2.
        """
        if not rows.entries and rows.credential is None and rows.revocation is None:
            return None
        held = self._remembered.get(rows.token_hash)
        if held is not None and held[0] == rows:
            examined = held[1]
        else:
            examined = self._examined(rows, platform, held)
            self._remember(rows, examined)
        # Asked each time: the key must be one that the platform knows.
        if examined.claims.kid not in platform.keys:
            raise RegistryIntegrityError("the token's key was never registered")
        return examined

    def _examined(
        self,
        rows: TokenRows,
        platform: PlatformState,
        held: tuple[TokenRows, Examined] | None,
    ) -> Examined:
        # (1) AUT-2.3: a credential without its stream, or the reverse, is not ours.
        if rows.credential is None or not rows.entries:
            raise RegistryIntegrityError(
                "the token's credential and its stream are not both there"
            )
        # (2) AUT-2.4: the signature. It says the same of the same bytes for ever.
        if held is not None and held[0].credential == rows.credential:
            claims = held[1].claims
        else:
            claims = self._claims(rows.credential, platform)
        if claims.token_hash != rows.token_hash:
            raise RegistryIntegrityError("the token's credential was exchanged")
        # (3) AUT-2.5: the stream was opened for exactly these claims.
        trail = fold_token(rows.token_hash, rows.entries, ledger_id=self._ledger_id)
        if (trail.claims_digest, trail.kid) != (claims.claims_digest, claims.kid):
            raise RegistryIntegrityError(
                "the token's stream was opened for other claims"
            )
        # (4) AUT-2.6: revoked in both places, or in neither.
        self._require_revocation(rows, trail, platform)
        return Examined(claims, trail)

    def _claims(self, credential: str, platform: PlatformState) -> Claims:
        """Verify under the key it names, known to the platform, trusted or not.

        Whether that key counts is another question, with its own answer.
        """
        try:
            known = platform.keys.get(unverified_kid(credential))
            keys = {} if known is None else {known.key.kid: known.key}
            return verify_signature(credential, keys, self._ledger_id)
        except TokenError as error:
            raise RegistryIntegrityError(
                "the token's credential does not verify"
            ) from error

    def _require_revocation(
        self, rows: TokenRows, trail: TokenTrail, platform: PlatformState
    ) -> None:
        text = rows.revocation
        if (text is None) != (trail.revocation_digest is None):
            raise RegistryIntegrityError(
                "the token's revocation and its stream are not both there"
            )
        if text is None:
            return
        try:
            statement = verify_revocation_statement(
                text, platform.trusted_keys(), self._ledger_id
            )
        except TokenError as error:
            raise RegistryIntegrityError(
                "the token's revocation does not verify"
            ) from error
        said = (statement.kind, statement.value, statement.origin.sequence)
        wanted = ("token", rows.token_hash, trail.revocation_index)
        if said != wanted or text_digest(text) != trail.revocation_digest:
            raise RegistryIntegrityError("the token's revocation is another's")

    def _remember(self, rows: TokenRows, examined: Examined) -> None:
        with self._lock:
            self._remembered[rows.token_hash] = (rows, examined)
            self._remembered.move_to_end(rows.token_hash)
            while len(self._remembered) > REMEMBERED_TOKENS:
                self._remembered.popitem(last=False)
