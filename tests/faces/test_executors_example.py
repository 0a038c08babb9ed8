"""The example of two executors: its secrets, logins and program, without containers."""

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.architecture.example_programs import EXAMPLE, loaded
from tests.architecture.source_tree import ROOT
from tests.faces.cli_runner import EXAMPLES, WHY, run
from tests.postgres_server import PostgresServer


@pytest.fixture
def secrets(own_postgres: PostgresServer, tmp_path: Path) -> Path:
    """What the generator makes, with a server that has run what the image would."""
    folder = tmp_path / "secrets"
    loaded(EXAMPLE / "make_secrets.py").main(folder, str(own_postgres.folder))
    own_postgres.execute("CREATE DATABASE ledger TEMPLATE template0 ENCODING 'UTF8'")
    for statement in (folder / "logins.sql").read_text().split(";\n"):
        if statement:
            own_postgres.execute(statement, "ledger")
    return folder


def environment(secrets: Path, login: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PGSERVICEFILE": str(secrets / f"{login}.service"),
    }


def executor(secrets: Path, trust: Path) -> "subprocess.Popen[str]":
    store = "postgresql://?service=worker"
    return subprocess.Popen(
        [
            *(sys.executable, str(EXAMPLE / "executor.py")),
            *("--trust", str(trust), "--store", store),
        ],
        env=environment(secrets, "worker"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def asked(process: "subprocess.Popen[str]", request: object) -> dict[str, object]:
    assert process.stdin is not None
    assert process.stdout is not None
    text = request if isinstance(request, str) else json.dumps(request)
    process.stdin.write(f"{text}\n")
    process.stdin.flush()
    return dict(json.loads(process.stdout.readline()))


def test_two_executors_answer_until_the_token_is_revoked(
    secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps of compose.yaml, one after the other, each by its own login."""

    def done(login: str, *words: str) -> str:
        monkeypatch.setenv("PGSERVICEFILE", str(secrets / f"{login}.service"))
        ran = run(*words, "--store", f"postgresql://?service={login}")
        assert ran.code == 0, ran.err
        return ran.out

    done("deploy", "store", "create", "--ledger-id", "production")
    home = ("--home", str(tmp_path / "home"))
    unsealing = ("--passphrase-file", str(secrets / "passphrase"))
    done("security", "init", *home, *unsealing, "--ledger-id", "production")
    trust = tmp_path / "home" / "trust.json"
    credential = tmp_path / "alice.credential"
    issued = done(
        *("security", "token", "issue", *home, *unsealing, "--out", str(credential)),
        *("--request", str(EXAMPLES / "token_request.json")),
    )
    request = {
        "credential": credential.read_text().strip(),
        "user": "alice",
        "trigger": "direct_command",
        "plan": json.loads((EXAMPLES / "plan.json").read_text()),
    }

    with ExitStack() as stack:
        pair = [stack.enter_context(executor(secrets, trust)) for _ in range(2)]
        answers = [asked(process, request) for process in pair]
        assert [answer["success"] for answer in answers] == [True, True]
        again = {**request, "execution_id": answers[0]["execution_id"]}
        assert asked(pair[1], again)["success"] is True
        assert asked(pair[0], "{}")["code"] == "REQUEST"
        assert asked(pair[0], "[]")["code"] == "REQUEST"
        for looking in ("worker", "audit"):
            done(looking, "doctor", "--trust", str(trust))
        (token,) = re.findall(r"(?m)^token_hash +(\S+)", issued)
        done("security", "token", "revoke", *home, *unsealing, "--token", token, *WHY)
        refusals = [asked(process, request)["code"] for process in pair]
        assert refusals == ["TOKEN_REVOKED"] * 2
        for process in pair:
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(60) == 0
    done("audit", "audit", "verify", "--trust", str(trust))


def test_secrets_are_not_made_twice(tmp_path: Path) -> None:
    program = [sys.executable, str(EXAMPLE / "make_secrets.py"), str(tmp_path / "s")]

    assert subprocess.run(program, check=False).returncode == 0
    before = {file: file.read_text() for file in (tmp_path / "s").iterdir()}
    again = subprocess.run(program, check=False, capture_output=True)

    assert again.returncode != 0
    assert {file: file.read_text() for file in (tmp_path / "s").iterdir()} == before
