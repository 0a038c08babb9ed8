"""Every way a plan can end: exact trail, code and sentence (EXE-5.6, rules 5 and 7)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import pytest

from audit.events import AuditEventType
from stage2_domains.contract import DomainResult, MethodSpec, Stage2Domain
from stage3.isolation.process.level import Level
from stage3.pytest_plugin.harness import Harness
from stage3.pytest_plugin.trails import (
    Expected,
    assert_trail,
    completed,
    denied,
    failed,
    limit_denied,
    parameters_refused,
    refused,
    scope_denied,
    unknown_token,
    violated,
)
from tests.unit.stage3.probe_domains import Probe
from tokens.registry import TokenRegistry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stage2_domains.parameters import IsolatedParameters

ALL = ["answer", "fail", "raise", "misbehave", "garble", "strict"]
ANSWER = ("probe", "answer", {"x": 1})


NOTHING_GRANTED = Level(
    seccomp=False,
    no_new_privs=True,
    landlock_abi=0,
    namespaces=(),
    machine="x86_64",
    refusal="there is no seccomp here",
)


class Untrusted(Stage2Domain):
    """A domain that was registered without trust, so it needs a real box."""

    name = "untrusted"
    methods: ClassVar = {"m": MethodSpec({"type": "object"})}

    def invoke(self, method: str, parameters: IsolatedParameters) -> DomainResult:
        """Never run."""
        raise AssertionError((method, parameters))


@dataclass(frozen=True)
class Story:
    """A plan, what is done first, and exactly what must come of it."""

    steps: list[tuple[str, str, dict[str, object]]]
    trail: list[Expected]
    code: str
    words: list[str]
    step: int | None = None
    calls: int = 0
    token: dict[str, object] = field(default_factory=dict)
    run: dict[str, object] = field(default_factory=dict)
    before: Callable[[Harness, str], object] = lambda _h, _t: None


def _limits(**limits: object) -> dict[str, object]:
    return {"resource_limits": limits}


def _used_twice(harness: Harness, token: str) -> None:
    for _ in range(2):
        assert harness.run(token, ANSWER).success


STORIES = {
    # Gate 1 (EXE-3.1, rules 2A)
    "the token was never issued": Story(
        [ANSWER], [unknown_token()], "TOKEN_UNKNOWN", ["not found"],
        run={"token": "sha256:" + "0" * 64},
    ),
    "the handle is no handle at all": Story(
        [ANSWER], [unknown_token()], "TOKEN_UNKNOWN", ["not found"],
        run={"token": "eyJhbGciOiJFZDI1NTE5In0.secret.credential"},
    ),
    "the token was revoked": Story(
        [ANSWER], [refused("TOKEN_REVOKED")], "TOKEN_REVOKED", ["revoked"],
        before=lambda h, t: h.authority.revoke_token(t, "lost", "security_admin"),
    ),
    "the token expired this very microsecond": Story(
        [ANSWER], [refused("TOKEN_EXPIRED")], "TOKEN_EXPIRED", ["expired"],
        before=lambda h, _t: h.clock.advance(900),
    ),
    "somebody else calls": Story(
        [ANSWER], [refused("USER_MISMATCH")], "USER_MISMATCH", ["user", "mismatch"],
        run={"user": "mallory"},
    ),
    "users are compared exactly": Story(
        [ANSWER], [refused("USER_MISMATCH")], "USER_MISMATCH", ["mismatch"],
        run={"user": "Alice"},
    ),
    "the trigger is not in the token's list": Story(
        [ANSWER], [refused("TRIGGER_NOT_AUTHORIZED")], "TRIGGER_NOT_AUTHORIZED",
        ["trigger", "authorized"], run={"trigger": "scheduled"},
    ),
    "the trigger is an unknown word": Story(
        [ANSWER], [refused("TRIGGER_NOT_AUTHORIZED")], "TRIGGER_NOT_AUTHORIZED",
        ["trigger"], run={"trigger": "cron\u202e\n"},
    ),
    "the platform is paused": Story(
        [ANSWER], [refused("PLATFORM_PAUSED")], "PLATFORM_PAUSED", ["paused"],
        before=lambda h, _t: h.authority.pause("drill", "security_admin"),
    ),
    "the key that signed the token is compromised": Story(
        [ANSWER],
        [refused("KEY_NOT_TRUSTED")],
        "KEY_NOT_TRUSTED",
        ["key", "not trusted"],
        before=lambda h, t: h.authority.set_key_state(
            h.registry.get_token(t).kid, "compromised"
        ),
    ),
    "the token is bound to another plan": Story(
        [ANSWER], [refused("PLAN_NOT_AUTHORIZED")], "PLAN_NOT_AUTHORIZED", ["plan"],
        token={"plan_digest": "sha256:" + "a" * 64},
    ),
    "the executions are used up": Story(
        [ANSWER], [refused("LIMIT_EXECUTIONS")], "LIMIT_EXECUTIONS",
        ["max_executions", "2"], token={"max_executions": 2}, before=_used_twice,
        calls=2,
    ),
    # Gate 2 (EXE-3.3, EXE-3.4, rules 2B)
    "the domain is out of scope": Story(
        [("hermes", "compose_message", {})],
        [scope_denied("hermes.compose_message", "DOMAIN_NOT_IN_SCOPE")],
        "DOMAIN_NOT_IN_SCOPE", ["domain", "hermes", "not in scope", "not authorized"],
        step=0,
    ),
    "a near miss of the domain is out of scope": Story(
        [("Probe", "answer", {})],
        [scope_denied("Probe.answer", "DOMAIN_NOT_IN_SCOPE")],
        "DOMAIN_NOT_IN_SCOPE",
        ["Probe"],
        step=0,
    ),
    "a near miss of the method is out of scope": Story(
        [("probe", "Answer", {})],
        [scope_denied("probe.Answer", "METHOD_NOT_IN_SCOPE")],
        "METHOD_NOT_IN_SCOPE",
        ["Answer"],
        step=0,
    ),
    "the method is out of scope": Story(
        [("probe", "interrupt", {})],
        [scope_denied("probe.interrupt", "METHOD_NOT_IN_SCOPE")],
        "METHOD_NOT_IN_SCOPE", ["method", "interrupt", "probe", "scope", "answer"],
        step=0,
    ),
    "the domain is in scope without any method": Story(
        [("apollo", "plan_routine", {})],
        [scope_denied("apollo.plan_routine", "METHOD_NOT_IN_SCOPE")],
        "METHOD_NOT_IN_SCOPE", ["apollo"], step=0,
        token={"domain_scope": ["probe", "nowhere", "untrusted", "apollo"]},
    ),
    "a later step is out of scope": Story(
        [ANSWER, ("hermes", "compose_message", {}), ANSWER],
        [completed("probe.answer"), scope_denied("hermes.compose_message")],
        "DOMAIN_NOT_IN_SCOPE", ["scope"], step=1, calls=1,
    ),
    "the domain in scope is not registered": Story(
        [("nowhere", "m", {})], [scope_denied("nowhere.m", "DOMAIN_NOT_REGISTERED")],
        "DOMAIN_NOT_REGISTERED", ["nowhere", "not found"], step=0,
    ),
    "the method in scope does not exist": Story(
        [("probe", "gone", {})], [scope_denied("probe.gone", "METHOD_NOT_FOUND")],
        "METHOD_NOT_FOUND", ["gone", "not found", "probe"], step=0,
        token={"method_scope": {"probe": ["gone"]}, "domain_scope": ["probe"]},
    ),
    "the domain's tier is not available": Story(
        [("untrusted", "m", {})],
        [scope_denied("untrusted.m", "ISOLATION_UNAVAILABLE")],
        "ISOLATION_UNAVAILABLE", ["untrusted", "process", "no seccomp"], step=0,
    ),
    # Gate 3 (EXE-3.5, rules 2C)
    "the invocations are used up by the plan itself": Story(
        [ANSWER, ANSWER, ANSWER],
        [completed("probe.answer"), completed("probe.answer"),
         limit_denied("probe.answer", "LIMIT_INVOCATIONS")],
        "LIMIT_INVOCATIONS", ["max_invocations", "limit exhausted", "2"], step=2,
        token=_limits(max_invocations=2), calls=2,
    ),
    "the total is used up": Story(
        [("probe", "answer", {"a": "x" * 22}), ANSWER],
        [completed("probe.answer"), limit_denied("probe.answer", "LIMIT_TOTAL")],
        "LIMIT_TOTAL", ["max_total_tokens", "total token budget"], step=1,
        token=_limits(max_total_tokens=8), calls=1,
    ),
    "the plan comes too soon after the last": Story(
        [ANSWER], [limit_denied("probe.answer", "LIMIT_FREQUENCY")],
        "LIMIT_FREQUENCY", ["frequency limit", "max_frequency"], step=0,
        token=_limits(max_frequency="2 per 10 seconds"), before=_used_twice, calls=2,
    ),
    # Gate 4 (EXE-3.6)
    "a parameter is missing": Story(
        [("probe", "strict", {})], [parameters_refused("probe.strict")],
        "PARAMETERS_REFUSED", ["parameters", "n"], step=0,
    ),
    "a parameter is unknown": Story(
        [("probe", "strict", {"n": 1, "extra": 2})],
        [parameters_refused("probe.strict")],
        "PARAMETERS_REFUSED", ["extra"], step=0,
    ),
    # The domain (EXE-6, rules 5 and 7.4)
    "the domain says that it failed": Story(
        [ANSWER, ("probe", "fail", {}), ANSWER],
        [completed("probe.answer"), failed("probe.fail", "DOMAIN_FAILED")],
        "DOMAIN_FAILED", ["Deliberate failure"], step=1, calls=2,
    ),
    "the domain raises": Story(
        [("probe", "raise", {})], [failed("probe.raise", "DOMAIN_FAILED")],
        "DOMAIN_FAILED", ["raised on purpose"], step=0, calls=1,
    ),
    "the domain's answer is no answer": Story(
        [("probe", "garble", {})], [failed("probe.garble", "RESULT_REFUSED")],
        "RESULT_REFUSED", ["answer"], step=0, calls=1,
    ),
    "the domain's answer does not fit its own schema": Story(
        [("probe", "strict", {"n": 1})], [failed("probe.strict", "RESULT_REFUSED")],
        "RESULT_REFUSED", ["result schema"], step=0, calls=1,
    ),
    "the domain tries to leave its box": Story(
        [("probe", "misbehave", {}), ANSWER], [violated("probe.misbehave")],
        "BOUNDARY_VIOLATION", ["box"], step=0, calls=1,
    ),
    "the answer is larger than one response may be": Story(
        [("probe", "answer", {"a": "x" * 13})],
        [failed("probe.answer", "LIMIT_RESPONSE")],
        "LIMIT_RESPONSE", ["response token limit", "5", "6"], step=0, calls=1,
        token=_limits(max_tokens_per_response=5),
    ),
    "the answer is larger than what is left": Story(
        [("probe", "answer", {"a": "x" * 13}), ("probe", "answer", {"a": "x" * 13})],
        [completed("probe.answer"), failed("probe.answer", "LIMIT_TOTAL")],
        "LIMIT_TOTAL", ["total token budget"], step=1, calls=2,
        token=_limits(max_total_tokens=8),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_a_refused_or_failed_plan_leaves_exactly_its_trail(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stage3.tiers.probe", lambda: NOTHING_GRANTED)
    story = STORIES[name]
    probe = Probe()
    with Harness(domains=[probe]) as harness:
        harness.domains.register(Untrusted())
        scope = {"probe": ALL, "nowhere": ["m"], "untrusted": ["m"]}
        token = harness.issue(scope=scope, **story.token).token_hash
        story.before(harness, token)
        used = harness.log.head().size
        run: dict[str, object] = {"token": token, **story.run}

        outcome = harness.run(run.pop("token"), *story.steps, **run)

        assert_trail(outcome, *story.trail)
        assert outcome.trail == harness.log.trail(outcome.execution_id)
        success, results, error = outcome
        assert (success, results) == (False, None)
        assert error is not None
        assert (error.code, error.step) == (story.code, story.step)
        for word in story.words:
            assert word in str(error)
        assert str(error).isascii()
        assert str(error).isprintable()
        assert outcome.trail[-1].reason_code == story.code
        assert len(probe.calls) == story.calls
        assert harness.log.head().size > used
        assert harness.log.verify()


@pytest.mark.parametrize("steps", [1, 3, 100])
def test_a_successful_plan_leaves_1_plus_4n_events_in_n_plus_1_commits(
    steps: int,
) -> None:
    """EXE-5.1, EXE-5.2, rule 7.3: 13 events for three domains."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})
        plan = [("probe", "answer", {"i": i}) for i in range(steps)]
        writes = count_writes(harness)

        outcome = harness.run(token, *plan)

        assert_trail(outcome, *[completed("probe.answer")] * steps)
        assert len(outcome.trail) == 1 + 4 * steps
        assert len(writes) == steps + 1
        assert outcome.results == [
            {"success": True, "data": {"i": i}, "error": None} for i in range(steps)
        ]
        assert harness.log.verify()


def count_writes(harness: Harness) -> list[object]:
    """Count write transactions from now on, by standing in for ``store.write``."""
    opened: list[object] = []
    write = harness.store.write

    def counted(*args: object, **kwargs: object) -> object:
        opened.append(args)
        return write(*args, **kwargs)

    harness.orchestrator  # noqa: B018 - made before the counting begins
    harness.store.write = counted  # type: ignore[method-assign]
    return opened


def test_the_single_domain_form_leaves_five_events_with_its_own_target() -> None:
    """EXE-8.2, rules 5 and 4B.3."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})

        outcome = harness.orchestrator.execute(
            token.token_hash, "alice", "direct_command", "probe", "answer", {"x": 1}
        )

        assert_trail(outcome, completed("probe.answer"), target="probe.answer")
        assert outcome.results == [{"success": True, "data": {"x": 1}, "error": None}]


@pytest.mark.parametrize(
    ("story", "act", "code"),
    [
        (
            "revoked",
            lambda h, t: h.authority.revoke_token(t, "stop", "security_admin"),
            "TOKEN_REVOKED",
        ),
        ("clock", lambda h, _t: h.clock.advance(-61), "AUDIT_UNAVAILABLE"),
        ("expired", lambda h, _t: h.clock.advance(900), "TOKEN_EXPIRED"),
        ("paused", lambda h, _t: h.authority.pause("stop", "x"), "PLATFORM_PAUSED"),
    ],
)
def test_what_stops_a_plan_in_its_middle_is_seen_before_the_next_start(
    story: str, act: Callable[[Harness, str], object], code: str
) -> None:
    """EXE-3.2, rule C8: the mid-plan DENIED, with the heads that were read."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})
        between(harness, lambda: act(harness, token.token_hash))

        outcome = harness.run(token, ANSWER, ANSWER)

        assert_trail(outcome, completed("probe.answer"), denied("probe.answer", code))
        assert outcome.error is not None, story
        assert (outcome.error.code, outcome.error.step) == (code, 1)
        assert set(outcome.trail[-1].details["heads"]) == {"platform", "token"}
        assert harness.log.verify()


def between(harness: Harness, act: Callable[[], object]) -> None:
    """Do something while step 0 runs, from outside its box, by way of the tier."""
    tiers = harness.orchestrator._tiers._ready
    real = tiers["in_process"]
    pending = [act]

    class Between:
        tier = "in_process"
        attained = real.attained

        @staticmethod
        def invoke(*args: object, **kwargs: object) -> object:
            answer = real.invoke(*args, **kwargs)
            while pending:
                pending.pop()()
            return answer

        @staticmethod
        def close() -> None:
            real.close()

    tiers["in_process"] = Between()  # type: ignore[assignment]


def test_each_commit_point_carries_what_it_was_decided_on() -> None:
    """EXE-5.8, P6: heads, limits before and after, commitments; no payload (5.7)."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})

        outcome = harness.run(token, ("probe", "answer", {"word": "hunter2"}), ANSWER)

        validation, *rest = outcome.trail
        started = [e for e in rest if e.event_type is AuditEventType.EXECUTION_STARTED]
        assert validation.details["steps"] == 2
        assert validation.details["executions"] == {"before": 0, "max": None}
        for index, event in enumerate(started):
            assert event.details["invocations"]["before"] == index
            assert event.details["heads"]["token"][0] >= 1
            assert event.details["domain_digest"].startswith("sha256:")
            assert event.details["tier"] == "in_process"
        with harness.store.read() as tx:
            assert b"hunter2" not in b"".join(e.data for e in tx.entries())


def test_records_that_disagree_refuse_every_start_that_depends_on_them(
    tmp_path: Path,
) -> None:
    """EXE-3.1; design section 4 "Registry": a stored credential was exchanged."""
    with Harness(f"sqlite:///{tmp_path}/x.db", domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL}).token_hash
        wider = harness.issue(scope={"probe": ALL}, duration_seconds=1_800)
        with closing(sqlite3.connect(tmp_path / "x.db")) as raw:
            guards = raw.execute("SELECT name FROM sqlite_master WHERE type='trigger'")
            for (name,) in guards.fetchall():
                raw.execute(f'DROP TRIGGER "{name}"')
            raw.execute(
                "UPDATE credential SET credential = ? WHERE token_hash = ?",
                (wider.credential, token),
            )
            raw.commit()

        outcome = harness.run(token, ANSWER)

        assert_trail(outcome, refused("AUDIT_UNAVAILABLE"))
        assert "disagree" in str(outcome.error)


def test_first_use_and_expiry_are_each_recorded_once_in_the_tokens_stream() -> None:
    """EXE-5.9, T15."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})
        harness.run(token, ANSWER)
        harness.run(token, ANSWER)
        harness.clock.advance(900)
        harness.run(token, ANSWER)
        harness.run(token, ANSWER)

        kinds = [event.event_type.value for event in harness.log.get_events()]

        assert kinds.count("TOKEN_FIRST_USED") == 1
        assert kinds.count("TOKEN_EXPIRED") == 1
        assert harness.log.verify()


def test_an_expired_token_stays_dead_when_the_clock_goes_back() -> None:
    """EXE-5.9, T1."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})
        harness.clock.advance(900)
        harness.run(token, ANSWER)
        harness.clock.advance(-30)

        outcome = harness.run(token, ANSWER)

        assert_trail(outcome, refused("TOKEN_EXPIRED"))


def test_a_token_is_valid_until_the_last_microsecond_before_its_end() -> None:
    """Rule 2A.10, one step each side of the half-open bound."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL}, duration_seconds=60)
        harness.clock.advance(60)
        harness.clock.now_us -= 1

        assert harness.run(token, ANSWER).success


def test_a_clock_far_behind_the_ledger_refuses_starts() -> None:
    """EXE-3.9, one step each side of 60 s."""
    with Harness(domains=[Probe()]) as harness:
        token = harness.issue(scope={"probe": ALL})
        harness.clock.advance(100)
        assert harness.run(token, ANSWER).success

        harness.clock.advance(-60)
        assert harness.run(token, ANSWER).success
        harness.clock.now_us -= 1
        outcome = harness.run(token, ANSWER)

        assert_trail(outcome, refused("AUDIT_UNAVAILABLE"))
        assert "clock" in str(outcome.error)


def test_the_registry_is_the_one_the_executor_was_given() -> None:
    """EXE-8.1, rule 5.1."""
    with Harness() as harness, Harness() as other:
        orchestrator = harness.orchestrator
        assert orchestrator.token_registry is harness.registry
        assert orchestrator.audit_log is harness.log
        with pytest.raises(ValueError, match="different stores"):
            type(orchestrator)(TokenRegistry(other.store), harness.log, harness.domains)
