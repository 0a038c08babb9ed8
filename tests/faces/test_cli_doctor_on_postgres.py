"""CLI-9.5: what the doctor finds in a ledger in PostgreSQL, asked by the logins."""

from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from audit.store.opening import open_store
from stage3.cli.commands.store import COLLECTIONS
from stage3.records import EXECUTION
from tests.faces.cli_runner import PASSPHRASE, document, run
from tests.faces.ledger_database import WORDS, Database


def looked(database: Database, word: str, *more: str) -> dict[str, dict[str, object]]:
    """What the doctor says of each check, by the login of a role."""
    ran = run("doctor", "--no-trust", "--store", database.url(word), "--json", *more)
    checks = document(ran)["checks"]
    assert isinstance(checks, list)
    return {str(check["check"]): check for check in checks}


def verdict(database: Database, word: str, check: str) -> object:
    return looked(database, word)[check]["verdict"]


def test_a_new_ledger_is_well_for_each_role(database: Database, tmp_path: Path) -> None:
    """CLI-9.5: after `init`, with the trust file, nothing is left to say."""
    ledger_id = database.create()
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    home = ("--home", str(tmp_path / "place"))
    made = run(
        *("init", *home, "--passphrase-file", str(tmp_path / "passphrase")),
        *("--ledger-id", ledger_id, "--store", database.url("issuer")),
    )
    assert made.code == 0, made.err

    for word in ("issuer", "executor", "auditor"):
        ran = run("doctor", *home, "--store", database.url(word), "--json")
        assert ran.code == 0, ran.out
        checks = document(ran)["checks"]
        assert isinstance(checks, list)
        found = {check["check"]: check["verdict"] for check in checks}
        of_the_machine = ("process box", "connections", "clocks")
        assert {
            name
            for name, what in found.items()
            if what != "ok" and name not in of_the_machine
        } == set()
        assert {"server", "commits", "standbys", "tables", "login", "roles"} < set(
            found
        )
        assert {"connections", "clocks", "pending", "waiting"} < set(found)


def test_who_looks_is_said(database: Database) -> None:
    """CLI-9.5: a login with more than one role is more than it should be."""
    database.create()

    assert verdict(database, "executor", "login") == "ok"
    assert verdict(database, "owner", "login") == "warn"
    assert verdict(database, "postgres", "login") == "warn"


def test_a_login_that_issues_and_executes_is_named(database: Database) -> None:
    """CLI-9.5: by whoever looks."""
    database.create()
    assert "logins" not in looked(database, "auditor")

    login = f"{database.name}_executor_login"
    database.server.execute(f"GRANT {database.name}_issuer TO {login}")

    found = looked(database, "auditor")["logins"]
    assert found["verdict"] == "warn"
    assert login in str(found["finding"])
    assert verdict(database, "executor", "login") == "warn"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("GRANT DELETE ON stage3.entry TO {0}_executor", "may DELETE in entry"),
        ("GRANT INSERT ON stage3.revocation TO {0}_executor", "INSERT in revocation"),
        ("GRANT UPDATE ON stage3.head TO PUBLIC", "may UPDATE in head"),
        ("GRANT UPDATE (value) ON stage3.meta TO {0}_auditor", "UPDATE in meta"),
        ("REVOKE INSERT ON stage3.usage FROM {0}_executor", "may not INSERT in usage"),
        ("GRANT CREATE ON SCHEMA stage3 TO {0}_issuer", "may create things"),
        ("ALTER TABLE stage3.entry DISABLE TRIGGER USER", "are switched off"),
        ("ALTER TABLE stage3.entry DISABLE ROW LEVEL SECURITY", "policies"),
        ("ALTER ROLE {0}_executor BYPASSRLS", "has powers of its own"),
        ("GRANT {0}_issuer TO {0}_executor", "has powers of its own"),
        ("ALTER SCHEMA stage3 OWNER TO postgres", "does not belong to"),
    ],
)
def test_rights_that_are_not_those_meant_are_found(
    database: Database, statement: str, said: str
) -> None:
    """CLI-9.5 (PGS-3): each of them alone."""
    database.create()
    assert verdict(database, "auditor", "roles") == "ok"

    database.server.execute(statement.format(database.name), database.name)

    found = looked(database, "auditor")["roles"]
    assert found["verdict"] == "fail"
    assert said in str(found["finding"])


def test_a_ledger_without_roles_is_found(database: Database) -> None:
    """CLI-9.5: there, whoever executes can issue."""
    run("store", "create", "--no-roles", "--store", database.url())

    found = looked(database, "postgres")

    assert found["roles"]["verdict"] == "warn"
    assert found["server"]["verdict"] == "ok"


def test_entries_without_a_place_and_waiting_sessions_are_counted(
    database: Database,
) -> None:
    """CLI-9.5: as they are in the midst of a crowd."""
    ledger_id = database.create()
    entry = (
        "INSERT INTO stage3.entry (stream, stream_index, time_us, type, state,"
        " leaf_hash, data, writer_id, writer_seq, writer_prev) VALUES ('execution:x',"
        " 0, 1, 'TOKEN_VALIDATION', 's', sha256('\\x00'::bytea || 'x'), 'x',"
        " gen_random_uuid(), 0, '')"
    )
    database.server.execute(entry, database.name)
    address = database.server.url(database.name)

    with (
        closing(psycopg.connect(address, autocommit=True)) as holder,
        closing(psycopg.connect(address, autocommit=True)) as waiter,
    ):
        holder.execute("SELECT pg_advisory_lock(7)")
        waiter.pgconn.send_query(b"SELECT pg_advisory_lock(7)")
        while not database.server.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ):
            pass
        found = looked(database, "auditor")

    assert str(found["pending"]["finding"]).startswith("1 without a place")
    assert str(found["waiting"]["finding"]).startswith("1 for a lock")
    assert ledger_id in str(found["database"]["finding"])


def test_open_executions_are_told_from_those_left_open(database: Database) -> None:
    """CLI-9.3 on this store: by the hold of the owner, not by time."""
    database.create()
    row = {
        "execution_id": "00000000-0000-4000-8000-000000000001",
        "token_hash": "sha256:" + "0" * 64,
        "user_id": "alice",
        "trigger": "direct_command",
        "plan_digest": None,
        "salt": None,
        "admission": "stepwise",
        "owner_id": "owner-of-the-test",
        "epoch": 0,
        "state": "open",
        "trail_state": "start",
        "events": 0,
        "last_hash": "",
        "steps": 1,
        "step": None,
        "outcome": None,
        "started_us": 1,
        "closed_us": None,
    }
    address = database.server.url(database.name, user=f"{database.name}_executor_login")

    with open_store(address) as store:
        store.declare(*COLLECTIONS)
        with store.hold("owner-of-the-test"):
            with store.write() as tx:
                tx.insert(EXECUTION, row)
            alive = looked(database, "auditor")["executions"]
        gone = looked(database, "auditor")["executions"]

    assert (alive["verdict"], alive["finding"]) == ("ok", "1 open, of 1 that live")
    assert gone["verdict"] == "warn"


def test_a_server_that_does_not_answer_is_the_finding(database: Database) -> None:
    """CLI-9.5: and what else can be said is said."""
    gone = f"postgresql://nobody@/none?host={database.server.folder}"

    found = run("doctor", "--no-trust", "--store", gone)

    assert found.code == 1
    assert "fail  server" in found.out
    assert "ok    python" in found.out


def test_an_address_that_is_none_is_the_finding() -> None:
    """CLI-9.5, CLI-12.3."""
    for address in ("postgresql://h/d?schema=pg_x", "postgresql://u:secret@h/d"):
        found = run("doctor", "--no-trust", "--store", address)
        assert found.code == 1
        assert "fail  store" in found.out
        assert "secret" not in found.out + found.err


def test_the_doctor_changes_nothing_there(database: Database) -> None:
    """CLI-9.1: not even the places of pending entries."""
    database.create()
    counted = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
    head = "SELECT size, (SELECT count(*) FROM stage3.entry) FROM stage3.head"
    before = database.server.execute(head, database.name)

    for word in WORDS:
        looked(database, word)

    assert database.server.execute(head, database.name) == before
    assert database.server.execute(counted, database.name)
