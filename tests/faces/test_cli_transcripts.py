"""What one typed, what came back: each command, and each wrong thing, in one line.

``{world}`` stands for the folder of the world. A pattern is a regular expression that
standard output (or error) must contain; an empty standard error must be empty.
"""

# ruff: noqa: E501 - one transcript to a line

import json
import re
import shlex
from dataclasses import dataclass

import pytest

from tests.faces.cli_runner import Ran, World, run

HOME = "--home {world}/place"
CALLER = "--user alice --credential {world}/alice.credential"
RUN = f"plan run {HOME} {CALLER}"
UNSEAL = "--passphrase-file {world}/passphrase"
HASH = "sha256:" + 64 * "a"
NOBODY = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Transcript:
    """One command and its end."""

    typed: str
    code: int
    out: tuple[str, ...] = ()
    err: tuple[str, ...] = ()


DONE = [
    Transcript("--version", 0, (r"^stage3 .+ on Python 3\.",)),
    Transcript(
        "domains list", 0, (r"^DOMAIN +METHOD +TIER", r"apollo +analyze_habits")
    ),
    Transcript("domains describe hermes", 0, (r"^domain +hermes", r"digest +sha256:")),
    Transcript(
        "domains describe hermes.draft_schedule", 0, (r"^parameters:", '"stamp"')
    ),
    Transcript(
        "plan new --user al --step apollo.plan_routine", 0, ('"user_id": "al"',)
    ),
    Transcript(
        f"keys list {HOME}", 0, (r"^PURPOSE +KID", r"issue +\S{43} +active +yes")
    ),
    Transcript(f"keys export {HOME}", 0, ('"kty": "OKP"', '"stage3_statements"')),
    Transcript(f"token list {HOME}", 0, (r"^STATE +USER", r"active +alice")),
    Transcript(f"token list {HOME} --user bob", 0, (r"^STATE +USER.*\n\Z",)),
    Transcript(
        f"token verify {HOME} --credential {{world}}/alice.credential",
        0,
        (r"^state +active", r"may use hermes +compose_message, draft_schedule"),
    ),
    Transcript(f"plan check --plan {{world}}/plan.json {HOME} {CALLER}", 0, ("yes",)),
    Transcript(f"audit head {HOME}", 0, (r"^ledger_id +\w+", r"root +[0-9a-f]{64}")),
    Transcript(f"audit verify {HOME}", 0, (r"verdict +whole",)),
    Transcript(f"doctor {HOME}", 0, (r"^ok +trust", r"^ok +latch")),
]

USAGE = [
    Transcript("", 2, err=("USAGE: a command is missing", "stage3 --help")),
    Transcript("plan", 2, err=("USAGE: a command is missing", "stage3 plan --help")),
    Transcript("nonsense", 2, err=("USAGE: .*invalid choice",)),
    Transcript("audit nonsense", 2, err=("USAGE: .*invalid choice", "stage3 audit")),
    Transcript("audit trail", 2, err=("USAGE: .*required: EXECUTION_ID",)),
    Transcript(f"audit head {HOME} --jso", 2, err=("USAGE: unrecognized",)),  # CLI-1.2
    Transcript(f"{RUN} --trigger timer --plan x", 2, err=("USAGE: .*--trigger",)),
    Transcript("plan run --plan x --user u", 2, err=("USAGE: .*--credential",)),
    Transcript("token revoke --reason r --by b", 2, err=("USAGE: one of",)),
    Transcript(
        "token revoke --all --user u --reason r --by b",
        2,
        err=("USAGE: .*not allowed",),
    ),
    Transcript("plan run --credential-fd -1", 2, err=("USAGE",)),
    Transcript("plan run --credential-fd 1e3", 2, err=("USAGE: .*0 to 9999",)),
    Transcript(
        f"audit head {HOME} --trust {{world}}/plan.json --no-trust",
        2,
        err=("USAGE: --trust and --no-trust",),
    ),
    Transcript("init --no-trust", 2, err=("USAGE: init makes",)),
]

FILES = [
    Transcript(
        f"{RUN} --plan {{world}}/none", 2, err=("INPUT_REFUSED: .*No such file",)
    ),
    Transcript(f"{RUN} --plan {{world}}", 2, err=("INPUT_REFUSED: .*it is a folder",)),
    Transcript(f"{RUN} --plan {{world}}/place/stage3.db", 2, err=("not UTF-8 JSON",)),
    Transcript(f"{RUN} --plan {{world}}/passphrase", 2, err=("not JSON at character",)),
    Transcript(
        f"{RUN} --plan {{world}}/token_request.json", 2, err=("lacks invocations",)
    ),
    Transcript(
        f"token issue {HOME} --request {{world}}/plan.json --show {UNSEAL}",
        2,
        err=("INPUT_REFUSED: the token request: capability: field required",),
    ),
    Transcript(
        f"token issue {HOME} --request {{world}}/token_request.json --show"
        " --passphrase-file {world}/none",
        2,
        err=("the passphrase file .* cannot be read",),
    ),
    Transcript(
        f"token issue {HOME} --request {{world}}/token_request.json"
        f" --out {{world}}/alice.credential {UNSEAL}",
        3,
        err=("OUTPUT_FAILED: .*a file is never replaced",),
    ),
    Transcript(
        f"token issue {HOME} --request {{world}}/token_request.json"
        f" --out {{world}}/none/x {UNSEAL}",
        3,
        err=("OUTPUT_FAILED: .*No such file",),
    ),
    Transcript(
        f"token issue {HOME} --request {{world}}/token_request.json --show"
        " --passphrase-file {world}/token_request.json",
        1,
        err=("KEYSTORE_ERROR: .*the passphrase is wrong", "Check the key file"),
    ),
    Transcript(
        f"token verify {HOME} --credential {{world}}/alice.credential"
        " --jwks {world}/plan.json",
        2,
        err=("INPUT_REFUSED: the key set: keys",),
    ),
    Transcript(
        f"audit head {HOME} --trust {{world}}/plan.json", 3, err=("LEDGER_FORMAT",)
    ),
]

CREDENTIALS = [
    Transcript(  # CLI-8.1
        f"plan run {HOME} --plan {{world}}/plan.json --user alice --credential {HASH}",
        1,
        err=("CREDENTIAL_REFUSED: a token hash is a public handle and no authority",),
    ),
    Transcript(
        f"plan check {HOME} --plan {{world}}/plan.json --user alice --credential {HASH}",
        1,
        err=("CREDENTIAL_REFUSED",),
    ),
    Transcript(
        f"token verify {HOME} --credential {HASH}", 1, err=("CREDENTIAL_REFUSED",)
    ),
    Transcript(
        f"plan run {HOME} --plan {{world}}/plan.json --user alice"
        " --credential {world}/plan.json",
        1,
        err=("CREDENTIAL_REFUSED: this is no credential",),
    ),
    Transcript(
        f"plan run {HOME} --plan {{world}}/plan.json --user alice"
        " --credential {world}/place/stage3.db",
        2,
        err=("INPUT_REFUSED: .*too large",),
    ),
]

UNKNOWN = [
    Transcript("domains describe zeus", 2, err=("'zeus' not found; there are apollo",)),
    Transcript("domains describe apollo.x", 2, err=("'x' not found in apollo; its",)),
    Transcript("plan new --user u --step hermes", 2, err=("method '' not found",)),
    Transcript("plan new --user '' --step hermes.draft_schedule", 2, err=("user_id",)),
    Transcript(f"audit trail {HOME} {NOBODY}", 1, err=("EXECUTION_UNKNOWN",)),
    Transcript(f"audit trail {HOME} xyz", 2, err=("INPUT_REFUSED: .*UUID",)),
    Transcript(f"token show {HOME} {HASH}", 1, err=("TOKEN_UNKNOWN", "token list")),
    Transcript(
        f"token revoke {HOME} --token {HASH} --reason r --by b {UNSEAL}",
        1,
        err=("TOKEN_UNKNOWN",),
    ),
    Transcript(
        f"token revoke {HOME} --token x --reason r --by b {UNSEAL}",
        1,
        err=("AUTHORITY_ERROR: a token is named by its token_hash",),
    ),
    Transcript(
        f"token revoke {HOME} --user 'a b' --reason r --by b {UNSEAL}",
        2,
        err=("INPUT_REFUSED",),
    ),
    Transcript(
        f"keys state {HOME} --key {43 * 'x'} --to retired --reason r --by b {UNSEAL}",
        1,
        err=("AUTHORITY_ERROR: no key with this id",),
    ),
    Transcript(  # CLI-1.5
        f"keys state {HOME} --key -{42 * 'x'} --to retired --reason r --by b {UNSEAL}",
        1,
        err=("AUTHORITY_ERROR: no key with this id",),
    ),
    Transcript(f"pause {HOME} --reason '' --by b {UNSEAL}", 2, err=("reason must",)),
]

HOMES = [
    Transcript(
        "audit head --home {world}/none", 2, err=("HOME_MISSING", "stage3 init")
    ),
    Transcript(f"init {HOME} {UNSEAL}", 2, err=("HOME_NOT_EMPTY",)),
    Transcript(
        f"init --home {{world}}/passphrase {UNSEAL}", 2, err=("HOME_NOT_EMPTY",)
    ),
    Transcript(f"init --home {{world}}/a/b {UNSEAL}", 3, err=("OUTPUT_FAILED",)),
    Transcript(f"init --home {{world}}/a --by '' {UNSEAL}", 2, err=("--by: by must",)),
    Transcript(
        f"init --home {{world}}/a --ledger-id 'a b' {UNSEAL}", 2, err=("ledger",)
    ),
    Transcript(
        "init --home {world}/a --passphrase-file /dev/null",
        2,
        err=("passphrase is empty",),
    ),
    Transcript(
        f"audit head {HOME} --store sqlite:///{{world}}/no.db",
        3,
        err=("STORE_MISSING",),
    ),
    Transcript(f"audit head {HOME} --store memory:", 2, err=("--store must name",)),
    Transcript(f"audit head {HOME} --store mysql://x", 2, err=("--store must",)),
    Transcript(
        f"audit head {HOME} --store sqlite:///{{world}}/plan.json",
        3,
        err=("LEDGER_FORMAT",),
    ),
    Transcript(
        f"audit head {HOME} --store sqlite:///{{world}}", 3, err=("STORE_UNAVAILABLE",)
    ),
    Transcript("demo {world}/place", 2, err=("HOME_NOT_EMPTY", "Name a new folder")),
    Transcript("demo {world}/a/b", 3, err=("OUTPUT_FAILED",)),
]

EVERYTHING = DONE + USAGE + FILES + CREDENTIALS + UNKNOWN + HOMES


def typed(transcript: Transcript, world: World) -> Ran:
    return run(*shlex.split(transcript.typed.format(world=world.folder)))


@pytest.mark.parametrize("transcript", EVERYTHING, ids=lambda one: one.typed)
def test_a_command_ends_as_written_down(transcript: Transcript, world: World) -> None:
    """CLI-1.1, CLI-1.2, CLI-1.5, CLI-2.1, CLI-2.2, CLI-3.2, CLI-4.1, CLI-5.3."""
    before = {path for path in world.folder.rglob("*") if not path.match("*-wal")}

    ran = typed(transcript, world)

    assert (ran.code, ran.out if transcript.code else "") == (transcript.code, ""), ran
    for pattern in transcript.out:
        assert re.search(pattern, ran.out, re.MULTILINE), ran.out
    for pattern in transcript.err:
        assert re.search(pattern, ran.err, re.MULTILINE), ran.err
    assert bool(ran.err) == bool(transcript.code)
    if ran.err:
        assert re.match(r"stage3: [A-Z_]+: [ -~]+\n(  [ -~]+\n)?\Z", ran.err)
    new = {path.name for path in world.folder.rglob("*")} - {p.name for p in before}
    assert new <= {"stage3.db-wal", "stage3.db-shm", "stage3.db.gate"}, new


@pytest.mark.parametrize("transcript", EVERYTHING, ids=lambda one: one.typed)
def test_with_json_it_is_one_document_and_no_other_word(
    transcript: Transcript, world: World
) -> None:
    """CLI-1.4 and CLI-3.1: before the command, too."""
    words = shlex.split(transcript.typed.format(world=world.folder))

    ran = run("--json", *words)

    assert (ran.code, ran.err) == (transcript.code, "")
    assert ran.out.count("\n") == 1
    document = json.loads(ran.out)
    assert ("error" in document) == (transcript.code != 0)
    if transcript.code:
        assert {"code", "message"} <= document["error"].keys()


def test_a_credential_given_as_an_argument_is_refused_and_not_repeated(
    world: World,
) -> None:
    """CLI-8.2."""
    secret = (world.folder / "alice.credential").read_text().strip()
    words = ("--plan", world["plan.json"], "--user", "alice", "--credential", secret)

    ran = run("plan", "run", *world.here(), *words)

    assert ran.code == 1
    assert "CREDENTIAL_REFUSED: a credential was given as an argument" in ran.err
    assert secret not in ran.out + ran.err


def test_a_hash_in_the_credential_file_is_refused(own_world: World) -> None:
    """CLI-8.1."""
    (own_world.folder / "alice.credential").write_text(f"{HASH}\n")

    ran = own_world.run_plan()

    assert (ran.code, ran.out) == (1, "")
    assert "a token hash is a public handle and no authority" in ran.err


def test_control_and_bidi_characters_never_reach_the_terminal(world: World) -> None:
    """CLI-3.3."""
    evil = "\x1b[31mred\u202egnp.exe\x07\x9b\u2066"

    refusals = [
        run("domains", "describe", evil),
        run(evil),
        run("audit", "head", "--home", f"{world.folder}/{evil}"),
        run("plan", "new", "--user", evil, "--step", "hermes.draft_schedule"),
        run("--json", "plan", "new", "--user", evil, "--step", "apollo.plan_routine"),
    ]

    for ran in refusals:
        assert re.fullmatch(r"[ -~\n]*", ran.out + ran.err), ran
