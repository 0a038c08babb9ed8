"""What the owner of a ledger does: create it, add collections, grant roles.

Each of these is one transaction, under the lock for changes of tables, and each can
be repeated: what is there already is left as it is. New tables and functions belong
to the owner of the schema, whoever of its members logged in.

Whoever has no roles apart (one login for everything) needs none of this: a ledger
created without roles belongs to its creator, and roles can be granted later.

Source: docs/spec/postgres.md, PGS-1 and PGS-3.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, TypeAlias

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import TupleRow

from audit.errors import LedgerFormatError
from audit.store.declarations import (
    Collection,
    declaration_of,
    declared_collection,
    refuse_contradiction,
)
from audit.store.postgres.collections import create_collection
from audit.store.postgres.lock_keys import MIGRATION, lock_key
from audit.store.postgres.names import SEARCH_PATH, literal, quoted
from audit.store.postgres.roles import (
    Roles,
    collection_grants,
    create_roles,
    ledger_grants,
)
from audit.store.postgres.schema import create_ledger
from audit.store.postgres.tree import tree_functions

__all__ = [
    "OwnerSession",
    "as_owner",
    "create",
    "declare",
    "grant",
    "may_own",
    "meta_of",
    "run",
]

OwnerSession: TypeAlias = Connection[TupleRow]
"""A connection outside of a transaction."""

_OLDEST_SERVER: Final = 140_000
_NO_LEDGER: Final = "no ledger"
_POWERFUL: Final = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcanlogin"


def run(session: OwnerSession, sql: str) -> list[TupleRow]:
    """Run one statement that has its values written out."""
    cursor = session.execute(sql.encode())
    return cursor.fetchall() if cursor.description else []


def create(
    session: OwnerSession,
    *,
    schema: str,
    ledger_id: str,
    roles: Roles | None = None,
    collections: Iterable[Collection] = (),
) -> bool:
    """Create a ledger in a schema, and the schema and roles that are not there.

    Args:
        session: A login that may create schemas in this database, and, where there
            are roles to be made, roles.
        schema: The schema; if it is there it is empty.
        ledger_id: The id of the ledger.
        roles: The roles to grant to; none, and all belongs to the creator, if not
            given.
        collections: What to declare in it as well.

    Returns:
        Whether it was created; false when the schema has a ledger, as it was.

    Raises:
        LedgerFormatError: The schema has other things in it, belongs to somebody
            else or is open to everybody; a role has more power than it should; the
            server is older than version 14 or stores other text than UTF-8.
    """
    with session.transaction():
        _lock(session, _NO_LEDGER, schema)
        _refuse_server(session)
        if _has_ledger(session, schema):
            return False
        if roles is not None:
            _make_roles(session, roles)
        _make_schema(session, schema, roles)
        with as_owner(session, schema):
            path = SEARCH_PATH.format(schema=quoted(schema))
            for sql in (
                *create_ledger(ledger_id, path),
                *tree_functions(ledger_id, path),
            ):
                run(session, sql)
            # Everybody may call a new function; of these, nobody.
            run(
                session,
                f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {quoted(schema)} FROM PUBLIC",
            )
            declared = tuple(collections)
            for collection in declared:
                _declare(session, collection, None)
            if roles is not None:
                _grant(session, schema, roles, declared)
    return True


def declare(
    session: OwnerSession, *, schema: str, collections: Iterable[Collection]
) -> None:
    """Create collections that are not there, with the grants they call for.

    Raises:
        EntryRefusedError: A declaration contradicts itself.
        LedgerFormatError: There is no ledger, or one of them has another shape.
    """
    with session.transaction():
        _lock_ledger(session, schema)
        with as_owner(session, schema):
            prefix = meta_of(session).get("roles")
            for collection in collections:
                roles = None if prefix is None else Roles(prefix)
                _declare(session, collection, roles)


def grant(
    session: OwnerSession,
    *,
    schema: str,
    roles: Roles,
    collections: Iterable[Collection],
) -> None:
    """Make the roles, hand the ledger to the owner's, and grant exactly what is meant.

    What else was granted in the schema to these roles or to everybody is taken back.

    Args:
        session: A login that is the schema's owner, or a superuser.
        schema: The schema of the ledger.
        roles: The roles.
        collections: Declarations that say who writes them. Others that are declared
            in the ledger are granted for reading only.

    Raises:
        LedgerFormatError: There is no ledger, or a role has more power than it should.
    """
    with session.transaction():
        _lock_ledger(session, schema)
        _make_roles(session, roles)
        _hand_over(session, schema, roles.owner)
        with as_owner(session, schema):
            _grant(session, schema, roles, tuple(collections))


def may_own(session: OwnerSession, schema: str) -> bool:
    """Tell whether this login may change the tables of a schema."""
    rows = run(
        session,
        "SELECT pg_has_role(current_user, nspowner, 'MEMBER') FROM pg_namespace"  # noqa: S608  # quoted
        f" WHERE nspname = {literal(schema)}",
    )
    return rows == [(True,)]


def meta_of(session: OwnerSession) -> dict[str, str]:
    """Read what a ledger says of itself; its schema is first in the search path."""
    return {
        str(name): str(value)
        for name, value in run(session, "SELECT name, value FROM meta")
    }


@contextmanager
def as_owner(session: OwnerSession, schema: str) -> Iterator[None]:
    """Work as the owner of a schema, with its names, inside a transaction."""
    found = run(
        session,
        "SELECT current_setting('role'), current_setting('search_path'),"  # noqa: S608  # quoted
        " pg_get_userbyid(nspowner), pg_get_userbyid(nspowner) = current_user"
        f" FROM pg_namespace WHERE nspname = {literal(schema)}",
    )
    if not found:
        raise LedgerFormatError("there is no such schema")
    role, path, owner, is_owner = found[0]
    if not is_owner:
        _set(session, "role", str(owner))
    _set(session, "search_path", SEARCH_PATH.format(schema=quoted(schema)))
    yield
    _set(session, "search_path", str(path))
    _set(session, "role", str(role))


def _set(session: OwnerSession, name: str, value: str) -> None:
    """Set something until the end of the transaction."""
    run(session, f"SELECT set_config({literal(name)}, {literal(value)}, true)")


def _lock(session: OwnerSession, ledger_id: str, name: str) -> None:
    run(session, f"SELECT pg_advisory_xact_lock({lock_key(ledger_id, name)})")


def _lock_ledger(session: OwnerSession, schema: str) -> None:
    """Wait for others who change tables of this ledger."""
    if not _has_ledger(session, schema):
        raise LedgerFormatError("the schema has no ledger")
    table = f"{quoted(schema)}.meta"
    found = run(session, f"SELECT value FROM {table} WHERE name = 'ledger'")  # noqa: S608  # quoted
    _lock(session, str(found[0][0]) if found else _NO_LEDGER, MIGRATION)


def _has_ledger(session: OwnerSession, schema: str) -> bool:
    name = literal(f"{quoted(schema)}.meta")
    return run(session, f"SELECT to_regclass({name}) IS NOT NULL") == [(True,)]


def _refuse_server(session: OwnerSession) -> None:
    version, encoding = run(
        session,
        "SELECT current_setting('server_version_num')::integer,"
        " current_setting('server_encoding')",
    )[0]
    if int(version) < _OLDEST_SERVER:
        raise LedgerFormatError("the server is older than PostgreSQL 14")
    if encoding != "UTF8":
        raise LedgerFormatError("the database has another encoding than UTF8")


def _make_roles(session: OwnerSession, roles: Roles) -> None:
    """Make what is not there, and refuse what has more power than it should."""
    for sql in create_roles(roles):
        run(session, sql)
    try:
        with session.transaction(force_rollback=True):
            _set(session, "role", roles.owner)
    except InsufficientPrivilege:
        # Who made a role may grant it, but need not be one who can take it.
        run(session, f"GRANT {quoted(roles.owner)} TO CURRENT_USER")
    names = (roles.owner, *roles.users)
    listed = ", ".join(literal(name) for name in names)
    above = run(
        session,
        f"SELECT rolname FROM pg_roles WHERE rolname IN ({listed}) AND ({_POWERFUL}"  # noqa: S608  # quoted
        f" OR EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid))",
    )
    if above:
        raise LedgerFormatError(
            "a role of the ledger can log in, has attributes or is member of another"
        )


def _hand_over(session: OwnerSession, schema: str, owner: str) -> None:
    """Give a ledger that was created without roles to its owner's role."""
    inside = f"nspname = {literal(schema)}"
    whose = run(
        session,
        f"SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE {inside}",  # noqa: S608  # quoted
    )
    if whose == [(owner,)]:
        return
    to = f"OWNER TO {quoted(owner)}"
    run(session, f"ALTER SCHEMA {quoted(schema)} {to}")
    things = run(
        session,
        "SELECT 'TABLE ' || pg_class.oid::regclass FROM pg_class"  # noqa: S608  # quoted
        " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        f" WHERE relkind = 'r' AND {inside}"
        " UNION ALL SELECT 'FUNCTION ' || pg_proc.oid::regprocedure FROM pg_proc"
        f" JOIN pg_namespace ON pg_namespace.oid = pronamespace WHERE {inside}",
    )
    for (thing,) in things:
        run(session, f"ALTER {thing} {to}")


def _make_schema(session: OwnerSession, schema: str, roles: Roles | None) -> None:
    name = literal(schema)
    owner = "CURRENT_USER" if roles is None else quoted(roles.owner)
    found = run(
        session,
        "SELECT pg_get_userbyid(nspowner),"  # noqa: S608  # quoted
        " has_schema_privilege('public', oid, 'CREATE'), EXISTS (SELECT FROM pg_class"
        " WHERE relnamespace = pg_namespace.oid) OR EXISTS (SELECT FROM pg_proc"
        " WHERE pronamespace = pg_namespace.oid)"
        f" FROM pg_namespace WHERE nspname = {name}",
    )
    if not found:
        run(session, f"CREATE SCHEMA {quoted(schema)} AUTHORIZATION {owner}")
        return
    whose, open_to_all, in_use = found[0]
    if in_use:
        raise LedgerFormatError("the schema has other things in it, but no ledger")
    if open_to_all:
        raise LedgerFormatError("everybody may create things in this schema")
    if roles is not None and whose != roles.owner:
        raise LedgerFormatError(f"the schema does not belong to {roles.owner}")


def _declare(
    session: OwnerSession, collection: Collection, roles: Roles | None
) -> None:
    refuse_contradiction(collection)
    name = f"collection:{collection.name}"
    text = declaration_of(collection)
    there = run(session, f"SELECT value FROM meta WHERE name = {literal(name)}")  # noqa: S608  # quoted
    if there:
        if there != [(text,)]:
            raise LedgerFormatError("a collection of this name has another shape")
        return
    for sql in create_collection(collection):
        run(session, sql)
    run(session, f"INSERT INTO meta VALUES ({literal(name)}, {literal(text)})")  # noqa: S608  # quoted
    for sql in () if roles is None else collection_grants(roles, collection):
        run(session, sql)


def _grant(
    session: OwnerSession,
    schema: str,
    roles: Roles,
    collections: tuple[Collection, ...],
) -> None:
    for sql in ledger_grants(roles, schema):
        run(session, sql)
    known = {collection.name: collection for collection in collections}
    for name, text in meta_of(session).items():
        if not name.startswith("collection:"):
            continue
        found = declared_collection(text)
        only_read = replace(found, writers=frozenset())
        for sql in collection_grants(roles, known.get(found.name, only_read)):
            run(session, sql)
    run(
        session,
        f"INSERT INTO meta VALUES ('roles', {literal(roles.prefix)})"  # noqa: S608  # quoted
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
