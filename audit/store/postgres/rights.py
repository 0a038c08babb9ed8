"""Comparing what is granted in a ledger with what is meant to be.

It asks the database what each role could do, whatever way it came to that, and not
what somebody once granted. It reads, and changes nothing.

Source: docs/spec/postgres.md, PGS-3; docs/spec/cli.md, CLI-9.5.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from audit.store.declarations import Collection
from audit.store.postgres.names import literal
from audit.store.postgres.owning import OwnerSession, run
from audit.store.postgres.roles import MAY_APPEND, Roles
from audit.store.postgres.schema import LEDGER_TABLES

__all__ = ["deviations", "logins_with_both", "words_of_login"]

_WORDS: Final = ("issuer", "executor", "auditor")
_ASKED: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
_MOST: Final = 20


def deviations(
    session: OwnerSession,
    *,
    schema: str,
    roles: Roles,
    collections: Iterable[Collection],
) -> tuple[str, ...]:
    """Name what is other than granting would leave it, at most twenty things.

    Args:
        session: Any login that may read the ledger.
        schema: The schema of the ledger.
        roles: The roles that were granted to.
        collections: Declarations that say who writes them.

    Returns:
        One short sentence for each; empty when all is as meant.
    """
    found = [
        *_powers(session, roles),
        *_shields(session, schema, roles),
        *_tables(session, schema, roles, {each.name: each for each in collections}),
    ]
    return tuple(found[:_MOST])


def words_of_login(session: OwnerSession, roles: Roles) -> tuple[str, ...]:
    """Tell which roles this login may use, directly or through others."""
    rows = run(
        session,
        "SELECT rolname FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER')"  # noqa: S608  # quoted
        f" AND rolname IN ({_listed(roles)})",
    )
    names = {str(name) for (name,) in rows}
    return tuple(word for word in ("owner", *_WORDS) if roles.of(word) in names)


def logins_with_both(session: OwnerSession, roles: Roles) -> tuple[str, ...]:
    """Name the logins that can both issue and execute.

    Superusers and those of the owner's role are left out: they can do everything,
    and are for other work.
    """
    rows = run(
        session,
        "SELECT login.rolname FROM pg_roles AS login, pg_roles AS role"  # noqa: S608  # quoted
        " WHERE login.rolcanlogin AND NOT login.rolsuper"
        f" AND role.rolname IN ({_listed(roles)})"
        " GROUP BY login.rolname HAVING"
        " array_agg(role.rolname) FILTER"
        " (WHERE pg_has_role(login.oid, role.oid, 'MEMBER'))"
        f" @> ARRAY[{literal(roles.of('issuer'))}, {literal(roles.of('executor'))}]"
        "::name[] AND NOT bool_or("
        f"role.rolname = {literal(roles.owner)}"
        " AND pg_has_role(login.oid, role.oid, 'MEMBER')) ORDER BY 1",
    )
    return tuple(str(name) for (name,) in rows)


def _listed(roles: Roles) -> str:
    return ", ".join(literal(name) for name in (roles.owner, *roles.users))


def _powers(session: OwnerSession, roles: Roles) -> Iterator[str]:
    """Name roles that are missing, or have more than the ledger gives them."""
    rows = run(
        session,
        "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcanlogin"  # noqa: S608  # quoted
        " OR EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid)"
        f" FROM pg_roles WHERE rolname IN ({_listed(roles)})",
    )
    known = {str(name): bool(has_more) for name, has_more in rows}
    for name in (roles.owner, *roles.users):
        if known.get(name, True):
            what = "has powers of its own" if name in known else "is missing"
            yield f"the role {name} {what}"


def _shields(session: OwnerSession, schema: str, roles: Roles) -> Iterator[str]:
    """Name what guards the tables and was switched off or handed over."""
    where = f"nspname = {literal(schema)}"
    rows = run(
        session,
        "SELECT pg_get_userbyid(nspowner), (SELECT count(*) FROM pg_trigger"  # noqa: S608  # quoted
        " JOIN pg_class ON pg_class.oid = tgrelid WHERE relnamespace ="
        " pg_namespace.oid AND NOT tgisinternal AND tgenabled NOT IN ('O', 'A')),"
        " (SELECT bool_or(relrowsecurity) FROM pg_class"
        " WHERE relnamespace = pg_namespace.oid AND relname = 'entry')"
        f" FROM pg_namespace WHERE {where}",
    )
    owner, switched_off, policies = rows[0]
    if owner != roles.owner:
        yield f"the schema does not belong to {roles.owner}"
    if switched_off:
        yield f"{switched_off} trigger(s) are switched off"
    if not policies:
        yield "the policies of the table entry are switched off"
    for word in _WORDS:
        name = literal(roles.of(word))
        asked = f"has_schema_privilege(oid, {literal(schema)}, 'CREATE')"
        may = run(session, f"SELECT {asked} FROM pg_roles WHERE rolname = {name}")  # noqa: S608  # quoted
        if may == [(True,)]:
            yield f"{roles.of(word)} may create things in the schema"


def _tables(
    session: OwnerSession, schema: str, roles: Roles, known: dict[str, Collection]
) -> Iterator[str]:
    """Compare what each role may do with each table with what it is meant to."""
    asked = ", ".join(
        f"has_any_column_privilege(pg_roles.oid, pg_class.oid, '{right}')"
        if right in ("SELECT", "INSERT", "UPDATE")
        else f"has_table_privilege(pg_roles.oid, pg_class.oid, '{right}')"
        for right in _ASKED
    )
    rows = run(
        session,
        f"SELECT rolname, relname, {asked} FROM pg_roles, pg_class"  # noqa: S608  # quoted
        " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        f" WHERE nspname = {literal(schema)} AND relkind = 'r'"
        f" AND rolname IN ({_listed(roles)}) ORDER BY 1, 2",
    )
    words = {roles.of(word): word for word in _WORDS}
    for role, table, *may in rows:
        if role not in words:
            continue
        meant = _meant(words[str(role)], str(table), known.get(str(table)))
        has = {right for right, one in zip(_ASKED, may, strict=True) if one}
        if has - meant:
            yield f"{role} may {_joined(has - meant)} in {table}"
        if meant - has:
            yield f"{role} may not {_joined(meant - has)} in {table}"


def _meant(word: str, table: str, collection: Collection | None) -> set[str]:
    """Say what a role is meant to be able to do with a table, as ``roles`` grants."""
    meant = {"SELECT"}
    if table == "entry" and word in MAY_APPEND:
        meant.add("INSERT")
    if table in LEDGER_TABLES or collection is None or word not in collection.writers:
        return meant
    meant.add("INSERT")
    has_more = {column.name for column in collection.columns} - set(collection.key)
    if has_more and not collection.insert_only:
        meant.add("UPDATE")
    return meant


def _joined(rights: set[str]) -> str:
    return ", ".join(right for right in _ASKED if right in rights)
