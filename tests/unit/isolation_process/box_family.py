"""Looks at the processes of a box from outside, by what the kernel says of them."""

from __future__ import annotations

import os
import select
from dataclasses import replace
from pathlib import Path
from typing import Final

from stage3.isolation.process.level import probe

__all__ = [
    "HIDES",
    "LEVEL",
    "LEVELS",
    "family",
    "gone",
    "inner_number",
    "kib",
    "of_session",
]

LEVEL: Final = probe()
LEVELS: Final = {
    "everything granted": LEVEL,
    "no PID namespace": replace(
        LEVEL, namespaces=tuple(one for one in LEVEL.namespaces if one != "pid")
    ),
    "no namespace": replace(LEVEL, namespaces=()),
    "no namespace, no Landlock": replace(LEVEL, namespaces=(), landlock_abi=0),
}


def _hides_processes() -> bool:
    """Whether a user without rights is not shown what gave up being dumpable."""
    hides = False
    for line in Path("/proc/self/mounts").read_text("ascii", "replace").splitlines():
        _, place, _, options, *_ = line.split()
        if place == "/proc":  # the last one is on top
            hides = "hidepid=" in options and "hidepid=off" not in options
    return hides and os.geteuid() != 0


HIDES: Final = _hides_processes()
"""Such a /proc shows these tests nothing of a box either."""


def stats() -> dict[int, list[str]]:
    """Every process, with what follows its name: state, parent, group, session."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text("ascii", "replace")
            except OSError:
                continue
            found[int(entry.name)] = text.rpartition(")")[2].split()
    return found


def family(of: int) -> dict[int, str]:
    """Every process below one, with its state; ``Z`` has ended unnoticed."""
    known = stats()
    found, level = {}, [of]
    while level:
        level = [pid for pid, words in known.items() if int(words[1]) in level]
        found |= {pid: known[pid][0] for pid in level}
    return found


def of_session(session: int) -> list[int]:
    """Every living process of a session; a zygote has a session of its own."""
    return [
        pid
        for pid, words in stats().items()
        if int(words[3]) == session and words[0] not in "ZX"
    ]


def inner_number(pid: int) -> int:
    """The number of a process in its innermost namespace; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return 0
    return int(text.partition("NSpid:")[2].partition("\n")[0].split()[-1])


def kib(path: Path, name: str) -> int:
    for line in path.read_text("ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise AssertionError(path)


def gone(pid: int, seconds: float) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], seconds)[0])
    finally:
        os.close(pidfd)
