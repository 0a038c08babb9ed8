"""The server that the other tests of this folder stand on."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest

from tests.architecture.source_tree import ROOT
from tests.postgres_server import PostgresServer


def test_a_killed_server_comes_back_with_what_was_committed(
    own_postgres: PostgresServer,
) -> None:
    own_postgres.execute("CREATE TABLE kept AS SELECT 1 AS one")
    own_postgres.kill()
    assert not own_postgres.running
    with pytest.raises(psycopg.OperationalError):
        own_postgres.execute("SELECT 1")
    own_postgres.start()
    assert own_postgres.execute("SELECT one FROM kept") == [(1,)]


def test_nothing_of_a_server_is_left_behind(own_postgres: PostgresServer) -> None:
    process = own_postgres.pid
    own_postgres.dispose()
    assert not own_postgres.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


STARTED_AND_FORGOTTEN = """
import os
from tests.architecture.source_tree import ROOT
from tests.postgres_server import PostgresServer
server = PostgresServer.create()
server.start()
print(server.pid, server.folder, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_server_does_not_outlive_tests_that_were_killed(
    postgres: PostgresServer,
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", STARTED_AND_FORGOTTEN],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    process, folder = killed.stdout.split()
    assert postgres.pid != int(process)
    patience = threading.Event()
    for _ in range(1000):
        if not Path(folder).exists():
            break
        patience.wait(0.02)
    assert not Path(folder).exists()


def test_a_login_needs_its_password(
    postgres: PostgresServer, postgres_database: str
) -> None:
    name = postgres.login(f"{postgres_database}_login")
    try:
        with psycopg.connect(postgres.url(postgres_database, user=name)) as session:
            assert session.execute("SELECT current_user").fetchone() == (name,)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"{postgres.url(postgres_database, user=name)}&password=no")
    finally:
        postgres.execute(f"DROP ROLE {name}")
