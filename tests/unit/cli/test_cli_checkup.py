"""What the doctor finds, on stores and homes made for it."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from audit.errors import StoreUnavailableError
from audit.store.interface import Store
from audit.store.opening import open_store
from stage3.cli.checkup import installation, ledger
from stage3.cli.checkup.check import Check
from stage3.cli.checkup.installation import home_checks, installation_checks
from stage3.cli.checkup.ledger import store_checks
from stage3.cli.home import Home
from stage3.cli.versions import installed_version
from stage3.isolation.process.level import Level
from stage3.isolation.wasm.tier import WasmIsolation
from tokens.authority import TokenAuthority
from tokens.keys import SigningKey, VerificationKey

NOW_US = 1_772_442_000_000_000
WEEK_S = 7 * 24 * 3600


@dataclass(slots=True)
class Clock:
    """A clock that stands where it is put."""

    now_us: int = NOW_US

    def __call__(self) -> int:
        """Read it."""
        return self.now_us


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """A store with the three keys that sign, and nothing else."""
    with open_store(f"sqlite:///{tmp_path / 'stage3.db'}", clock=clock) as opened:
        yield opened


def register(store: Store, *, ends_s: int | None = None) -> None:
    authority = TokenAuthority(store, SigningKey.generate(purpose="issue"))
    for purpose in ("issue", "revoke", "pause"):
        public = SigningKey.generate(purpose=purpose).public
        authority.register_key(
            VerificationKey(
                kid=public.kid, x=public.x, purpose=purpose, not_after_s=ends_s
            )
        )


def verdicts(checks: Iterator[Check]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


def test_a_good_store_is_well_but_for_the_trust(store: Store) -> None:
    """CLI-9.1 and CLI-9.2."""
    register(store)

    found = verdicts(store_checks(store))

    assert found.pop("trust") == "warn"
    assert set(found.values()) == {"ok"}


@pytest.mark.parametrize(
    ("behind_us", "verdict"),
    [(0, "ok"), (1, "warn"), (60_000_000, "warn"), (60_000_001, "fail")],
)
def test_a_clock_behind_the_ledger_is_found(
    store: Store, clock: Clock, behind_us: int, verdict: str
) -> None:
    """CLI-9.3: one step each side of the bound."""
    register(store)
    clock.now_us = NOW_US - behind_us

    assert verdicts(store_checks(store))["clock"] == verdict


@pytest.mark.parametrize(
    ("left_s", "verdict"), [(WEEK_S, "ok"), (WEEK_S - 1, "warn"), (0, "fail")]
)
def test_a_key_that_ends_soon_is_found(store: Store, left_s: int, verdict: str) -> None:
    """CLI-9.3: one step each side of the bound."""
    register(store, ends_s=NOW_US // 1_000_000 + left_s)

    assert verdicts(store_checks(store))["issue key"] == verdict


def test_no_key_at_all_is_found(store: Store) -> None:
    """CLI-9.3."""
    found = verdicts(store_checks(store))

    assert found["issue key"] == found["revoke key"] == found["pause key"] == "fail"


def test_a_store_in_memory_is_found() -> None:
    with open_store("memory:") as store:
        found = verdicts(store_checks(store))

    assert found["database"] == "warn"


def test_a_database_that_is_not_in_wal_mode_is_found(store: Store) -> None:
    assert store.path is not None
    copy = store.path.with_name("copy.db")
    shutil.copy(store.path, copy)
    with copy.open("r+b") as file:
        file.seek(18)
        file.write(b"\x01\x01")

    other = SimpleNamespace(path=copy)

    (check,) = ledger._database(other)  # type: ignore[arg-type]  # it asks for the path
    assert check.verdict == "fail"


def test_a_network_file_system_is_found(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "network_type", lambda *_: "nfs4")

    assert verdicts(store_checks(store))["file system"] == "fail"


def test_what_cannot_be_read_is_the_finding(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Store) -> None:
        raise StoreUnavailableError("the disk is gone")

    monkeypatch.setattr(ledger, "platform_of", broken)

    found = {check.name: check for check in store_checks(store)}

    assert found["keys"].verdict == "fail"
    assert found["keys"].finding == "the disk is gone"


def test_without_mounts_to_read_nothing_is_said_of_the_file_system(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_MOUNTS", tmp_path / "none")

    assert "file system" not in verdicts(store_checks(store))


# --- the installation ---------------------------------------------------------------


def test_an_old_python_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))

    assert verdicts(installation_checks())["python"] == "fail"


def test_a_missing_argon2_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_: object) -> None:
        raise UnsupportedAlgorithm("no")

    monkeypatch.setattr(installation, "Argon2id", missing)

    assert verdicts(installation_checks())["keystore"] == "fail"


LEVEL = Level(
    seccomp=True,
    no_new_privs=True,
    landlock_abi=4,
    namespaces=("user", "pid"),
    machine="x86_64",
    refusal=None,
)


@pytest.mark.parametrize(
    ("level", "verdict", "finding"),
    [
        (LEVEL, "ok", "seccomp, no_new_privs, Landlock 4; namespaces: user pid"),
        (
            replace(LEVEL, landlock_abi=0, namespaces=()),
            *("ok", "seccomp, no_new_privs, no Landlock; namespaces: none"),
        ),
        (replace(LEVEL, refusal="no seccomp"), "warn", "no seccomp"),
    ],
)
def test_what_the_kernel_grants_the_process_box_is_said(
    level: Level, verdict: str, finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLI-9.4."""
    monkeypatch.setattr(installation, "probe", lambda: level)

    found = next(one for one in installation_checks() if one.name == "process box")

    assert (found.verdict, found.finding) == (verdict, finding)


@pytest.mark.parametrize(
    ("box", "finding"),
    [
        (WasmIsolation("48.0"), "wasmtime 48.0"),
        (None, "no engine; domains of the tier wasm are refused"),
    ],
)
def test_whether_there_is_a_wasm_box_is_said(
    box: WasmIsolation | None, finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLI-9.4."""
    monkeypatch.setattr(WasmIsolation, "available", lambda: box)
    monkeypatch.setattr(installation, "why_not", lambda: "no engine")

    found = next(one for one in installation_checks() if one.name == "wasm box")

    assert (found.verdict, found.finding) == ("ok", finding)


def test_a_distribution_that_is_not_there_has_no_version() -> None:
    assert installed_version("no-such-distribution-of-ours") == "not installed"


def made_home(folder: Path) -> Home:
    home = Home(folder)
    home.keys.mkdir(mode=0o700)
    for number in range(5):
        descriptor = os.open(home.keys / f"{number}.key", os.O_CREAT, 0o600)
        os.close(descriptor)
    home.trust_file.touch(0o644)
    folder.chmod(0o700)
    return home


def open_folder(home: Home) -> None:
    home.folder.chmod(0o777)


def open_trust(home: Home) -> None:
    home.trust_file.chmod(0o664)


def open_keys(home: Home) -> None:
    for file in home.keys.iterdir():
        file.chmod(0o640)


@pytest.mark.parametrize("opened", [open_folder, open_trust, open_keys])
def test_rights_of_others_are_found(
    tmp_path: Path, opened: Callable[[Home], None]
) -> None:
    """CLI-9.3."""
    home = made_home(tmp_path)
    before = verdicts(home_checks(home))

    opened(home)

    assert before["file modes"] == "ok"
    assert verdicts(home_checks(home))["file modes"] == "fail"


def test_a_disk_that_is_nearly_full_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SimpleNamespace(free=1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)

    assert verdicts(home_checks(made_home(tmp_path)))["disk"] == "warn"
