"""Requirements of sections 5 to 7: one step, the domains, and whole plans."""

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest

from audit.errors import StoreBusyError
from audit.events import AuditEventType
from stage2_domains.contract import DomainResult
from stage2_domains.errors import RegistryFrozenError
from stage2_domains.parameters import IsolatedParameters
from stage2_domains.registry import DomainRegistry
from stage3.outcome import PlanOutcome
from stage3.pytest_plugin.harness import Harness
from stage3.pytest_plugin.trails import (
    Expected,
    assert_trail,
    completed,
    failed,
    limit_denied,
    parameters_refused,
    refused,
    scope_denied,
    unknown_token,
)
from tests.unit.rules.recording_domain import Recorder
from tests.unit.stage3.probe_domains import Probe

SCOPE = {"recorder": ["act", "echo"]}
TARGET = "recorder.echo"
ID = "3f0c2b4e-8c1a-4b6e-9f00-0123456789ab"


def execute(harness: Harness, token: str, **changes: object) -> PlanOutcome:
    """Execute one method, with what the test wants otherwise."""
    asked: dict[str, object] = {
        "token_hash": token,
        "user_id": "alice",
        "trigger_type": "direct_command",
        "domain": "recorder",
        "method": "echo",
        "parameters": {"x": 1},
    }
    return harness.orchestrator.execute(**(asked | changes))  # type: ignore[arg-type]


# Section 5: one step

Row = tuple[dict[str, object], list[Expected], list[str]]

ROWS: dict[str, Row] = {
    "rules 5 row 1: ok": ({}, [completed(TARGET)], []),
    "rules 5 row 2: unknown token": (
        {"token_hash": "gone"}, [unknown_token(TARGET)], ["not found"],
    ),
    "rules 5 row 4: wrong user": (
        {"user_id": "bob"}, [refused("USER_MISMATCH", TARGET)], ["mismatch"],
    ),
    "rules 5 row 5: trigger": (
        {"trigger_type": "scheduled"},
        [refused("TRIGGER_NOT_AUTHORIZED", TARGET)], ["trigger"],
    ),
    "rules 5 row 6: domain out of scope": (
        {"domain": "hermes"},
        [scope_denied("hermes.echo", "DOMAIN_NOT_IN_SCOPE")], ["domain", "scope"],
    ),
    "rules 5 row 7: method out of scope": (
        {"method": "gone"},
        [scope_denied("recorder.gone", "METHOD_NOT_IN_SCOPE")], ["method", "scope"],
    ),
    "rules 5 row 8: limit exceeded": (
        {}, [limit_denied(TARGET, "LIMIT_INVOCATIONS")], ["max_invocations"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_one_step_ends_as_the_table_says(row: str) -> None:
    """The rows of the table of rules 5, and rules 5.5: reasons and times in order."""
    changes, trail, words = ROWS[row]
    recorder = Recorder()
    with Harness(domains=[recorder]) as harness:
        limits = {"max_invocations": 1}
        token = harness.issue(scope=SCOPE, resource_limits=limits).token_hash
        if "row 8" in row:
            assert execute(harness, token).success
            recorder.calls.clear()

        outcome = execute(harness, token, **changes)

        target = f"{changes.get('domain', 'recorder')}.{changes.get('method', 'echo')}"
        assert_trail(outcome, *trail, target=target)
        assert outcome.success is (words == [])
        assert all(word in str(outcome.error) for word in words)
        assert len(recorder.calls) == (0 if words else 1)
        for event in outcome.trail:
            assert event.reason or event.status in {"success", "started"}
        times = [event.timestamp for event in outcome.trail]
        assert times == sorted(times)


def test_a_revoked_token_starts_nothing() -> None:
    """Rules 5 row 3."""
    with Harness(domains=[Recorder()]) as harness:
        token = harness.issue(scope=SCOPE).token_hash
        harness.authority.revoke_token(token, "lost", "admin")

        outcome = execute(harness, token)

        assert_trail(outcome, refused("TOKEN_REVOKED", TARGET), target=TARGET)
        assert "revoked" in str(outcome.error)


def test_what_crosses_the_boundary_must_fit() -> None:
    """Rules 5 row 9."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ["strict"]})

        outcome = harness.run(token, ("probe", "strict", {"n": "no number"}))

        assert_trail(outcome, parameters_refused("probe.strict"))


@pytest.mark.parametrize("commit", [1, 2])
def test_a_record_that_cannot_be_written_withholds_the_result(commit: int) -> None:
    """Rules 5 row 10, 5.2: told by exception; a falsy answer could be overlooked."""
    recorder = Recorder()
    with Harness(domains=[recorder]) as harness:
        token = harness.issue(scope=SCOPE).token_hash
        harness.orchestrator  # noqa: B018 - made before anything fails
        write, seen = harness.store.write, []

        def failing(**how: object) -> object:
            seen.append(how)
            if len(seen) == commit:
                raise StoreBusyError("not now")
            return write(**how)  # type: ignore[arg-type]  # handed on

        harness.store.write = failing  # type: ignore[method-assign]
        outcome = execute(harness, token)

        assert outcome.error is not None
        assert outcome.error.code == "AUDIT_UNAVAILABLE"
        assert "audit" in str(outcome.error)
        assert outcome.results is None
        assert len(recorder.calls) == commit - 1


def answers(answer: object) -> Callable[[IsolatedParameters], DomainResult]:
    """Make a domain's body that gives or raises something."""

    def act(_parameters: IsolatedParameters) -> DomainResult:
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[return-value]  # wrong on purpose

    return act


@pytest.mark.parametrize(
    ("answer", "code", "word"),
    [
        (RuntimeError("broken pipe of mine"), "DOMAIN_FAILED", "broken pipe of mine"),
        (RuntimeError(), "DOMAIN_FAILED", "RuntimeError"),
        (SystemExit(3), "DOMAIN_FAILED", "SystemExit"),
        (GeneratorExit(), "DOMAIN_FAILED", "GeneratorExit"),
        (
            DomainResult(success=False, error="no such habit"),
            "DOMAIN_FAILED",
            "no such",
        ),
        (DomainResult(success=False), "DOMAIN_FAILED", "failed"),
        (None, "RESULT_REFUSED", "answer"),
        ({"success": True}, "RESULT_REFUSED", "answer"),
        (DomainResult(success=True, data={"x": float("nan")}), "RESULT_REFUSED", "an"),
    ],
)
def test_a_failing_domain_is_a_recorded_failure(
    answer: object, code: str, word: str
) -> None:
    """Rules 5 row 11, rules 5 row 12, 5.9: each closes the trail with a sentence."""
    recorder = Recorder(answers(answer))
    with Harness(domains=[recorder]) as harness:
        token = harness.issue(scope=SCOPE)

        outcome = harness.run(token, ("recorder", "act", {}), ("recorder", "echo", {}))

        assert_trail(outcome, failed("recorder.act", code))
        assert word in str(outcome.error)
        assert outcome.trail[-1].reason
        assert [method for method, _ in recorder.calls] == ["act"]


def test_a_domain_is_called_once_with_its_method_and_parameters() -> None:
    """Rules 5.3, 5.8: no parameters are empty parameters."""
    recorder = Recorder()
    with Harness(domains=[recorder]) as harness:
        token = harness.issue(scope=SCOPE).token_hash
        execute(harness, token, parameters={"a": [1, {"b": None}]})
        execute(harness, token, parameters=None)

    assert recorder.calls == [("echo", {"a": [1, {"b": None}]}), ("echo", {})]


def test_the_same_inputs_give_the_same_outcome_and_the_same_bytes() -> None:
    """Rules 5.6."""
    found = []
    for _ in range(2):
        with Harness(domains=[Recorder()]) as harness:
            outcome = harness.run(harness.issue(scope=SCOPE), ("recorder", "echo", {}))
            found.append((outcome.results, outcome.trail, harness.log.head()))

    assert found[0] == found[1]


def test_a_plan_leaves_nothing_running() -> None:
    """Rules 5.7: one call of the domain, on the caller's thread, and no thread more."""
    threads = []

    def look(_parameters: IsolatedParameters) -> DomainResult:
        threads.append(threading.get_ident())
        return DomainResult(success=False, error="failed")

    with Harness(domains=[Recorder(look)]) as harness:
        before = threading.active_count()
        harness.run(harness.issue(scope=SCOPE), ("recorder", "act", {}))
        assert threading.active_count() == before

    assert threads == [threading.get_ident()]


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"x": {1, 2}}},
        {"parameters": {"x": b"bytes"}},
        {"parameters": {1: "key"}},
        {"domain": ""},
        {"method": ""},
        {"execution_id": "no uuid"},
    ],
    ids=str,
)
def test_a_wrong_argument_raises_before_anything_is_recorded(
    changes: dict[str, object],
) -> None:
    """Rules 5.9: a mistake of the calling program is no refusal, and leaves nothing."""
    with Harness(domains=[Recorder()]) as harness:
        token = harness.issue(scope=SCOPE).token_hash
        before = harness.log.head()

        with pytest.raises(ValueError, match=r"."):
            execute(harness, token, **changes)

        assert harness.log.head() == before


# Section 6: the domains


def test_a_domain_in_scope_but_not_registered_is_refused_before_it_starts() -> None:
    """Rules 6.5, 6.6: no EXECUTION_STARTED, and no domain is called."""
    recorder = Recorder()
    with Harness(domains=[recorder]) as harness:
        token = harness.issue(scope={"nowhere": ["echo"], "recorder": ["echo"]})
        for step in (
            ("nowhere", "echo", {}),
            ("hermes", "compose_message", {}),
            ("recorder", "act", {}),
        ):
            outcome = harness.run(token, step)

            assert_trail(outcome, scope_denied(f"{step[0]}.{step[1]}"))
            kinds = [event.event_type for event in outcome.trail]
            assert AuditEventType.EXECUTION_STARTED not in kinds
    assert recorder.calls == []


@pytest.mark.parametrize("name", DomainRegistry.builtin().names())
def test_the_built_in_domains_leave_the_same_trail_as_a_test_double(name: str) -> None:
    """Rules 6.7, 6.8: five events for one step, and the same answer every time."""
    domain = DomainRegistry.builtin().get(name)
    assert domain is not None
    with Harness() as harness:
        token = harness.issue(scope={name: list(domain.methods)})
        for method in domain.methods.values():
            step = (name, method.name, method.example or {})
            first, second = harness.run(token, step), harness.run(token, step)

            assert_trail(first, completed(f"{name}.{method.name}"))
            assert first.results == second.results


def test_a_test_double_takes_the_place_of_a_domain_by_registration() -> None:
    """Rules 6.9: in process, with a closure; never by assigning into the registry."""
    captured: list[object] = []

    def capture(parameters: IsolatedParameters) -> DomainResult:
        captured.append(parameters.get_copy())
        return DomainResult(success=True, data={"domain": "recorder", "method": "act"})

    with Harness(domains=[Recorder(capture)]) as harness:
        step = ("recorder", "act", {"habits": ["sleep"]})
        assert harness.run(harness.issue(scope=SCOPE), step).success
        with pytest.raises(RegistryFrozenError):
            harness.domains.register(Probe(), trusted=True)
        assert not hasattr(harness.domains, "domains")

    assert captured == [{"habits": ["sleep"]}]


# Section 7: plans


def test_a_plan_gives_all_results_or_none() -> None:
    """Rules 7.2, 7.4: in plan order; on failure no part of them, and no later event."""
    recorder = Recorder(
        answers(DomainResult(success=False, error="Deliberate failure"))
    )
    with Harness(domains=[recorder]) as harness:
        token = harness.issue(scope=SCOPE)

        good = harness.run(token, *[("recorder", "echo", {"i": i}) for i in range(3)])
        success, results, error = good
        assert (success, error) == (True, None)
        assert [result["data"] for result in results] == [{"i": i} for i in range(3)]
        assert all(set(r) == {"success", "data", "error"} for r in results)

        bad = harness.run(
            token,
            ("recorder", "echo", {}),
            ("recorder", "act", {}),
            ("recorder", "echo", {}),
        )
        success, results, error = bad
        assert (success, results) == (False, None)
        assert "Deliberate failure" in str(error)
        assert_trail(bad, completed("recorder.echo"), failed("recorder.act"))


def test_a_later_step_out_of_scope_ends_the_plan_there() -> None:
    """Rules 7.5: the earlier steps have run, and are on record."""
    with Harness(domains=[Recorder()]) as harness:
        outcome = harness.run(
            harness.issue(scope=SCOPE), ("recorder", "echo", {}), ("apollo", "x", {})
        )

        assert "scope" in str(outcome.error)
        assert_trail(outcome, completed("recorder.echo"), scope_denied("apollo.x"))


def test_each_step_sees_its_own_parameters_and_no_result() -> None:
    """Rules 7.6, 7.7: all steps in their order, whatever the answers are."""
    recorder = Recorder()
    plan = [("recorder", "echo", {"i": i}) for i in range(3)]
    with Harness(domains=[recorder]) as harness:
        assert harness.run(harness.issue(scope=SCOPE), *plan).success

    assert recorder.calls == [("echo", {"i": i}) for i in range(3)]


def test_a_refused_token_denies_the_plan_as_a_whole() -> None:
    """Rules 7.8: one DENIED on the plan itself, after VALIDATION if it is known."""
    with Harness(domains=[Recorder()]) as harness:
        unknown = harness.run("sha256:" + "0" * 64, ("recorder", "echo", {}))
        known = harness.run(
            harness.issue(scope=SCOPE), ("recorder", "echo", {}), trigger="scheduled"
        )

    for outcome, count in ((unknown, 1), (known, 2)):
        assert len(outcome.trail) == count
        last = outcome.trail[-1]
        assert last.event_type is AuditEventType.EXECUTION_DENIED
        assert (last.domain, last.method) == ("orchestration_plan", "execute_plan")


def test_a_plan_of_three_has_one_validation_and_thirteen_events() -> None:
    """Rules 7.3: 1 + 4 x 3, in the order of the grammar."""
    with Harness(domains=[Recorder()]) as harness:
        plan = [("recorder", "echo", {})] * 3
        outcome = harness.run(harness.issue(scope=SCOPE), *plan)

    assert_trail(outcome, *[completed(TARGET)] * 3)
    assert len(outcome.trail) == 13
    assert all(a.timestamp <= b.timestamp for a, b in pairwise(outcome.trail))
