"""The filter where it counts: installed in a process, which then steps out."""

from __future__ import annotations

import signal
from typing import Final

import pytest

from stage3.isolation.process.syscalls import machine
from tests.unit.isolation_process.locked_child import HAS_SECCOMP, USERS, python

pytestmark = pytest.mark.skipif(
    not HAS_SECCOMP, reason="this kernel lists no seccomp filter that kills"
)

SAID: Final = b"before"

FORBIDDEN: Final = {
    "open": "os.open('/', 0)",
    "stat": "os.stat('/')",
    "access": "os.access('/', 0)",
    "getcwd": "os.getcwd()",
    "write to another descriptor": "os.write(2, b'x')",
    "read from another descriptor": "os.read(0, 1)",
    "close": "os.close(1)",
    "dup": "os.dup(1)",
    "pipe": "os.pipe()",
    "memfd": "os.memfd_create('x')",
    "socket": "socket.socket()",
    "socketpair": "socket.socketpair()",
    "send on a socket": "libc.send(1, b'x', 1, 0)",
    "sendmsg": "libc.sendmsg(1, b'x' * 64, 0)",
    "fork": "os.fork()",
    "fork of the C library": "libc.fork()",
    "exec": "os.execv('/bin/true', ['true'])",
    "subprocess": "subprocess.run(['/bin/true'])",
    "thread": "threading.Thread(target=int).start()",
    "kill of the parent": "os.kill(os.getpid(), 0)",
    "signal handler": "signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
    "alarm": "signal.alarm(1)",
    "getppid": "os.getppid()",
    "getuid": "os.getuid()",
    "uname": "os.uname()",
    "random bytes": "os.urandom(1)",
    "sleep": "time.sleep(0)",
    "clock_settime": "libc.clock_settime(0, b'\\0' * 16)",
    "prctl": "libc.prctl(4, 1, 0, 0, 0)",
    "ptrace": "libc.ptrace(0, 0, 0, 0)",
    "setrlimit": "resource.getrlimit(resource.RLIMIT_AS)",
    "a second filter": "lock()",
    "unshare": "libc.unshare(0)",
    "ioctl": "libc.ioctl(1, 0x5401, 0)",
    "executable mapping": "libc.mmap(None, 4096, 7, 34, -1, 0)",
    "executable protection": "libc.mprotect(page, 4096, 5)",
    "poisoned memory": "libc.madvise(page, 4096, 100)",
    "the last number there is": "libc.syscall(0xFFFFFFFF)",
    "x32 numbering": "libc.syscall(0x40000000 + 39)",
    "landlock": "kernel.landlock_abi()",
}

BENIGN: Final = {
    "numbers": "str(3 ** 5000); decimal.Decimal(2).sqrt()",
    "text": "re.sub('a+', 'b', 'aaa' * 1000)",
    "digests": "hashlib.sha256(bytes(10_000_000)).digest()",
    "memory that comes and goes": "[bytes(size) for size in (1, 10**5, 5 * 10**7)]",
    "growing blocks": "b = bytearray()\nfor _ in range(200): b += bytes(10**5)",
    "100,000 dictionaries": "[{'a': n} for n in range(100_000)]; gc.collect()",
    "clocks": "time.time(); time.monotonic(); time.perf_counter(); time.localtime()",
    "own ids": "os.getpid(); threading.get_native_id(); libc.syscall(39)",
    "exceptions": "try: 1 / 0\nexcept ZeroDivisionError: pass",
    "locks": "threading.RLock().acquire(); threading.Condition()",
    "deep recursion": "def f(): f()\ntry: f()\nexcept RecursionError: pass",
    "json": "json.loads(json.dumps({'a': [1, 2.5, None]}))",
    "plain memory": "libc.mprotect(page, 4096, 3)",
}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", FORBIDDEN)
def test_stepping_out_kills_at_once(name: str, user: str) -> None:
    """BOX-1.3 to BOX-1.5, BOX-1.7: no error that could be swallowed, no word after."""
    code = f"""
page = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(mmap.mmap(-1, 4096))))
lock()
os.write(1, {SAID!r})
try:
    {FORBIDDEN[name]}
except BaseException:
    pass
os.write(1, b'after')
"""
    ended = python(code, user=user)
    assert (ended.returncode, ended.stdout) == (-signal.SIGSYS, SAID), ended.stderr


@pytest.mark.parametrize("name", BENIGN)
def test_ordinary_computation_goes_on(name: str) -> None:
    """BOX-1.6."""
    if name == "own ids" and machine() != "x86_64":
        pytest.skip("the number is of another machine")
    code = f"""
page = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(mmap.mmap(-1, 4096))))
time.localtime()
lock()
{BENIGN[name]}
os.write(1, {SAID!r})
os._exit(7)
"""
    ended = python(code)
    assert (ended.returncode, ended.stdout) == (7, SAID), ended.stderr


@pytest.mark.parametrize("user", USERS)
def test_limits_are_set_behind_the_first_filter_only(user: str) -> None:
    """BOX-1.20."""
    code = f"""
machine, low = syscalls.machine(), kernel.Rlimits(cpu_s=1)
both = bpf.filter_program(machine, reply_fd=1), bpf.closing_program(machine)
first, second = map(kernel.filter_installer, both)
kernel.no_new_privs()
first()
kernel.limit_resources(low)
os.write(1, {SAID!r} if resource.getrlimit(resource.RLIMIT_CPU)[0] == 1 else b'no')
second()
os.write(1, {SAID!r})
kernel.limit_resources(low)
os.write(1, b'after')
"""
    ended = python(code, user=user)
    assert (ended.returncode, ended.stdout) == (-signal.SIGSYS, 2 * SAID), ended.stderr


@pytest.mark.skipif(machine() != "x86_64", reason="int 0x80 is of x86")
def test_calls_in_the_numbering_of_32_bits_kill() -> None:
    """BOX-1.3: 1 is ``write`` for x86_64 and ``exit`` for i386."""
    code = f"""
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex("b801000000bb00000000cd80c3"))  # exit(0), the 32-bit way
step_out = ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
lock()
os.write(1, {SAID!r})
step_out()
"""
    ended = python(code)
    # SIGSEGV where the kernel has no 32-bit calls at all.
    assert ended.returncode in {-signal.SIGSYS, -signal.SIGSEGV}, ended.stderr
    assert ended.stdout == SAID


def test_the_whole_process_dies_not_the_thread() -> None:
    """BOX-1.7: also when only one of several threads is locked in."""
    code = """
thread = threading.Thread(target=lambda: (lock(), os.getppid()))
thread.start()
thread.join(30)
os.write(1, b'survived')
"""
    ended = python(code)
    assert (ended.returncode, ended.stdout) == (-signal.SIGSYS, b"")


def test_the_reply_descriptor_may_be_any() -> None:
    """BOX-1.4."""
    code = """
ours, theirs = socket.socketpair()
os.dup2(theirs.fileno(), 77)
if os.fork() == 0:
    lock(77)
    frames.send_frame(77, os.read(77, 5)[::-1])
    os._exit(0)
ours.sendall(b'hello')
time.sleep(0)
now = time.monotonic_ns
reader = frames.FrameReader(100, frames.Deadline(now() + 20 * 10**9, now))
got = reader.read(ours)
os.write(1, got)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    ended = python(code)
    assert (ended.returncode, ended.stdout) == (0, b"olleh"), ended.stderr
