"""Burr: an application of N actions and its SQLite persister, as shipped or WAL."""

from __future__ import annotations

import itertools

from burr.core import (  # type: ignore[import-not-found]  # an environment of its own
    ApplicationBuilder,
    State,
    action,
)
from burr.core.persistence import (  # type: ignore[import-not-found]  # as above
    SQLitePersister,
)

from benchmarks.peers.peer_clock import PARAMETERS, drive, order, trivial

asked = order()
path = f"{asked.place}/burr.db"
numbers = itertools.count()
names = [f"step{number}" for number in range(asked.steps)]


def persister() -> SQLitePersister:
    """Open the database, for one caller."""
    kept = {"timeout": 60, "check_same_thread": False}
    opened = SQLitePersister(db_path=path, connect_kwargs=kept)
    if asked.variant == "wal":
        opened.connection.execute("PRAGMA journal_mode=WAL")
        opened.connection.execute("PRAGMA synchronous=FULL")
    opened.initialize()
    return opened


@action(reads=["parameters"], writes=["total"])  # type: ignore[untyped-decorator]
def step(state: State) -> State:
    """Do the work of one step."""
    return state.update(**trivial(state["parameters"]))


class Caller:
    """One caller's connection, made in the thread that uses it."""

    opened: SQLitePersister | None = None

    def run(self) -> None:
        """Build an application and run it to its end."""
        mine = self.opened or persister()
        self.opened = mine
        built = (
            ApplicationBuilder()
            .with_actions(**dict.fromkeys(names, step))
            .with_transitions(*itertools.pairwise(names))
            .with_entrypoint(names[0])
            .with_state(parameters=PARAMETERS, total=0)
            .with_identifiers(app_id=str(next(numbers)))
            .with_state_persister(mine)
            .build()
        )
        built.run(halt_after=[names[-1]])


callers = [Caller() for _ in range(asked.callers)]
drive(asked, lambda caller: callers[caller].run())
