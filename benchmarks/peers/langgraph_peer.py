"""LangGraph: a chain of N nodes, SqliteSaver, ``durability="sync"``."""

from __future__ import annotations

import itertools
import sqlite3
from typing import TypedDict

from langgraph.checkpoint.sqlite import (  # type: ignore[import-not-found]  # an environment of its own
    SqliteSaver,
)
from langgraph.graph import (  # type: ignore[import-not-found]  # as above
    END,
    START,
    StateGraph,
)

from benchmarks.peers.peer_clock import PARAMETERS, drive, order, trivial

asked = order()


class State(TypedDict):
    """What goes from node to node."""

    parameters: dict[str, int]
    total: int


def node(state: State) -> dict[str, int]:
    """Do the work of one step."""
    return trivial(state["parameters"])


graph = StateGraph(State)
names = [f"step{number}" for number in range(asked.steps)]
for name in names:
    graph.add_node(name, node)
for before, after in itertools.pairwise([START, *names, END]):
    graph.add_edge(before, after)

connection = sqlite3.connect(f"{asked.place}/langgraph.db", check_same_thread=False)
connection.execute("PRAGMA synchronous=FULL")
application = graph.compile(checkpointer=SqliteSaver(connection))
numbers = itertools.count()


def run(_caller: int) -> None:
    """Run one plan as a thread of its own."""
    application.invoke(
        {"parameters": PARAMETERS, "total": 0},
        {"configurable": {"thread_id": str(next(numbers))}, "recursion_limit": 1_000},
        durability="sync",
    )


drive(asked, run)
