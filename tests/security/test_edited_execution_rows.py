"""Execution rows that somebody edited: what is asked again, and what recovery does."""

from contextlib import closing
from pathlib import Path

import pytest

from audit.errors import LedgerFormatError
from audit.store.faults import open_faulty_store
from audit.store.opening import open_store
from stage3.isolation.in_process import InProcessIsolation
from stage3.pytest_plugin.harness import LEDGER_ID, Harness, ManualClock
from tests.oracles.token_world import sqlite_edit
from tests.unit.stage3.probe_domains import Probe
from tokens.state.collections import USAGE

ID = "3f0c2b4e-8c1a-4b6e-9f00-0123456789ab"
OTHER = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "outcome",
    [
        '{"success":true}',
        (
            '{"code":"TOKEN_REVOKED","domain":null,"method":null,"sentence":"x","step":0,'
            '"success":false}'
        ),
        '{"success":false}',
        "[1]",
        "not JSON",
        None,
    ],
)
def test_an_outcome_that_the_record_does_not_bear_out_is_not_repeated(
    tmp_path: Path, outcome: str | None
) -> None:
    """P5, EXE-4.2: the recorded outcome is the ledger's, not that of an edited row."""
    clock, url = ManualClock(), f"sqlite:///{tmp_path}/l.db"
    with (
        open_store(url, clock=clock, ledger_id=LEDGER_ID) as store,
        Harness(domains=[Probe()], store=store, clock=clock) as harness,
    ):
        token = harness.issue(scope={"probe": ["fail"]})
        failed = harness.run(token, ("probe", "fail", {}), execution_id=ID)
        replay = harness.run(token, ("probe", "fail", {}), execution_id=ID)
        assert (failed.success, replay.success, replay.replayed) == (False, False, True)
        said = "NULL" if outcome is None else f"'{outcome}'"
        edit = f"UPDATE execution SET outcome = {said}"  # from above
        sqlite_edit(tmp_path / "l.db", edit)

        again = harness.run(token, ("probe", "fail", {}), execution_id=ID)

        assert not again.success
        assert not again.replayed
        assert again.error is not None
        assert again.error.code == "AUDIT_UNAVAILABLE"
        assert {finding.kind for finding in harness.log.verify().findings} == {
            "execution"
        }


def orphaned(folder: Path) -> tuple[str, str]:
    """Leave an execution whose owner is gone in its first step; name two tokens."""
    clock = ManualClock()
    store, faults = open_faulty_store(
        f"sqlite:///{folder}/l.db", clock=clock, ledger_id=LEDGER_ID
    )
    with store, Harness(domains=[Probe()], store=store, clock=clock) as harness:
        token = harness.issue(scope={"probe": ["answer"]})
        bystander = harness.issue("bob", scope={"probe": ["answer"]})
        harness.orchestrator  # noqa: B018 - made before anything fails
        faults.fail(commit=2, lasting=True)
        harness.run(token, ("probe", "answer", {}), execution_id=ID)
        faults.heal()
        store.lift_latch()
    return token.token_hash, bystander.token_hash


def reopened(folder: Path) -> Harness:
    clock = ManualClock()
    store = open_store(f"sqlite:///{folder}/l.db", clock=clock, ledger_id=LEDGER_ID)
    return Harness(domains=[Probe()], store=store, clock=clock)


def test_recovery_charges_no_token_where_record_and_row_name_different_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """EXE-7.3, P6: an edited row moved the charge of a step to another token."""
    token, bystander = orphaned(tmp_path)
    assert "latched" in capsys.readouterr().err
    sqlite_edit(
        tmp_path / "l.db",
        f"INSERT INTO usage VALUES ('{bystander}', 5, 0, 20000, 5)",
        f"UPDATE execution SET token_hash = '{bystander}'",
    )

    harness = reopened(tmp_path)
    with closing(harness.store), harness:
        with pytest.raises(LedgerFormatError, match="different tokens"):
            harness.orchestrator  # noqa: B018 - constructing it recovers
        assert usage(harness, token) == (0, 10_000)
        assert usage(harness, bystander) == (0, 20_000)


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE usage SET reserved = 0",
        (
            "UPDATE execution SET events = 0, last_hash = '', execution_id ="
            " '3f0c2b4e-8c1a-4b6e-9f00-0123456789ff'"
        ),
        (
            "UPDATE entry SET data = CAST(replace(CAST(data AS TEXT),"
            " '\"reserved\":10000', '\"reserved\":10') AS BLOB)"
        ),
    ],
)
def test_recovery_leaves_alone_what_disagrees_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], edit: str
) -> None:
    """EXE-7.5, P9: neither counters nor bytes are taken on trust."""
    orphaned(tmp_path)
    assert "latched" in capsys.readouterr().err
    sqlite_edit(tmp_path / "l.db", edit)

    harness = reopened(tmp_path)
    with closing(harness.store), harness:
        with pytest.raises(LedgerFormatError, match="disagree"):
            harness.orchestrator  # noqa: B018 - constructing it recovers
        assert not harness.log.verify()


def test_counters_edited_under_a_running_step_end_the_plan_as_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXE-8.4, EXE-8.5: nothing is raised, no result is given, nothing more starts."""
    probe, clock = Probe(), ManualClock()
    with (
        open_store(
            f"sqlite:///{tmp_path}/l.db", clock=clock, ledger_id=LEDGER_ID
        ) as store,
        Harness(domains=[probe], store=store, clock=clock) as harness,
    ):
        token = harness.issue(scope={"probe": ["answer"]})
        box = InProcessIsolation.invoke

        def edited(*args: object, **kwargs: object) -> object:
            sqlite_edit(tmp_path / "l.db", "UPDATE usage SET reserved = 0")
            return box(*args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(InProcessIsolation, "invoke", edited)
        step = ("probe", "answer", {"x": 1})

        outcomes = [harness.run(token, step, step), harness.run(token, step)]

        for outcome in outcomes:
            assert outcome.error is not None
            assert outcome.error.code == "AUDIT_UNAVAILABLE"
            assert outcome.results is None
        assert len(probe.calls) == 1


def usage(harness: Harness, token_hash: str) -> tuple[int, int]:
    """Read how many units a token was charged, and how many are reserved."""
    with harness.store.read() as tx:
        found = harness.registry.snapshot(tx, token_hash)
        row = tx.get(USAGE, token_hash)
    assert found.integrity is None
    assert row is not None
    return int(row["units"] or 0), int(row["reserved"] or 0)
