"""What the stream of one token says: a pure fold over its few entries.

At most four entries are in it (issued, first used, expired, revoked), and they
are read whole, each time, inside the transaction that decides.

Spec: docs/spec/authority.md, AUT-2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from audit.entry import Entry
from audit.errors import GrammarError
from audit.events import AuditEventType
from audit.records import StoredEntry, StreamHead
from audit.trail import START, advance, token_stream
from tokens.errors import RegistryIntegrityError
from tokens.format.chain import linked_entry, place_of, text_of

__all__ = ["MAX_TOKEN_ENTRIES", "TokenTrail", "fold_token", "token_head"]

MAX_TOKEN_ENTRIES: Final = 4
"""No token's stream is longer: each of its four events happens once at most."""


@dataclass(frozen=True, slots=True)
class TokenTrail:
    """A token's life as its stream tells it.

    ``issued_leaf`` is the place of its TOKEN_ISSUED in the whole ledger, which
    orders it against platform events. ``revocation_digest`` and
    ``revocation_index`` are those of its TOKEN_REVOKED, if there is one.
    """

    issued_leaf: int
    issued_us: int
    claims_digest: str
    kid: str
    first_used: bool
    expired_noted: bool
    revocation_digest: str | None
    revocation_index: int | None


def token_head(token_hash: str, entries: Sequence[StoredEntry]) -> StreamHead:
    """Return the head of a token's stream from all of its entries."""
    stream = token_stream(token_hash)
    if not entries:
        return StreamHead(stream, 0, "", START, 0)
    last = entries[-1]
    return StreamHead(
        stream, len(entries), last.leaf_hash.hex(), last.state, last.time_us
    )


def fold_token(
    token_hash: str, entries: Sequence[StoredEntry], *, ledger_id: str
) -> TokenTrail:
    """Read a token's life from all the entries of its stream.

    Args:
        token_hash: The token's handle.
        entries: Every entry of its stream, in order, at least one.
        ledger_id: The ledger they must belong to.

    Raises:
        RegistryIntegrityError: An entry is changed, out of place, of another
            token, or may not follow the one before it.

    Source:
        AUT-2.1, AUT-2.2.
    """
    stream = token_stream(token_hash)
    found: dict[AuditEventType, Entry] = {}
    state, prev = START, ""
    for index, stored in enumerate(entries):
        entry = linked_entry(
            stored, ledger_id=ledger_id, stream=stream, index=index, prev=prev
        )
        state, prev = _next_state(stream, state, stored, entry), stored.leaf_hash.hex()
        if entry.token_hash != token_hash:
            raise RegistryIntegrityError(
                f"entry {index} of {stream} names another token"
            )
        if isinstance(entry.event_type, AuditEventType):
            found[entry.event_type] = entry

    issued = found[AuditEventType.TOKEN_ISSUED]
    revoked = found.get(AuditEventType.TOKEN_REVOKED)
    return TokenTrail(
        issued_leaf=place_of(entries[0]),
        issued_us=issued.time_us,
        claims_digest=text_of(issued.details, "claims"),
        kid=text_of(issued.details, "kid"),
        first_used=AuditEventType.TOKEN_FIRST_USED in found,
        expired_noted=AuditEventType.TOKEN_EXPIRED in found,
        revocation_digest=text_of(revoked.details, "statement") if revoked else None,
        revocation_index=revoked.index if revoked else None,
    )


def _next_state(stream: str, state: str, stored: StoredEntry, entry: Entry) -> str:
    """Apply the grammar, and hold the row's own column against it."""
    try:
        state = advance(stream, state, entry.event_type, entry.status)
    except GrammarError as error:
        raise RegistryIntegrityError(f"{stream} tells an impossible story") from error
    if stored.state != state:
        raise RegistryIntegrityError(f"the state of {stream} was changed")
    return state
