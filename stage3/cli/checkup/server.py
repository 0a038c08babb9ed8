"""Checks of a ledger in PostgreSQL: the server, the roles, and what waits.

Source: docs/spec/cli.md, CLI-9.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from audit.errors import AuditError
from audit.store.postgres.inspection import MOST_PENDING_COUNTED, inspect_at
from audit.store.postgres.pool import MAX_SESSIONS
from audit.store.postgres.schema import SCHEMA_VERSION
from stage3.cli.checkup.check import Check, fail, ok, warn
from stage3.cli.output.rendering import time_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audit.clock import Clock
    from audit.store.declarations import Collection
    from audit.store.postgres.inspection import Inspection, Waiting

__all__ = ["server_checks", "verdicts_on"]

_KEEPS: Final = ("fsync", "full_page_writes")
_WEAK: Final = ("off", "local", "remote_write")
_ONE_ROLE: Final = 1
_CLOCKS_APART_US: Final = 1_000_000
_MANY_PENDING: Final = 10_000
_LONG_WAIT_S: Final = 5.0
_GRANT: Final = "Run `stage3 store grant` as the owner of the database."


def server_checks(
    url: str, *, collections: Iterable[Collection], clock: Clock
) -> Iterator[Check]:
    """Look at a server; what cannot be asked is the finding.

    Raises:
        ValueError: It is no address.
    """
    try:
        found = inspect_at(url, collections=collections, clock=clock)
    except AuditError as error:
        todo = "Check the address, the password file, and that the server runs."
        yield fail("server", str(error), todo)
        return
    yield from verdicts_on(found)


def verdicts_on(found: Inspection) -> Iterator[Check]:
    """Say of everything that was found whether it is well."""
    yield _server(found)
    yield _durable(found)
    yield _standbys(found)
    yield _version(found)
    yield _login(found)
    yield from _roles(found)
    yield _connections(found)
    yield _clocks(found)
    yield _pending(found.waiting)
    yield _locks(found.waiting)


def _server(found: Inspection) -> Check:
    version = f"PostgreSQL {found.settings['server_version']}"
    if not found.is_primary:
        todo = "Name the primary: a standby takes no writes and sees the past."
        return fail("server", f"{version}, a standby", todo)
    return ok("server", f"{version}, the primary")


def _durable(found: Inspection) -> Check:
    names = (*_KEEPS, "synchronous_commit")
    finding = ", ".join(f"{name} {found.settings[name]}" for name in names)
    if any(found.settings[name] != "on" for name in _KEEPS):
        todo = "Switch it on: what is committed may be lost, and nothing is opened."
        return fail("commits", finding, todo)
    if found.settings["synchronous_commit"] in _WEAK:
        todo = "Nothing: each session of Stage-3 sets synchronous_commit on."
        return warn("commits", finding, todo)
    return ok("commits", finding)


def _standbys(found: Inspection) -> Check:
    named = found.settings["synchronous_standby_names"]
    connected = f"{found.standbys} connected"
    if named and not found.standbys:
        todo = "Start one: each commit waits 60 s for it, and ends as a failure."
        return fail("standbys", f"synchronous: {named}; none connected", todo)
    if named:
        return ok("standbys", f"synchronous: {named}; {connected}")
    if found.standbys:
        todo = (
            "Name one in synchronous_standby_names; without that, never promote one "
            "and go on: a failover is a new ledger. See docs/operations.md."
        )
        return warn("standbys", f"{connected}, none of them synchronous", todo)
    return ok("standbys", "none: a lost disk is a new ledger")


def _version(found: Inspection) -> Check:
    says, least = found.meta.get("schema", "?"), found.meta.get("least", "?")
    finding = f"tables of version {says}, for programs from version {least} on"
    if says != str(SCHEMA_VERSION):
        todo = f"This program knows version {SCHEMA_VERSION}: `stage3 store migrate`."
        return warn("tables", finding, todo)
    return ok("tables", finding)


def _login(found: Inspection) -> Check:
    who = found.login
    if found.is_superuser:
        todo = "Use a login with one role: grants do not hold a superuser back."
        return warn("login", f"{who} is a superuser", todo)
    if found.rights is None:
        return ok("login", f"{who}, with all rights that its owner has")
    words = found.rights.words
    finding = f"{who}: {', '.join(words) or 'no role of the ledger'}"
    if "owner" in words:
        todo = "Use it for `stage3 store` only: it can switch every guard off."
        return warn("login", finding, todo)
    if len(words) != _ONE_ROLE:
        todo = "Grant each login one role: issuer, executor or auditor."
        return warn("login", finding, todo)
    return ok("login", finding)


def _roles(found: Inspection) -> Iterator[Check]:
    if found.rights is None:
        finding = "none: whoever executes can write everything, tokens as well"
        yield warn("roles", finding, _GRANT)
        return
    both = found.rights.both
    if both:
        todo = "Take one of the two from each: what executes must not issue."
        finding = f"can issue and execute: {', '.join(both[:3])}"
        yield warn("logins", f"{len(both)} {finding}", todo)
    wrong = found.rights.deviations
    if wrong:
        yield fail("roles", f"{len(wrong)} other than meant: {wrong[0]}", _GRANT)
    else:
        yield ok("roles", "rights are exactly those that are meant")


def _connections(found: Inspection) -> Check:
    settings = found.settings
    most = int(settings["max_connections"])
    free = most - int(settings["superuser_reserved_connections"]) - found.sessions
    finding = f"{found.sessions} of {most} in use"
    if free < MAX_SESSIONS + 2:
        todo = "One executor may need 18: raise max_connections, or run fewer."
        return warn("connections", finding, todo)
    return ok("connections", finding)


def _clocks(found: Inspection) -> Check:
    apart_us, doubt_us = found.clock_ahead_us, found.clock_doubt_us
    finding = f"database {apart_us / 1_000_000:+.3f} s (+/- {doubt_us / 1_000_000:.3f})"
    if abs(apart_us) - doubt_us > _CLOCKS_APART_US:
        todo = "The database's clock counts: find out which of the two is wrong."
        return warn("clocks", finding, todo)
    return ok("clocks", finding)


def _pending(waiting: Waiting) -> Check:
    if not waiting.pending:
        return ok("pending", "every entry has its place in the tree")
    more = "at least " if waiting.pending == MOST_PENDING_COUNTED else ""
    since = time_text(waiting.oldest_us)
    finding = f"{more}{waiting.pending} without a place in the tree, since {since}"
    if waiting.pending > _MANY_PENDING:
        todo = "Give them their places: `stage3 audit verify` or `stage3 recover`."
        return warn("pending", finding, todo)
    return ok("pending", finding)


def _locks(waiting: Waiting) -> Check:
    if not waiting.locks:
        return ok("waiting", "nobody waits for a lock")
    finding = f"{waiting.locks} for a lock, the longest {waiting.longest_s:.3f} s"
    if waiting.longest_s > _LONG_WAIT_S:
        todo = "See who holds it: docs/operations.md, the queries for watching."
        return warn("waiting", finding, todo)
    return ok("waiting", finding)
