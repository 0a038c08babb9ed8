"""Reading the platform stream: a pure fold over its entries and their records.

The stream is the authority. Each of its entries that changes anything names,
by digest, a record beside the ledger that only the security team can write: a
key record, or a statement signed by a key that the entries *before* it made
good. An entry without its record, or with a record that is not what the entry
named, is not skipped: the fold stops, and with it every start.

One thing is skipped: where a root key is pinned, a key without the root's
signature is remembered as not trusted, so that nothing it signed counts.

Spec: docs/spec/authority.md, AUT-3 and AUT-4.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from audit.entry import Entry, ledger_text
from audit.events import EventType, PlatformEventType
from audit.records import StoredEntry
from audit.trail import PLATFORM_STREAM
from tokens.errors import RegistryIntegrityError, TokenError
from tokens.format.chain import linked_entry, place_of, text_digest, text_of
from tokens.format.jws import unverified_kid
from tokens.format.statements import (
    Origin,
    verify_key_statement,
    verify_platform_statement,
    verify_revocation_statement,
)
from tokens.keys import KEY_STATE_CHANGES, VerificationKey
from tokens.state.platform_state import PlatformKey, PlatformState

if TYPE_CHECKING:
    # A type alias only; importing it for real would bring the store along.
    from audit.store.interface import Record

__all__ = ["KEY_EVENTS", "STATEMENT_EVENTS", "PlatformItem", "fold_platform"]

KEY_EVENTS: Final = frozenset(
    {PlatformEventType.KEY_ADDED, PlatformEventType.KEY_STATE_CHANGED}
)
"""The entries that have a record in ``key``."""

STATEMENT_EVENTS: Final = frozenset(
    {
        PlatformEventType.SELECTOR_REVOKED,
        PlatformEventType.PLATFORM_PAUSED,
        PlatformEventType.PLATFORM_RESUMED,
    }
)
"""The entries that have a record in ``statement``."""

_MICROSECONDS: Final = 1_000_000
_FIRST_STATES: Final = frozenset({"prepublished", "active"})
_Statement = TypeVar("_Statement")
_KEY_FIELDS: Final = ("kid", "purpose", "x", "not_before_s", "not_after_s", "state")


@dataclass(frozen=True, slots=True)
class PlatformItem:
    """One entry of the stream with the record that belongs to it, if any."""

    stored: StoredEntry
    record: "Record | None"


def fold_platform(
    state: PlatformState,
    items: Iterable[PlatformItem],
    *,
    ledger_id: str,
    root: VerificationKey | None,
) -> PlatformState:
    """Continue the fold over the entries that follow ``state``.

    Args:
        state: Where the fold stands; ``EMPTY_PLATFORM`` at the beginning.
        items: The entries from index ``state.size`` on, each with its record.
        ledger_id: The ledger they must belong to.
        root: The pinned root key; ``None`` where registered keys are believed.

    Raises:
        RegistryIntegrityError: An entry is changed or out of place, its record
            is missing or another, a statement does not verify under a key that
            was good at that place, or a change is not a possible one.

    Source:
        AUT-3.1 to AUT-3.6, AUT-4.1, AUT-4.2.
    """
    folding = _Folding(state, ledger_id, root)
    for item in items:
        folding.take(item)
    return folding.result()


class _Folding:
    """The state while entries are taken in; never leaves this module."""

    def __init__(
        self, state: PlatformState, ledger_id: str, root: VerificationKey | None
    ) -> None:
        self._state = state
        self._ledger_id = ledger_id
        self._root = root
        self._keys = dict(state.keys)
        self._revoked = {
            "user": dict(state.revoked_users),
            "issuer": dict(state.revoked_issuers),
            "key": dict(state.revoked_keys),
        }

    def result(self) -> PlatformState:
        return replace(
            self._state,
            keys=MappingProxyType(self._keys),
            revoked_users=MappingProxyType(self._revoked["user"]),
            revoked_issuers=MappingProxyType(self._revoked["issuer"]),
            revoked_keys=MappingProxyType(self._revoked["key"]),
        )

    def take(self, item: PlatformItem) -> None:
        """Take in the next entry.

        Raises:
            RegistryIntegrityError: As ``fold_platform``.
        """
        entry = linked_entry(
            item.stored,
            ledger_id=self._ledger_id,
            stream=PLATFORM_STREAM,
            index=self._state.size,
            prev=self._state.last_hash,
        )
        taken = _HANDLERS.get(entry.event_type)
        # LATCH_LIFTED and RECOVERED change nothing that is folded here.
        if taken is not None:
            if item.record is None:
                raise RegistryIntegrityError(
                    f"platform entry {entry.index} has no record beside it"
                )
            taken(self, entry, item.stored, item.record)
        self._state = replace(
            self._state,
            size=entry.index + 1,
            last_hash=item.stored.leaf_hash.hex(),
            time_us=entry.time_us,
        )

    def add_key(self, entry: Entry, _stored: StoredEntry, record: "Record") -> None:
        """KEY_ADDED: the first entry that counts makes the key; later ones nothing.

        A second one must be harmless: a key is added again when a root signs it
        only after it was in use without one.
        """
        key, trusted = self._stated_key(entry, record)
        if key.state not in _FIRST_STATES:
            raise RegistryIntegrityError(f"key {key.kid} was added as {key.state}")
        held = self._keys.get(key.kid)
        if held is None or (trusted and not held.trusted):
            self._keys[key.kid] = PlatformKey(key, trusted, entry.index)

    def change_key(self, entry: Entry, stored: StoredEntry, record: "Record") -> None:
        """KEY_STATE_CHANGED: forward only, and nothing but the state."""
        key, trusted = self._stated_key(entry, record)
        held = self._keys.get(key.kid)
        if held is None:
            raise RegistryIntegrityError(f"key {key.kid} was changed but never added")
        # A trusted key is never changed by an untrusted entry, not even to a
        # lesser state: somebody meant to stop it, and it must not be ignored.
        if held.trusted and not trusted:
            raise RegistryIntegrityError(
                f"a change of key {key.kid} has no statement of the root key"
            )
        if replace(held.key, state=key.state) != key or (
            key.state not in KEY_STATE_CHANGES[held.key.state]
        ):
            raise RegistryIntegrityError(f"key {key.kid} was changed impossibly")
        ended = held.signing_ended_leaf
        if ended is None and key.state != "active":
            ended = place_of(stored)
        self._keys[key.kid] = PlatformKey(key, trusted, entry.index, ended)

    def revoke(self, entry: Entry, stored: StoredEntry, record: "Record") -> None:
        """SELECTOR_REVOKED: one statement, one selector, for ever."""
        text = _statement_text(entry, record)
        statement = self._verified(verify_revocation_statement, text, entry)
        self._require_place(statement.origin, entry, text)
        said = (text_of(entry.details, "kind"), text_of(entry.details, "value"))
        if said != (statement.kind, ledger_text(statement.value)):
            raise RegistryIntegrityError(
                f"platform entry {entry.index} and its statement select differently"
            )
        if statement.kind == "all":
            place = (entry.index, place_of(stored))
            self._state = replace(self._state, all_revoked=place)
        elif statement.kind in self._revoked:
            self._revoked[statement.kind].setdefault(statement.value, entry.index)
        else:
            raise RegistryIntegrityError("a single token is not revoked here")

    def turn(self, entry: Entry, _stored: StoredEntry, record: "Record") -> None:
        """PLATFORM_PAUSED and PLATFORM_RESUMED."""
        text = _statement_text(entry, record)
        statement = self._verified(verify_platform_statement, text, entry)
        self._require_place(statement.origin, entry, text)
        pausing = entry.event_type is PlatformEventType.PLATFORM_PAUSED
        if statement.action != ("pause" if pausing else "resume"):
            raise RegistryIntegrityError(
                f"platform entry {entry.index} and its statement act differently"
            )
        if pausing == self._state.paused:
            raise RegistryIntegrityError("the platform was paused or resumed twice")
        self._state = replace(self._state, paused=pausing, turned=entry.index)

    def _verified(
        self,
        verify: Callable[[str, Mapping[str, VerificationKey], str], _Statement],
        text: str,
        entry: Entry,
    ) -> _Statement:
        """Verify a statement under a key that was good before this entry."""
        keys = {kid: held.key for kid, held in self._keys.items() if held.trusted}
        try:
            statement = verify(text, keys, self._ledger_id)
            signer = keys[unverified_kid(text)]
        except TokenError as error:
            raise RegistryIntegrityError(
                f"the statement of platform entry {entry.index} does not verify"
            ) from error
        refusal = signer.signing_refusal(entry.time_us // _MICROSECONDS)
        if refusal is not None:
            raise RegistryIntegrityError(
                f"platform entry {entry.index} was signed by a key that may not:"
                f" {refusal}"
            )
        return statement

    def _require_place(self, origin: Origin, entry: Entry, text: str) -> None:
        if origin.sequence != entry.index:
            raise RegistryIntegrityError(
                f"the statement of platform entry {entry.index} is for another place"
            )
        if text_of(entry.details, "statement") != text_digest(text):
            raise RegistryIntegrityError(
                f"platform entry {entry.index} names another statement"
            )

    def _stated_key(
        self, entry: Entry, record: "Record"
    ) -> tuple[VerificationKey, bool]:
        """Read a key record, hold it against its entry, and say if it counts."""
        text = record["statement"]
        digest = text_digest(text) if isinstance(text, str) else None
        said = {**{name: record[name] for name in _KEY_FIELDS}, "statement": digest}
        if record["sequence"] != entry.index or said != entry.details:
            raise RegistryIntegrityError(
                f"platform entry {entry.index} and its key record differ"
            )
        try:
            key = VerificationKey(
                kid=str(record["kid"]),
                x=str(record["x"]),
                purpose=str(record["purpose"]),
                not_before_s=_seconds(record, "not_before_s") or 0,
                not_after_s=_seconds(record, "not_after_s"),
                state=str(record["state"]),
            )
        except ValueError as error:
            raise RegistryIntegrityError(
                f"platform entry {entry.index} states no key"
            ) from error
        return key, self._root is None or self._is_vouched(key, text, entry.index)

    def _is_vouched(self, key: VerificationKey, text: object, index: int) -> bool:
        """Tell whether the pinned root signed exactly this, for this place."""
        if self._root is None or not isinstance(text, str):
            return False
        try:
            roots = {self._root.kid: self._root}
            statement = verify_key_statement(text, roots, self._ledger_id)
        except TokenError:
            return False
        return statement.key == key and statement.origin.sequence == index


def _statement_text(entry: Entry, record: "Record") -> str:
    text = record["statement"]
    if not isinstance(text, str) or record["sequence"] != entry.index:
        raise RegistryIntegrityError(
            f"the record of platform entry {entry.index} is damaged"
        )
    return text


def _seconds(record: Mapping[str, object], name: str) -> int | None:
    value = record[name]
    return value if isinstance(value, int) else None


_Handler = Callable[[_Folding, Entry, StoredEntry, "Record"], None]

_HANDLERS: Final[Mapping[EventType, _Handler]] = {
    PlatformEventType.KEY_ADDED: _Folding.add_key,
    PlatformEventType.KEY_STATE_CHANGED: _Folding.change_key,
    PlatformEventType.SELECTOR_REVOKED: _Folding.revoke,
    PlatformEventType.PLATFORM_PAUSED: _Folding.turn,
    PlatformEventType.PLATFORM_RESUMED: _Folding.turn,
}
