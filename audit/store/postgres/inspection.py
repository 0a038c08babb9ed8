"""Looking at a server and a ledger in it, as one who is to say whether all is well.

It reads what any login of the ledger may read, on a connection of its own, and
changes nothing: no lock is taken that anybody waits for, nothing is numbered.

Source: docs/spec/cli.md, CLI-9.5; docs/spec/postgres.md, PGS-6.2.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from audit.clock import Clock
from audit.store.declarations import Collection
from audit.store.postgres.administration import connected
from audit.store.postgres.names import quoted
from audit.store.postgres.owning import OwnerSession, run
from audit.store.postgres.rights import deviations, logins_with_both, words_of_login
from audit.store.postgres.roles import Roles

__all__ = ["MOST_PENDING_COUNTED", "Inspection", "Rights", "Waiting", "inspect_at"]

MOST_PENDING_COUNTED: Final = 100_000
"""Pending entries are counted up to here, so that looking stays cheap."""

_SETTINGS: Final = (
    "server_version",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "synchronous_standby_names",
    "max_connections",
    "superuser_reserved_connections",
)
_CLOCK: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_SERVER: Final = (
    "SELECT NOT pg_is_in_recovery(), (SELECT count(*) FROM pg_stat_replication),"
    " (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL),"
    " current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
)
_WAITING: Final = (
    "SELECT count(*), coalesce(extract(epoch FROM max(clock_timestamp() - waitstart)),"
    " 0)::float8 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND"
    " database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@dataclass(frozen=True, slots=True)
class Rights:
    """What this login may do, and whether all logins may do what they should.

    Attributes:
        words: The roles it may use: owner, issuer, executor, auditor.
        deviations: What is granted otherwise than meant.
        both: Logins that can issue and execute.
    """

    words: tuple[str, ...]
    deviations: tuple[str, ...]
    both: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not done yet.

    Attributes:
        pending: Entries without a place in the tree, counted to a bound.
        oldest_us: The time of the oldest of them; None when there is none.
        locks: How many sessions wait for an advisory lock in this database.
        longest_s: How long the first of them has waited, in seconds.
    """

    pending: int
    oldest_us: int | None
    locks: int
    longest_s: float


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found.

    Attributes:
        is_primary: Whether the server takes writes.
        settings: Those that the promises rest on, by name.
        standbys: How many standbys are connected to it.
        sessions: How many sessions are open on the whole server.
        login: Who was looking.
        is_superuser: Whether that is one whom no grant holds back.
        meta: What the ledger says of itself: ``schema``, ``least``, ``roles``...
        rights: None for a ledger that was never granted to roles.
        waiting: What is not done yet.
        clock_ahead_us: The database's clock less the host's, in microseconds.
        clock_doubt_us: How wrong that may be: half of the round trip.
    """

    is_primary: bool
    settings: dict[str, str]
    standbys: int
    sessions: int
    login: str
    is_superuser: bool
    meta: dict[str, str]
    rights: Rights | None
    waiting: Waiting
    clock_ahead_us: int
    clock_doubt_us: int = field(default=0)


def inspect_at(
    url: str, *, collections: Iterable[Collection], clock: Clock
) -> Inspection:
    """Look at the ledger at an address.

    Args:
        url: The address.
        collections: What the product keeps, with who writes it.
        clock: The host's.

    Raises:
        ValueError: It is no address.
        LedgerFormatError: This login may not look.
        StoreUnavailableError, StoreBusyError: The server cannot be asked.
    """
    with connected(url) as (session, schema), session.transaction():
        name = quoted(schema)
        primary, standbys, sessions, login, is_superuser = run(session, _SERVER)[0]
        rows = run(session, f"SELECT name, value FROM {name}.meta")  # noqa: S608  # quoted
        meta = {str(key): str(value) for key, value in rows}
        ahead_us, doubt_us = _clocks(session, clock)
        return Inspection(
            is_primary=bool(primary),
            settings={each: _setting(session, each) for each in _SETTINGS},
            standbys=int(standbys),
            sessions=int(sessions),
            login=str(login),
            is_superuser=bool(is_superuser),
            meta=meta,
            rights=_rights(session, schema, meta.get("roles"), collections),
            waiting=_waiting(session, name),
            clock_ahead_us=ahead_us,
            clock_doubt_us=doubt_us,
        )


def _setting(session: OwnerSession, name: str) -> str:
    return str(run(session, f"SHOW {name}")[0][0])


def _clocks(session: OwnerSession, clock: Clock) -> tuple[int, int]:
    before_us = clock()
    ((there_us,),) = run(session, _CLOCK)
    doubt_us = (clock() - before_us) // 2
    return int(there_us) - before_us - doubt_us, doubt_us


def _rights(
    session: OwnerSession,
    schema: str,
    prefix: str | None,
    collections: Iterable[Collection],
) -> Rights | None:
    if prefix is None:
        return None
    roles = Roles(prefix)
    return Rights(
        words=words_of_login(session, roles),
        deviations=deviations(
            session, schema=schema, roles=roles, collections=collections
        ),
        both=logins_with_both(session, roles),
    )


def _waiting(session: OwnerSession, schema: str) -> Waiting:
    pending, oldest_us = run(
        session,
        "SELECT count(*), min(time_us) FROM (SELECT time_us FROM"  # noqa: S608  # quoted
        f" {schema}.entry WHERE leaf_index IS NULL ORDER BY id"
        f" LIMIT {MOST_PENDING_COUNTED}) AS pending",
    )[0]
    locks, longest_s = run(session, _WAITING)[0]
    return Waiting(
        pending=int(pending),
        oldest_us=None if oldest_us is None else int(oldest_us),
        locks=int(locks),
        longest_s=float(longest_s),
    )
