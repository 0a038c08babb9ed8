"""Attacks on what is outside the interpreter: files, network, processes, threads."""

from __future__ import annotations

from typing import Final

from tests.attacks.verdicts import Attack, Expected, Verdict

__all__ = ["OUTSIDE_ATTACKS"]

STOPPED: Final[Expected] = (((3, 11), Verdict.STOPPED),)
LATE: Final[Expected] = (((3, 11), Verdict.LATE),)
REFUSED: Final[Expected] = (((3, 11), Verdict.REFUSED),)
HARMLESS: Final[Expected] = (((3, 11), Verdict.HARMLESS),)
MISSED: Final[Expected] = (((3, 11), Verdict.MISSED),)
DIES: Final[Expected] = (((3, 11), Verdict.DIES),)
HANGS: Final[Expected] = (((3, 11), Verdict.HANGS),)

THREADS: Final[Expected] = (((3, 11), Verdict.MISSED), ((3, 12), Verdict.STOPPED))
THREADS_LEFT: Final[Expected] = (((3, 11), Verdict.LATE), ((3, 12), Verdict.STOPPED))


def _attacks(
    group: str, *rows: tuple[str, str, Expected, Expected]
) -> tuple[Attack, ...]:
    return tuple(Attack(name, group, *rest) for name, *rest in rows)


OUTSIDE_ATTACKS: Final[tuple[Attack, ...]] = (
    *_attacks(
        "files",
        (
            "read a file",
            """
def attack():
    reached.append(open(SECRET_FILE).read())
""",
            STOPPED,
            STOPPED,
        ),
        (
            "write a file",
            """
def attack():
    with open(FOLDER + "/new", "w") as file:
        file.write("was here")

def effect():
    import os
    return os.path.exists(FOLDER + "/new")
""",
            STOPPED,
            STOPPED,
        ),
        (
            "open by the system call's wrapper",
            """
def attack():
    import os
    reached.append(os.open(SECRET_FILE, os.O_RDONLY))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "read through pathlib",
            """
def attack():
    import pathlib
    reached.append(pathlib.Path(SECRET_FILE).read_text())
""",
            STOPPED,
            STOPPED,
        ),
        (
            "open by file descriptor",
            """
def attack():
    reached.append(open(LEDGER_FD, 'rb', closefd=False).read())
""",
            STOPPED,
            STOPPED,
        ),
        (
            "read a line through a syntax error",
            """
def attack():
    try:
        compile("(", SECRET_FILE, "exec")
    except SyntaxError as error:
        if error.text and SECRET in error.text:
            reached.append(error.text)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "list a folder",
            """
def attack():
    import os
    reached.append(os.listdir(FOLDER))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "glob a folder",
            """
def attack():
    import glob
    reached.append(glob.glob(FOLDER + '/*'))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "remove a file",
            """
def attack():
    import os
    os.remove(SECRET_FILE)
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "rename a file",
            """
def attack():
    import os
    os.rename(SECRET_FILE, SECRET_FILE + '.old')
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "change a file's mode",
            """
def attack():
    import os
    os.chmod(SECRET_FILE, 0o777)
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "remove a tree",
            """
def attack():
    import shutil
    shutil.rmtree(FOLDER)
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "make a temporary file",
            """
def attack():
    import tempfile
    reached.append(tempfile.mkstemp(dir=FOLDER))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "change the working folder",
            """
def attack():
    import os
    os.chdir('/')
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "open the ledger with sqlite3",
            """
def attack():
    import sqlite3
    reached.append(sqlite3.connect(LEDGER))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "attach a database to an open connection",
            """
def attack():
    reached.append(CONNECTION.execute('attach database ? as more', (FOLDER + '/more',)))
""",
            MISSED,
            MISSED,
        ),
        (
            "ask whether a file exists",
            """
def attack():
    import os
    reached.append(os.stat(SECRET_FILE).st_size)
""",
            MISSED,
            MISSED,
        ),
        (
            "make a named pipe",
            """
def attack():
    import os
    os.mkfifo(FOLDER + '/pipe')
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
        (
            "make a file in memory",
            """
def attack():
    import os
    reached.append(os.memfd_create('hidden'))
""",
            MISSED,
            MISSED,
        ),
    ),
    *_attacks(
        "open descriptors",
        (
            "write to the ledger's descriptor",
            """
def attack():
    import os
    os.write(LEDGER_FD, b"forged")

def effect():
    return open(LEDGER, "rb").read().startswith(b"forged")
""",
            MISSED,
            MISSED,
        ),
        (
            "read from the ledger's descriptor",
            """
def attack():
    import os
    reached.append(os.read(LEDGER_FD, 10))
""",
            MISSED,
            MISSED,
        ),
        (
            "close the ledger's descriptor",
            """
def attack():
    import os
    os.close(LEDGER_FD)
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
        (
            "map the ledger into memory",
            """
def attack():
    import mmap
    reached.append(mmap.mmap(LEDGER_FD, 0))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "write to standard output",
            """
def attack():
    import os
    reached.append(os.write(1, b'hello'))
""",
            MISSED,
            MISSED,
        ),
        (
            "print",
            """
def attack():
    print('hello', flush=True)
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
        (
            "change a descriptor's flags",
            """
def attack():
    import fcntl
    reached.append(fcntl.fcntl(LEDGER_FD, fcntl.F_GETFD))
""",
            STOPPED,
            STOPPED,
        ),
    ),
    *_attacks(
        "network",
        (
            "connect a socket",
            """
def attack():
    import socket
    reached.append(socket.create_connection(('127.0.0.1', 9), 0.1))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "make a socket",
            """
def attack():
    import socket
    reached.append(socket.socket())
""",
            STOPPED,
            STOPPED,
        ),
        (
            "resolve a name",
            """
def attack():
    import socket
    reached.append(socket.getaddrinfo('localhost', 80))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "fetch a URL",
            """
def attack():
    import urllib.request
    reached.append(urllib.request.urlopen('http://127.0.0.1:9/'))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "run an asyncio loop",
            """
def attack():
    import asyncio
    async def main():
        return 1
    work = main()
    try:
        reached.append(asyncio.run(work))
    finally:
        work.close()
""",
            STOPPED,
            STOPPED,
        ),
    ),
    *_attacks(
        "processes",
        (
            "subprocess.run",
            """
def attack():
    import subprocess
    reached.append(subprocess.run(['true']))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "os.system",
            """
def attack():
    import os
    reached.append(os.system('true') == 0)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "os.posix_spawn",
            """
def attack():
    import os
    reached.append(os.posix_spawn('/bin/true', ['true'], {}))
""",
            STOPPED,
            STOPPED,
        ),
        (
            "os.fork",
            """
def attack():
    import os
    child = os.fork()
    if child == 0:
        os._exit(0)
    reached.append(child)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "os.execv",
            """
def attack():
    import os
    os.execv('/bin/true', ['true'])
""",
            STOPPED,
            STOPPED,
        ),
        (
            "multiprocessing",
            """
def attack():
    import multiprocessing
    child = multiprocessing.Process(target=print)
    child.start()
    reached.append(child)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "the private function behind subprocess",
            """
def attack():
    import _posixsubprocess, os, sys
    end, other = os.pipe()
    args = [[b"true"], [b"/bin/true"], True, (other,), None, None]
    args += [-1, -1, -1, -1, -1, -1, end, other, True, False]
    args += [0] if sys.version_info < (3, 12) else [-1]
    args += [None, None, None, -1, None]
    args += [False] if sys.version_info < (3, 14) else []
    reached.append(fork_exec(_posixsubprocess.fork_exec, args))

def fork_exec(function, args):
    return function(*args)
""",
            MISSED,
            MISSED,
        ),
        (
            "os._exit",
            """
def attack():
    import os
    os._exit(0)
""",
            DIES,
            DIES,
        ),
        (
            "os.abort",
            """
def attack():
    import os
    os.abort()
""",
            DIES,
            DIES,
        ),
        (
            "signal another process",
            """
def attack():
    import os
    os.kill(os.getppid(), 0)
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "signal itself",
            """
def attack():
    import signal
    signal.raise_signal(signal.SIGTERM)
""",
            DIES,
            DIES,
        ),
        (
            "set an alarm",
            """
def attack():
    import signal
    signal.alarm(1000)
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
        (
            "start a debugger",
            """
def attack():
    breakpoint()
    reached.append(True)
""",
            STOPPED,
            STOPPED,
        ),
        (
            "ask the terminal",
            """
def attack():
    reached.append(input())
""",
            STOPPED,
            STOPPED,
        ),
        (
            "a new interpreter",
            """
def attack():
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    reached.append(interpreters.create())
""",
            STOPPED,
            STOPPED,
        ),
    ),
    *_attacks(
        "threads",
        (
            "a thread that stays",
            """
def attack():
    import threading
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    reached.append(True)
""",
            THREADS_LEFT,
            THREADS_LEFT,
        ),
        (
            "a thread that ends at once",
            """
def attack():
    import _thread
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(done.release, ())
    done.acquire()
    import time
    while _thread._count():
        time.monotonic()
    reached.append(True)
""",
            THREADS,
            THREADS,
        ),
        (
            "a timer",
            """
def attack():
    import threading
    timer = threading.Timer(1000, print)
    timer.daemon = True
    timer.start()
    reached.append(True)
""",
            THREADS_LEFT,
            THREADS_LEFT,
        ),
        (
            "a thread pool",
            """
def attack():
    import concurrent.futures
    pool = concurrent.futures.ThreadPoolExecutor(1)
    reached.append(pool.submit(int).result())
""",
            THREADS_LEFT,
            THREADS_LEFT,
        ),
        (
            "a thread of C",
            """
def attack():
    import faulthandler
    faulthandler.dump_traceback_later(1000, file=1)
    reached.append(True)
""",
            MISSED,
            MISSED,
        ),
    ),
)
