"""What the kernel of this machine grants a box, found out by trying.

Required are Linux on a known machine, ``no_new_privs``, resource limits, seccomp,
descriptors of processes and ``/proc``: without them there is no boundary, or no way to
end what is behind it, and ``Level.refusal`` says what is missing.
Landlock and namespaces are further walls, used where they are granted. What was
reached is in the record of every plan.

Spec: BOX-1.13 to BOX-1.16.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stage3.isolation.process.syscalls import machine

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Level", "level_of", "probe"]

_SECONDS: Final = 20
"""How long a trial may take; on an idle machine it takes a few hundredths."""

_TRIAL: Final = """\
import sys
from types import ModuleType
for name in ("stage3", "stage3.isolation", "stage3.isolation.process"):
    package = sys.modules[name] = ModuleType(name)
    package.__path__ = []
package.__path__ = [sys.argv[1]]
from stage3.isolation.process import trial
print(trial.report())
"""
"""Loads modules of this folder and no others, whatever else is installed."""


_REQUIRED: Final = (
    ("no_new_privs", "the kernel does not grant no_new_privs"),
    ("limits", "the kernel does not grant resource limits"),
    ("seccomp", "the kernel does not grant a seccomp filter"),
    ("pidfd", "the kernel does not grant pidfd_open and pidfd_send_signal"),
    ("proc", "/proc cannot be read"),
)


@dataclass(frozen=True, slots=True)
class Level:
    """What a box is made of here.

    Attributes:
        seccomp: A filter was seen to let the reply pass and to kill.
        no_new_privs: Privileges can be given up.
        landlock_abi: The version of a Landlock that was seen to deny; 0 for none.
        namespaces: Those granted together, keys of ``kernel.NAMESPACES`` in order.
        machine: A key of ``syscalls.NUMBERS``; ``None`` for an unknown machine.
        refusal: Why nothing may run here, in one sentence; ``None`` where it may.
        is_hidden: This ``/proc`` hides from us what nobody but root may trace
            (``hidepid``), so a child must not be like that: it is looked at.
    """

    seccomp: bool
    no_new_privs: bool
    landlock_abi: int
    namespaces: tuple[str, ...]
    machine: str | None
    refusal: str | None
    is_hidden: bool = False

    def attained(self) -> Mapping[str, str | int | bool | None]:
        """Return the level in the form the record keeps.

        Returns:
            ``seccomp``, ``no_new_privs``, ``landlock_abi``, ``namespaces`` (names
            joined by a space, "" for none) and ``machine``; with ``refusal`` where
            there is one.
        """
        said: dict[str, str | int | bool | None] = {
            "landlock_abi": self.landlock_abi,
            "machine": self.machine,
            "namespaces": " ".join(self.namespaces),
            "no_new_privs": self.no_new_privs,
            "seccomp": self.seccomp,
        }
        if self.refusal is not None:
            said["refusal"] = self.refusal
        return said


def probe() -> Level:
    """Find out what is granted, by trying it in a process that is thrown away.

    Costs the start of an interpreter: keep the answer. It never raises.

    Returns:
        The level, with a ``refusal`` where no box can be made.

    Source:
        BOX-1.13 to BOX-1.16.
    """
    here = machine()
    if here is None:
        if sys.platform != "linux":
            return _nothing(None, "the process box needs Linux")
        return _nothing(None, "this machine has no table of system calls")
    if not sys.executable:
        return _nothing(here, "the path of the Python interpreter is unknown")
    command = [sys.executable, "-I", "-S", "-c", _TRIAL, str(Path(__file__).parent)]
    try:
        trial = subprocess.run(  # noqa: S603 - our interpreter and our text
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return _nothing(here, "the trial of what the kernel grants did not finish")
    return level_of(trial.stdout, here)


def level_of(report: bytes, here: str) -> Level:
    """Judge the report of a trial.

    Args:
        report: What ``trial.report`` printed.
        here: The machine.

    Returns:
        The level; with a refusal when the report cannot be read or lacks something
        that is required.
    """
    try:
        seen = json.loads(report)
        level = Level(
            seccomp=seen["seccomp"] is True,
            no_new_privs=seen["no_new_privs"] is True,
            landlock_abi=int(seen["landlock_abi"]),
            namespaces=tuple(str(name) for name in seen["namespaces"]),
            machine=here,
            refusal=_refusal(seen),
            is_hidden=seen["hidden"] is True,
        )
    except (ValueError, KeyError, TypeError):
        return _nothing(here, "the trial of what the kernel grants said nothing")
    return level


def _refusal(seen: Mapping[str, object]) -> str | None:
    for name, words in _REQUIRED:
        if seen[name] is not True:
            return f"{words}, which the box needs"
    return None


def _nothing(here: str | None, why: str) -> Level:
    return Level(
        seccomp=False,
        no_new_privs=False,
        landlock_abi=0,
        namespaces=(),
        machine=here,
        refusal=why,
    )


def _environment() -> dict[str, str]:
    """Return what an interpreter may need to start, and nothing else."""
    path = os.environ.get("LD_LIBRARY_PATH")
    return {} if path is None else {"LD_LIBRARY_PATH": path}
