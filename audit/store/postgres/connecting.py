"""Making connections: the settings every session has, and what a server must be.

Source: docs/spec/postgres.md, PGS-6.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from audit.errors import LedgerFormatError, StoreUnavailableError
from audit.store.postgres.address import Address
from audit.store.postgres.failures import ServerError
from audit.store.postgres.names import SEARCH_PATH, quoted
from audit.store.postgres.schema import SCHEMA_VERSION, VERSION_SETTING
from audit.store.postgres.session import Session, Statement
from audit.store.postgres.writer import timeout_text

__all__ = ["STATEMENT_LIMIT_S", "Connector", "Raw"]

STATEMENT_LIMIT_S: Final = 60.0
"""How long one statement may take, its waiting for locks not counted."""

Raw = psycopg.Connection[TupleRow]

_ALWAYS: Final[dict[str, str | int]] = {
    "application_name": "stage3",
    "client_encoding": "UTF8",
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SET: Final = "SELECT set_config($1, $2, false)"
_LOOK: Final = (
    "SELECT pg_is_in_recovery(), current_setting('fsync'),"
    " current_setting('full_page_writes'), current_setting('server_encoding'),"
    " current_setting('synchronous_commit'), pg_backend_pid()"
)
_WEAK_COMMITS: Final = frozenset({"off", "local", "remote_write"})


@dataclass(frozen=True, slots=True)
class Connector:
    """Connects to one ledger's database.

    ``wait_s`` is how long a block waits for its locks when not told otherwise.
    """

    address: Address
    wait_s: float

    def raw(self) -> Raw:
        """Connect; nothing is set and nothing was looked at yet.

        Raises:
            StoreUnavailableError: The server cannot be reached or refuses this login.
        """
        try:
            conninfo = make_conninfo(self.address.conninfo, **_ALWAYS)
            return psycopg.connect(conninfo, autocommit=True)
        except psycopg.Error as error:
            state = ServerError(error.sqlstate)
            what = f"cannot connect to {self.address.shown}"
            if error.sqlstate is None:
                # What it says may quote the address, password and all.
                raise StoreUnavailableError(what) from None
            raise state.refusal(what) from None

    def session(self) -> Session:
        """Connect for blocks, or for a hold.

        Raises:
            StoreUnavailableError: The server cannot be reached, failed, is not the
                primary, or is reached through a pooler of transactions.
            LedgerFormatError: The server does not keep what it has committed.
        """
        session = Session(self.raw(), STATEMENT_LIMIT_S)
        try:
            self._prepare(session)
        except ServerError as error:
            session.close()
            raise error.refusal("the connection is of no use") from error
        except BaseException:
            session.close()
            raise
        return session

    def _prepare(self, session: Session) -> None:
        """Set what every session has, and refuse a server that is not fit."""
        settings = self._settings()
        batch: list[Statement] = [(_SET, pair) for pair in settings]
        answers = session.run([*batch, (_LOOK, ())])
        standby, fsync, full_pages, encoding, commits, pid = answers[-1].rows[0]
        if standby:
            raise StoreUnavailableError("the server is a standby, not the primary")
        if pid != session.backend_pid:
            raise StoreUnavailableError(
                "the server is behind a pooler that lends connections by transaction:"
                " connect to it directly, or let the pooler lend them by session"
            )
        if (fsync, full_pages) != ("on", "on"):
            raise LedgerFormatError(
                "the server does not keep what is committed: fsync and"
                " full_page_writes must be on"
            )
        if encoding != "UTF8":
            raise LedgerFormatError("the database has another encoding than UTF8")
        if commits in _WEAK_COMMITS:
            session.one(_SET, "synchronous_commit", "on")
        with suppress(ServerError):
            # Not every server can: it then learns later of a client that is gone.
            session.one(_SET, "client_connection_check_interval", "2s")

    def _settings(self) -> tuple[tuple[str, str], ...]:
        return (
            ("search_path", SEARCH_PATH.format(schema=quoted(self.address.schema))),
            (VERSION_SETTING, str(SCHEMA_VERSION)),
            ("lock_timeout", timeout_text(self.wait_s)),
            ("statement_timeout", timeout_text(STATEMENT_LIMIT_S)),
            ("idle_in_transaction_session_timeout", "60s"),
            ("idle_session_timeout", "0"),
            ("standard_conforming_strings", "on"),
            ("tcp_keepalives_idle", "15"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            # Nor is one waited for longer whose last answer was not acknowledged.
            ("tcp_user_timeout", "30s"),
            # Every table is asked by its keys, however few rows it has today.
            ("enable_seqscan", "off"),
            ("plan_cache_mode", "force_generic_plan"),
        )
