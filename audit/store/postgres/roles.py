"""Who may do what in the database, so that "spend, never issue" holds there too.

Four roles that nobody logs in as; a deployment grants them to its logins.

| role | may |
|---|---|
| ``owner`` | owns every table and function; runs migrations; needed by nobody else |
| ``issuer`` | insert tokens, keys, revocations and their entries |
| ``executor`` | insert entries of executions, and count what was used |
| ``auditor`` | read |

All of them may let ``integrate()`` number entries. Nobody but the owner may update or
delete an entry, the head or ``meta``, and the owner is stopped by triggers. Which
entries a role may insert is a policy on the table; what a collection's writers may
do follows from its declaration. Every condition that protects is bound to its
operators when it is made (policies, checks, ``WHEN`` of triggers) or runs with a
pinned search path, so that no setting of a session changes its meaning.

What roles cannot do: hold locks only briefly, or write only what is true. A login
with the executor's role can stop the platform's work; it cannot give itself any.

Source: docs/spec/postgres.md, PGS-3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from audit.errors import EntryRefusedError
from audit.events import AuditEventType as Event
from audit.events import EventType
from audit.events import PlatformEventType as Platform
from audit.store.declarations import Collection
from audit.store.postgres.names import literal, quoted
from audit.store.postgres.schema import LEDGER_TABLES

__all__ = [
    "MAY_APPEND",
    "Roles",
    "collection_grants",
    "create_roles",
    "ledger_grants",
]

_LONGEST_PREFIX: Final = 40
_INSERTED: Final = (
    "stream, stream_index, time_us, type, state, leaf_hash, data,"
    " writer_id, writer_seq, writer_prev"
)

MAY_APPEND: Final[dict[str, dict[str, tuple[EventType, ...]]]] = {
    "executor": {
        "execution": (
            Event.TOKEN_VALIDATION,
            Event.AUTHORIZATION_SCOPE_CHECK,
            Event.RESOURCE_LIMIT_CHECK,
            Event.EXECUTION_STARTED,
            Event.EXECUTION_COMPLETED,
            Event.EXECUTION_DENIED,
            Event.BOUNDARY_VIOLATION,
            Event.OPERATION_ABORTED,
        ),
        "token": (Event.TOKEN_FIRST_USED, Event.TOKEN_EXPIRED),
        "platform": (Platform.RECOVERED, Platform.LATCH_LIFTED),
    },
    "issuer": {
        "token": (Event.TOKEN_ISSUED, Event.TOKEN_REVOKED),
        "platform": (
            Platform.KEY_ADDED,
            Platform.KEY_STATE_CHANGED,
            Platform.SELECTOR_REVOKED,
            Platform.PLATFORM_PAUSED,
            Platform.PLATFORM_RESUMED,
            Platform.LATCH_LIFTED,
        ),
    },
}
"""Which entries each role may append, by the family of the stream."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of the four roles: a prefix, and what each is.

    Roles belong to the whole server. Two ledgers of one server that must not share
    executors need two prefixes.
    """

    prefix: str = "stage3"

    def __post_init__(self) -> None:
        """Refuse a prefix that makes no role's name.

        Raises:
            EntryRefusedError: It is not 1 to 40 printable ASCII characters, or is
                of PostgreSQL's own (``pg_``).
        """
        fits = self.prefix.isascii() and self.prefix.isprintable()
        if not fits or not 0 < len(self.prefix) <= _LONGEST_PREFIX:
            raise EntryRefusedError("a prefix of roles is 1 to 40 ASCII characters")
        if self.prefix.startswith("pg_"):
            raise EntryRefusedError("PostgreSQL keeps the names in pg_ for itself")

    @property
    def owner(self) -> str:
        """Who owns the schema and everything in it."""
        return f"{self.prefix}_owner"

    @property
    def users(self) -> tuple[str, str, str]:
        """Issuer, executor and auditor."""
        return self.of("issuer"), self.of("executor"), self.of("auditor")

    def of(self, word: str) -> str:
        """Give the name of a role: owner, issuer, executor or auditor."""
        return f"{self.prefix}_{word}"


def create_roles(roles: Roles) -> tuple[str, ...]:
    """Write the statements that make the roles which are not there yet."""
    return tuple(_create_role(name) for name in (roles.owner, *roles.users))


def _create_role(name: str) -> str:
    # Somebody may make it at the same time; then it is there as well.
    create = literal(f"CREATE ROLE {quoted(name)} NOLOGIN")
    return (
        "DO $do$ BEGIN"
        f" IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(name)}) THEN"
        f" EXECUTE {create}; END IF;"
        " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $do$"
    )


def ledger_grants(roles: Roles, schema: str) -> tuple[str, ...]:
    """Write the statements after which exactly the intended is granted.

    For the owner, in one transaction: what was granted before is taken back first,
    from the roles and from everybody. Collections follow with ``collection_grants``.
    """
    users = ", ".join(quoted(name) for name in roles.users)
    writers = ", ".join(quoted(roles.of(word)) for word in MAY_APPEND)
    tables = ", ".join(LEDGER_TABLES)
    inside = f"IN SCHEMA {quoted(schema)}"
    return (
        f"REVOKE ALL ON SCHEMA {quoted(schema)} FROM PUBLIC, {users}",
        *(
            f"REVOKE ALL ON ALL {kind} {inside} FROM PUBLIC, {users}"
            for kind in ("TABLES", "SEQUENCES", "FUNCTIONS")
        ),
        f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {users}",
        f"GRANT SELECT ON {tables} TO {users}",
        f"GRANT INSERT ({_INSERTED}) ON entry TO {writers}",
        f"GRANT EXECUTE ON FUNCTION integrate(integer, boolean) TO {users}",
        "ALTER TABLE entry ENABLE ROW LEVEL SECURITY",
        'DROP POLICY IF EXISTS "entry.read" ON entry',
        f'CREATE POLICY "entry.read" ON entry FOR SELECT TO {users} USING (true)',
        *(
            statement
            for word, families in MAY_APPEND.items()
            for statement in _append_policy(roles.of(word), word, families)
        ),
    )


def _append_policy(
    role: str, word: str, families: dict[str, tuple[EventType, ...]]
) -> tuple[str, str]:
    name = quoted(f"entry.append_{word}")
    either = " OR ".join(_is_of(family, types) for family, types in families.items())
    create = f"CREATE POLICY {name} ON entry FOR INSERT TO {quoted(role)}"
    return (
        f"DROP POLICY IF EXISTS {name} ON entry",
        f"{create} WITH CHECK ({either})",
    )


def _is_of(family: str, types: Iterable[EventType]) -> str:
    listed = ", ".join(literal(kind.value) for kind in types)
    stream = (
        f"stream = {literal(family)}"
        if family == "platform"
        else f"starts_with(stream, {literal(family + ':')})"
    )
    return f"({stream} AND type IN ({listed}))"


def collection_grants(roles: Roles, collection: Collection) -> tuple[str, ...]:
    """Write the grants on a collection's table that its declaration calls for."""
    table = quoted(collection.name)
    users = ", ".join(quoted(name) for name in roles.users)
    made = [
        f"REVOKE ALL ON {table} FROM PUBLIC, {users}",
        f"GRANT SELECT ON {table} TO {users}",
    ]
    others = [c.name for c in collection.columns if c.name not in collection.key]
    writers = ", ".join(quoted(roles.of(word)) for word in sorted(collection.writers))
    if writers:
        made.append(f"GRANT INSERT ON {table} TO {writers}")
    if writers and others and not collection.insert_only:
        columns = ", ".join(quoted(name) for name in others)
        made.append(f"GRANT UPDATE ({columns}) ON {table} TO {writers}")
    return tuple(made)
