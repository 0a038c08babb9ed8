"""Checks of an open store: its file, latch, clock, keys, and what is open in it.

Source: docs/spec/cli.md, CLI-9.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from audit.errors import AuditError
from audit.store.opening import network_type
from stage3.cli.checkup.check import Check, fail, ok, warn
from stage3.cli.output.rendering import time_text
from stage3.cli.signing import platform_of
from stage3.records import OPEN
from stage3.token_gate import CLOCK_TOLERANCE_US
from tokens.errors import TokenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audit.store.interface import Store
    from tokens.keys import VerificationKey
    from tokens.state.platform_state import PlatformState

__all__ = ["store_checks"]

_MOUNTS: Final = Path("/proc/self/mountinfo")
_POSTGRES: Final = "postgresql://"
_WAL: Final = b"\x02\x02"
_WAL_AT: Final = 18
_SOON_S: Final = 7 * 24 * 3600
_SIGNERS: Final = ("issue", "revoke", "pause")
_BELIEVES: Final = (
    "the keys registered in the store are believed, so every promise rests on who can "
    "write the store"
)


def store_checks(store: Store) -> Iterator[Check]:
    """Run every check of an open store; what a check cannot read is its finding."""
    checks: tuple[tuple[str, Callable[[Store], list[Check]]], ...] = (
        ("trust", _trust),
        ("database", _database),
        ("latch", _latch),
        ("clock", _clock),
        ("keys", _platform),
        ("executions", _executions),
    )
    for name, check in checks:
        try:
            yield from check(store)
        except (AuditError, TokenError, OSError) as error:
            yield fail(name, str(error), "See `stage3 audit verify`.")


def _trust(store: Store) -> list[Check]:
    if store.trust is None:
        return [warn("trust", _BELIEVES, "Give --trust FILE.")]
    return [ok("trust", f"ledger {store.ledger_id} and its root key are pinned")]


def _database(store: Store) -> list[Check]:
    if store.path is None and store.url.startswith(_POSTGRES):
        # Opening it has looked; ``checkup.server`` says more of it.
        return [ok("database", f"{store.url}, ledger {store.ledger_id}")]
    if store.path is None:
        return [warn("database", "in memory", "Use a file: sqlite:///FILE.")]
    with store.path.open("rb") as file:
        header = file.read(_WAL_AT + len(_WAL))
    if header[_WAL_AT:] != _WAL:
        todo = "Restore the file: only a store in WAL mode is safe here."
        return [fail("database", "it is not in WAL mode", todo)]
    found = [ok("database", "SQLite in WAL mode, synchronous=FULL on each connection")]
    if _MOUNTS.exists():
        kind = network_type(store.path, _MOUNTS.read_text("utf-8", "replace"))
        if kind is None:
            found.append(ok("file system", "not a network file system"))
        else:
            todo = "Move the store to a local disk."
            found.append(fail("file system", f"{kind} is a network file system", todo))
    return found


def _latch(store: Store) -> list[Check]:
    latch = store.latch
    if latch is None:
        return [ok("latch", "no failed write stands")]
    finding = f"{latch.reason} (since {time_text(latch.at_us)})"
    return [fail("latch", finding, "Mend the cause, then run `stage3 recover`.")]


def _clock(store: Store) -> list[Check]:
    with store.read() as tx:
        now_us, newest_us = tx.now_us, tx.head().time_us
    behind_us = newest_us - now_us
    if behind_us <= 0:
        return [ok("clock", f"{time_text(now_us)}, not behind the ledger")]
    finding = f"{behind_us / 1_000_000:.3f} s behind the newest entry of the ledger"
    todo = "Set the clock; starts are refused while it is more than 60 s behind."
    if behind_us > CLOCK_TOLERANCE_US:
        return [fail("clock", finding, todo)]
    return [warn("clock", finding, todo)]


def _platform(store: Store) -> list[Check]:
    platform = platform_of(store)
    with store.read() as tx:
        now_s = tx.now_us // 1_000_000
    found = [_key(platform, purpose, now_s) for purpose in _SIGNERS]
    unsigned = [kid for kid, held in platform.keys.items() if not held.trusted]
    if unsigned:
        finding = f"{len(unsigned)} registered key(s) without the root's signature"
        todo = "See `stage3 keys list`: somebody else can write the store."
        found.append(warn("keys", finding, todo))
    if platform.paused:
        todo = "End it with `stage3 resume` when the reason is gone."
        return [*found, warn("platform", "paused: nothing starts", todo)]
    return [*found, ok("platform", "running")]


def _key(platform: PlatformState, purpose: str, now_s: int) -> Check:
    name = f"{purpose} key"
    keys = [
        key
        for key in platform.trusted_keys().values()
        if key.purpose == purpose and key.kid not in platform.revoked_keys
    ]
    usable = [key for key in keys if key.signing_refusal(now_s) is None]
    if not usable:
        todo = f"Make one with `stage3 keys rotate {purpose}`."
        return fail(name, "none may sign now", todo)
    last = max(usable, key=_end)
    if last.not_after_s is not None and last.not_after_s - now_s < _SOON_S:
        todo = f"Put another in its place with `stage3 keys rotate {purpose}`."
        return warn(name, f"{last.kid} ends within a week", todo)
    return ok(name, last.kid)


def _end(key: VerificationKey) -> float:
    return float("inf") if key.not_after_s is None else key.not_after_s


def _executions(store: Store) -> list[Check]:
    with store.read() as tx:
        collection = tx.collection("execution")
        rows = [] if collection is None else tx.scan(collection, {"state": OPEN})
    orphans = [row for row in rows if not store.is_held(str(row["owner_id"]))]
    if orphans:
        finding = f"{len(orphans)} left open by a process that is gone"
        return [warn("executions", finding, "Close them with `stage3 recover`.")]
    owners = {row["owner_id"] for row in rows}
    return [ok("executions", f"{len(rows)} open, of {len(owners)} that live")]
