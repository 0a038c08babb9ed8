"""The executor and a slow second one agree on generated lives (P2, P6; EXE-3, 5, 6).

Each life is a whole ledger: tokens are issued, plans run, time passes, tokens are
revoked, the platform is paused. After every plan the trail, the code and the step are
compared, and at the end the ledger, with its usage rows, verifies. The lives are drawn
from numbered seeds, weighted so that every code is reached; that they are is asserted.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from stage3.pytest_plugin.harness import Harness
from tests.oracles.plan_oracle import OracleExecutor, OracleStep, OracleToken
from tests.unit.stage3.probe_domains import Probe

METHODS = ["answer", "fail", "raise", "garble", "misbehave", "strict"]
LIVES = 400

EVERY_CODE = {
    None,
    "TOKEN_UNKNOWN",
    "TOKEN_REVOKED",
    "TOKEN_EXPIRED",
    "USER_MISMATCH",
    "PLAN_USER_MISMATCH",
    "TRIGGER_NOT_AUTHORIZED",
    "LIMIT_EXECUTIONS",
    "PLATFORM_PAUSED",
    "DOMAIN_NOT_IN_SCOPE",
    "METHOD_NOT_IN_SCOPE",
    "DOMAIN_NOT_REGISTERED",
    "METHOD_NOT_FOUND",
    "LIMIT_INVOCATIONS",
    "LIMIT_TOTAL",
    "LIMIT_FREQUENCY",
    "LIMIT_RESPONSE",
    "PARAMETERS_REFUSED",
    "BOUNDARY_VIOLATION",
    "DOMAIN_FAILED",
    "RESULT_REFUSED",
}


@pytest.mark.parametrize("seed", range(0, LIVES, 20))
def test_executor_and_oracle_agree_on_every_plan(seed: int) -> None:
    reached: Counter[str | None] = Counter()
    for number in range(seed, seed + 20):
        with Harness(domains=[Probe()]) as harness:
            life = Life(harness, random.Random(number))  # noqa: S311 - a test
            life.issue()
            for _ in range(40):
                life.act()

            assert harness.log.verify().findings == (), number
            reached += life.reached

    assert reached[None] > 3


def test_the_lives_reach_every_code_that_a_plan_can_end_with() -> None:
    reached: Counter[str | None] = Counter()
    for number in range(60):
        with Harness(domains=[Probe()]) as harness:
            life = Life(harness, random.Random(number))  # noqa: S311 - a test
            life.issue()
            for _ in range(40):
                life.act()
            reached += life.reached

    assert set(reached) == EVERY_CODE


class Life:
    """One ledger and its oracle, told the same things."""

    def __init__(self, harness: Harness, chance: random.Random) -> None:
        self.harness = harness
        self.chance = chance
        self.oracle = OracleExecutor()
        self.hashes: list[str] = []
        self.reached: Counter[str | None] = Counter()

    def act(self) -> None:
        """Do one thing, most often run a plan."""
        actions = [self.run] * 16 + [self.issue, self.wait, self.wait, self.wait]
        actions += [self.resume] * 3 if self.oracle.paused else [self.pause]
        self.chance.choice([*actions, self.revoke])()

    def issue(self) -> None:
        """Issue a token with limits that will soon be felt, or never."""
        draw = self.chance.randint
        methods = self.chance.sample([*METHODS, "gone"], draw(5, 7))
        token = OracleToken(
            user="alice",
            scope={"probe": methods, "nowhere": ["answer"]},
            triggers=["direct_command"],
            issued_us=self.harness.clock.now_us,
            duration_s=draw(5, 60),
            max_invocations=self.chance.choice([draw(1, 6), 50]),
            max_response=self.chance.choice([draw(3, 10), 500]),
            max_total=self.chance.choice([draw(1, 30), 5_000]),
            uses_allowed=draw(1, 4),
            uses_per_s=draw(1, 5),
            max_executions=self.chance.choice([None, None, draw(1, 5)]),
        )
        issued = self.harness.issue(
            token.user,
            token.scope,
            duration_seconds=token.duration_s,
            max_executions=token.max_executions,
            resource_limits={
                "max_invocations": token.max_invocations,
                "max_tokens_per_response": token.max_response,
                "max_total_tokens": token.max_total,
                "max_frequency": f"{token.uses_allowed} per {token.uses_per_s} seconds",
            },
        )
        self.hashes.append(issued.token_hash)
        self.oracle.tokens.append(token)

    def run(self) -> None:
        """Run one plan in both executors and compare."""
        unknown = self.chance.random() < 0.05
        index = self.chance.randrange(len(self.hashes))
        user, plan_user = self._name(), self._name()
        trigger = "direct_command" if self.chance.random() < 0.95 else "scheduled"
        steps = [self._step() for _ in range(self.chance.randint(1, 4))]
        outcome = self.harness.orchestrator.execute_plan(
            token_hash="sha256:" + "f" * 64 if unknown else self.hashes[index],
            user_id=user,
            trigger_type=trigger,
            execution_plan=self.harness.plan(
                *[(s.domain, s.method, s.answer) for s in steps], user=plan_user
            ),
        )

        verdict = self.oracle.run(
            None if unknown else self.oracle.tokens[index],
            user,
            plan_user,
            trigger,
            steps,
            self.harness.clock.now_us,
        )

        found = [
            (e.event_type.value, e.status, f"{e.domain}.{e.method}")
            for e in outcome.trail
        ]
        error = outcome.error
        assert found == verdict.events
        assert (error and error.code) == verdict.code
        assert (error and error.step) == verdict.step
        assert outcome.success == (verdict.code is None)
        self.reached[verdict.code] += 1

    def wait(self) -> None:
        """Let some time pass."""
        self.harness.clock.now_us += self.chance.choice([1, 500_000, 1_000_000, 9**7])

    def revoke(self) -> None:
        """Revoke one of the tokens."""
        index = self.chance.randrange(len(self.hashes))
        self.harness.authority.revoke_token(self.hashes[index], "x", "admin")
        self.oracle.tokens[index].revoked = True

    def pause(self) -> None:
        """Pause the platform."""
        self.harness.authority.pause("x", "admin")
        self.oracle.paused = True

    def resume(self) -> None:
        """Resume the platform."""
        self.harness.authority.resume("x", "admin")
        self.oracle.paused = False

    def _name(self) -> str:
        return "alice" if self.chance.random() < 0.95 else "Alice"

    def _step(self) -> OracleStep:
        chance = self.chance
        domain = chance.choice(["probe"] * 30 + ["nowhere", "hermes_"])
        method = chance.choice(["answer"] * 14 + [*METHODS, "strict", "gone", "Answer"])
        answer: dict[str, object] = {"n": 1}
        if chance.random() < 0.8:
            answer = {"a": "x" * chance.choice([0, 5, 9, 20, 60])}
        return OracleStep(domain, method, answer)
