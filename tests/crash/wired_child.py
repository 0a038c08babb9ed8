"""A child's plan on a wired ledger, and what is left of it when the child is dead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from audit.log import AuditEventLog
from stage3.recovery import recover
from tests.crash.crash_driver import read_notes
from tests.crash.crash_judge import events_in, judge_closed, judge_repeat
from tests.crash.crash_scenarios import STEPS, executor_on
from tests.crash.wire import COMMITTED
from tests.crash.wired_scene import fresh_id

if TYPE_CHECKING:
    from pathlib import Path

    from tests.crash.crash_driver import Told
    from tests.crash.wired_scene import WiredScene

__all__ = ["Child"]


@dataclass(slots=True)
class Child:
    """One plan of a child of ``crash_process``."""

    scene: WiredScene
    folder: Path
    seed: str
    token: str
    execution_id: str = field(default_factory=fresh_id)

    @classmethod
    def on(cls, scene: WiredScene, folder: Path) -> Child:
        """Make one with a token of its own."""
        seed = scene.next_point()
        return cls(scene, folder, seed, scene.token(seed))

    def job(self, **more: object) -> dict[str, object]:
        """Make the job; by the wire, unless it says otherwise."""
        return {
            "scenario": "run_plan",
            "url": self.scene.wired,
            "notes": str(self._notes),
            "token": self.token,
            "execution_id": self.execution_id,
            "seed": self.seed,
        } | more

    @property
    def told(self) -> Told:
        """What the child has left behind."""
        return read_notes(self._notes)

    @property
    def commits(self) -> int:
        """How many commits of its plan are durable, as the wire has seen it."""
        return self.scene.wire.commits.count(COMMITTED)

    @property
    def _notes(self) -> Path:
        return self.folder / f"notes of {self.seed}"

    def judge_death(self, commits: int, *, by_recover: bool = True) -> None:
        """Another process recovers it: nothing is lost, nothing is run twice."""
        calls = len(self.told.calls)
        assert self.told.calls == list(range(calls))
        assert calls <= commits <= calls + 1
        self.scene.settle()
        store = self.scene.store
        assert AuditEventLog(store).verify()
        assert events_in(store, self.execution_id) == (0, 4, 8, 12, 13)[commits]
        is_open = 1 <= commits <= STEPS
        if by_recover:
            closed = (self.execution_id,) if is_open else ()
            assert recover(store).closed == closed
        else:
            executor_on(store, f"next {self.seed}", lambda _step: None).close()
        self.judge_end(commits)

    def judge_end(self, commits: int) -> None:
        """It is closed as it ought to be, and whoever asks again is told so."""
        store = self.scene.store
        judge_closed(store, self.token, commits, self.execution_id)
        assert recover(store).closed == ()
        judge_repeat(store, self.token, commits, self.execution_id)
        assert AuditEventLog(store).verify()
        for told in self.told.told:
            is_whole = commits == STEPS + 1
            assert told["success"] is is_whole  # type: ignore[index,call-overload]
