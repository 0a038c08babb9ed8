"""CLI-12: the command line on a ledger in PostgreSQL, each command by its own login."""

from pathlib import Path

import pytest

from stage3.cli.commands.store import COLLECTIONS
from tests.faces.cli_runner import PASSPHRASE, WHY, document, run
from tests.faces.ledger_database import Database


def test_a_ledger_is_created_once(database: Database) -> None:
    """CLI-12.1."""
    found = database.create()
    again = run(
        "store", "create", "--store", database.url(), "--roles", database.name, "--json"
    )
    assert document(again)["created"] is False
    assert document(again)["ledger_id"] == found
    other = run(
        *("store", "create", "--store", database.url(), "--roles", database.name),
        *("--ledger-id", "another"),
    )
    assert other.code == 2
    assert "another ledger" in other.err


def test_granting_and_migrating_are_repeatable(database: Database) -> None:
    """CLI-12.1."""
    database.create("--ledger-id", "mine")
    for _ in range(2):
        granted = run(
            *("store", "grant", "--store", database.url(), "--roles", database.name)
        )
        assert granted.code == 0, granted.err
        migrated = run("store", "migrate", "--store", database.url("owner"), "--json")
        assert document(migrated)["version"] == 1


@pytest.mark.parametrize("word", ["issuer", "executor", "auditor"])
def test_nobody_but_the_owner_administers(database: Database, word: str) -> None:
    """CLI-12.1 (PGS-3.3)."""
    database.create()
    for words in (("grant", "--roles", database.name), ("create", "--no-roles")):
        tried = run("store", *words, "--store", database.url(word) + "&schema=other")
        assert tried.code == 3
        assert "LEDGER_FORMAT" in tried.err
    tried = run(
        "store", "grant", "--roles", database.name, "--store", database.url(word)
    )
    assert tried.code == 3
    assert "may not do that" in tried.err


def test_there_must_be_an_address_without_a_password(database: Database) -> None:
    """CLI-12.2, CLI-12.3: others on the machine read arguments."""
    for words in ((), ("--store", "sqlite:///x.db")):
        for command in ("create", "grant", "migrate"):
            assert run("store", command, *words).code == 2
    with_one = database.url().replace("postgres@", "postgres:secret@")
    for url in (with_one, database.url() + "&password=secret"):
        for words in (("store", "migrate"), ("audit", "head", "--no-trust")):
            tried = run(*words, "--store", url)
            assert tried.code == 2
            assert "PGPASSFILE" in tried.err
            assert "secret" not in tried.err + tried.out


def test_no_other_command_creates_a_ledger(database: Database) -> None:
    """CLI-5.3: not even for a login that could."""
    tried = run("audit", "head", "--no-trust", "--store", database.url())
    assert tried.code == 3
    assert "STORE_MISSING" in tried.err
    found = database.server.execute(
        "SELECT to_regnamespace('stage3') IS NULL", database.name
    )
    assert found == [(True,)]


def test_what_is_granted_knows_every_collection() -> None:
    """CLI-12.1: a collection left out could be read only."""
    assert len({collection.name for collection in COLLECTIONS}) == 8
    writers = {c.name: sorted(c.writers) for c in COLLECTIONS}
    assert [name for name, who in writers.items() if who == ["executor"]] == [
        "usage",
        "use",
        "execution",
    ]
    assert {len(who) for who in writers.values()} == {1}


def test_each_works_with_the_login_of_its_role(
    database: Database, tmp_path: Path
) -> None:
    """CLI-12.4, CLI-5.1: tokens by the issuer, plans by the executor, proof by all."""
    ledger_id = database.create()
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    unsealing = ("--passphrase-file", str(tmp_path / "passphrase"))
    home = ("--home", str(tmp_path / "place"))

    def as_role(word: str, *words: str) -> dict[str, object]:
        ran = run(*words, *home, "--store", database.url(word), "--json")
        assert ran.code == 0, ran.err
        return dict(document(ran))

    as_role("issuer", "init", *unsealing, "--ledger-id", ledger_id)
    second = run(
        *("init", "--home", str(tmp_path / "other"), *unsealing),
        *("--ledger-id", ledger_id, "--store", database.url("issuer")),
    )
    assert second.code == 2
    assert not (tmp_path / "other").exists()

    request = Path(__file__).parents[2] / "examples" / "weekly_review"
    credential = str(tmp_path / "credential")
    token = as_role(
        *("issuer", "token", "issue", *unsealing, "--out", credential),
        *("--request", str(request / "token_request.json")),
    )
    plan = (
        *("plan", "run", "--plan", str(request / "plan.json"), "--user", "alice"),
        *("--credential", credential, "--trigger", "direct_command"),
    )
    as_role("executor", *plan)
    as_role("auditor", "audit", "verify")
    as_role(
        "issuer",
        "token",
        "revoke",
        "--token",
        str(token["token_hash"]),
        *unsealing,
        *WHY,
    )
    refused = run(*plan, *home, "--store", database.url("executor"))
    assert refused.code == 1
    assert "TOKEN_REVOKED" in refused.err
    as_role("auditor", "audit", "verify")
    as_role("executor", "recover")
