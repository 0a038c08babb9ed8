"""Stage-3 itself, in a process like the others."""

from __future__ import annotations

from benchmarks.peers.peer_clock import drive, order
from benchmarks.world import World

asked = order()
url = asked.place if "//" in asked.place else f"sqlite:///{asked.place}/stage3.db"
world = World(url, asked.callers)
drive(asked, lambda caller: world.run(asked.steps, caller))
world.close()
