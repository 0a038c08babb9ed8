"""Stories of tokens and keys: what one command leaves behind, the next one finds."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from audit.trust import load_trust, write_trust
from tests.faces.cli_runner import (
    WHY,
    Ran,
    World,
    as_json,
    code_of,
    revoke,
    run,
    token_hash,
)
from tokens.keys import SigningKey

# --- init ------------------------------------------------------------------------


def test_init_makes_a_private_home(world: World) -> None:
    """CLI-5.1."""
    home = world.folder / "place"

    keys = sorted(file.name.partition("-")[0] for file in (home / "keys").iterdir())
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (home / "keys").iterdir()}

    assert keys == ["issue", "pause", "revoke", "root"]
    assert modes == {0o600}
    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "stage3.db").stat().st_mode) == 0o600


def test_init_that_fails_half_way_leaves_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLI-5.1: the last thing it does fails, as when somebody was faster."""
    real = Path.rename

    def too_late(self: Path, target: Path) -> Path:
        Path(target).mkdir()
        (Path(target) / "mine").write_text("x")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", too_late)

    ran = run("init", "--home", str(tmp_path / "home"), *world.unsealing())

    assert (ran.code, code_of(ran)) == (3, "OUTPUT_FAILED")
    assert [path.name for path in tmp_path.rglob("*")] == ["home", "mine"]


# --- tokens ----------------------------------------------------------------------


def test_the_credential_is_private_and_printed_only_on_demand(
    own_world: World,
) -> None:
    """CLI-7.3."""
    world = own_world
    file = world.folder / "alice.credential"
    request = ("--request", world["token_request.json"])

    shown = run("token", "issue", *world.here(), *request, "--show", *world.unsealing())

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().count("\n") == 1
    assert shown.out.splitlines()[-1].count(".") == 2
    listed = run("token", "list", *world.here()).out + repr(world.run_plan())
    assert file.read_text().strip().rpartition(".")[2] not in listed


def test_nothing_is_issued_when_the_credential_cannot_be_written(
    own_world: World,
) -> None:
    """CLI-7.3: the file is claimed first."""
    before = as_json(own_world, "audit", "head")
    request = ("--request", own_world["token_request.json"])
    taken = ("--out", own_world["alice.credential"])

    ran = run("token", "issue", *own_world.here(), *request, *taken)

    assert ran.code == 3
    assert as_json(own_world, "audit", "head") == before


def test_a_failed_issue_leaves_no_file(own_world: World) -> None:
    """CLI-4.3."""
    (own_world.folder / "passphrase").write_text("wrong\n")
    request = ("--request", own_world["token_request.json"])
    words = (*request, "--out", own_world["new"], *own_world.unsealing())

    ran = run("token", "issue", *own_world.here(), *words)

    assert (ran.code, code_of(ran)) == (1, "KEYSTORE_ERROR")
    assert not (own_world.folder / "new").exists()


@pytest.mark.parametrize(
    ("selector", "state"),
    [
        ("--token", "revoked"),
        ("--user=alice", "revoked (by user)"),
        ("--issuer=security_admin", "revoked (by issuer)"),
        ("--key", "revoked (by key)"),
        ("--all", "revoked (by all)"),
    ],
)
def test_a_revocation_stops_the_next_run(
    own_world: World, selector: str, state: str
) -> None:
    shown = as_json(own_world, "token", "show", token_hash(own_world))
    words = {
        "--token": ("--token", str(shown["token_hash"])),
        "--key": ("--key", str(shown["kid"])),
    }

    revoked = revoke(own_world, *words.get(selector, (selector,)))
    ran = own_world.run_plan()

    assert revoked.code == 0, revoked.err
    assert (ran.code, code_of(ran)) == (1, "TOKEN_REVOKED")
    assert as_json(own_world, "token", "show", token_hash(own_world))["state"] == state
    credential = ("--credential", own_world["alice.credential"])
    assert run("token", "verify", *own_world.here(), *credential).code == 1


# --- the key set -----------------------------------------------------------------


def export(world: World) -> None:
    ran = run("keys", "export", *world.here(), "--out", world["keys.jwks"])
    assert ran.code == 0, ran.err


def verify_offline(world: World, *more: str) -> Ran:
    words = ("--credential", world["alice.credential"], "--jwks", world["keys.jwks"])
    trust = ("--home", world["none"], *(more or ("--trust", world["place/trust.json"])))
    return run("token", "verify", *words, *trust)


def test_a_credential_is_verified_without_the_store(own_world: World) -> None:
    """CLI-6.1 and CLI-6.3."""
    export(own_world)

    pinned = verify_offline(own_world)
    believing = verify_offline(own_world, "--no-trust")

    assert (pinned.code, believing.code) == (0, 0), pinned.err + believing.err
    assert pinned.out.startswith("state                    not known\n")


def test_offline_only_what_the_pinned_root_signed_counts(own_world: World) -> None:
    """CLI-6.2."""
    export(own_world)
    file = own_world.folder / "keys.jwks"
    whole = json.loads(file.read_text())

    file.write_text(json.dumps({"keys": whole["keys"]}))
    unsigned = verify_offline(own_world)
    file.write_text(json.dumps({**whole, "keys": []}))
    signed = verify_offline(own_world)
    pinned = load_trust(own_world["place/trust.json"])
    root = SigningKey.generate(purpose="root").public
    write_trust(own_world["other.json"], replace(pinned, root_x=root.x))
    foreign = verify_offline(own_world, "--trust", own_world["other.json"])

    assert signed.code == 0
    assert (unsigned.code, code_of(unsigned)) == (2, "INPUT_REFUSED")
    assert "no key that counts" in unsigned.err
    assert (foreign.code, code_of(foreign)) == (2, "INPUT_REFUSED")


def test_one_changed_character_of_the_credential_is_refused(own_world: World) -> None:
    """CLI-8.3: on the command line and offline."""
    export(own_world)
    file = own_world.folder / "alice.credential"
    text = file.read_text()
    middle = len(text) // 2
    changed = "A" if text[middle] != "A" else "B"
    file.chmod(0o600)
    file.write_text(text[:middle] + changed + text[middle + 1 :])

    ran = own_world.run_plan()
    verified = verify_offline(own_world)

    assert (ran.code, code_of(ran)) == (1, "TOKEN_UNKNOWN")
    assert verified.code == 1


# --- keys ------------------------------------------------------------------------


def states(world: World, purpose: str) -> list[str]:
    keys = as_json(world, "keys", "list")["keys"]
    assert isinstance(keys, list)
    return [key["state"] for key in keys if key["purpose"] == purpose]


@pytest.mark.parametrize("purpose", ["issue", "revoke", "pause"])
def test_rotating_puts_a_new_key_in_place(own_world: World, purpose: str) -> None:
    """CLI-5.6: tokens of the old key stay good, and every command goes on."""
    rotated = run(
        "keys", "rotate", purpose, *own_world.here(), *WHY, *own_world.unsealing()
    )

    assert rotated.code == 0, rotated.err
    assert sorted(states(own_world, purpose)) == ["active", "verify-only"]
    assert own_world.run_plan().code == 0
    own_world.issue("second.credential")
    paused = run("pause", *own_world.here(), *WHY, *own_world.unsealing())
    assert (paused.code, revoke(own_world, "--all").code) == (0, 0), paused.err


def test_a_rotation_that_fails_leaves_no_key_file(own_world: World) -> None:
    """CLI-5.6: the reason cannot be recorded."""
    before = sorted((own_world.folder / "place" / "keys").iterdir())
    why = ("--reason", "", "--by", "b")

    ran = run(
        "keys", "rotate", "issue", *own_world.here(), *why, *own_world.unsealing()
    )

    assert (ran.code, code_of(ran)) == (2, "INPUT_REFUSED")
    assert sorted((own_world.folder / "place" / "keys").iterdir()) == before
    assert states(own_world, "issue") == ["active"]


def test_a_compromised_key_ends_its_tokens(own_world: World) -> None:
    kid = str(as_json(own_world, "token", "show", token_hash(own_world))["kid"])
    words = ("--key", kid, "--to", "compromised", *WHY, *own_world.unsealing())

    changed = run("keys", "state", *own_world.here(), *words)
    ran = own_world.run_plan()

    assert changed.code == 0, changed.err
    assert (ran.code, code_of(ran)) == (1, "KEY_NOT_TRUSTED")


@pytest.mark.parametrize(
    ("purpose", "needs"),
    [
        ("issue", ("issue",)),
        ("revoke", ("revoke",)),
        ("pause", ("pause",)),
        ("rotate", ("root",)),
    ],
)
def test_each_command_needs_only_its_own_key(
    own_world: World, purpose: str, needs: tuple[str, ...]
) -> None:
    """CLI-5.5."""
    for file in (own_world.folder / "place" / "keys").iterdir():
        if file.name.partition("-")[0] not in needs:
            file.unlink()

    commands = {
        "issue": (
            *("token", "issue", "--show"),
            *("--request", own_world["token_request.json"]),
        ),
        "revoke": ("token", "revoke", "--all", *WHY),
        "pause": ("pause", *WHY),
        "rotate": ("keys", "rotate", "pause", *WHY),
    }
    for name, words in commands.items():
        ran = run(*words, *own_world.here(), *own_world.unsealing())
        expected = (0, "") if name == purpose else (2, "HOME_MISSING")
        assert (ran.code, code_of(ran)) == expected, (name, ran.err)


def test_keys_are_not_changed_without_a_trust_file(own_world: World) -> None:
    words = ("--no-trust", *own_world.here(), *WHY, *own_world.unsealing())

    ran = run("keys", "rotate", "issue", *words)

    assert (ran.code, code_of(ran)) == (2, "HOME_MISSING")
