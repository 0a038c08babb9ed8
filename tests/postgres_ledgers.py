"""Ledgers with roles and logins, and entries as any client could insert them."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg.rows import TupleRow

from audit.entry import draft_entry, encode_entry
from audit.events import EVENT_TYPES, STATUSES, EventType, ReasonCode
from audit.merkle import leaf_hash
from audit.store.declarations import Collection
from audit.store.postgres.names import SEARCH_PATH, quoted
from audit.store.postgres.owning import create
from audit.store.postgres.roles import Roles
from stage3.records import EXECUTION
from tests.postgres_server import PostgresServer
from tokens.state.collections import TOKEN_COLLECTIONS

__all__ = [
    "COLLECTIONS",
    "COLUMNS",
    "INSERT",
    "LEDGER_ID",
    "Ledger",
    "Writer",
    "made_ledger",
]

LEDGER_ID: Final = "ledger-of-the-tests"
SCHEMA: Final = 'Led"ger'
COLLECTIONS: Final[tuple[Collection, ...]] = (*TOKEN_COLLECTIONS, EXECUTION)
COLUMNS: Final = (
    "stream, stream_index, time_us, type, state, leaf_hash, data,"
    " writer_id, writer_seq, writer_prev"
)
INSERT: Final = (  # constants
    f"INSERT INTO entry ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
Session = psycopg.Connection[TupleRow]


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger in a database of its own, with one login for each role."""

    server: PostgresServer
    database: str
    roles: Roles
    _kept: dict[str, Session] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The search path of its sessions."""
        return SEARCH_PATH.format(schema=quoted(SCHEMA))

    def kept(self, word: str) -> Session:
        """Give a session as of ``session`` that lasts as long as the ledger."""
        if word not in self._kept:
            self._kept[word] = self._login(word)
        return self._kept[word]

    @contextmanager
    def session(self, word: str) -> Iterator[Session]:
        """Log in as the login of a role, or as the superuser."""
        with self._login(word) as session:
            yield session

    def close(self) -> None:
        """End the sessions that were kept."""
        for session in self._kept.values():
            session.close()

    def _login(self, word: str) -> Session:
        user = word if word == "postgres" else f"{self.database}_{word}_login"
        address = self.server.url(self.database, user=user)
        session = psycopg.connect(address, autocommit=True)
        session.execute(f"SET search_path = {self.path}".encode())
        return session


@dataclass(slots=True)
class Writer:
    """Makes rows for ``INSERT``: a write session that knows where streams stand."""

    identity: str = field(default_factory=lambda: str(uuid.uuid4()))
    last: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    written: int = 0
    previous: bytes = b""

    def row(
        self, stream: str, kind: str, *, time_us: int = 1, state: str = "any"
    ) -> list[object]:
        """Give the row of the next entry of a stream, true to its bytes."""
        index, before = self.last.get(stream, (0, b""))
        event = EVENT_TYPES[kind]
        data = encode_entry(
            _draft(event),
            ledger_id=LEDGER_ID,
            stream=stream,
            index=index,
            time_us=time_us,
            prev=before.hex(),
        )
        leaf = leaf_hash(data)
        row = [stream, index, time_us, kind, state, leaf, data]
        row += [self.identity, self.written, self.previous]
        self.last[stream] = (index + 1, leaf)
        self.written += 1
        self.previous = leaf
        return row

    def rows(self, stream: str, kinds: Sequence[str]) -> list[list[object]]:
        """Give the rows of the next entries of a stream."""
        return [self.row(stream, kind) for kind in kinds]


def _draft(event: EventType):  # noqa: ANN202  (a draft can only be named by its maker)
    status = min(STATUSES[event])
    refused = status in {"aborted", "denied", "failed"}
    return draft_entry(
        event,
        user_id="alice",
        token_hash="sha256:" + "0" * 64,
        domain="apollo",
        method="plan_routine",
        status=status,
        reason="because" if refused else None,
        reason_code=ReasonCode.INTERRUPTED if refused else None,
    )


@contextmanager
def made_ledger(server: PostgresServer) -> Iterator[Ledger]:
    """Create a ledger with roles and logins; all of it is gone afterwards."""
    database = server.fresh_database()
    roles = Roles(database)
    words = ("owner", "issuer", "executor", "auditor")
    try:
        with psycopg.connect(server.url(database), autocommit=True) as session:
            create(
                session,
                schema=SCHEMA,
                ledger_id=LEDGER_ID,
                roles=roles,
                collections=COLLECTIONS,
            )
        for word in words:
            server.login(f"{database}_{word}_login", roles.of(word))
        server.login(f"{database}_stranger_login")
        ledger = Ledger(server, database, roles)
        try:
            yield ledger
        finally:
            ledger.close()
    finally:
        server.drop_database(database)
        for word in (*words, "stranger"):
            server.execute(f"DROP ROLE IF EXISTS {database}_{word}_login")
        for word in words:
            server.execute(f"DROP ROLE IF EXISTS {roles.of(word)}")
