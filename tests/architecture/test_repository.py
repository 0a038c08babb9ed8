"""The repository keeps its layout, says nothing of one machine, proves its MUSTs."""

import os
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.repository_rules import (
    TOP_LEVEL,
    machine_words,
    stray_top_level,
    tracked_files,
    tracked_texts,
    unproven_musts,
)
from tests.architecture.source_tree import ROOMS_ARE_COMPLETE, ROOT

HERE = "tests/architecture/"
LOCKS = {
    "run": ([], ["build"]),
    "image": (["postgres", "wasm"], []),
    "dev": (["test", "dev"], ["build"]),
    "lock": (None, ["lock"]),
}
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")


@pytest.fixture(scope="module")
def files() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout, so nothing says which files belong to it")
    return tracked_files()


@pytest.fixture(scope="module")
def texts(files: list[str]) -> dict[str, str]:
    # The samples in this folder are words the rules must catch.
    return tracked_texts(name for name in files if not name.startswith(HERE))


def test_the_top_level_holds_what_the_layout_names(files: list[str]) -> None:
    tops = {name.partition("/")[0] for name in files}

    assert stray_top_level(files) == []
    if missing := sorted(TOP_LEVEL - tops):
        if not ROOMS_ARE_COMPLETE:
            pytest.skip(f"not written yet: {', '.join(missing)}")
        assert not missing


@pytest.mark.parametrize("name", ["utils.py", "src/a.py", "setup.py", "NOTES.md"])
def test_a_stray_name_at_the_top_is_found(name: str) -> None:
    assert stray_top_level(["audit/log.py", ".ci/run", name])


def test_no_file_speaks_of_one_machine(texts: dict[str, str]) -> None:
    found = machine_words(texts)

    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    "line",
    [
        "see /" + "work/notes",
        'path = "/root/x"',
        "/opt/wheels",
        "/home/alice",
        "/tmp/a.db",  # noqa: S108
        "sqlite:////tmp/a.db",
        "/Users/alice",
        "--extra-index-url x",
        "https://files.pythonhosted.org/a",
        "http://build.internal:8080/simple",
        "https://example.com.evil.io/",
        "https://10.0.0.7/",
    ],
)
def test_words_of_one_machine_are_found(line: str) -> None:
    assert machine_words({"docs/a.md": line})


@pytest.mark.parametrize(
    "line",
    [
        "https://www.rfc-editor.org/rfc/rfc6962",
        "https://idp.example/keys and http://localhost:80/",
        "(https://keepachangelog.com/en/1.1.0/).",
        "sqlite:////var/lib/stage3/ledger.db",
        "#!/usr/bin/env bash",
        "docs/root/page and homework/tmp",
        "the framework/root/x",
    ],
)
def test_words_of_no_machine_are_left_alone(line: str) -> None:
    assert machine_words({"docs/a.md": line}) == []


def test_every_must_is_cited_by_a_test(texts: dict[str, str]) -> None:
    untested, _ = unproven_musts(texts)

    assert not untested, "\n".join(["", *untested])


def test_every_cited_must_exists(texts: dict[str, str]) -> None:
    _, unknown = unproven_musts(texts)

    assert not unknown, "\n".join(["", *unknown])


def test_a_must_without_a_test_is_found() -> None:
    page = "**AUD-1.1** It MUST.\nAUD-1.2 It MUST.\n- AUD-1.3 It MUST, see AUD-9.9."
    code = {"audit/a.py": "# AUD-1.2", "tests/unit/test_a.py": "# AUD-1.1 and AUD-1.3"}

    untested, unknown = unproven_musts({"docs/spec/a.md": page, **code})

    assert untested == ["docs/spec/a.md: AUD-1.2 is cited by no test"]
    assert unknown == []


def test_a_citation_of_nothing_is_found() -> None:
    code = {"audit/a.py": "# AUD-1.2, SHA-2.1", "tests/test_a.py": "# AUD-1.1"}

    _, unknown = unproven_musts({"docs/spec/a.md": "AUD-1.1 It MUST.", **code})

    assert unknown == ["audit/a.py cites AUD-1.2, which docs/spec does not define"]


@pytest.mark.parametrize("kind", LOCKS)
def test_the_lock_file_is_complete_and_in_step(kind: str) -> None:
    extras, groups = LOCKS[kind]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [text for group in groups for text in project["dependency-groups"][group]]
    if extras is not None:
        wanted += project["project"]["dependencies"]
        optional = project["project"]["optional-dependencies"]
        wanted += [text for extra in extras for text in optional[extra]]
    text = (ROOT / ".ci" / f"requirements-{kind}.txt").read_text("utf-8")
    blocks = re.split(r"\n(?=[A-Za-z0-9])", "\n" + re.sub(r"(?m)^\s*#.*\n", "", text))[
        1:
    ]
    pins = {
        canonicalize_name(match[1]): match[2]
        for match in map(PIN.match, blocks)
        if match is not None
    }

    assert len(pins) == len(blocks)
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    for requirement in map(Requirement, wanted):
        if requirement.name != project["project"]["name"]:
            assert requirement.specifier.contains(
                pins[canonicalize_name(requirement.name)]
            )


def test_the_check_before_every_change_runs_the_suite() -> None:
    script = ROOT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert "make --no-print-directory test" in script.read_text("utf-8")


def test_the_licence_is_the_whole_text() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")

    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert text.rstrip().endswith("limitations under the License.")
