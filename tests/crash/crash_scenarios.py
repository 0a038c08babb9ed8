"""What the children of ``crash_process`` do before they die.

Every scenario counts moments: one before and one after each SQL statement on every
connection (also those of opening the store), and before and after each call of a
domain. At moment number ``kill_at`` the child notes which one it is and kills itself.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, cast

from audit.log import AuditEventLog
from audit.store.faults import Faults
from audit.store.opening import open_sqlite, open_store
from audit.store.sqlite import SqlitePorts
from audit.store.timing import SYSTEM_TIMING
from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage2_domains.registry import DomainRegistry
from stage3.isolation.in_process import InProcessIsolation
from stage3.orchestrator import Stage3Orchestrator
from stage3.plan import DomainInvocation, ExecutionPlan
from stage3.pytest_plugin.harness import (
    LEDGER_ID,
    START_US,
    ManualClock,
    SeededEntropy,
    make_token,
)
from stage3.recovery import recover
from tokens.authority import TokenAuthority
from tokens.keys import SigningKey
from tokens.registry import TokenRegistry
from tokens.state.selector import Selector

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.store.faults import Moment
    from audit.store.interface import Store
    from stage2_domains.parameters import IsolatedParameters
    from stage3.outcome import PlanOutcome

Job = dict[str, object]

STEPS = 3
RESERVED = 64
FIRST_ID = "00000000-0000-4000-8000-000000000000"
SCOPE = {"worker": ["work"]}
LIMITS = {"max_tokens_per_response": RESERVED}


class Notes:
    """Lines in a file beside the ledger that outlive the process."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._descriptor = os.open(path, flags, 0o600)

    def add(self, line: dict[str, object]) -> None:
        """Write a line that is there whatever happens next."""
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")
        os.fsync(self._descriptor)


class Moments:
    """Counts moments, names them in a dry run, and kills the process at one."""

    def __init__(self, notes: Notes, kill_at: object) -> None:
        self.names: list[str] = []
        self._notes = notes
        self._kill_at = kill_at

    def pass_by(self, name: str) -> None:
        """Count a moment; at the chosen one, go no further."""
        self.names.append(name)
        if len(self.names) - 1 == self._kill_at:
            self._notes.add({"killed": name})
            os.kill(os.getpid(), signal.SIGKILL)


class Worker(Stage2Domain):
    """Notes each call from inside the box; writing to an open descriptor is allowed."""

    name = "worker"
    methods: ClassVar = {"work": MethodSpec({"type": "object"})}

    def __init__(self, called: Callable[[int], None]) -> None:
        self._called = called

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:  # noqa: ARG002 - the contract's shape
        """Answer with the step number and a text that grows with it."""
        given = parameters.get_copy()
        self._called(given["step"])
        return DomainResult(success=True, data=answer_of(given["step"]))


class WatchedBox:
    """The in-process tier, with a moment on either side of each call."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        self._real = InProcessIsolation()
        self.tier = self._real.tier
        self.attained = self._real.attained

    def invoke(self, *args: object, **kwargs: object) -> object:
        """Run the call between two moments."""
        self._moments.pass_by("before call")
        answer = self._real.invoke(*args, **kwargs)  # type: ignore[arg-type]
        self._moments.pass_by("after call")
        return answer

    def close(self) -> None:
        """Close the real tier."""
        self._real.close()


def answer_of(step: int) -> dict[str, object]:
    return {"step": step, "text": "x" * (7 * step)}


def plan() -> ExecutionPlan:
    steps = [DomainInvocation("worker", "work", {"step": i}) for i in range(STEPS)]
    return ExecutionPlan("alice", steps)


def signing_key(purpose: str) -> SigningKey:
    entropy = SeededEntropy(f"key for {purpose}")
    return SigningKey.from_private_bytes(entropy(32), purpose=purpose)


def authority_on(store: Store, seed: str) -> TokenAuthority:
    return TokenAuthority(
        store,
        signing_key("issue"),
        revoke_key=signing_key("revoke"),
        pause_key=signing_key("pause"),
        entropy=SeededEntropy(seed),
    )


def executor_on(
    store: Store,
    seed: str,
    called: Callable[[int], None],
    box: WatchedBox | None = None,
) -> Stage3Orchestrator:
    domains = DomainRegistry()
    domains.register(Worker(called), trusted=True)
    return Stage3Orchestrator(
        TokenRegistry(store),
        AuditEventLog(store),
        domains,
        isolation=None if box is None else {"in_process": box},
        entropy=SeededEntropy(seed),
    )


def execute(
    executor: Stage3Orchestrator, token: object, execution_id: object
) -> PlanOutcome:
    return executor.execute_plan(
        str(token), "alice", "direct_command", plan(), execution_id=str(execution_id)
    )


def warm_up() -> None:
    """Run a plan in memory once, so that what is loaded lazily is loaded."""
    with open_store("memory:", clock=ManualClock(), ledger_id=LEDGER_ID) as store:
        token = make_token("alice", SCOPE, resource_limits=LIMITS)
        issued = authority_on(store, "warm").issue_token(token)
        with executor_on(store, "warm", lambda _step: None) as executor:
            execute(
                executor, issued.token_hash, "0" * 8 + "-0000-4000-8000-" + "0" * 12
            )
    with suppress(ImportError):
        from audit.store.postgres import opening  # noqa: F401, PLC0415  # an extra


class Stage:
    """A child's view: notes, moments and a store whose every statement is one."""

    def __init__(self, job: Job) -> None:
        self.notes = Notes(str(job["notes"]))
        self.moments = Moments(self.notes, job.get("kill_at"))
        self.store = self._opened(str(job["url"]))

    def _opened(self, url: str) -> Store:
        """Open the store; one in PostgreSQL has its moments on the wire."""
        if url.startswith("postgresql:"):
            return open_store(url)
        faults = Faults()
        faults.watch(lambda moment: self.moments.pass_by(f"{moment[0]} {moment[1]}"))
        ports = SqlitePorts(
            clock=ManualClock(START_US + 1_000_000),
            connect=faults.connect,
            timing=SYSTEM_TIMING,
            lock_timeout_s=5.0,
        )
        return open_sqlite(url, ports=ports, ledger_id=LEDGER_ID)

    def tell(self, told: object) -> None:
        """Acknowledge: from here on the caller may rely on it."""
        self.notes.add({"told": told})
        self.moments.pass_by("after told")
        self.notes.add({"moments": self.moments.names})


def run_plan(job: Job) -> None:
    stage = Stage(job)

    def called(step: int) -> None:
        stage.notes.add({"call": step})
        if step == job.get("stand_still_at"):
            stand_still()

    executor = executor_on(
        stage.store, f"child {job.get('seed', '')}", called, WatchedBox(stage.moments)
    )
    outcome = execute(executor, job["token"], job["execution_id"])
    code = None if outcome.error is None else outcome.error.code.value
    stage.tell({"success": outcome.success, "code": code, "results": outcome.results})


def run_crowd(job: Job) -> None:
    """Run plans on several threads, which share commits, and die at one COMMIT.

    Before it dies at ``before commit`` the others get the processor for a moment: who
    goes on before that commit is durable goes on then, and leaves a note of it.
    """
    notes = Notes(str(job["notes"]))
    fatal = (str(job["when"]), "commit", job["kill_at"])

    def watch(moment: Moment) -> None:
        if moment == fatal:
            threading.Event().wait(0.02)
            notes.add({"killed": "commit"})
            os.kill(os.getpid(), signal.SIGKILL)

    faults = Faults()
    ports = SqlitePorts(ManualClock(START_US), faults.connect, SYSTEM_TIMING, 30.0)
    store = open_sqlite(str(job["url"]), ports=ports, ledger_id=LEDGER_ID)
    ids = [str(each) for each in cast("list[object]", job["ids"])]
    called = threading.local()
    executor = executor_on(
        store, "crowd", lambda step: notes.add({"call": [called.by, step]})
    )
    faults.watch(watch)

    def play(mine: list[str]) -> None:
        for execution_id in mine:
            called.by = execution_id
            outcome = execute(executor, job["token"], execution_id)
            notes.add({"told": [execution_id, outcome.success]})

    threads = int(str(job["threads"]))
    crowd = [
        threading.Thread(target=play, args=(ids[number::threads],), daemon=True)
        for number in range(threads)
    ]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()


def stand_still() -> None:
    """Wait inside the domain for the driver's word, or for the end."""
    message = json.dumps({"inside": os.getpid()}).encode() + b"\n"
    os.write(1, message)
    os.read(0, 1)


def issue(job: Job) -> None:
    stage = Stage(job)
    token = make_token("alice", SCOPE, resource_limits=LIMITS)
    stage.tell(
        authority_on(stage.store, f"issuing {job.get('seed', '')}")
        .issue_token(token)
        .token_hash
    )


def revoke_token(job: Job) -> None:
    stage = Stage(job)
    authority = authority_on(stage.store, "revoking")
    receipt = authority.revoke_token(str(job["token"]), "lost", "security_admin")
    stage.tell(receipt.leaf_index)


def revoke_user(job: Job) -> None:
    stage = Stage(job)
    authority = authority_on(stage.store, "revoking")
    selector = Selector.user("alice")
    stage.tell(authority.revoke(selector, "left", "security_admin").leaf_index)


def pause(job: Job) -> None:
    stage = Stage(job)
    authority = authority_on(stage.store, "pausing")
    stage.tell(authority.pause("drill", "security_admin").leaf_index)


def recover_all(job: Job) -> None:
    stage = Stage(job)
    stage.tell(list(recover(stage.store).closed))


def construct(job: Job) -> None:
    stage = Stage(job)
    executor_on(stage.store, "constructing", lambda _step: None)
    stage.tell(None)


SCENARIOS: dict[str, Callable[[Job], None]] = {
    "run_plan": run_plan,
    "run_crowd": run_crowd,
    "issue": issue,
    "revoke_token": revoke_token,
    "revoke_user": revoke_user,
    "pause": pause,
    "recover": recover_all,
    "construct": construct,
}
