"""The filter as data: every number, machine and argument against an oracle."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stage3.isolation.process.bpf import (
    ALLOWED,
    INSTRUCTION_BYTES,
    WHILE_WAITING,
    closing_program,
    filter_program,
)
from stage3.isolation.process.syscalls import AUDIT_ARCH, NUMBERS
from tests.oracles.seccomp_machine import (
    ALLOW,
    ARCH,
    KILL_PROCESS,
    Call,
    instructions,
    ought_to_pass,
    run,
)

MACHINES: Final = tuple(NUMBERS)
I386: Final = 0x40000003
ARM: Final = 0x40000028
REPLY: Final = 3
ARGUMENTS: Final = (
    *((value, 0, 0, 0, 0, 0) for value in (0, 1, 2, 3, 4, 3 | 1 << 31, 3 | 1 << 32)),
    *((3, 0, value, 0, 0, 0) for value in (1, 2, 3, 4, 5, 7, 8, 14, 100, 101)),
    *((3, 0, value, 0, 0, 0) for value in (4 << 32, 1 << 32 | 8, 5 | 4 << 32)),
    *(
        (value, op, 0, 0, 0, 0)
        for value in (15, 16)
        for op in (0, 1, 129, 137, 1 << 32)
    ),
    (2**64 - 1,) * 6,
)


def verdict(machine: str, call: Call, reply_fd: int = REPLY) -> bool:
    first, second = filter_program(machine, reply_fd=reply_fd), closing_program(machine)
    codes = {run(first, call), run(second, call)}
    assert codes <= {ALLOW, KILL_PROCESS}
    return codes == {ALLOW}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("arch", [*ARCH.values(), I386, ARM, 0])
def test_every_number_is_decided_as_the_specification_says(
    machine: str, arch: int
) -> None:
    """BOX-1.3 to BOX-1.7."""
    first, second = filter_program(machine, reply_fd=REPLY), closing_program(machine)
    numbers = [*range(601), 0x40000000, 0x40000001, 0x7FFFFFFF, 2**32 - 1]
    for number, arguments in product(numbers, ARGUMENTS):
        call = Call(number, arch, arguments)
        passes = ought_to_pass(machine, call, REPLY)
        said = max(run(first, call), run(second, call))  # killing is the larger
        assert said == (ALLOW if passes else KILL_PROCESS), call


@given(
    st.sampled_from(MACHINES),
    st.integers(0, 2**31 - 1),
    st.sampled_from([*ARCH.values(), I386]),
    st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1)),
    st.tuples(*[st.integers(0, 2**64 - 1) | st.integers(0, 15)] * 6),
)
@settings(max_examples=200)
def test_any_call_is_decided_as_the_specification_says(
    machine: str, reply_fd: int, arch: int, number: int, arguments: tuple[int, ...]
) -> None:
    """BOX-1.3 to BOX-1.7."""
    call = Call(number, arch, arguments)
    assert verdict(machine, call, reply_fd) == ought_to_pass(machine, call, reply_fd)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["read", "write"])
@pytest.mark.parametrize("reply_fd", [0, 3, 2**31 - 1])
def test_only_the_reply_descriptor_is_read_and_written(
    machine: str, name: str, reply_fd: int
) -> None:
    """BOX-1.4: one step each side, and the same number with an upper half."""
    for fd, passes in (
        (reply_fd, True),
        (reply_fd + 1, False),
        ((reply_fd - 1) % 2**64, False),
        (reply_fd | 1 << 32, False),
        (reply_fd | 1 << 63, False),
    ):
        call = Call(NUMBERS[machine][name], ARCH[machine], (fd, 0, 0, 0, 0, 0))
        assert verdict(machine, call, reply_fd) is passes


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_is_never_made_executable(machine: str) -> None:
    """BOX-1.5."""
    for name, protection in product(("mmap", "mprotect"), range(64)):
        call = Call(
            NUMBERS[machine][name], ARCH[machine], (0, 0, protection, 34, -1 % 2**64, 0)
        )
        assert verdict(machine, call) is not bool(protection & 4)


@pytest.mark.parametrize("machine", MACHINES)
def test_locks_are_released_and_never_waited_for(machine: str) -> None:
    """BOX-1.18."""
    passing = {
        operation
        for operation in (*range(512), 1 | 256, 2**31 | 1, 2**32 - 1)
        if verdict(
            machine,
            Call(NUMBERS[machine]["futex"], ARCH[machine], (0, operation, 0, 0, 0, 0)),
        )
    }
    assert passing == {1, 129}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_clocks_of_others_are_not_read(machine: str) -> None:
    """BOX-1.19: one step each side, and what C makes of a negative number."""
    for clock, passes in (
        *((0, True), (3, True), (15, True), (16, False)),
        *((2**31, False), (2**32 - 1, False), (2**64 - 6, False), (1 << 32, True)),
    ):
        call = Call(
            NUMBERS[machine]["clock_gettime"], ARCH[machine], (clock,) + (0,) * 5
        )
        assert verdict(machine, call) is passes


@pytest.mark.parametrize("machine", MACHINES)
def test_the_free_list_is_the_one_of_the_specification(machine: str) -> None:
    """BOX-1.6: what passes with any arguments at all."""
    hostile = ((0,) * 6, (2**64 - 1,) * 6, (4,) * 6)
    free = {
        name
        for name, number in NUMBERS[machine].items()
        if all(verdict(machine, Call(number, ARCH[machine], a)) for a in hostile)
    }
    assert free == set(ALLOWED) & set(NUMBERS[machine])
    assert ("time" in free) is (machine == "x86_64")


@pytest.mark.parametrize("machine", MACHINES)
def test_a_waiting_child_may_do_two_things_besides(machine: str) -> None:
    """BOX-1.20."""
    first, second = filter_program(machine, reply_fd=REPLY), closing_program(machine)
    for number in range(601):
        call = Call(number, ARCH[machine], (REPLY, 0, 0, 0, 0, 0))
        waits = run(first, call) == ALLOW and not verdict(machine, call)
        named = number in {NUMBERS[machine][name] for name in WHILE_WAITING}
        assert waits is named
        assert run(second, call) == (KILL_PROCESS if named else ALLOW)
    assert set(WHILE_WAITING) == {"prctl", "prlimit64"}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("place", [0, 1])
def test_the_program_is_one_the_kernel_takes(machine: str, place: int) -> None:
    both = filter_program(machine, reply_fd=REPLY), closing_program(machine)
    program = both[place]
    steps = instructions(program)
    assert len(program) == len(steps) * INSTRUCTION_BYTES
    assert len(steps) <= 4096
    assert steps[-1] == (0x06, 0, 0, (KILL_PROCESS, ALLOW)[place])
    for at, (code, if_true, if_false, _) in enumerate(steps):
        if code & 0x07 == 0x05:  # a jump; forward only, and inside the program
            assert max(at + 1 + if_true, at + 1 + if_false) < len(steps)


def test_the_architectures_are_those_of_linux_audit_h() -> None:
    """BOX-1.3: ELF machine | 64 bits | little-endian."""
    assert dict(AUDIT_ARCH) == {
        "aarch64": 183 | 0x80000000 | 0x40000000,
        "x86_64": 62 | 0x80000000 | 0x40000000,
    }


@pytest.mark.parametrize("reply_fd", [-1, 2**31])
def test_a_number_no_descriptor_has_is_refused(reply_fd: int) -> None:
    with pytest.raises(ValueError, match="descriptor"):
        filter_program("x86_64", reply_fd=reply_fd)


def test_an_unknown_machine_gets_no_filter() -> None:
    """BOX-1.2."""
    with pytest.raises(ValueError, match="no table"):
        filter_program("riscv64", reply_fd=REPLY)
    with pytest.raises(ValueError, match="no table"):
        closing_program("riscv64")
