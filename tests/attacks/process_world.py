"""The attacks of the catalogue as domains for the process box, and what surrounds them.

Nothing here needs a process of its own: the box is what keeps the attack from the
tests. Each attack runs twice more than in the tripwire: as it is, where the guarded
import names most of them, and *round the guard*, with the interpreter's own import and
whatever is loaded in the child, where the hook and the kernel have to do.
"""

from __future__ import annotations

import fcntl
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stage2_domains.contract import Budget
from stage3.isolation.interface import Ok, Violation
from tests.attacks.verdicts import Verdict, expected_at
from tests.unit.isolation_process.boxed_source import domain_of

if TYPE_CHECKING:
    from stage3.isolation.interface import BoxOutcome
    from stage3.isolation.process.tier import ProcessIsolation
    from tests.attacks.verdicts import Attack

__all__ = ["SECRET", "World", "run_attack", "verdict_of"]

SECRET: Final = "the secret of the executor"  # noqa: S105 - opens nothing
_PATIENT: Final = Budget(wall_ms=30_000, cpu_s=20)
_IMPATIENT: Final = Budget(wall_ms=250)

_ROUND_THE_GUARD: Final = """
import codecs
__builtins__ = vars(codecs.builtins)
"""
_HEAD: Final = """
from stage2_domains.contract import DomainResult, Stage2Domain
reached = []
"""
_PLAIN: Final = """
class Boxed(Stage2Domain):
    def invoke(self, method, parameters):
        answer = attack()
        if answer is None:
            return DomainResult(success=True, data={"reached": repr(reached)})
        return answer
"""
_SWALLOW: Final = """
class Boxed(Stage2Domain):
    def invoke(self, method, parameters):
        answer = None
        try:
            answer = attack()
        except BaseException:
            pass
        if answer is None:
            return DomainResult(success=True, data={"reached": repr(reached)})
        return answer
"""


@dataclass(frozen=True)
class World:
    """What an attack could reach on the host.

    Attributes:
        folder: Holds a secret and a ledger.
        ledger_fd: The descriptor the host has open on the ledger.
    """

    folder: Path
    ledger_fd: int

    @classmethod
    def make(cls, folder: Path) -> World:
        """Lay everything out."""
        (folder / "secret").write_text(SECRET)
        (folder / "ledger").write_bytes(b"the ledger")
        opened = os.open(folder / "ledger", os.O_RDWR)
        # A number that stands for nothing in a child.
        ledger_fd = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 50)
        os.close(opened)
        return cls(folder, ledger_fd)

    def state(self) -> tuple[object, ...]:
        """Everything of the host that an attack must leave as it is."""
        files = [
            (path.name, path.stat().st_mode, path.read_bytes())
            for path in sorted(self.folder.iterdir())
            if path.is_file()
        ]
        return (
            files,
            len(list(self.folder.iterdir())),
            os.lseek(self.ledger_fd, 0, os.SEEK_CUR),
            sorted(os.environ.items()),
            threading.active_count(),
            Path.cwd(),
        )

    def names(self) -> str:
        """Tell an attack where everything is, as the worst case."""
        told = {
            "FOLDER": str(self.folder),
            "LEDGER": str(self.folder / "ledger"),
            "LEDGER_FD": self.ledger_fd,
            "SECRET": SECRET[:8],
            "SECRET_FILE": str(self.folder / "secret"),
        }
        return "".join(f"{name} = {value!r}\n" for name, value in told.items())


def run_attack(
    box: ProcessIsolation, world: World, attack: Attack, *, swallow: bool, guarded: bool
) -> BoxOutcome:
    """Run one attack in the box."""
    code = "" if guarded else _ROUND_THE_GUARD
    code += _HEAD + world.names() + attack.source + (_SWALLOW if swallow else _PLAIN)
    hangs = expected_at(attack.plain, (3, 11)) is Verdict.HANGS
    budget = _IMPATIENT if hangs else _PATIENT
    return box.invoke(domain_of(code), "run", b"{}", budget=budget)


def verdict_of(outcome: BoxOutcome) -> Verdict:
    """Say in one word how the box did, where nothing of the host was reached."""
    if SECRET in repr(outcome):
        return Verdict.MISSED
    if isinstance(outcome, Violation):
        return Verdict.STOPPED
    return Verdict.HARMLESS if isinstance(outcome, Ok) else Verdict.REFUSED
