"""Two executors in two network namespaces and one PostgreSQL.

PGS-8.1 to PGS-8.3, EXE-7.3, EXE-7.4. Nothing but the server connects them: one
that is killed is closed by the other, without a heartbeat or a timer of ours; one that
is cut off while it lives can neither append nor return a result.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import subprocess
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from audit.log import AuditEventLog
from audit.store.postgres.address import address_of
from audit.store.postgres.connecting import Connector
from stage3.recovery import recover
from tests.crash.crash_driver import CrashProcess, read_notes
from tests.crash.crash_judge import events_in
from tests.crash.test_postgres_kill_of_the_server import own_server
from tests.crash.wired_child import Child
from tests.crash.wired_scene import WiredScene, wired_scene
from tests.oracles.fast_folder import fast_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres_server import PostgresServer

INTERRUPTED = {"success": False, "code": "INTERRUPTED", "results": None}
_PORT = 54_329
_MOST_RECOVERIES = 2_000


def ran(*command: str) -> bool:
    """Run a command; False where it cannot be, or may not."""
    found = shutil.which(command[0])
    if found is None:
        return False
    done = subprocess.run([found, *command[1:]], check=False, capture_output=True)
    return done.returncode == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    with fast_folder() as made:
        yield made


def await_closing(process: CrashProcess, child: Child, notes: Path, url: str) -> None:
    """Let the other executor recover until the server knows that the child is gone."""
    job = child.job(scenario="recover", url=url, notes=str(notes))
    told: list[object] = []
    while [child.execution_id] not in told:
        assert len(told) < _MOST_RECOVERIES
        assert process.run(job) == 0
        told = read_notes(notes).told


# By a socket, which networks do not part ------------------------------


@pytest.fixture(scope="module")
def scene(postgres: PostgresServer) -> Iterator[WiredScene]:
    with wired_scene(postgres) as made:
        yield made


@pytest.fixture(scope="module")
def two_networks() -> Iterator[tuple[CrashProcess, CrashProcess]]:
    """A process of children in each of two networks in which nothing else is."""
    if not ran("unshare", "-n", "true"):
        pytest.skip("no network namespace can be made here")
    with CrashProcess("unshare", "-n") as one, CrashProcess("unshare", "-n") as other:
        yield one, other


def test_a_plan_killed_in_one_network_is_closed_from_the_other(
    two_networks: tuple[CrashProcess, CrashProcess], scene: WiredScene, folder: Path
) -> None:
    process, other = two_networks
    child = Child.on(scene, folder)
    process.start(child.job(stand_still_at=1, url=scene.direct))

    os.kill(process.inside(), signal.SIGKILL)

    assert process.ended() == -signal.SIGKILL
    notes = folder / f"recovery after {child.seed}"
    await_closing(other, child, notes, scene.direct)
    child.judge_end(2)


def test_who_is_cut_off_in_one_network_is_closed_from_the_other(
    two_networks: tuple[CrashProcess, CrashProcess], scene: WiredScene, folder: Path
) -> None:
    process, other = two_networks
    child = Child.on(scene, folder)
    process.start(child.job(stand_still_at=1, url=scene.direct))
    process.inside()
    scene.terminate()
    notes = folder / f"recovery after {child.seed}"
    await_closing(other, child, notes, scene.direct)
    size = events_in(scene.store, child.execution_id)

    process.go_on()

    assert process.ended() == 0
    assert child.told.told == [INTERRUPTED]
    assert events_in(scene.store, child.execution_id) == size
    child.judge_end(2)


# By TCP, over links that can be cut ------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A network namespace at the end of a link, and the server's address there."""

    name: str
    link: str
    server: str

    def url(self, database: str, schema: str) -> str:
        """Give the address of a ledger as it is seen from here."""
        at = f"{self.server}:{_PORT}"
        return f"postgresql://postgres@{at}/{database}?schema={schema}"

    def turn(self, way: str) -> None:
        """Switch the link ``up`` or ``down``, at the server's end."""
        assert ran("ip", "link", "set", self.link, way)


@contextmanager
def place(number: int) -> Iterator[Place]:
    """Make a namespace with a link of its own to this one."""
    # Benchmarks' own addresses (RFC 2544): nobody is reached by them.
    net = ipaddress.ip_network(f"198.18.{os.getpid() % 250}.{4 * number}/30")
    ours, theirs = (str(each) for each in net.hosts())
    name = f"s3t{os.getpid() % 100_000}{number}"
    near, far = f"{name}a", f"{name}b"
    made = ran("ip", "netns", "add", name)
    try:
        is_there = (
            made
            and ran("ip", "link", "add", near, "type", "veth", "peer", "name", far)
            and ran("ip", "link", "set", far, "netns", name)
            and ran("ip", "address", "add", f"{ours}/30", "dev", near)
            and ran("ip", "link", "set", near, "up")
            and ran("ip", "-n", name, "address", "add", f"{theirs}/30", "dev", far)
            and ran("ip", "-n", name, "link", "set", far, "up")
        )
        if not is_there:
            pytest.skip("no network can be made here")
        yield Place(name, near, ours)
    finally:
        ran("ip", "link", "delete", near)
        if made:
            ran("ip", "netns", "delete", name)


@dataclass(frozen=True, slots=True)
class World:
    """A server, and two places from which it is reached."""

    scene: WiredScene
    places: tuple[Place, Place]
    processes: tuple[CrashProcess, CrashProcess]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with ExitStack() as stack:
        places = (stack.enter_context(place(0)), stack.enter_context(place(1)))
        server = stack.enter_context(own_server())
        addresses = ",".join(each.server for each in places)
        with (server.data / "postgresql.conf").open("a") as settings:
            settings.write(f"listen_addresses = '{addresses}'\nport = {_PORT}\n")
        with (server.data / "pg_hba.conf").open("a") as access:
            access.write("host all postgres 198.18.0.0/15 trust\n")
        server.start()
        # The superuser of the tests comes by the socket, wherever that is.
        socket = server.folder / ".s.PGSQL.5432"
        socket.symlink_to(server.folder / f".s.PGSQL.{_PORT}")
        scene = stack.enter_context(wired_scene(server))
        one, two = (
            stack.enter_context(CrashProcess("ip", "netns", "exec", each.name))
            for each in places
        )
        yield World(scene, places, (one, two))


def urls(world: World) -> tuple[str, str]:
    schema = world.scene.direct.rpartition("schema=")[2]
    one, two = (each.url(world.scene.database, schema) for each in world.places)
    return one, two


def test_a_plan_killed_on_one_machine_is_closed_from_another(
    world: World, folder: Path
) -> None:
    """Over TCP: the machine of the dead one tells the server that it is gone."""
    child = Child.on(world.scene, folder)
    here, there = urls(world)
    process, other = world.processes
    process.start(child.job(stand_still_at=1, url=here))

    os.kill(process.inside(), signal.SIGKILL)

    assert process.ended() == -signal.SIGKILL
    await_closing(other, child, folder / f"recovery after {child.seed}", there)
    child.judge_end(2)


@pytest.mark.parametrize("step", range(2))
def test_who_is_cut_off_on_one_machine_is_closed_from_another(
    world: World, folder: Path, step: int
) -> None:
    child = Child.on(world.scene, folder)
    here, there = urls(world)
    process, other = world.processes
    process.start(child.job(stand_still_at=step, url=here))
    process.inside()
    world.scene.terminate()
    await_closing(other, child, folder / f"recovery after {child.seed}", there)
    size = events_in(world.scene.store, child.execution_id)

    process.go_on()

    assert process.ended() == 0
    assert child.told.told == [INTERRUPTED]
    assert events_in(world.scene.store, child.execution_id) == size
    child.judge_end(step + 1)


def test_over_a_network_the_server_gives_up_who_does_not_answer(world: World) -> None:
    """PGS-8.3: by probes while nothing is under way, and by a limit while it is."""
    world.scene.next_point()
    names = [f"tcp_keepalives_{name}" for name in ("idle", "interval", "count")]
    shown = ", ".join(
        f"current_setting('{name}')" for name in (*names, "tcp_user_timeout")
    )
    connector = Connector(address_of(urls(world)[0]), 5.0)
    with closing(connector.session()) as session:
        assert session.one(f"SELECT {shown}").rows == [("15", "5", "3", "30000")]


@pytest.mark.nightly
def test_a_machine_whose_link_is_cut_is_taken_for_dead_and_comes_back_to_nothing(
    world: World, folder: Path
) -> None:
    """PGS-8.3: the server finds out by itself, after half a minute.

    Until then the plan is its owner's, and nobody closes it. The link is cut before the
    last answers were acknowledged, where a server's probes do not begin at all.
    """
    child = Child.on(world.scene, folder)
    here, there = urls(world)
    process, other = world.processes
    process.start(child.job(stand_still_at=1, url=here))
    process.inside()
    world.places[0].turn("down")
    try:
        assert recover(world.scene.store).closed == ()
        await_closing(other, child, folder / f"recovery after {child.seed}", there)
        size = events_in(world.scene.store, child.execution_id)
    finally:
        world.places[0].turn("up")
    process.go_on()

    assert process.ended() == 0
    assert child.told.told == [INTERRUPTED]
    assert events_in(world.scene.store, child.execution_id) == size
    child.judge_end(2)
    assert AuditEventLog(world.scene.store).verify()


@pytest.mark.nightly
def test_a_machine_that_comes_back_in_time_is_still_the_owner(
    world: World, folder: Path
) -> None:
    """A short interruption costs nothing but time: no session has ended."""
    child = Child.on(world.scene, folder)
    here, _ = urls(world)
    process, _ = world.processes
    process.start(child.job(stand_still_at=1, url=here))
    process.inside()
    world.places[0].turn("down")
    assert recover(world.scene.store).closed == ()
    world.places[0].turn("up")
    process.go_on()

    assert process.ended() == 0
    assert child.told.told[0]["success"] is True  # type: ignore[index]
    child.judge_end(4)
