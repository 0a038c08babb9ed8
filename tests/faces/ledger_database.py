"""A database for the command line: a ledger in it, and a login for each role."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from tests.faces.cli_runner import document, run
from tests.postgres_server import PostgresServer

__all__ = ["WORDS", "Database"]

WORDS: Final = ("owner", "issuer", "executor", "auditor")


@dataclass(frozen=True, slots=True)
class Database:
    """A database, and a login for each role that a ledger in it will have."""

    server: PostgresServer
    name: str

    def url(self, word: str = "postgres") -> str:
        """The address of the ledger for a login, without its password."""
        user = word if word == "postgres" else f"{self.name}_{word}_login"
        folder = quote(str(self.server.folder), safe="")
        return f"postgresql://{user}@/{self.name}?host={folder}"

    def create(self, *more: str) -> str:
        """Create the ledger with its roles and logins; give its id."""
        made = run(
            "store",
            "create",
            "--store",
            self.url(),
            "--roles",
            self.name,
            *more,
            "--json",
        )
        assert made.code == 0, made.err
        for word in WORDS:
            self.server.login(f"{self.name}_{word}_login", f"{self.name}_{word}")
        found = document(made)["ledger_id"]
        assert isinstance(found, str)
        return found
