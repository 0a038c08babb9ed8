"""Domains that a manifest declares, on the command line: CLI-11."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stage3.cli.commands import domain_tests
from stage3.cli.commands.domain_template import TEMPLATE_FILES
from stage3.isolation.in_process import InProcessIsolation
from stage3.isolation.process.level import probe
from tests.architecture.source_tree import ROOT
from tests.faces.cli_runner import Ran, World, code_of, document, run

WEATHER = str(ROOT / "examples/third_party_domain/acme_weather/domain.toml")
FROM_FILE = ("--domain", WEATHER)
SUMS = """\
name = "sums"
tier = "in_process"
source = "sums.py"
class = "Sums"
[methods.add]
parameters = { type = "object" }
result = { type = "object", required = ["sum"] }
"""
CODE = """\
from stage2_domains.contract import DomainResult

class Sums:
    def invoke(self, method, parameters):
        numbers = parameters.get_copy().get("numbers")
        if numbers is None:
            return DomainResult(success=False, error="no numbers")
        if not numbers:
            open("/dev/null")
        if numbers == [0]:
            return numbers
        data = {"sum": sum(numbers)} if numbers != [1] else {}
        return DomainResult(success=True, data=data)
"""


@pytest.fixture
def boxed() -> None:
    if probe().refusal is not None:
        pytest.skip("the kernel grants no process box here")


def sums(folder: Path, *examples: str) -> str:
    """Write the trusted domain with these examples, and give its manifest."""
    (folder / "sums.py").write_text(CODE)
    table = "[[methods.add.examples]]\n"
    text = SUMS + "".join(f"{table}{one}\n" for one in examples)
    (folder / "domain.toml").write_text(text)
    return str(folder / "domain.toml")


def execution(ran: Ran) -> str:
    """Give the id of the execution that a command printed."""
    found = re.search(r"(?m)^execution +([0-9a-f-]{36})$", ran.out)
    assert found is not None, ran.out + ran.err
    return found[1]


# --- list and describe -------------------------------------------------------------


def test_a_domain_is_listed_with_tier_digest_and_source() -> None:
    """CLI-11.1."""
    ran = run("domains", "list", "--domain", WEATHER)
    listed = document(run("domains", "list", "--json", "--domain", WEATHER))
    described = document(
        run("domains", "describe", "weather", "--json", "--domain", WEATHER)
    )

    assert ran.code == 0
    assert re.search(rf"(?m)^weather +process +sha256:\w+ +{WEATHER}$", ran.out)
    domains = listed["domains"]
    assert isinstance(domains, list)
    names = ("digest", "source", "tier")
    found = next(one for one in domains if one["domain"] == "weather")
    assert [found[name] for name in names] == [described[name] for name in names]
    assert found["source"] == WEATHER
    assert {one["source"] for one in domains} == {WEATHER, "built in"}


def test_a_domain_that_was_not_named_is_not_there() -> None:
    """CLI-11.1."""
    ran = run("domains", "describe", "weather")

    assert (ran.code, code_of(ran)) == (2, "INPUT_REFUSED")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--domain", "gone.toml"), "'gone.toml' cannot be read: No such file"),
        (
            ("--domain", WEATHER, "--domain", WEATHER),
            f"{WEATHER}: the domain 'weather' is already registered",
        ),
    ],
)
def test_a_manifest_that_is_refused_ends_the_command(
    words: tuple[str, ...], sentence: str
) -> None:
    """CLI-11.1, CLI-4.1."""
    ran = run("domains", "list", *words)

    assert (ran.code, code_of(ran)) == (2, "INPUT_REFUSED")
    assert sentence in ran.err


def test_code_runs_in_this_process_only_where_it_is_trusted(tmp_path: Path) -> None:
    """CLI-11.2."""
    manifest = sums(tmp_path)

    refused = run("domains", "list", "--domain", manifest)
    listed = run("domains", "list", "--trusted-domain", manifest)

    assert (refused.code, code_of(refused)) == (2, "INPUT_REFUSED")
    assert "declares the tier in_process" in refused.err
    assert f"like your own: --trusted-domain {manifest}" in refused.err
    assert listed.code == 0
    assert run("domains", "test", manifest, "--trusted-domain", manifest).code == 1


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def installed(site: Path, point: str) -> None:
    """Make the metadata of an installed package with this entry point."""
    about = site / "acme_weather-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-weather\n")
    (about / "entry_points.txt").write_text(f"[stage3.domains]\n{point}\n")


def test_installed_domains_are_there_when_asked_for(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLI-11.1."""
    installed(site, "weather = acme_weather:domain.toml")
    monkeypatch.syspath_prepend(str(Path(WEATHER).parents[1]))

    without = run("domains", "list")
    with_them = run("domains", "list", "--installed-domains")

    assert "weather" not in without.out
    assert "installed by acme-weather" in with_them.out


def test_an_installed_domain_runs_in_this_process_where_its_file_is_trusted(
    site: Path,
) -> None:
    """CLI-11.2: the package does not decide it, and is there when somebody does."""
    installed(site, "sums = acme_sums")
    (site / "acme_sums").mkdir()
    manifest = sums(site / "acme_sums", "parameters = { numbers = [2] }")
    words = ("domains", "test", "sums", "--installed-domains")

    refused = run(*words)
    trusted = run(*words, "--trusted-domain", manifest)
    changed = Path(manifest)
    copy = Path(shutil.copytree(changed.parent, site / "copy"), "domain.toml")
    changed.write_text(changed.read_text() + "# another\n")
    other = run(*words, "--trusted-domain", str(copy))

    assert (refused.code, code_of(refused)) == (2, "INPUT_REFUSED")
    assert f"--trusted-domain {manifest}" in refused.err
    assert trusted.code == 0, trusted.err
    assert (other.code, code_of(other)) == (2, "INPUT_REFUSED")


def test_the_example_package_brings_all_that_its_manifest_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLI-11.1, DOM-9.9: installed from its wheel, it is the domain of its source."""
    source = shutil.copytree(Path(WEATHER).parents[1], tmp_path / "source")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    done = subprocess.run(
        [*build, "--outdir", str(tmp_path), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    ran = run("domains", "describe", "weather", "--json", "--installed-domains")

    assert ran.code == 0, ran.err
    there = document(run("domains", "describe", "weather", "--json", *FROM_FILE))
    assert document(ran)["digest"] == there["digest"]
    assert document(ran)["source"] == "installed by acme-weather"


def test_a_plan_is_written_and_checked_with_a_domain_of_ones_own(
    own_world: World,
) -> None:
    """CLI-11.1."""
    plan, domain = own_world["weather.json"], ("--domain", WEATHER)
    words = ("--user", "alice", "--step", "weather.summary", "--out", plan)

    written = run("plan", "new", *words, *domain)
    caller = ("--user", "alice", "--credential", own_world["alice.credential"])
    checked = run("plan", "check", *own_world.here(), "--plan", plan, *caller, *domain)

    assert written.code == 0
    assert (checked.code, code_of(checked)) == (1, "DOMAIN_NOT_IN_SCOPE")


@pytest.mark.usefixtures("boxed")
def test_a_plan_runs_a_domain_of_somebody_else_in_its_box(own_world: World) -> None:
    """CLI-11.1: five events, and a ledger that is whole."""
    request = json.loads(Path(own_world["token_request.json"]).read_text())
    request |= {"domain_scope": ["weather"], "method_scope": {"weather": ["summary"]}}
    Path(own_world["token_request.json"]).write_text(json.dumps(request))
    own_world.issue("weather.credential")
    plan, domain = own_world["weather.json"], ("--domain", WEATHER)
    words = ("--user", "alice", "--step", "weather.summary", "--out", plan)
    run("plan", "new", *words, *domain)
    caller = ("--user", "alice", "--credential", own_world["weather.credential"])

    ran = run("plan", "run", *own_world.here(), "--plan", plan, *caller, *domain)
    without = run("plan", "run", *own_world.here(), "--plan", plan, *caller)

    assert ran.code == 0, ran.err
    assert '"median": 11.5' in ran.out
    assert "outcome    success, 1 of 1 steps" in ran.out
    assert (without.code, code_of(without)) == (1, "DOMAIN_NOT_REGISTERED")
    assert run("audit", "verify", *own_world.here()).code == 0
    assert "\n  Name its manifest with --domain.\n" in without.err
    kept = document(run("audit", "trail", *own_world.here(), execution(ran), "--json"))
    events = kept["events"]
    described = document(run("domains", "describe", "weather", "--json", *domain))
    assert isinstance(events, list)
    assert events[0]["details"]["isolation"]["process"]["boundary"] is True
    assert events[3]["details"]["tier"] == described["tier"] == "process"
    assert events[3]["details"]["domain_digest"] == described["digest"]


@pytest.mark.usefixtures("boxed")
def test_the_trail_says_what_a_domain_tried(own_world: World) -> None:
    """CLI-11.1: what, in which box, and who noticed."""
    folder = own_world.folder / "words"
    run("domains", "new", str(folder), "--name", "words")
    code = folder / "domain.py"
    code.write_text(
        code.read_text().replace("if method", "open('/x\x1b')\n        if m")
    )
    request = json.loads(Path(own_world["token_request.json"]).read_text())
    request |= {"domain_scope": ["words"], "method_scope": {"words": ["count_words"]}}
    Path(own_world["token_request.json"]).write_text(json.dumps(request))
    own_world.issue("words.credential")
    plan, domain = own_world["words.json"], ("--domain", str(folder))
    words = ("--user", "alice", "--step", "words.count_words", "--out", plan)
    run("plan", "new", *words, *domain)
    caller = ("--user", "alice", "--credential", own_world["words.credential"])

    ran = run("plan", "run", *own_world.here(), "--plan", plan, *caller, *domain)
    kept = run("audit", "trail", *own_world.here(), execution(ran))

    assert (ran.code, code_of(ran)) == (1, "BOUNDARY_VIOLATION")
    assert "`stage3 audit trail ID` keeps it" in ran.err
    said = r"(?m)^attempt  open: /x\\+x1b r \d+ \(open; process box, by hook\)$"
    assert re.search(said, ran.out)
    assert re.search(said, kept.out)


# --- test ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("example", "verdict", "finding"),
    [
        ("parameters = { numbers = [2, 3] }", "ok", "answered"),
        (
            "parameters = { numbers = [2, 3] }\nresult = { sum = 5 }",
            *("ok", "answered as it says"),
        ),
        (
            "parameters = { numbers = [2, 3] }\nresult = { sum = 6 }",
            *("fail", "it answered otherwise than it says"),
        ),
        ('parameters = {}\nerror = "no numbers"', "ok", "failed as it says"),
        ('parameters = {}\nerror = "no"', "fail", "it failed otherwise: no numbers"),
        ("parameters = {}", "fail", "it failed: no numbers"),
        (
            'parameters = { numbers = [2] }\nerror = "no numbers"',
            *("fail", "it succeeded, and should have failed"),
        ),
        (
            "parameters = { numbers = [1] }",
            *("fail", "Result of sums.add refused: missing 'sum'."),
        ),
        (
            "parameters = { numbers = [] }",
            *("fail", "left its box: open: /dev/null"),
        ),
        (
            "parameters = { numbers = [0] }",
            *("fail", "its answer is refused: expected a DomainResult"),
        ),
    ],
)
def test_an_example_is_compared_with_what_it_says(
    example: str, verdict: str, finding: str, tmp_path: Path
) -> None:
    """CLI-11.3."""
    manifest = sums(tmp_path, example)
    words = ("domains", "test", "sums", "--trusted-domain", manifest)

    ran = run(*words)
    rows = document(run(*words, "--json"))["examples"]

    assert isinstance(rows, list)
    assert (rows[0]["method"], rows[0]["example"]) == ("add", 1)
    assert (rows[0]["verdict"], rows[0]["finding"][: len(finding)]) == (
        verdict,
        finding,
    )
    assert ran.code == (0 if verdict == "ok" else 1)
    assert code_of(ran) == ("" if verdict == "ok" else "DOMAIN_TEST")
    assert f"add           1  {verdict}" in ran.out


def test_a_domain_without_examples_is_not_tested(tmp_path: Path) -> None:
    """CLI-11.3."""
    ran = run("domains", "test", "sums", "--trusted-domain", sums(tmp_path))

    assert (ran.code, code_of(ran)) == (1, "DOMAIN_TEST")
    assert "sums has no example" in ran.err
    assert "\n  Correct what the table names" in ran.err


def test_what_is_not_found_says_how_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLI-2.2: a folder of one's own is the usual slip."""
    monkeypatch.chdir(tmp_path)
    run("domains", "new", "words", "--name", "words")

    folder = run("domains", "test", "words")
    unknown = run("domains", "test", "sums")

    assert (folder.code, code_of(folder)) == (2, "INPUT_REFUSED")
    assert (
        "\n  To test what is in the folder: stage3 domains test ./words" in folder.err
    )
    assert (unknown.code, code_of(unknown)) == (2, "INPUT_REFUSED")
    assert "\n  One of your own is named by its manifest: --domain FILE." in unknown.err


def test_built_in_domains_are_tested_by_their_examples() -> None:
    """CLI-11.3."""
    assert run("domains", "test", "hermes").code == 0


@pytest.mark.usefixtures("boxed")
def test_a_domain_of_somebody_else_is_tested_in_its_own_tier() -> None:
    """CLI-11.4: by its path, and by its name."""
    by_path = document(run("domains", "test", WEATHER, "--json"))
    by_name = document(run("domains", "test", "weather", "--domain", WEATHER, "--json"))

    assert by_path == by_name
    assert by_path["tier"] == "process"
    examples = by_path["examples"]
    assert isinstance(examples, list)
    assert [one["verdict"] for one in examples] == ["ok", "ok"]


def test_no_other_tier_is_put_in_place_of_one_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CLI-11.4."""
    monkeypatch.setattr(domain_tests, "box_of", lambda _tier: "no seccomp")

    ran = run("domains", "test", WEATHER)

    assert (ran.code, code_of(ran)) == (3, "ISOLATION_UNAVAILABLE")
    assert "there is no box of the tier process here: no seccomp" in ran.err
    assert "\n  See `stage3 doctor` for the boxes of this machine." in ran.err


def test_a_box_that_breaks_is_not_the_domains_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CLI-11.4: a box of another tier refuses the call."""
    monkeypatch.setattr(domain_tests, "box_of", lambda _tier: InProcessIsolation())

    ran = run("domains", "test", WEATHER)

    assert (ran.code, code_of(ran)) == (3, "ISOLATION_UNAVAILABLE")


# --- new -----------------------------------------------------------------------------


def test_a_new_domain_passes_its_own_test(tmp_path: Path) -> None:
    """CLI-11.5: in a pytest of its own; its examples, in its own tier."""
    folder = tmp_path / "words"

    made = run("domains", "new", str(folder), "--name", "words")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.code == 0
    assert sorted(file.name for file in folder.iterdir()) == sorted(TEMPLATE_FILES)
    assert "@" not in "".join(file.read_text() for file in folder.glob("domain.*"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout or "3 passed" in done.stdout


@pytest.mark.usefixtures("boxed")
def test_a_new_domain_gives_what_its_examples_say(tmp_path: Path) -> None:
    """CLI-11.5."""
    folder = tmp_path / "words"
    run("domains", "new", str(folder), "--name", "words")

    assert run("domains", "test", str(folder / "domain.toml")).code == 0
    code = folder / "domain.py"
    code.write_text(code.read_text().replace("max(", "min("))
    assert run("domains", "test", str(folder / "domain.toml")).code == 1


@pytest.mark.parametrize(
    "name",
    ["", "Words", "a-b", "1a", "a" * 65, "w\u00f6rter", "system", "../x", "apollo"],
)
def test_a_new_domain_needs_a_name_that_a_token_may_say(
    name: str, tmp_path: Path
) -> None:
    """CLI-11.5."""
    ran = run("domains", "new", str(tmp_path / "new"), "--name", name)

    assert (ran.code, code_of(ran)) == (2, "INPUT_REFUSED")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    """CLI-11.5, CLI-4.3."""
    (tmp_path / "kept").write_text("kept")

    ran = run("domains", "new", str(tmp_path), "--name", "words")

    assert (ran.code, code_of(ran)) == (3, "OUTPUT_FAILED")
    assert "nothing is ever replaced" in ran.err
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]


def test_a_folder_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    """CLI-11.5."""
    ran = run("domains", "new", str(tmp_path / "a" / "b"), "--name", "words")

    assert (ran.code, code_of(ran)) == (3, "OUTPUT_FAILED")
    assert "cannot be made: No such file or directory" in ran.err


def test_a_new_domain_is_complete_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLI-11.5."""

    def failing(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stage3.cli.intake.files.os.write", failing)

    ran = run("domains", "new", str(tmp_path / "new"), "--name", "words")

    assert (ran.code, code_of(ran)) == (3, "OUTPUT_FAILED")
    assert not (tmp_path / "new").exists()
