"""What can be known of the image and of compose.yaml without an engine to run them."""

import fnmatch
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from stage3.cli.arguments import parse
from tests.architecture.example_programs import EXAMPLE, loaded
from tests.architecture.plain_yaml import Yaml, read_yaml
from tests.architecture.source_tree import ROOT

TEXT = (ROOT / "compose.yaml").read_text("utf-8")
RECIPE = re.sub(r"\\\n\s*", " ", (ROOT / "Containerfile").read_text("utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OURS = ("create", "security", "executor-1", "executor-2")


def mapping(value: Yaml) -> dict[str, Yaml]:
    assert isinstance(value, dict)
    return value


def words(value: Yaml) -> list[str]:
    assert isinstance(value, list)
    return [str(word) for word in value]


COMPOSE = mapping(read_yaml(TEXT))
SERVICES = {name: mapping(one) for name, one in mapping(COMPOSE["services"]).items()}


def instructions(name: str, text: str = RECIPE) -> list[str]:
    return re.findall(rf"(?m)^\s*{name}\s+(.*)$", text)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2",
        "a: &b 1",
        "a: *b",
        "a: |\n  b",
        "a:\n   b: 1",
        "a: 'b'",
        "a: {b: 1}",
        "- a\n  b: c",
        "\ta: 1",
        "a: b # c",
        "a: b: c",
        "a",
    ],
)
def test_what_is_not_plain_yaml_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (which of them does not matter)
        read_yaml(text)


def test_plain_yaml_is_read_as_it_is_meant() -> None:
    text = (
        '# x\na:\n  - -c\n  - b=1\nd: [e, "f: g", --h=1]\ni: {}\nj: true\nk: 5\nl: 5m\n'
    )

    assert read_yaml(text) == {
        "a": ["-c", "b=1"],
        "d": ["e", "f: g", "--h=1"],
        "i": {},
        "j": True,
        "k": 5,
        "l": "5m",
    }


def test_there_are_a_database_and_two_equal_executors() -> None:
    first, second = (dict(SERVICES[f"executor-{number}"]) for number in (1, 2))

    assert first.pop("build") == {"context": ".", "dockerfile": "Containerfile"}
    assert first == second
    assert set(SERVICES) == {"database", *OURS}


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_has_rights_it_does_not_need(name: str) -> None:
    service = SERVICES[name]

    assert str(service["user"]).split(":")[0] not in {"0", "root", ""}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["networks"] == ["ledger"]
    for more in ("privileged", "cap_add", "ports", "devices", "pid", "network_mode"):
        assert more not in service
    assert mapping(mapping(COMPOSE["networks"])["ledger"]) == {"internal": True}


def test_the_database_keeps_what_is_committed() -> None:
    command = words(SERVICES["database"]["command"])
    settings = dict(word.split("=", 1) for word in command if "=" in word)

    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        assert settings[setting] == "on"
    assert "password_encryption=scram-sha-256" in command
    assert command[0] == "postgres"
    assert command[1::2] == ["-c"] * len(settings)
    # Two executors, each with a store's sixteen and two more, and room for people.
    assert int(settings["max_connections"]) >= 2 * 18 + 10


def test_secrets_come_from_files_and_only_from_them(tmp_path: Path) -> None:
    loaded(EXAMPLE / "make_secrets.py").main(tmp_path / "secrets")
    made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    known = mapping(COMPOSE["secrets"])

    files = {str(mapping(one)["file"]) for one in known.values()}
    assert files - {f"./secrets/{name}" for name in made} == {"./secrets/trust.json"}
    for service in SERVICES.values():
        assert set(words(service.get("secrets", []))) <= set(known)
        for variable, value in mapping(service.get("environment", {})).items():
            assert "PASSWORD" not in variable or variable.endswith("_FILE")
            assert not str(value).startswith("/run/secrets/") or (
                str(value).removeprefix("/run/secrets/")
                in words(service.get("secrets", []))
            )
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    passwords = re.findall(r"password=(.*)|PASSWORD '(.*)'", "\n".join(made.values()))
    assert len(passwords) == 2 * 4
    assert len({one or other for one, other in passwords}) == 4


def test_no_executor_gets_keys_or_the_means_to_make_them() -> None:
    for number in (1, 2):
        service = SERVICES[f"executor-{number}"]
        assert words(service["secrets"]) == ["worker", "trust"]
        assert "volumes" not in service


def test_every_command_and_option_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    said = [words(SERVICES["create"]["command"])]
    for name in ("executor-1", "executor-2"):
        test = words(mapping(SERVICES[name]["healthcheck"])["test"])
        assert test[:3] == ["CMD", "stage3", "doctor"]
        said.append(test[2:])
    (health,) = re.findall(r"HEALTHCHECK .* CMD (.*)", RECIPE)
    assert json.loads(health) == ["stage3", *said[-1]]
    steps = re.sub(r"\\\n#\s*", "", TEXT.partition("\nname:")[0])
    runs = re.findall(r"run --rm security (.*)", steps)
    said += [run.split() for run in runs]

    for command in said:
        parse(command)

    assert len(said) == 4
    monkeypatch.setattr(sys, "stdin", iter(()))
    program = loaded(EXAMPLE / "executor.py")
    monkeypatch.setattr(sys, "argv", ["x", *words(SERVICES["executor-1"]["command"])])
    with pytest.raises(Exception, match="trust"):
        program.main()  # the options are known: what is missing is the trust file


def test_the_services_named_in_the_steps_exist() -> None:
    steps = re.sub(r"\\\n#\s*", "", TEXT.partition("\nname:")[0])

    named = re.findall(r"run --rm (?:--entrypoint \w+ )?(\S+)", steps)
    named += re.findall(r"--detach (\S+) (\S+)", steps)[0]

    assert set(named) == set(OURS)


def test_the_image_is_of_this_version_and_of_a_python_that_will_do() -> None:
    for name in OURS:
        assert SERVICES[name]["image"] == f"stage3:{PROJECT['version']}"
    (base,) = instructions("ARG")
    python = re.fullmatch(r"PYTHON=python:(\d+\.\d+)-slim-\w+", base)
    assert python is not None
    assert SpecifierSet(PROJECT["requires-python"]).contains(python[1])


def test_the_image_runs_as_somebody_without_rights() -> None:
    last = RECIPE[RECIPE.rindex("\nFROM") :]

    assert instructions("USER", last) == ["10001:10001"]
    assert {SERVICES[name]["user"] for name in OURS} == {"10001:10001"}
    assert "chmod" not in last
    assert "sudo" not in last


def test_what_the_image_copies_is_there_and_not_left_out() -> None:
    patterns = (ROOT / ".dockerignore").read_text().split()
    kept = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    copied = [
        source
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    ]

    assert patterns[0] == "*"
    assert len(copied) >= 10
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in kept), source
    assert set(PROJECT["optional-dependencies"]) >= {"postgres", "wasm"}


def test_packages_of_the_image_have_hashes() -> None:
    installs = re.findall(r"pip install ([^&]*)", RECIPE)

    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes" in install or "--no-deps --no-index" in install
