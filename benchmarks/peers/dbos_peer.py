"""DBOS: a workflow of N steps; on SQLite as shipped or with WAL, or on PostgreSQL."""

from __future__ import annotations

import sqlite3

from dbos import DBOS  # type: ignore[import-not-found]  # in an environment of its own

from benchmarks.peers.peer_clock import PARAMETERS, drive, order, trivial

asked = order()
url = asked.place
if asked.variant != "postgres":
    path = f"{asked.place}/dbos.db"
    url = f"sqlite:///{path}"
    if asked.variant == "wal":
        sqlite3.connect(path).execute("PRAGMA journal_mode=WAL").close()

DBOS(
    config={
        "name": "peer",
        "system_database_url": url,
        "log_level": "ERROR",
        "console_log_level": "ERROR",
    }
)


@DBOS.step()  # type: ignore[untyped-decorator]
def step(parameters: dict[str, int]) -> dict[str, int]:
    """Do the work of one step."""
    return trivial(parameters)


@DBOS.workflow()  # type: ignore[untyped-decorator]
def plan(steps: int) -> list[dict[str, int]]:
    """Do them all."""
    return [step(PARAMETERS) for _ in range(steps)]


DBOS.launch()
drive(asked, lambda _caller: plan(asked.steps))
DBOS.destroy()
