"""The harness of the pytest plugin (docs/spec/testing.md, TST-1)."""

import subprocess
import sys
from pathlib import Path

import pytest

from audit.errors import StoreClosedError
from audit.log import AuditEventLog
from audit.store.opening import open_store
from audit.store.sqlite import SqliteStore
from stage3 import pytest_plugin
from stage3.orchestrator import Stage3Orchestrator
from stage3.pytest_plugin.harness import START_US, Harness, ManualClock, make_token
from tests.architecture.source_tree import ROOT
from tests.unit.rules.recording_domain import Recorder
from tokens.authority import TokenAuthority
from tokens.keys import SigningKey
from tokens.registry import TokenRegistry

SCOPE = {"recorder": ["echo"]}
ECHO = ("recorder", "echo", {"x": 1})
FIXTURE = """
import pytest
seen = []

def test_first(stage3_harness):
    seen.append(stage3_harness)
    stage3_harness.issue()
    assert stage3_harness.log.verify()

@pytest.mark.xfail(strict=True)
def test_second(stage3_harness):
    seen.append(stage3_harness)
    raise RuntimeError

def test_third(stage3_harness):
    assert stage3_harness is not seen[0]
    assert stage3_harness.log.head().size == 0
    for harness in seen:
        with pytest.raises(Exception, match="closed"):
            harness.log.head()
"""


def test_a_harness_is_made_of_the_product_itself() -> None:
    """TST-1.1."""
    with Harness() as harness:
        parts = (
            *(harness.store, harness.authority, harness.registry),
            *(harness.log, harness.orchestrator, harness.signing_key("issue")),
        )
        assert [type(part) for part in parts] == [
            *(SqliteStore, TokenAuthority, TokenRegistry),
            *(AuditEventLog, Stage3Orchestrator, SigningKey),
        ]


def test_its_clock_moves_only_when_told_to() -> None:
    """TST-1.2: by as much as it is told, and back."""
    with Harness(domains=[Recorder()]) as harness:
        token = harness.issue(scope=SCOPE, duration_seconds=60)
        assert harness.clock() == START_US
        harness.clock.advance(59.999999)
        assert harness.run(token, ECHO).success
        harness.clock.advance(0.000001)
        assert harness.clock() == START_US + 60_000_000
        assert not harness.run(token, ECHO).success
        harness.clock.advance(-60)
        assert harness.clock() == START_US


def test_one_seed_gives_one_ledger_and_another_seed_another() -> None:
    """TST-1.3."""

    def head(seed: str) -> bytes:
        with Harness(domains=[Recorder()], seed=seed) as harness:
            harness.run(harness.issue(scope=SCOPE), ECHO)
            return harness.log.head().root

    assert head("one") == head("one")
    assert head("one") != head("two")


def test_the_fixture_is_fresh_for_each_test_and_closed_after_it(tmp_path: Path) -> None:
    """TST-1.4: in a pytest of its own that knows only what is installed."""
    (tmp_path / "test_fixture.py").write_text(FIXTURE)

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-W", "error", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed, 1 xfailed" in done.stdout


def test_a_token_is_wide_unless_told_otherwise() -> None:
    """TST-1.5."""
    wide = make_token()
    narrow = make_token(
        "bob",
        {"hermes": ["draft_schedule"]},
        resource_limits={"max_invocations": 3},
        duration_seconds=60,
        max_executions=1,
    )

    assert wide.user_id == "alice"
    assert wide.method_scope["apollo"] == ("analyze_habits",)
    assert narrow.user_id == "bob"
    assert narrow.domain_scope == ("hermes",)
    assert (narrow.duration_seconds, narrow.max_executions) == (60, 1)
    assert narrow.resource_limits["max_invocations"] == 3
    assert wide.resource_limits == narrow.resource_limits | {"max_invocations": 1_000}
    with pytest.raises(TypeError):
        make_token(capabilty="a typing mistake")
    with pytest.raises(ValueError, match="1800"):
        make_token(duration_seconds=1_801)


def test_a_store_is_closed_by_who_opened_it() -> None:
    """TST-1.6."""
    clock = ManualClock()
    with open_store("memory:", clock=clock) as store:
        with Harness(store=store, clock=clock) as harness:
            harness.issue()
        assert AuditEventLog(store).verify()
    with Harness() as harness:
        store = harness.store
    with pytest.raises(StoreClosedError), store.read():
        pass


def test_loading_the_plugin_loads_nothing_else() -> None:
    """TST-1.7."""
    program = (
        "import sys, stage3.pytest_plugin\n"
        "heavy = ('audit', 'tokens', 'stage2_domains', 'hypothesis', 'cryptography')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_of_the_plugin_is_there() -> None:
    """TST-1.7."""
    for name in pytest_plugin.__all__:
        assert getattr(pytest_plugin, name) is not None
    with pytest.raises(AttributeError, match="gone"):
        pytest_plugin.gone  # noqa: B018 - asking is the point
