"""Registry and authority against a naive model, over generated histories."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from audit.log import AuditEventLog
from tests.oracles.authority_model import AuthorityModel, ModelToken
from tests.oracles.token_world import World, grant, named_key, try_start
from tokens.credential import handle
from tokens.errors import AuthorityError, KeyNotTrustedError, TokenError
from tokens.registry import TokenRegistry
from tokens.state.selector import Selector

USERS = st.sampled_from(["alice", "bob"])
ISSUERS = st.sampled_from(["carol", "dave"])
KEYS = ["key0", "key1", "key2"]
STATES = ["active", "verify-only", "retired", "compromised"]
KIDS = {named_key(name).kid: name for name in KEYS}


class History(RuleBasedStateMachine):
    """Whatever is done in whatever order, every answer is that of the model."""

    tokens = Bundle("tokens")

    @initialize()
    def begin(self) -> None:
        """Open one store, with three issuing desks."""
        self.world = World()
        self.model = AuthorityModel()
        self.desks = {name: self.world.new_authority(name) for name in KEYS}
        for position, desk in enumerate(self.desks.values()):
            desk._entropy = _Numbered(position)
        self.desk = self.desks["key0"]

    @rule(
        target=tokens,
        user=USERS,
        issuer=ISSUERS,
        key=st.sampled_from(KEYS),
        limits=st.tuples(
            st.integers(1, 4),
            st.sampled_from([None, 1, 2]),
            st.tuples(st.integers(1, 2), st.sampled_from([1, 10])),
        ),
        duration=st.sampled_from([5, 900]),
    )
    def issue(  # a token has that many sides
        self,
        user: str,
        issuer: str,
        key: str,
        limits: tuple[int, int | None, tuple[int, int]],
        duration: int,
    ) -> str:
        """Issue a token, or be refused where the model says so."""
        invocations, executions, (count, seconds) = limits
        token = grant(
            user,
            issued_by=issuer,
            duration_seconds=duration,
            max_invocations=invocations,
            max_executions=executions,
            max_frequency=f"{count} per {seconds} seconds",
            max_total_tokens=100_000,
        )
        if not self.model.may_issue(user, issuer, key):
            self._must_refuse(key, token)
            return "sha256:" + "0" * 64
        issued = self.desks[key].issue_token(token)
        if self.model.key_state(key) == "unregistered":
            self.model.done.append(("active", f"key {key}"))
        self.model.done.append(("issue", issued.token_hash))
        start_s = self.world.clock() // 1_000_000
        self.model.tokens[issued.token_hash] = ModelToken(
            issued.token_hash,
            user,
            issuer,
            key,
            start_s,
            start_s + duration,
            invocations,
            executions,
            (count, seconds),
        )
        return issued.token_hash

    def _must_refuse(self, key: str, token: object) -> None:
        try:
            self.desks[key].issue_token(token)  # type: ignore[arg-type]
        except (AuthorityError, KeyNotTrustedError):
            return
        raise AssertionError("issued against a revocation or a key's state")

    @rule(token=tokens)
    def revoke_token(self, token: str) -> None:
        """Revoke one token."""
        if token in self.model.tokens:
            self.desk.revoke_token(token, "r", "admin")
            self.model.done.append(("revoke", f"token:{token}"))

    @rule(user=USERS)
    def revoke_user(self, user: str) -> None:
        """Revoke a user."""
        self.desk.revoke(Selector.user(user), "r", "admin")
        self.model.done.append(("revoke", f"user:{user}"))

    @rule(issuer=ISSUERS)
    def revoke_issuer(self, issuer: str) -> None:
        """Revoke an issuer."""
        self.desk.revoke(Selector.issuer(issuer), "r", "admin")
        self.model.done.append(("revoke", f"issuer:{issuer}"))

    @rule(key=st.sampled_from(KEYS))
    def revoke_key(self, key: str) -> None:
        """Revoke an issue key."""
        if self.model.key_state(key) != "unregistered":
            self.desk.revoke(Selector.key(named_key(key).kid), "r", "admin")
            self.model.done.append(("revoke", f"key:{key}"))

    @rule()
    def revoke_all(self) -> None:
        """Revoke everything."""
        self.desk.revoke(Selector.everything(), "r", "admin")
        self.model.done.append(("revoke", "all:"))

    @rule()
    def pause(self) -> None:
        """Pause the platform."""
        self.desk.pause("r", "admin")
        self.model.done.append(("pause", ""))

    @rule()
    def resume(self) -> None:
        """Resume it, if it ever was paused."""
        with suppress(AuthorityError):
            self.desk.resume("r", "admin")
            self.model.done.append(("resume", ""))

    @rule(key=st.sampled_from(KEYS), state=st.sampled_from(STATES))
    def change_key(self, key: str, state: str) -> None:
        """Move a key on, where that is possible."""
        with suppress(AuthorityError):
            self.desk.set_key_state(named_key(key).kid, state)
            self.model.done.append((state, f"key {key}"))

    @rule(seconds=st.sampled_from([0.000001, 0.999999, 1, 4, 5, 9.999999, 10, 60, 900]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.world.clock.forward(seconds)

    @rule(token=tokens, step=st.integers(0, 1))
    def start(self, token: str, step: int) -> None:
        """Try to start, and compare the answers."""
        now_us = self.world.clock()
        expected = self.model.answer(token, now_us, first_step=step == 0)

        answer = try_start(self.world.registry, token, step=step)

        assert answer == expected
        if answer == "ok":
            self.model.used(token, now_us, first_step=step == 0)
        if answer == "expired":
            self.model.tokens[token].seen_expired = True

    @invariant()
    def a_registry_that_has_seen_nothing_agrees(self) -> None:
        """Hold both registries against the model after each step."""
        fresh = TokenRegistry(self.world.store)
        for name, token in self.model.tokens.items():
            with self.world.store.write() as tx:
                snapshots = [
                    registry.snapshot(tx, name)
                    for registry in (self.world.registry, fresh)
                ]
            assert snapshots[0] == snapshots[1]
            snapshot = snapshots[0]
            assert snapshot.integrity is None
            assert snapshot.paused == self.model.paused()
            assert (snapshot.revoked_by is not None) == self.model._is_revoked(token)
            assert snapshot.usage.invocations == token.invocations
            assert snapshot.usage.executions == len(token.uses_us)
            assert snapshot.usage.reserved == 0

    def teardown(self) -> None:
        """Verify the ledger that came of it."""
        report = AuditEventLog(self.world.store).verify()
        kinds = {finding.kind for finding in report.findings}
        # The starts here write counters without their trails, and nothing else.
        assert kinds <= {"usage", "use"}
        self.world.close()


class _Numbered:
    """Randomness of one desk: never that of another, never twice the same."""

    def __init__(self, desk: int) -> None:
        self._next = desk << 64

    def __call__(self, size: int) -> bytes:
        self._next += 1
        return self._next.to_bytes(size, "big")


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=25)


@settings(max_examples=100)
@given(text=st.text(max_size=200))
def test_no_text_given_for_a_handle_breaks_the_registry(text: str) -> None:
    """Anything is looked up as a handle, or as its own hash; nothing is echoed."""
    world = _SHARED
    world.registry.prepare(text)
    with world.store.write() as tx:
        snapshot = world.registry.snapshot(tx, text)
    assert (snapshot.claims, snapshot.integrity) == (None, None)
    for call in (world.registry.get_token, world.registry.is_revoked):
        with pytest.raises(TokenError) as caught:
            call(text)
        assert handle(text) in str(caught.value)


@settings(max_examples=100)
@given(
    token_hash=st.text(max_size=100),
    reason=st.text(max_size=30),
    by=st.text(max_size=30),
)
def test_no_text_given_to_the_authority_raises_anything_undocumented(
    token_hash: str, reason: str, by: str
) -> None:
    world = _SHARED
    calls = (
        lambda: world.authority.revoke_token(token_hash, reason, by),
        lambda: world.authority.revoke(Selector.user(token_hash), reason, by),
        lambda: world.authority.revoke(Selector.key(token_hash), reason, by),
        lambda: world.authority.set_key_state(token_hash, reason),
        lambda: world.authority.register_key(named_key("k").public, reason, by=by),
    )
    for call in calls:
        with suppress(TokenError, ValueError):
            call()
    assert world.store.latch is None


_SHARED = World()
