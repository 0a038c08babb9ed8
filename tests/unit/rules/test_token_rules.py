"""Requirements of sections 1 and 2 as a caller meets them, on the whole system."""

from collections.abc import Callable

import pytest

from audit.events import AuditEventType
from stage3.orchestrator import Stage3Orchestrator
from stage3.outcome import PlanOutcome
from stage3.pytest_plugin.harness import Harness
from stage3.pytest_plugin.trails import (
    assert_trail,
    completed,
    denied,
    limit_denied,
    refused,
    scope_denied,
    unknown_token,
)
from tests.unit.rules.recording_domain import Recorder
from tests.unit.stage3.test_trails import between
from tokens.registry import TokenRegistry

SCOPE = {"recorder": ["act", "echo"]}
ECHO = ("recorder", "echo", {"x": 1})
Prepare = Callable[[Harness, str], object]


def sentence(outcome: PlanOutcome) -> str:
    return str(outcome.error)


# Section 1: tokens


def test_a_wide_token_does_not_hide_a_narrow_one() -> None:
    """Rules 1B.3: each keeps its own limit."""
    with Harness(domains=[Recorder()]) as harness:
        narrow = harness.issue(scope=SCOPE, resource_limits={"max_invocations": 1})
        wide = harness.issue(scope=SCOPE, resource_limits={"max_invocations": 1_000})

        assert harness.run(narrow, ECHO).success
        refusal = harness.run(narrow, ECHO)

        assert_trail(refusal, limit_denied("recorder.echo", "LIMIT_INVOCATIONS"))
        assert harness.run(wide, ECHO, ECHO).success


def test_a_token_gains_nothing_from_another_one_of_the_same_user() -> None:
    """Rules 1B.6, 2B.11: neither a method nor a domain."""
    with Harness(domains=[Recorder()]) as harness:
        echo = harness.issue(scope={"recorder": ["echo"]})
        act = harness.issue(scope={"recorder": ["act"], "apollo": ["plan_routine"]})

        assert harness.run(echo, ECHO).success
        for token, step in (
            (echo, ("recorder", "act", {})),
            (act, ECHO),
            (echo, ("apollo", "plan_routine", {})),
        ):
            outcome = harness.run(token, step)
            assert_trail(outcome, scope_denied(f"{step[0]}.{step[1]}"))


def test_what_executes_can_issue_and_revoke_nothing() -> None:
    """Rules 1C.8: a token is never a way to a token."""
    power = {"issue_token", "revoke_token", "revoke", "pause", "resume", "rotate"}

    assert not power & set(dir(TokenRegistry))
    assert not power & set(dir(Stage3Orchestrator))


# Section 2A: validation

REVOKE: Prepare = lambda h, t: h.authority.revoke_token(t, "lost", "admin")  # noqa: E731
NOTHING: Prepare = lambda _h, _t: None  # noqa: E731

VALIDATION = {
    "rules 2A.1: unknown": ("TOKEN_UNKNOWN", "not found", NOTHING, {"token": "gone"}),
    "rules 2A.2: revoked": ("TOKEN_REVOKED", "revoked", REVOKE, {}),
    "rules 2A.3: user": ("USER_MISMATCH", "mismatch", NOTHING, {"user": "ALICE"}),
    "rules 2A.4: trigger": (
        *("TRIGGER_NOT_AUTHORIZED", "trigger", NOTHING),
        {"trigger": "scheduled"},
    ),
    "rules 2A.9: expired": (
        *("TOKEN_EXPIRED", "expired", lambda h, _t: h.clock.advance(900), {}),
    ),
    "a key that is not trusted any more": (
        "KEY_NOT_TRUSTED",
        "not trusted",
        lambda h, _t: h.authority.set_key_state(
            next(k.kid for k in h.registry.verification_keys().values()
                 if k.purpose == "issue"),
            "compromised",
        ),
        {},
    ),
    "a token that begins later": (
        *("TOKEN_NOT_ACTIVE", "not active", lambda h, _t: h.clock.advance(-1), {}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", VALIDATION)
def test_a_token_that_is_no_good_starts_nothing(story: str) -> None:
    """Rules 2A.1 to 2A.6, 2A.9: refused at the first check, and nothing is started."""
    code, word, prepare, asked = VALIDATION[story]
    recorder = Recorder()
    with Harness(domains=[recorder]) as harness:
        token = harness.issue(scope=SCOPE).token_hash
        prepare(harness, token)

        asked = {"token": token, **asked}
        outcome = harness.run(asked.pop("token"), ECHO, **asked)

        alone = unknown_token() if code == "TOKEN_UNKNOWN" else refused(code)
        assert_trail(outcome, alone)
        assert outcome.error is not None
        assert outcome.error.code == code
        assert word in sentence(outcome)
        assert recorder.calls == []


def test_a_plan_of_another_user_is_refused() -> None:
    """Rules 2A.3, 7.9: PLAN_USER_MISMATCH, though the caller is the right one."""
    recorder = Recorder()
    with Harness(domains=[recorder]) as harness:
        token = harness.issue(scope=SCOPE)

        outcome = harness.orchestrator.execute_plan(
            token.token_hash, "alice", "direct_command", harness.plan(ECHO, user="bob")
        )

    assert_trail(outcome, refused("PLAN_USER_MISMATCH"))
    assert "mismatch" in sentence(outcome)
    assert recorder.calls == []


def test_all_checks_pass_or_the_first_that_fails_is_the_answer() -> None:
    """Rules 2A.5, 2A.6: revoked goes before a wrong user and a wrong trigger."""
    with Harness(domains=[Recorder()]) as harness:
        token = harness.issue(scope=SCOPE)
        assert harness.run(token, ECHO).error is None
        REVOKE(harness, token.token_hash)

        outcome = harness.run(token, ECHO, user="mallory", trigger="scheduled")

        assert_trail(outcome, refused("TOKEN_REVOKED"))


def test_the_refusal_of_one_token_leaves_another_as_it_is() -> None:
    """Rules 2A.7, 2A.8: each call is judged anew and for itself."""
    with Harness(domains=[Recorder()]) as harness:
        first, second = harness.issue(scope=SCOPE), harness.issue(scope=SCOPE)
        REVOKE(harness, first.token_hash)

        assert not harness.run(first, ECHO).success
        assert harness.run(second, ECHO).success
        assert not harness.run(second, ECHO, user="bob").success
        assert harness.run(second, ECHO).success


# Section 2B: scope


@pytest.mark.parametrize(
    "domain",
    [
        *("recorder*", "recorder.*", "*", "recorders", "recorde", "recorder_"),
        *("_recorder", "Recorder", "RECORDER", "rec\N{CYRILLIC SMALL LETTER O}rder"),
        *(" recorder", "recorder "),
    ],
)
def test_a_domain_that_is_nearly_in_scope_is_not(domain: str) -> None:
    """Rules 2B.1, 2B.6, 2B.7: exact strings; no pattern, folding or look-alike."""
    with Harness(domains=[Recorder()]) as harness:
        outcome = harness.run(harness.issue(scope=SCOPE), (domain, "echo", {}))

        assert outcome.error is not None
        assert outcome.error.code == "DOMAIN_NOT_IN_SCOPE"
        assert_trail(outcome, scope_denied("", "DOMAIN_NOT_IN_SCOPE"))


@pytest.mark.parametrize(
    "method",
    [
        *("ech", "echo_", "_echo", "Echo", "ECHO", "echoo", "cho", "echo*", "ec.o"),
        *(" echo", "e\N{CYRILLIC SMALL LETTER ES}ho"),
    ],
)
def test_a_method_that_is_nearly_in_scope_is_not(method: str) -> None:
    """Rules 2B.1, 2B.6, 2B.8."""
    with Harness(domains=[Recorder()]) as harness:
        outcome = harness.run(harness.issue(scope=SCOPE), ("recorder", method, {}))

        assert outcome.error is not None
        assert outcome.error.code == "METHOD_NOT_IN_SCOPE"


def test_a_refused_scope_says_what_was_asked_and_what_is_allowed() -> None:
    """Rules 2B.2, 2B.3, 2B.12: kind, both names, both phrases, the allowed list."""
    with Harness(domains=[Recorder()]) as harness:
        token = harness.issue(scope=SCOPE)

        domain = harness.run(token, ("hermes", "gone", {}))
        method = harness.run(token, ("recorder", "gone", {}))

        for word in ("domain", "hermes", "not authorized", "not in scope", "recorder"):
            assert word in sentence(domain)
        for word in ("method", "gone", "recorder", "not authorized", "scope", "echo"):
            assert word in sentence(method)


def test_a_domain_in_scope_without_methods_is_unusable() -> None:
    """Rules 2B.4."""
    with Harness(domains=[Recorder()]) as harness:
        token = harness.issue(scope=SCOPE, domain_scope=["recorder", "apollo"])

        outcome = harness.run(token, ("apollo", "analyze_habits", {}))

        assert_trail(outcome, scope_denied("apollo.analyze_habits"))
        assert "apollo" in sentence(outcome)


def test_a_method_is_authorized_for_its_own_domain_only() -> None:
    """Rules 2B.5, 2B.9, 2B.10: no other domain, no label, no fallback, one refusal."""
    with Harness(domains=[Recorder()]) as harness:
        token = harness.issue(
            scope={"recorder": ["echo"], "apollo": ["plan_routine"]}, capability="act"
        )

        other = harness.run(token, ("apollo", "echo", {}))
        label = harness.run(token, ("recorder", "act", {}))

        for outcome in (other, label):
            assert outcome.error is not None
            assert outcome.error.code == "METHOD_NOT_IN_SCOPE"
            kinds = [event.event_type for event in outcome.trail]
            assert kinds.count(AuditEventType.EXECUTION_DENIED) == 1
            assert AuditEventType.EXECUTION_STARTED not in kinds


# Sections 2C and 2D


def test_a_limit_refuses_before_anything_runs_and_names_itself() -> None:
    """Rules 2C.7, 2C.8: one event with the limit's key, its standing, its maximum."""
    recorder = Recorder()
    with Harness(domains=[recorder]) as harness:
        token = harness.issue(scope=SCOPE, resource_limits={"max_invocations": 1})
        harness.run(token, ECHO)

        outcome = harness.run(token, ECHO)

        assert_trail(outcome, limit_denied("recorder.echo", "LIMIT_INVOCATIONS"))
        check = next(
            event
            for event in outcome.trail
            if event.event_type is AuditEventType.RESOURCE_LIMIT_CHECK
        )
        assert check.reason is not None
        assert "max_invocations" in check.reason
        assert check.details["limit_type"] == "max_invocations"
        assert (check.details["current"], check.details["max"]) == (1, 1)
        assert len(recorder.calls) == 1


def test_a_step_that_runs_while_its_token_is_revoked_ends_and_is_the_last() -> None:
    """Rules 2D.7: the call inside the domain ends as it ends; none follows."""
    recorder = Recorder()
    with Harness(domains=[recorder]) as harness:
        token = harness.issue(scope=SCOPE)
        between(harness, lambda: REVOKE(harness, token.token_hash))

        outcome = harness.run(token, ECHO, ECHO)

        assert_trail(
            outcome,
            completed("recorder.echo"),
            denied("recorder.echo", "TOKEN_REVOKED"),
        )
        assert len(recorder.calls) == 1
