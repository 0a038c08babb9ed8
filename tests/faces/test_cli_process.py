"""The command line as a process: what it imports, its descriptors, its signals."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faces.cli_runner import PASSPHRASE, World

PROGRAM = "from stage3.cli.main import entry; entry()"
HEAVY = (
    "asyncio",
    "audit",
    "cryptography",
    "dataclasses",
    "hashlib",
    "importlib.metadata",
    "json",
    "jsonschema",
    "pydantic",
    "sqlite3",
    "stage2_domains",
    "tokens",
)


def start(
    *words: str, program: str = PROGRAM, **more: object
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        env=more.pop("env", environment),
        check=False,
        capture_output="stdout" not in more,
        text=True,
        timeout=60,
        **more,  # type: ignore[call-overload]
    )


def imported(*words: str) -> set[str]:
    """Run a command, and give what it has imported when it ends."""
    program = (
        "import sys; from stage3.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "print('\\n'.join(['modules:', *sys.modules]))"
    )
    return set(start(*words, program=program).stdout.partition("modules:")[2].split())


@pytest.mark.parametrize("words", [["--help"], ["plan", "run", "--help"]])
def test_help_imports_none_of_the_libraries(words: list[str]) -> None:
    """CLI-1.3: counted, because a clock on a busy machine says nothing."""
    modules = imported(*words)

    ours = {name for name in modules if name.startswith("stage3")}
    assert modules.isdisjoint(HEAVY)
    assert ours == {
        "stage3",
        *(f"stage3.cli{rest}" for rest in ("", ".arguments", ".errors", ".exits")),
        *(
            f"stage3.cli.{rest}"
            for rest in ("grammar", "main", "parsers", "store_grammar")
        ),
    }


def test_a_command_imports_only_what_it_needs() -> None:
    """CLI-1.3."""
    modules = imported("domains", "list")

    assert "stage2_domains.registry" in modules
    assert modules.isdisjoint(
        {
            "cryptography",
            "pydantic",
            "sqlite3",
            "tokens.registry",
            "stage3.orchestrator",
        }
    )


def test_the_process_ends_with_the_exit_code(world: World) -> None:
    """CLI-2.1."""
    done = start("audit", "verify", *world.here())
    wrong = start("nonsense")

    assert (done.returncode, done.stderr) == (0, "")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_passphrase_and_credential_come_from_descriptors(own_world: World) -> None:
    """CLI-5.2 and CLI-8.1."""
    secret = pipe_with(f"{PASSPHRASE}\n")
    request = ("--request", own_world["token_request.json"], "--show")
    unsealing = ("--passphrase-fd", str(secret))
    issued = start(
        *("token", "issue"), *own_world.here(), *request, *unsealing, pass_fds=(secret,)
    )
    os.close(secret)
    credential = pipe_with(issued.stdout.splitlines()[-1])
    plan = ("--plan", own_world["plan.json"], "--user", "alice")
    given = ("--credential-fd", str(credential))

    ran = start(
        *("plan", "run"), *own_world.here(), *plan, *given, pass_fds=(credential,)
    )
    os.close(credential)

    assert (issued.returncode, ran.returncode) == (0, 0), issued.stderr + ran.stderr


def pipe_with(text: str) -> int:
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    return reading


@pytest.mark.parametrize("option", ["--credential-fd", "--passphrase-fd"])
def test_a_descriptor_that_is_not_open_is_refused(world: World, option: str) -> None:
    """CLI-4.1."""
    words = {
        "--credential-fd": ("token", "verify"),
        "--passphrase-fd": ("pause", "--reason", "r", "--by", "b"),
    }

    ran = start(*words[option], *world.here(), option, "9")

    assert ran.returncode == 2
    assert "INPUT_REFUSED" in ran.stderr
    assert "descriptor 9" in ran.stderr


def test_without_a_terminal_no_passphrase_is_asked_for(tmp_path: Path) -> None:
    """CLI-5.2: standard input is not read instead."""
    ran = start(
        *("init", "--home", str(tmp_path / "h")),
        input=f"{PASSPHRASE}\n{PASSPHRASE}\n",
        start_new_session=True,
    )

    assert ran.returncode == 2
    assert "there is no terminal to ask for it" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_passphrase_in_the_environment_is_not_used(tmp_path: Path) -> None:
    """CLI-5.2."""
    names = ("STAGE3_PASSPHRASE", "PASSPHRASE", "STAGE3_PASSWORD")
    environment = {**os.environ, **dict.fromkeys(names, PASSPHRASE)}

    ran = start(
        *("init", "--home", str(tmp_path / "h")),
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )

    assert ran.returncode == 2


def test_the_home_is_named_by_the_environment_too(world: World) -> None:
    """CLI-1.4."""
    ran = start("audit", "head", env={**os.environ, "STAGE3_HOME": world["place"]})

    assert ran.returncode == 0, ran.stderr


# --- output that cannot be written --------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_full_disk_under_the_output_is_said(world: World, more: tuple[str]) -> None:
    """CLI-2.5."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")

    with Path("/dev/full").open("w") as full:
        ran = start(
            *("audit", "head"),
            *world.here(),
            *more,
            stdout=full,
            stderr=subprocess.PIPE,
        )

    assert ran.returncode == 3
    assert ran.stderr.startswith("stage3: OUTPUT_FAILED: standard output cannot be")
    assert ran.stderr.count("\n") == 2


def test_a_reader_that_stopped_is_told_nothing(world: World) -> None:
    """CLI-2.5: as under `| head`."""
    reading, writing = os.pipe()
    os.close(reading)

    ran = start(
        *("audit", "head"), *world.here(), stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)

    assert (ran.returncode, ran.stderr) == (3, "")


def test_a_closed_standard_output_is_said(world: World) -> None:
    """CLI-2.5."""
    program = f"import os, sys; os.close(1); sys.stdout = None; {PROGRAM}"

    ran = start("audit", "head", *world.here(), program=program)

    assert ran.returncode == 3
    assert "standard output is closed" in ran.stderr


def test_closed_standard_error_changes_no_exit_code() -> None:
    program = f"import os, sys; os.close(2); sys.stderr = None; {PROGRAM}"

    assert start("nonsense", program=program).returncode == 2


def test_help_into_a_full_disk_is_said() -> None:
    """CLI-2.3 and CLI-2.5."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")

    with Path("/dev/full").open("w") as full:
        ran = start("--help", stdout=full, stderr=subprocess.PIPE)

    assert ran.returncode == 3
    assert ran.stderr.startswith("stage3: OUTPUT_FAILED: ")
    assert ran.stderr.count("\n") == 2


# --- Ctrl-C ------------------------------------------------------------------------


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press the keys until they are noticed.

    A signal that comes just before a read that blocks is seen only after it. Pressed
    again too soon, they would kill a process that is ending already.
    """
    for _ in range(6):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=10)
    process.kill()
    raise AssertionError(f"not interrupted: {process.communicate()}")


def test_ctrl_c_ends_a_command_with_130(world: World, tmp_path: Path) -> None:
    """CLI-2.4: while it reads a plan from a pipe that nobody fills."""
    fifo = tmp_path / "plan"
    os.mkfifo(fifo)
    words = ("--plan", str(fifo), "--user", "alice", *world.here())
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", PROGRAM, "plan", "run", *words),
            *("--credential", world["alice.credential"]),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with fifo.open("w"):  # returns once the command has opened it, too
        out, err = interrupted(process)

    assert (process.returncode, out) == (130, "")
    assert err.startswith("stage3: INTERRUPTED: stopped by the keyboard\n")
    assert "Traceback" not in err
