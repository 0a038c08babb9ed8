"""Requirements of section 3: what a domain is given, and what it must not reach.

The domain here holds, in its closure, references that no real domain has: to the
executor, the log, the registry and the authority. So each attempt is really made.
"""

import asyncio
import contextlib
import dataclasses
import gc
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.events import AuditEventType
from stage2_domains.contract import DomainResult
from stage2_domains.parameters import IsolatedParameters
from stage3.pytest_plugin.harness import Harness
from stage3.pytest_plugin.trails import assert_trail, completed, violated
from stage3.request import plan_request
from tests.unit.rules.recording_domain import Recorder

SCOPE = {"recorder": ["act", "echo"]}
ACT = ("recorder", "act", {"word": "secret"})
ID = "3f0c2b4e-8c1a-4b6e-9f00-0123456789ab"


# Section 3A: data


def test_a_domain_is_given_its_method_and_parameters_and_nothing_else() -> None:
    """Rules 3A.1, 3A.5: no user, session, token, time or service is reachable."""
    seen: list[IsolatedParameters] = []

    def look(parameters: IsolatedParameters) -> DomainResult:
        seen.append(parameters)
        return DomainResult(success=True, data={})

    recorder = Recorder(look)
    with Harness(domains=[recorder]) as harness:
        assert harness.run(harness.issue(scope=SCOPE), ACT).success

    assert recorder.calls == [("act", {"word": "secret"})]
    names = set(dir(seen[0]))
    for name in ("mnemosyne", "user_id", "session_id", "token_hash", "system_time"):
        assert name not in names


def test_what_a_call_asks_for_cannot_be_changed() -> None:
    """Rules 3A.2: neither its fields, nor by new ones, nor by deleting a flag."""
    with Harness() as harness:
        plan = harness.plan(("apollo", "analyze_habits", {"habits": []}))
    request = plan_request("t", "alice", "direct_command", plan)

    for thing, name in (
        (request, "execution_id"),
        (request, "domain"),
        (request.start, "user_id"),
        (request.start, "token_hash"),
        (plan, "user_id"),
        (plan, "to_json"),
        (plan.get_invocations()[0], "parameters"),
    ):
        before = getattr(thing, name)
        with pytest.raises((AttributeError, dataclasses.FrozenInstanceError)):
            setattr(thing, name, "changed")
        with pytest.raises((AttributeError, dataclasses.FrozenInstanceError)):
            delattr(thing, name)
        assert getattr(thing, name) == before
    for thing in (plan, plan.get_invocations()[0]):
        for name in ("_frozen", "added"):
            with pytest.raises(AttributeError):
                setattr(thing, name, False)


def test_a_plan_reads_back_as_plain_data_every_time() -> None:
    """Rules 3A.4: JSON, fresh at each reading, always the same."""
    with Harness() as harness:
        plan = harness.plan(("apollo", "analyze_habits", {"habits": [{"a": [1]}]}))

    first, second = json.loads(plan.to_json()), json.loads(plan.to_json())
    first["invocations"][0]["parameters"]["habits"].append("changed")

    assert second == json.loads(plan.to_json())
    assert first != second


def test_nothing_that_one_call_changes_is_seen_by_the_next() -> None:
    """Rules 3A.7: each call parses its own parameters."""
    seen: list[object] = []

    def spoil(parameters: IsolatedParameters) -> DomainResult:
        copy = parameters.get_copy()
        seen.append(copy["list"])
        copy["list"].append("changed")
        return DomainResult(success=True, data={})

    step = ("recorder", "act", {"list": [1]})
    with Harness(domains=[Recorder(spoil)]) as harness:
        assert harness.run(harness.issue(scope=SCOPE), step, step).success

    assert seen == [[1, "changed"], [1, "changed"]]


Attempt = Callable[[Harness, str], object]

OUTSIDE: dict[str, Attempt] = {
    "a file": lambda _h, _t: Path(__file__).read_bytes(),
    "the network": lambda _h, _t: socket.socket(),
    "the system": lambda _h, _t: os.system("true"),  # noqa: S605, S607
}


@pytest.mark.parametrize("what", OUTSIDE)
def test_files_network_and_system_are_out_of_reach(what: str) -> None:
    """Rules 3A.6: an attempt ends the plan, also when its exception is swallowed."""
    assert_violation(OUTSIDE[what])


# Section 3B: authority

AUTHORITY: dict[str, Attempt] = {
    "rules 3B row 1: issue a token": lambda h, _t: h.issue(scope=SCOPE),
    "rules 3B row 1: revoke its own token": (
        lambda h, t: h.authority.revoke_token(t, "r", "admin")
    ),
    "rules 3B row 2: look up a token": lambda h, t: h.registry.get_token(t),
    "rules 3B row 2: list tokens": lambda h, _t: h.registry.get_user_tokens("alice"),
    "rules 3B row 3: schedule something": lambda _h, _t: asyncio.run(asyncio.sleep(0)),
    "rules 3B row 4: call the executor": lambda h, t: h.run(t, ACT),
    "rules 3B row 6: a process": lambda _h, _t: subprocess.run(["true"], check=False),  # noqa: S607
    "rules 3B row 7: read the log": lambda h, _t: h.log.get_events(),
    "rules 3B row 7: write to the log": lambda h, _t: h.store.write().__enter__(),
    "rules 3B row 8: pause the platform": lambda h, _t: h.authority.pause("r", "a"),
    "rules 3B row 8: change the interpreter": lambda _h, _t: sys.setrecursionlimit(999),
    "rules 3B row 9: fork": lambda _h, _t: os.fork(),
    "rules 3B row 11: a continuation": (
        lambda h, t: h.orchestrator.execute(t, "alice", "scheduled", "a", "b")
    ),
    "rules 3B row 12: look at frames": lambda _h, _t: sys._getframe(1),
    "rules 3B row 12: look at objects": lambda _h, _t: gc.get_objects(),
}  # fmt: skip


@pytest.mark.parametrize("what", AUTHORITY)
def test_an_attempt_at_authority_ends_the_plan_and_is_recorded(what: str) -> None:
    """Rules 3B.1, 3B.2, 3B.3: stopped, recorded with its kind; the plan is over."""
    assert_violation(AUTHORITY[what])


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="3.11 raises no event: docs/isolation.md"
)
@pytest.mark.parametrize("daemon", [False, True])
def test_a_thread_ends_the_plan(*, daemon: bool) -> None:
    """Rules 3B row 5, 3B row 10: nothing goes on in the background."""
    assert_violation(
        lambda _h, _t: threading.Thread(target=print, daemon=daemon).start()
    )


def assert_violation(attempt: Attempt) -> None:
    """Make the attempt from inside a domain; swallow everything; answer innocently."""
    tried: list[str] = []
    reached: list[object] = []
    with Harness() as harness:
        token = harness.issue(scope=SCOPE).token_hash

        def innocent(_parameters: IsolatedParameters) -> DomainResult:
            tried.append("once")
            with contextlib.suppress(BaseException):
                reached.append(attempt(harness, token))
            return DomainResult(success=True, data={})

        recorder = Recorder(innocent)
        harness.domains.register(recorder, trusted=True)
        size = harness.log.head().size

        outcome = harness.run(token, ACT, ("recorder", "echo", {}))

        assert_trail(outcome, violated("recorder.act"))
        violation = outcome.trail[-2]
        assert violation.event_type is AuditEventType.BOUNDARY_VIOLATION
        assert violation.status == "denied"
        assert violation.reason
        assert violation.details["violation_type"]
        assert len(tried) == len(recorder.calls) == 1
        assert harness.log.head().size == size + len(outcome.trail) + 1
        assert not [each for each in reached if each is not None]
        assert harness.log.verify()


def test_each_attempt_is_recorded_for_itself() -> None:
    """Rules 3B.1: three plans with one attempt each leave three violations."""
    with Harness() as harness:

        def attempt(_parameters: IsolatedParameters) -> DomainResult:
            harness.log.get_events()
            return DomainResult(success=True, data={})

        harness.domains.register(Recorder(attempt), trusted=True)
        token = harness.issue(scope=SCOPE)
        for _ in range(3):
            harness.run(token, ACT)

        found = harness.log.get_events_by_type(AuditEventType.BOUNDARY_VIOLATION)
        assert len(found) == 3


def test_a_domain_cannot_read_or_change_what_was_recorded() -> None:
    """Rules 4A.7: no reading, and no suppressing, from inside."""
    for attempt in (
        lambda h, _t: h.log.get_events(),
        lambda h, _t: h.log.get_events_by_type("EXECUTION_STARTED"),
        lambda h, _t: h.log.trail(ID),
        lambda h, _t: h.log.get_records(),
        lambda h, _t: h.store.raise_latch("from inside"),
    ):
        assert_violation(attempt)


def test_an_honest_domain_is_no_violation() -> None:
    with Harness(domains=[Recorder()]) as harness:
        assert_trail(
            harness.run(harness.issue(scope=SCOPE), ACT), completed("recorder.act")
        )
