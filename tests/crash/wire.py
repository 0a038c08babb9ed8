"""A wire to PostgreSQL that can be cut at every statement, in either direction.

It stands between a store and its server as a socket that speaks the protocol (version
3): it hands on message by message, makes each statement of a batch be answered before
the next one is handed on, and asks a watcher before and after each. So a statement can
be lost on its way, or be carried out without anybody hearing of it; a server can refuse
it, end the session, or be killed; and the process that asked can be killed.

What was committed is noted here, where it is true whatever the store was told.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import socket
import struct
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import quote

from tests.crash.wire_side import FULL_HOUSE, EndError, Side, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.crash.wire_side import Message
    from tests.postgres_server import PostgresServer

__all__ = ["COMMITTED", "Deed", "Moment", "Wire"]

COMMITTED = "commit"
"""The word of a commit that makes entries durable; others say what they are of."""

_CANCEL = 80_877_102
_FLUSH = b"H\0\0\0\4"
_PATIENCE_S = 60.0
_WORD_LENGTH = 44
_NUMBERED = re.compile(r"(?<=ledger)\d+|-?\d{6,}|[0-9a-f]{12,}")


class Deed(Enum):
    """What a watcher wants to happen; the statement goes on if it wants nothing."""

    CUT = auto()
    """Both ends are told that the other one is gone."""
    FULL = auto()
    """The server answers 53100 (disk full) in place of the statement."""
    DEADLOCK = auto()
    """The server answers 40P01 in place of the statement."""
    TERMINATE = auto()
    """The server ends the session (57P01), as for a shutdown."""
    KILL = auto()
    """The process that asks gets SIGKILL."""
    GONE = auto()
    """The watcher has killed the server: hand on what is left of it."""
    LATE = auto()
    """The asking side is told that the other is gone; the statement arrives later."""


_STATES = {Deed.FULL: "53100", Deed.DEADLOCK: "40P01"}


@dataclass(frozen=True, slots=True)
class Moment:
    """Before or after which statement, whose, and in which session."""

    when: Literal["before", "after"]
    word: str
    client: int
    backend: int

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.when} {self.word}"


class Wire:
    """Listens beside a server. One statement at a time is what it is made for.

    Attributes:
        moments: The names of all moments since ``watch`` was called.
        commits: The words of the commits that the server has carried out since.
        backends: The server's processes of the sessions there were.
        arrives: Set when what is late arrives.
    """

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.moments: list[str] = []
        self.commits: list[str] = []
        self.backends: set[int] = set()
        self.arrives = threading.Event()
        self._watcher: Callable[[Moment], Deed | None] | None = None
        self._mutex = threading.RLock()
        self._folder = Path(tempfile.mkdtemp(prefix="s3wire-"))
        self._folder.chmod(0o711)
        self._relays: list[_Relay] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self._folder / ".s.PGSQL.5432"))
        (self._folder / ".s.PGSQL.5432").chmod(0o777)
        self._listening.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database: str) -> str:
        """Give the address of a database at the end of this wire."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._folder))}"

    def watch(self, watcher: Callable[[Moment], Deed | None] | None) -> None:
        """Set who is asked from now on, counting afresh; None for nobody."""
        with self._mutex:
            self.moments, self.commits = [], []
            self._watcher = watcher

    def pass_by(self, moment: Moment) -> Deed | None:
        """Count a moment and ask."""
        with self._mutex:
            self.moments.append(moment.name)
            return None if self._watcher is None else self._watcher(moment)

    def committed(self, word: str) -> None:
        """Note what the server has made durable."""
        with self._mutex:
            self.commits.append(word)

    def wait(self) -> None:
        """Wait until nobody uses the wire."""
        for relay in [*self._relays]:
            relay.join(_PATIENCE_S)
            assert not relay.is_alive(), "a session is still on the wire"
        self._relays.clear()

    def close(self) -> None:
        """Listen no more."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                relay = _Relay(self, client)
                self._relays.append(relay)
                relay.start()


class _Relay(threading.Thread):
    """One session: hands on what both sides say, statement by statement."""

    def __init__(self, wire: Wire, client: socket.socket) -> None:
        super().__init__(daemon=True)
        size = struct.calcsize("3i")
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        self._wire = wire
        self._asking = struct.unpack("3i", credentials)[0]
        self._backend = 0
        self._client = Side(client)
        self._server = Side(socket.socket(socket.AF_UNIX))
        self._prepared: dict[bytes, str] = {}
        self._bound = ""
        self._words: list[str] = []
        self._skips = False
        self._is_late = False

    def run(self) -> None:
        """Hand on until one side is gone."""
        with suppress(EndError, OSError):
            if self._begin():
                self._hand_on()
        self._client.close()
        self._server.close()

    def _begin(self) -> bool:
        """Hand on what begins a session; False if it is the request to cancel one."""
        packet = self._client.packet()
        (code,) = struct.unpack("!i", packet[4:8])
        if code == _CANCEL:
            self._connect(packet)
            self._server.drain()
            return False
        deed = self._ask("before", "connect")
        if deed in _STATES:
            self._client.send([FULL_HOUSE])
            return False
        self._do(deed)
        self._connect(packet)
        reply = self._reply(b"ZE")
        for kind, raw in reply:
            if kind == b"K":
                (self._backend,) = struct.unpack("!i", raw[5:9])
                self._wire.backends.add(self._backend)
        self._do(self._ask("after", "connect"), reply)
        self._client.send(reply)
        return reply[-1][0] == b"Z"

    def _connect(self, packet: bytes) -> None:
        path = self._wire.server.folder / ".s.PGSQL.5432"
        self._server.socket.connect(str(path))
        self._server.socket.sendall(packet)

    def _hand_on(self) -> None:
        with selectors.DefaultSelector() as both:
            both.register(self._client.socket, selectors.EVENT_READ)
            both.register(self._server.socket, selectors.EVENT_READ)
            while True:
                for key, _ in both.select():
                    if key.fileobj is self._server.socket:
                        self._client.socket.sendall(self._server.raw())
                    else:
                        self._client.receive()
                        for message in self._client.messages():
                            self._message(message)

    def _message(self, message: Message) -> None:
        kind, raw = message
        if kind == b"P":
            name, _, rest = raw[5:].partition(b"\0")
            self._prepared[name] = rest.partition(b"\0")[0].decode()
        elif kind == b"B":
            name = raw[5:].partition(b"\0")[2].partition(b"\0")[0]
            self._bound = self._prepared.get(name, "")
        elif kind == b"S":
            self._skips = False
        if kind == b"Q":
            self._statement(raw, raw[5:-1].decode(), is_simple=True)
        elif kind == b"E" and not self._skips:
            self._statement(raw, self._bound, is_simple=False)
        else:
            self._server.socket.sendall(raw)

    def _statement(self, raw: bytes, sql: str, *, is_simple: bool) -> None:
        """Carry out one statement, and hear the answer before the next one."""
        word = self._word(sql)
        deed = self._ask("before", word)
        state = None if deed is None else _STATES.get(deed)
        if state is not None:
            reply = self._refused(state, is_simple=is_simple)
        else:
            if deed is Deed.LATE:
                self._is_late = True
                self._client.hang_up()
                self._wire.arrives.wait(_PATIENCE_S)
            else:
                self._do(deed)
            self._server.socket.sendall(raw if is_simple else raw + _FLUSH)
            reply = self._reply(b"Z" if is_simple else b"CIsE")
        kinds = [kind for kind, _ in reply]
        self._skips = not is_simple and b"E" in kinds
        if any(raw[5:] == b"COMMIT\0" for kind, raw in reply if kind == b"C"):
            self._wire.committed(word)
        if state is None:
            self._do(self._ask("after", word), reply)
        self._client.send(reply)

    def _word(self, sql: str) -> str:
        """Name a statement; a commit by what it commits."""
        plain = _NUMBERED.sub("", " ".join(sql.lower().split()))
        if plain.startswith("begin"):
            self._words = []
        elif plain == "commit":
            if any(word.startswith("insert into entry") for word in self._words):
                return COMMITTED
            return f"commit of {next(iter(self._words), 'nothing')}"[:_WORD_LENGTH]
        self._words.append(plain)
        return plain[:_WORD_LENGTH]

    def _refused(self, state: str, *, is_simple: bool) -> list[Message]:
        """Have the server refuse something instead; the client sees only that."""
        sql = b"DO $$ BEGIN RAISE 'on purpose' USING ERRCODE = '%s'; END $$\0"
        text = sql % state.encode()
        if is_simple:
            self._server.socket.sendall(message(b"Q", text))
            return self._reply(b"Z")
        parse = message(b"P", b"\0" + text + b"\0\0")
        bind = message(b"B", b"\0\0" + b"\0\0" * 3)
        execute = message(b"E", b"\0" + b"\0\0\0\0")
        self._server.socket.sendall(parse + bind + execute + _FLUSH)
        reply = self._reply(b"E")
        if [kind for kind, _ in reply[-3:-1]] == [b"1", b"2"]:
            del reply[-3:-1]
        return reply

    def _reply(self, last: bytes) -> list[Message]:
        """Read what the server says, up to a message of one of these types."""
        found: list[Message] = []
        with selectors.DefaultSelector() as both:
            if not self._is_late:
                both.register(self._client.socket, selectors.EVENT_READ)
            both.register(self._server.socket, selectors.EVENT_READ)
            while not found or found[-1][0] not in last:
                for key, _ in both.select():
                    if key.fileobj is self._client.socket:
                        self._client.receive()
                        continue
                    try:
                        self._server.receive()
                    except (EndError, OSError):
                        self._client.send([*found, *self._server.messages()])
                        raise
                    found += self._server.messages()
        return found

    def _ask(self, when: Literal["before", "after"], word: str) -> Deed | None:
        moment = Moment(when, word, self._asking, self._backend)
        return self._wire.pass_by(moment)

    def _do(self, deed: Deed | None, reply: list[Message] | None = None) -> None:
        """Do what ends a session here; return if nothing does.

        Raises:
            EndError: It is over.
        """
        if deed is None or deed in _STATES:
            return
        if deed is Deed.KILL:
            os.kill(self._asking, signal.SIGKILL)
            self._client.drain()
        elif deed in {Deed.TERMINATE, Deed.GONE} and self._backend:
            self._client.send(reply or [])
            if deed is Deed.TERMINATE:
                self._wire.server.execute(
                    f"SELECT pg_terminate_backend({self._backend}, 10000)"
                )
            with suppress(OSError):
                self._client.socket.sendall(self._server.drain())
        raise EndError
