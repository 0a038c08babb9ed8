"""Revocations against starts, in threads and in processes (AUT-1.3; promise P4).

A few races in each; the large campaign is elsewhere. What is checked is not luck:
every start says, under its lock, how long the ledger was, and so does the stop. A
start that stands after the stop, or a limit that is exceeded by one, is a fault in
any number of tries.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Semaphore, Thread

import pytest

from tests.oracles.token_world import World, grant, named_key, try_start
from tokens.authority import TokenAuthority
from tokens.registry import TokenRegistry
from tokens.state.collections import USAGE
from tokens.state.selector import Selector

Stop = Callable[[TokenAuthority, str], object]

STOPS: dict[str, Stop] = {
    "token": lambda a, h: a.revoke_token(h, "r", "admin"),
    "user": lambda a, _: a.revoke(Selector.user("alice"), "r", "admin"),
    "issuer": lambda a, _: a.revoke(Selector.issuer("security_admin"), "r", "admin"),
    "key": lambda a, _: a.revoke(Selector.key(named_key("issue").kid), "r", "admin"),
    "all": lambda a, _: a.revoke(Selector.everything(), "r", "admin"),
    "pause": lambda a, _: a.pause("r", "admin"),
    "compromise": lambda a, _: a.set_key_state(named_key("issue").kid, "compromised"),
}


@pytest.mark.parametrize("stop", STOPS)
def test_no_start_stands_after_a_stop_returned(tmp_path: Path, stop: str) -> None:
    """Four threads start as fast as they can while a fifth one stops them."""
    world = World(tmp_path / "s.db")
    token = grant(max_invocations=100_000, max_total_tokens=100_000_000)
    issued = world.issue(token)
    stopped: list[bool] = []
    late: list[str] = []
    progress = Semaphore(0)

    def starter() -> None:
        for _ in range(2000):
            was_stopped = bool(stopped)
            answer = try_start(world.registry, issued.token_hash)
            if answer == "ok" and was_stopped:
                late.append(answer)
            progress.release()
            if answer != "ok":
                return

    threads = [Thread(target=starter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        progress.acquire()
    STOPS[stop](world.authority, issued.token_hash)
    stopped.append(True)
    for thread in threads:
        thread.join()

    with world.store.read() as tx:
        assert 20 <= int(tx.scan(USAGE)[0]["invocations"] or 0) < 8000
    assert late == []
    assert world.start(issued.token_hash) != "ok"
    world.close()


@pytest.mark.parametrize("limit", [7, 40])
def test_threads_never_exceed_a_limit_by_one(tmp_path: Path, limit: int) -> None:
    """AUT-7.3; rules 2C.1."""
    world = World(tmp_path / "s.db")
    issued = world.issue(
        grant(
            max_invocations=limit,
            max_total_tokens=10**7,
            max_frequency="1000 per 1 second",
        )
    )
    answers: list[str] = []

    def starter() -> None:
        registry = TokenRegistry(world.store)
        answers.extend(try_start(registry, issued.token_hash) for _ in range(limit))

    threads = [Thread(target=starter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers.count("ok") == limit
    assert set(answers) == {"ok", "max_invocations"}
    world.close()


CHILD = """
import sys
from audit.store.opening import open_store
from tests.oracles.token_world import START_US, try_start
from tokens.registry import TokenRegistry

registry = TokenRegistry(open_store(sys.argv[1], clock=lambda: START_US))
print("ready", flush=True)
answer = "ok"
for _ in range(5000):
    answer = try_start(registry, sys.argv[2])
    if answer != "ok":
        break
    with registry.store.read() as tx:
        print(tx.head().size, flush=True)
print(answer, flush=True)
"""


def test_no_start_of_another_process_stands_after_a_stop(tmp_path: Path) -> None:
    """The other process reads the same file, and has everything remembered."""
    world = World(tmp_path / "s.db")
    issued = world.issue(grant(max_invocations=100_000, max_total_tokens=10**8))
    command = [sys.executable, "-c", CHILD, world.url, issued.token_hash]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        assert child.stdout.readline() != ""

        world.authority.revoke(Selector.user("alice"), "left", "admin")
        with world.store.read() as tx:
            usage_then = tx.scan(USAGE)[0]["invocations"]
        rest = child.stdout.read().split()

    with world.store.read() as tx:
        assert tx.scan(USAGE)[0]["invocations"] == usage_then
    assert rest[-1] == "revoked"
    world.close()
