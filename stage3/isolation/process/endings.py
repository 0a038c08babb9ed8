"""What it means when a child ended without a reply.

A child that had its request answers or is killed. Anything else is the domain's doing
and a violation, named from what the kernel says of the end.

Spec: BOX-6.
"""

from __future__ import annotations

import os
import signal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stage3.isolation.interface import Violation, ViolationKind

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["violation_of_status"]

_BY_SIGNAL: Final[Mapping[int, Violation]] = MappingProxyType(
    {
        signal.SIGSYS: Violation(
            ViolationKind.SYSCALL, "a system call that is not allowed", "seccomp"
        ),
        signal.SIGXCPU: Violation(
            ViolationKind.BUDGET_CPU, "more processor time than the budget", "budget"
        ),
        signal.SIGSEGV: Violation(
            ViolationKind.BUDGET_RECURSION,
            "SIGSEGV: the stack is used up, or memory was misused",
            "signal",
        ),
    }
)


def violation_of_status(status: int | None) -> Violation:
    """Name the end of a child that had its request and gave no reply.

    Args:
        status: A wait status; ``None`` when nobody knows it.

    Source:
        BOX-6.5.
    """
    if status is None:
        return Violation(ViolationKind.TRAP, "ended without an answer", "trap")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        known = _BY_SIGNAL.get(number)
        return known or Violation(
            ViolationKind.SIGNAL, f"ended by signal {number}", "signal"
        )
    code = os.WEXITSTATUS(status)
    return Violation(
        ViolationKind.PROCESS, f"exited with status {code} and no answer", "trap"
    )
