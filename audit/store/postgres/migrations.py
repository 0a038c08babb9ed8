"""Changing the tables of a ledger while it is used.

A ledger says in ``meta`` which version of the tables it has (``schema``) and which
is the least version that code must know to use it (``least``). Steps lead from one
version to the next. Each is one transaction of the owner: all of it, or nothing.

While a step waits for a lock on a table, those who come after it wait as well. So it
waits for a moment only, gives up, lets them go first and tries again; in between,
executors work on. A step that old code could not live with says so: from its commit
on the database refuses entries of sessions that know less, those already connected
included. Sessions say what they know in the setting ``stage3.version``.

Source: docs/spec/postgres.md, PGS-4.
"""

from dataclasses import dataclass
from typing import Final

from psycopg import errors

from audit.errors import LedgerFormatError, StoreBusyError
from audit.store.postgres.lock_keys import MIGRATION, lock_key
from audit.store.postgres.names import literal
from audit.store.postgres.owning import OwnerSession, as_owner, meta_of, run
from audit.store.postgres.schema import SCHEMA_VERSION, VERSION_SETTING
from audit.store.timing import SYSTEM_TIMING, Deadline, Timing

__all__ = ["MIGRATIONS", "Migrating", "Step", "migrate", "refuse_version"]


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the tables.

    Attributes:
        version: The version it leads to, one more than the one before.
        statements: What the owner does; names are those of the ledger's schema.
        least: The version that code must know afterwards; None where code that knows
            the version before can go on.
    """

    version: int
    statements: tuple[str, ...]
    least: int | None = None


MIGRATIONS: Final[tuple[Step, ...]] = ()
"""Every step from version 1 on, in order. The last leads to ``SCHEMA_VERSION``."""


@dataclass(frozen=True, slots=True)
class Migrating:
    """How patient a migration is, in seconds.

    ``lock_wait_s`` is how long others may have to wait behind it at a time,
    ``patience_s`` how long it tries each step.
    """

    lock_wait_s: float = 0.2
    patience_s: float = 60.0
    timing: Timing = SYSTEM_TIMING


def migrate(
    session: OwnerSession,
    *,
    schema: str,
    steps: tuple[Step, ...] = MIGRATIONS,
    how: Migrating | None = None,
) -> int:
    """Take a ledger to the newest version; what was done before is not done again.

    Args:
        session: A login of the ledger's owner.
        schema: The schema of the ledger.
        steps: The steps there are.
        how: How patient to be.

    Returns:
        The version the ledger has now.

    Raises:
        StoreBusyError: Others kept a table locked; the steps before this one stand.
        LedgerFormatError: The schema has no ledger.
    """
    patience = Migrating() if how is None else how
    version = _version(session, schema)
    for step in steps:
        if step.version > version:
            version = _patiently(session, schema, step, patience)
    return version


def refuse_version(meta: dict[str, str], known: int = SCHEMA_VERSION) -> None:
    """Refuse a ledger that this code does not know, or that lacks what it needs.

    Raises:
        LedgerFormatError: The ledger has to be migrated first, or the code updated.
    """
    try:
        version, least = int(meta["schema"]), int(meta["least"])
    except (KeyError, ValueError) as error:
        raise LedgerFormatError(
            "the ledger does not say which version it is"
        ) from error
    if version < known:
        raise LedgerFormatError(
            f"the ledger's tables have version {version}, not {known}:"
            " run `stage3 store migrate` as its owner"
        )
    if least > known:
        raise LedgerFormatError(
            f"the ledger calls for a newer Stage-3: version {least}, not {known}"
        )


def _patiently(session: OwnerSession, schema: str, step: Step, how: Migrating) -> int:
    deadline = Deadline(how.timing, how.patience_s)
    while deadline.wait_for_next_try():
        try:
            return _take(session, schema, step, how.lock_wait_s)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            continue
    raise StoreBusyError(f"others kept tables locked: version {step.version}")


def _take(session: OwnerSession, schema: str, step: Step, wait_s: float) -> int:
    """Take one step, unless somebody else did meanwhile."""
    with session.transaction():
        wait_ms = max(1, round(wait_s * 1000))
        run(session, f"SET LOCAL lock_timeout = {wait_ms}")
        with as_owner(session, schema):
            key = lock_key(meta_of(session)["ledger"], MIGRATION)
            run(session, f"SELECT pg_advisory_xact_lock({key})")
            found = int(meta_of(session)["schema"])
            if found >= step.version:
                return found
            for sql in (*step.statements, *_fence(step.least)):
                run(session, sql)
            _note(session, "schema", step.version)
    return step.version


def _fence(least: int | None) -> tuple[str, ...]:
    """Refuse entries of sessions that know less, from the commit on."""
    if least is None:
        return ()
    known = f"nullif(current_setting({literal(VERSION_SETTING)}, true), '')"
    when = f"coalesce({known}, '0')::integer < {least}"
    create = 'CREATE TRIGGER "entry.least" BEFORE INSERT ON entry FOR EACH STATEMENT'
    return (
        'DROP TRIGGER IF EXISTS "entry.least" ON entry',
        f"{create} WHEN ({when}) EXECUTE FUNCTION refuse()",
        f"UPDATE meta SET value = '{least}' WHERE name = 'least'",  # noqa: S608  # a number
    )


def _note(session: OwnerSession, name: str, value: int) -> None:
    run(session, f"UPDATE meta SET value = '{value}' WHERE name = {literal(name)}")  # noqa: S608  # a number


def _version(session: OwnerSession, schema: str) -> int:
    with session.transaction(), as_owner(session, schema):
        try:
            return int(meta_of(session)["schema"])
        except errors.UndefinedTable as error:
            raise LedgerFormatError("the schema has no ledger") from error
