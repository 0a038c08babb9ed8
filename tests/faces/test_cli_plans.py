"""Stories of plans, pauses, damage and the doctor, told by commands in a row."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faces.cli_runner import WHY, World, as_json, code_of, document, run

DYING = """
import os, sys
from stage2_domains.apollo.domain import ApolloDomain
from stage3.cli.main import entry
ApolloDomain.invoke = lambda *_: os._exit(9)
entry()
"""
EXECUTION = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

# --- plans -----------------------------------------------------------------------


def test_a_plan_of_three_domains_prints_results_trail_and_id(own_world: World) -> None:
    ran = own_world.run_plan()
    lines = ran.out.splitlines()
    execution_id = lines[-2].split()[-1]

    trail = run("audit", "trail", *own_world.here(), execution_id)

    assert [line for line in lines if line.startswith("step ")] == [
        "step 0  apollo.analyze_habits",
        "step 1  hermes.compose_message",
        "step 2  dionysus.plan_leisure",
    ]
    assert lines[-1] == "outcome    success, 3 of 3 steps"
    assert len(trail.out.splitlines()) == 1 + 13
    assert trail.out in ran.out


def test_a_refused_plan_prints_its_trail_and_why(own_world: World) -> None:
    """CLI-3.2."""
    ran = own_world.run_plan("out_of_scope_plan.json")
    same = document(own_world.run_plan("out_of_scope_plan.json", "--json"))

    assert ran.code == 1
    assert "stage3: DOMAIN_NOT_IN_SCOPE: domain hephaestus not in scope" in ran.err
    assert "EXECUTION_DENIED" in ran.out
    assert same["results"] is None
    error = same["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["step"], error["domain"]) == (
        "DOMAIN_NOT_IN_SCOPE",
        1,
        "hephaestus",
    )


def test_a_check_foresees_the_refusal_and_leaves_no_trace(own_world: World) -> None:
    before = as_json(own_world, "audit", "head")
    caller = ("--user", "alice", "--credential", own_world["alice.credential"])
    plan = ("--plan", own_world["out_of_scope_plan.json"])

    ran = run("plan", "check", *own_world.here(), *plan, *caller)

    assert (ran.code, code_of(ran)) == (1, "DOMAIN_NOT_IN_SCOPE")
    assert as_json(own_world, "audit", "head") == before


def test_whole_plan_admission_refuses_before_step_0(own_world: World) -> None:
    more = ("--json", "--admission", "whole-plan")

    trail = document(own_world.run_plan("out_of_scope_plan.json", *more))["trail"]

    assert isinstance(trail, list)
    assert "EXECUTION_STARTED" not in [event["event_type"] for event in trail]


def test_the_same_execution_id_is_never_executed_twice(own_world: World) -> None:
    first = own_world.run_plan("schedule_plan.json", "--execution-id", EXECUTION)
    head = as_json(own_world, "audit", "head")
    again = own_world.run_plan("schedule_plan.json", "--execution-id", EXECUTION)
    unmoved = as_json(own_world, "audit", "head")
    other = own_world.run_plan("plan.json", "--execution-id", EXECUTION)

    assert (first.code, again.code, head) == (0, 0, unmoved)
    assert "had ended before; nothing was done now" in again.out
    assert (other.code, code_of(other)) == (1, "EXECUTION_ID_CONFLICT")


def test_wrong_callers_are_refused(own_world: World) -> None:
    plan = ("--plan", own_world["plan.json"])
    credential = ("--credential", own_world["alice.credential"])
    words = (*own_world.here(), *plan, *credential)

    bob = run("plan", "run", *words, "--user", "bob")
    timer = run("plan", "run", *words, "--user", "alice", "--trigger", "scheduled")
    uuid = run("plan", "run", *words, "--user", "alice", "--execution-id", "x")

    assert (bob.code, code_of(bob)) == (1, "USER_MISMATCH")
    assert (timer.code, code_of(timer)) == (1, "TRIGGER_NOT_AUTHORIZED")
    assert (uuid.code, code_of(uuid)) == (2, "INPUT_REFUSED")


def test_every_example_of_every_method_makes_a_plan_that_runs(own_world: World) -> None:
    methods = document(run("--json", "domains", "list"))["methods"]
    assert isinstance(methods, list)
    names = [f"{method['domain']}.{method['method']}" for method in methods]
    steps = [word for name in names for word in ("--step", name)]
    request = json.loads(Path(own_world["token_request.json"]).read_text())
    scope: dict[str, list[str]] = {}
    for name in names:
        scope.setdefault(name.partition(".")[0], []).append(name.partition(".")[2])
    request |= {"domain_scope": list(scope), "method_scope": scope}
    Path(own_world["token_request.json"]).write_text(json.dumps(request))
    Path(own_world["alice.credential"]).unlink()
    own_world.issue("alice.credential")

    new = run("plan", "new", "--user", "alice", *steps, "--out", own_world["mine"])
    ran = own_world.run_plan("mine")

    assert (new.code, ran.code) == (0, 0), new.err + ran.err
    assert ran.out.splitlines()[-1] == "outcome    success, 12 of 12 steps"


# --- the platform ----------------------------------------------------------------


def test_pause_stops_every_start_and_resume_ends_it(own_world: World) -> None:
    paused = run("pause", *own_world.here(), *WHY, *own_world.unsealing())
    refused = own_world.run_plan()
    warned = run("doctor", *own_world.here())
    resumed = run("resume", *own_world.here(), *WHY, *own_world.unsealing())
    ran = own_world.run_plan()

    assert (paused.code, resumed.code, ran.code) == (0, 0, 0)
    assert (refused.code, code_of(refused)) == (1, "PLATFORM_PAUSED")
    assert "warn  platform" in warned.out


def test_a_latch_refuses_until_recover_lifts_it(own_world: World) -> None:
    """CLI-9.3: the latch."""
    Path(own_world["place/stage3.db.notice"]).write_text("lost\n")

    refused = own_world.run_plan()
    found = run("doctor", *own_world.here())
    recovered = run("recover", *own_world.here())
    ran = own_world.run_plan()

    assert (refused.code, code_of(refused)) == (3, "AUDIT_UNAVAILABLE")
    assert (found.code, code_of(found)) == (1, "DOCTOR")
    assert "fail  latch" in found.out
    assert (recovered.code, ran.code) == (0, 0), recovered.err
    assert "latch lifted       yes" in recovered.out


def test_recover_with_nothing_to_do_changes_nothing(own_world: World) -> None:
    before = as_json(own_world, "audit", "head")

    ran = run("recover", *own_world.here())

    assert ran.code == 0
    assert as_json(own_world, "audit", "head") == before


# --- damage ----------------------------------------------------------------------


def damage(world: World) -> None:
    """Edit one entry behind the guard, as somebody with the file can."""
    connection = sqlite3.connect(world["place/stage3.db"])
    names = connection.execute("select name from sqlite_master where type='trigger'")
    for (name,) in names.fetchall():
        connection.execute(f'drop trigger "{name}"')
    connection.execute("update entry set data = replace(data, 'alice', 'mallo')")
    connection.commit()
    connection.close()


def test_a_damaged_ledger_is_found_and_not_recovered(own_world: World) -> None:
    damage(own_world)

    verified = run("audit", "verify", *own_world.here())
    recovered = run("recover", *own_world.here())
    ran = own_world.run_plan()

    assert (verified.code, code_of(verified)) == (1, "LEDGER_NOT_WHOLE")
    assert "POSITION" in verified.out
    assert (recovered.code, code_of(recovered)) == (1, "RECOVERY_REFUSED")
    assert ran.code in {1, 3}
    assert ran.out.count("EXECUTION_STARTED") == 0


def test_another_ledgers_store_does_not_fit_the_trust_file(
    own_world: World, tmp_path: Path
) -> None:
    """CLI-5.1: an empty folder is filled. CLI-5.4."""
    (tmp_path / "h").mkdir()
    made = run("init", "--home", str(tmp_path / "h"), *own_world.unsealing())
    foreign = ("--store", f"sqlite:///{tmp_path / 'h' / 'stage3.db'}")

    refused = run("audit", "head", *own_world.here(), *foreign)
    believed = run("audit", "head", *own_world.here(), *foreign, "--no-trust")

    assert (made.code, believed.code) == (0, 0)
    assert (refused.code, code_of(refused)) == (3, "LEDGER_FORMAT")


def test_without_a_trust_file_nothing_is_opened_unasked(own_world: World) -> None:
    """CLI-5.4."""
    Path(own_world["place/trust.json"]).unlink()

    refused = own_world.run_plan()
    believed = own_world.run_plan("plan.json", "--no-trust")

    assert (refused.code, code_of(refused)) == (2, "HOME_MISSING")
    assert "--no-trust" in refused.err
    assert believed.code == 0


def test_a_locked_store_is_busy(own_world: World) -> None:
    holder = sqlite3.connect(own_world["place/stage3.db"], isolation_level=None)
    holder.execute("begin exclusive")
    try:
        ran = run("audit", "head", *own_world.here())
    finally:
        holder.close()

    # In WAL mode readers are not kept waiting: the head can be read all the same.
    assert ran.code == 0


# --- the doctor ------------------------------------------------------------------


def test_the_doctor_changes_nothing(own_world: World) -> None:
    """CLI-9.1."""
    before = as_json(own_world, "audit", "head")

    ran = run("doctor", *own_world.here())

    assert ran.code == 0
    assert as_json(own_world, "audit", "head") == before
    checks = as_json(own_world, "doctor")["checks"]
    assert isinstance(checks, list)
    assert {check["verdict"] for check in checks} == {"ok"}


def test_the_doctor_says_what_is_believed_without_a_trust_file(world: World) -> None:
    """CLI-9.2."""
    ran = run("doctor", *world.here(), "--no-trust")

    assert ran.code == 0
    assert "every promise rests on who can write the store" in ran.out


def test_the_doctor_finds_an_open_key_file(own_world: World) -> None:
    """CLI-9.3."""
    next(Path(own_world["place/keys"]).iterdir()).chmod(0o644)

    ran = run("doctor", *own_world.here())

    assert ran.code == 1
    assert "fail  file modes" in ran.out


def test_the_doctor_finds_a_missing_home(own_world: World) -> None:
    """CLI-9.3."""
    ran = run("doctor", "--home", own_world["none"])

    assert ran.code == 1
    assert "fail  home" in ran.out
    assert "fail  store" in ran.out


def test_the_doctor_finds_a_key_that_may_not_sign(own_world: World) -> None:
    """CLI-9.3."""
    keys = as_json(own_world, "keys", "list")["keys"]
    assert isinstance(keys, list)
    kid = next(key["kid"] for key in keys if key["purpose"] == "issue")
    words = ("--key", kid, "--to", "verify-only", *WHY, *own_world.unsealing())
    assert run("keys", "state", *own_world.here(), *words).code == 0

    ran = run("doctor", *own_world.here())

    assert ran.code == 1
    assert "fail  issue key" in ran.out
    assert "keys rotate issue" in ran.out


def test_the_doctor_finds_an_orphaned_execution(own_world: World) -> None:
    """CLI-9.3: then recover closes it."""
    words = (*own_world.here(), "--plan", own_world["plan.json"], "--user", "alice")
    credential = ("--credential", own_world["alice.credential"])
    killed = subprocess.run(
        [sys.executable, "-c", DYING, "plan", "run", *words, *credential],
        check=False,
        capture_output=True,
    )
    assert killed.returncode == 9, killed.stderr

    found = run("doctor", *own_world.here())
    recovered = as_json(own_world, "recover")
    closed = recovered["closed"]
    assert isinstance(closed, list)
    trail = run("audit", "trail", *own_world.here(), *closed)

    assert "warn  executions" in found.out
    assert found.code == 0
    assert "OPERATION_ABORTED" in trail.out
    assert run("audit", "verify", *own_world.here()).code == 0


# --- the demonstration -----------------------------------------------------------


def test_the_demo_tells_the_whole_story(tmp_path: Path) -> None:
    """CLI-10.1 and CLI-10.2: with a folder it keeps everything."""
    told = document(run("--json", "demo", str(tmp_path / "kept")))
    steps = told["steps"]
    assert isinstance(steps, list)

    assert [step["exit_code"] for step in steps] == [0, 0, 0, 0, 0, 1, 0, 1, 0]
    assert len(steps[2]["answer"]["results"]) == 3
    assert len(steps[3]["answer"]["events"]) == 13
    assert steps[4]["answer"]["whole"] is True
    assert steps[5]["error"]["code"] == "DOMAIN_NOT_IN_SCOPE"
    assert steps[7]["error"]["code"] == "TOKEN_REVOKED"
    home = ("--home", str(tmp_path / "kept" / "home"))
    assert run("audit", "verify", *home).code == 0


def test_the_demo_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLI-10.2."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = Path.cwd()

    ran = run("demo")

    assert ran.code == 0, ran.err
    assert list(tmp_path.iterdir()) == []
    assert Path.cwd() == before
    assert "TOKEN_REVOKED" in ran.out
