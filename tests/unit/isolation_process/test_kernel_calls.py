"""The wrappers: what each changes in a process, and how refusals look."""

from __future__ import annotations

import errno
import os
import signal
from typing import Final

import pytest

from stage3.isolation.process import level
from tests.unit.isolation_process.locked_child import (
    HAS_LANDLOCK,
    HAS_USERS,
    USERS,
    python,
)

GRANTED: Final = level.probe()
NAMES: Final = GRANTED.namespaces or ("user",)
needs_landlock: Final = pytest.mark.skipif(
    not (GRANTED.landlock_abi or HAS_LANDLOCK), reason="this kernel grants no Landlock"
)
needs_users: Final = pytest.mark.skipif(
    not HAS_USERS, reason="this kernel grants no user namespaces"
)


def said(code: str, *, user: str = "this_user") -> str:
    ended = python(code, user=user)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.decode().strip()


@pytest.mark.parametrize("user", USERS)
def test_no_new_privs_and_the_dumpable_flag_are_set(user: str) -> None:
    """BOX-1.8."""
    code = """
def status(key):
    text = open('/proc/self/status').read()
    return re.search(rf'{key}:\\s*(\\S+)', text)[1]
before = status('NoNewPrivs'), libc.prctl(3, 0, 0, 0, 0)
kernel.no_new_privs(); kernel.not_dumpable()
print(*before, status('NoNewPrivs'), libc.prctl(3, 0, 0, 0, 0))
"""
    before, dumpable, after, not_dumpable = said(code, user=user).split()
    assert (after, not_dumpable) == ("1", "0")
    assert dumpable == "1"
    assert before in {"0", "1"}  # a container may have set it


@pytest.mark.parametrize("program", [b"", b"1234567", bytes(8 * 4097), b"\xff" * 8])
def test_what_is_no_program_is_refused(program: bytes) -> None:
    """BOX-1.8."""
    code = f"""
kernel.no_new_privs()
try: kernel.install_filter({program[:8]!r} * {max(1, len(program) // 8)})
except OSError as error: print(error.errno)
"""
    assert said(code) == str(errno.EINVAL)


def test_without_no_new_privs_an_unprivileged_filter_is_refused() -> None:
    """BOX-1.8."""
    code = """
if 'NoNewPrivs:\\t1' in open('/proc/self/status').read():
    print('13 1')
else:
    refused = []
    for attempt in (
        lambda: kernel.install_filter(bpf.filter_program('x86_64', reply_fd=1)),
        kernel.landlock_deny_all,
    ):
        try: attempt()
        except OSError as error: refused.append(error.errno)
    print(*refused)
"""
    refused = said(code, user="nobody").split()
    assert refused[0] == str(errno.EACCES)
    if GRANTED.landlock_abi:
        assert refused[1] == str(errno.EPERM)


@needs_landlock
@pytest.mark.parametrize("user", USERS)
def test_landlock_denies_files_network_and_signals(user: str) -> None:
    """BOX-1.10."""
    code = """
open_already = open('/proc/self/status')
listener = socket.create_server(('127.0.0.1', 0))
gate, opened = os.pipe()
other = os.fork()
if other == 0: os.close(opened), os.read(gate, 1), os._exit(0)
kernel.no_new_privs()
abi = kernel.landlock_abi()
kernel.landlock_deny_all()
attempts = {
    'read': lambda: open('/etc/passwd'),
    'list': lambda: os.listdir('/'),
    'create': lambda: open('/never', 'w'),
    'connect': lambda: socket.create_connection(listener.getsockname()),
    'bind': lambda: socket.create_server(('127.0.0.1', 0)),
    'signal': lambda: os.kill(other, 0),
}
for name, attempt in attempts.items():
    try: attempt()
    except PermissionError: print(name)
if abi < 4: print('connect bind')
if abi < 6: print('signal')
assert open_already.read()
os.kill(os.getpid(), 0)
os._exit(sys.stdout.flush() or 0)
"""
    denied = set(said(code, user=user).split())
    assert denied == {"read", "list", "create", "connect", "bind", "signal"}


@pytest.mark.parametrize("abi", [1, 2, 3, 4, 5, 6, 7, 99])
def test_landlock_asks_for_what_each_version_knows(abi: int) -> None:
    """BOX-1.10: bits a kernel does not know would be refused."""
    code = f"""
asked = []
def syscall(name, *values):
    if name == 'landlock_create_ruleset':
        asked.append([*(ctypes.c_uint64 * 3).from_address(values[0])])
        return os.dup(0)
    return 0
kernel._syscall, kernel.landlock_abi = syscall, lambda: {abi}
kernel.landlock_deny_all()
print(*[hex(value) for value in asked[0]])
"""
    files = 2 ** (13 + (abi >= 2) + (abi >= 3) + (abi >= 5)) - 1
    expected = (files, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    assert said(code) == " ".join(hex(value) for value in expected)


@needs_users
@pytest.mark.parametrize("user", USERS)
def test_namespaces_are_entered_with_the_same_ids(user: str) -> None:
    """BOX-1.15."""
    code = f"""
before = os.getuid(), os.getgid()
links = lambda: {{n: os.readlink(f'/proc/self/ns/{{n}}') for n in names if n != 'pid'}}
names = {NAMES!r}
old = links()
kernel.enter_namespaces(names)
new = links()
assert before == (os.getuid(), os.getgid()), 'other ids'
assert all(old[n] != new[n] for n in new), 'same namespace'
child = os.fork()
if child == 0: os._exit(os.getpid())
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    assert said(code, user=user) == "1" or "pid" not in NAMES


@needs_users
def test_only_one_user_and_no_other_groups_are_mapped() -> None:
    code = """
uid, gid = os.geteuid(), os.getegid()
kernel.unshare(kernel.NAMESPACES['user'])
kernel.map_identity_ids(uid, gid)
for name in ('uid_map', 'gid_map', 'setgroups'):
    print(*open(f'/proc/self/{name}').read().split())
print(uid, gid)
"""
    *maps, denied, ids = said(code).splitlines()
    uid, gid = ids.split()
    assert maps == [f"{uid} {uid} 1", f"{gid} {gid} 1"]
    assert denied == "deny"


def test_a_refused_namespace_is_an_error() -> None:
    """BOX-1.8: also when it is the mapping that is refused."""
    code = """
for attempt in (
    lambda: kernel.unshare(1),
    lambda: kernel.unshare(kernel.NAMESPACES['net']),
    lambda: kernel.map_identity_ids(0, 0),
):
    try: attempt()
    except OSError as error: print(error.errno)
"""
    errors = said(code, user="nobody").split()
    assert errors[:2] == [str(errno.EINVAL), str(errno.EPERM)]
    assert len(errors) == 3


@pytest.mark.parametrize("user", USERS)
def test_capabilities_are_gone_for_good(user: str) -> None:
    """BOX-1.12: of root, and of a process in a user namespace of its own."""
    code = f"""
names = [n for n in {GRANTED.namespaces!r} if n == 'user']
for entered in ([], names):
    if os.fork() == 0:
        kernel.enter_namespaces(entered)
        kernel.no_new_privs()
        kernel.drop_capabilities()
        text = open('/proc/self/status').read()
        found = re.findall('Cap(?:Inh|Prm|Eff|Amb):\\s*(\\S+)', text)
        print(*[int(value, 16) for value in found])
        try: os.chroot('/')
        except PermissionError: print('refused')
        break
    os.wait()
"""
    assert said(code, user=user).splitlines() == ["0 0 0 0", "refused"] * 2


@pytest.mark.parametrize("locked", [False, True])
def test_a_child_dies_with_its_parent(locked: bool) -> None:  # noqa: FBT001 - a row
    """BOX-1.9: the parent is killed, and the pipe of the child comes to its end.

    The kernel asks whether the dying parent may send the signal: it may not when it
    went behind Landlock after the fork, hence before.
    """
    code = f"""
locked = {locked and bool(GRANTED.landlock_abi)}
reader, writer = os.pipe()
parent = os.fork()
if parent == 0:
    me = os.getpid()
    kernel.no_new_privs()
    if locked: kernel.landlock_deny_all()
    if os.fork() == 0:
        kernel.die_with_parent(parent=me)
        os.write(writer, b'ready')
        signal.pause()
    signal.pause()
os.close(writer)
print(os.read(reader, 5))
os.kill(parent, signal.SIGKILL)
print(os.read(reader, 5))
"""
    assert said(code).split() == ["b'ready'", "b''"]


def test_a_parent_that_died_already_is_noticed() -> None:
    """BOX-1.9."""
    code = """
reader, writer = os.pipe()
gate, opened = os.pipe()
if os.fork() == 0:
    me = os.getpid()
    if os.fork() == 0:
        os.close(opened)
        os.read(gate, 1)
        try: kernel.die_with_parent(parent=me)
        except ProcessLookupError: os.write(writer, b'noticed')
        os._exit(0)
    os._exit(0)
os.wait()
os.close(opened)
os.close(writer)
print(os.read(reader, 9))
"""
    assert said(code) == "b'noticed'"


def test_the_signal_can_be_another_and_the_parent_be_taken_as_it_is() -> None:
    code = """
kernel.die_with_parent(signal.SIGTERM)
found = ctypes.c_int()
libc.prctl(2, ctypes.byref(found), 0, 0, 0)
print(found.value)
"""
    assert said(code) == str(signal.SIGTERM.value)


def test_a_process_is_killed_by_its_descriptor() -> None:
    """BOX-1.17: once it was waited for, nobody else is hit."""
    code = """
child = os.fork()
if child == 0: signal.pause()
pidfd = kernel.pidfd_open(child)
assert not os.get_inheritable(pidfd)
kernel.pidfd_kill(pidfd)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
for again in (lambda: kernel.pidfd_kill(pidfd), lambda: kernel.pidfd_open(child)):
    try: again()
    except ProcessLookupError: print('gone')
"""
    assert said(code).split() == ["-9", "gone", "gone"]


@pytest.mark.parametrize("user", USERS)
def test_limits_are_lowered_and_never_raised(user: str) -> None:
    """BOX-1.11."""
    code = """
names = 'AS CPU FSIZE CORE NOFILE NPROC STACK MEMLOCK MSGQUEUE'.split()
look = lambda: [resource.getrlimit(getattr(resource, f'RLIMIT_{n}')) for n in names]
kernel.limit_resources(kernel.Rlimits())
kernel.limit_resources(kernel.Rlimits(2**34, 5, 6, 0, 40, 3, 2**20, 7, 8))
print(*look())
kernel.limit_resources(kernel.Rlimits(2**35, 50, 60, 9, 41, 4, 2**21, 70, 80))
print(*look())
kernel.limit_resources(kernel.Rlimits(open_files=30, cpu_s=5))
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    first, second, third = said(code, user=user).splitlines()
    assert first == second
    expected = [(2**34,) * 2, (5, 6), (6, 6), (0, 0), (40, 40), (3, 3), (2**20,) * 2]
    assert first == " ".join(map(str, [*expected, (7, 7), (8, 8)]))
    assert third == "(30, 30)"


def test_a_negative_limit_is_refused_and_lowers_nothing() -> None:
    """BOX-1.8, BOX-1.11: -1 would mean no limit at all."""
    code = """
try: kernel.limit_resources(kernel.Rlimits(core=-1))
except OSError as error: print(error.errno)
"""
    assert said(code) == str(errno.EINVAL)


def test_running_out_of_processor_time_is_told_by_its_own_signal() -> None:
    """BOX-1.11."""
    ended = python("""
kernel.limit_resources(kernel.Rlimits(cpu_s=1, core=0))
while 1: pass
""")
    assert ended.returncode == -signal.SIGXCPU


def test_memory_ends_at_the_limit() -> None:
    """BOX-1.11."""
    code = """
kernel.limit_resources(kernel.Rlimits(address_space=2**30))
try: bytes(2**31)
except MemoryError: print('refused')
"""
    assert said(code) == "refused"


def test_the_tests_know_who_they_are() -> None:
    """A machine where the second user is not another one shows less."""
    expected = 65534 if os.geteuid() == 0 else os.geteuid()
    assert said("print(os.geteuid())", user="nobody") == str(expected)
