"""``domain.toml``: what is read and refused, and that nothing is executed: DOM-9."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stage2_domains.errors import RegistrationError
from stage2_domains.manifest import MAX_MANIFEST_BYTES, load_manifest
from stage2_domains.manifest_methods import MAX_EXAMPLES
from stage2_domains.source import MAX_SOURCE_BYTES
from tests.architecture.source_tree import ROOT

WEATHER = ROOT / "examples/third_party_domain/acme_weather"

HEAD = 'name = "sums"\ntier = "process"\nsource = "sums.py"\nclass = "Sums"\n'
METHOD = '[methods.add]\nparameters = { type = "object" }\n'
BOOBY_TRAP = "raise SystemExit('executed')\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sums.py").write_text(BOOBY_TRAP)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "domain.toml"
    path.write_text(text)
    return path


def test_the_example_is_read_whole() -> None:
    """DOM-9.1, DOM-9.3."""
    manifest = load_manifest(WEATHER)

    assert (manifest.name, manifest.version, manifest.tier) == (
        *("weather", "0.1.0", "process"),
    )
    assert manifest.source.code == (WEATHER / "weather.py").read_bytes()
    assert (manifest.source.entry, manifest.source.imports) == (
        *("Weather", ("statistics",)),
    )
    assert manifest.budget.wall_ms == 500
    assert manifest.budget.cpu_s == 2
    summary = manifest.methods["summary"]
    assert summary.result is not None
    assert summary.example is not None
    assert [one.error is None for one in manifest.examples] == [True, False]


@pytest.mark.parametrize("tier", ["process", "in_process"])
def test_loading_executes_nothing(folder: Path, tier: str) -> None:
    """DOM-9.2: the code would end the process."""
    text = HEAD.replace('"process"', f'"{tier}"') + METHOD

    manifest = load_manifest(write(folder, text))

    assert manifest.source.code == BOOBY_TRAP.encode()


def test_a_module_is_found_without_importing_it_or_a_package_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DOM-9.2."""
    package = tmp_path / "site" / "trapped" / "inner"
    package.mkdir(parents=True)
    for file in (package / "sums.py", package / "__init__.py"):
        file.write_text(BOOBY_TRAP)
    (package.parent / "__init__.py").write_text(BOOBY_TRAP)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    head = HEAD.replace('source = "sums.py"', 'module = "trapped.inner.sums"')

    manifest = load_manifest(write(tmp_path, head + METHOD))

    assert manifest.code_path == package / "sums.py"
    assert manifest.source.code == BOOBY_TRAP.encode()


def test_a_wasm_domain_is_bytes(tmp_path: Path) -> None:
    """DOM-9.1."""
    (tmp_path / "sums.wasm").write_bytes(b"\0asm")
    text = 'name = "sums"\ntier = "wasm"\nwasm = "sums.wasm"\n' + METHOD

    manifest = load_manifest(write(tmp_path, text))

    assert (manifest.source.kind, manifest.source.code) == ("wasm", b"\0asm")
    assert manifest.source.entry == ""


@pytest.mark.parametrize("data", [b"", b"\0as", b"(module)", b"asm\0"])
def test_a_file_that_is_no_webassembly_is_its_authors_to_correct(
    data: bytes, tmp_path: Path
) -> None:
    """DOM-9.1: else the box would be blamed, at the first call."""
    (tmp_path / "sums.wasm").write_bytes(data)
    text = 'name = "sums"\ntier = "wasm"\nwasm = "sums.wasm"\n' + METHOD

    with pytest.raises(RegistrationError, match="toml: wasm: the file is no WebAssemb"):
        load_manifest(write(tmp_path, text))


EXAMPLE = "[[methods.add.examples]]\n"
REFUSED = {
    "no TOML": ("name = ", "domain.toml: not TOML"),
    "a date": (f"{HEAD}version = 2026-01-01\n{METHOD}", "not TOML"),
    "an infinity": (f"{HEAD}[budget]\nwall_ms = inf\n{METHOD}", "not TOML"),
    "nesting": (f"a = {'[' * 5_000}", "not TOML"),
    "no name": (HEAD[14:] + METHOD, "domain.toml: name: missing"),
    "a name": (HEAD.replace('"sums"', '"a-b"', 1) + METHOD, "toml: name: expected an"),
    "a long name": (HEAD.replace('"sums"', f'"{"a" * 65}"', 1) + METHOD, "toml: name:"),
    "a tier": (HEAD.replace("process", "cell") + METHOD, "toml: tier: expected one of"),
    "no tier": (HEAD.replace("tier", "tear") + METHOD, "toml: tier: missing"),
    "no code": (
        HEAD.replace("source", "sauce") + METHOD,
        "toml: source: expected exac",
    ),
    "two codes": (f'{HEAD}module = "x"\n{METHOD}', "toml: source: expected exactly"),
    "wasm in a Python tier": (
        HEAD.replace('source = "sums.py"', 'wasm = "a.wasm"') + METHOD,
        "toml: wasm: does not fit the tier 'process'",
    ),
    "Python in wasm": (
        HEAD.replace('"process"', '"wasm"') + METHOD,
        "toml: source: does not fit the tier 'wasm'",
    ),
    "no class": (HEAD.replace("class", "klass") + METHOD, "toml: class: missing"),
    "a class": (HEAD.replace('"Sums"', '"a b"') + METHOD, "toml: class: expected an"),
    "an unknown key": (
        f"{HEAD}naem = 1\n{METHOD}",
        "toml: naem: unknown key; known are",
    ),
    "an import": (f'{HEAD}imports = ["os"]\n{METHOD}', "toml: imports: a box does not"),
    "no list": (f'{HEAD}imports = "re"\n{METHOD}', "toml: imports: expected a list"),
    "a budget": (f"{HEAD}{METHOD}[budget]\nwall_ms = 0\n", "toml: budget.wall_ms: exp"),
    "a true budget": (
        f"{HEAD}{METHOD}[budget]\ncpu_s = true\n",
        "budget.cpu_s: expected",
    ),
    "a budget's key": (
        f"{HEAD}{METHOD}[budget]\nwall = 1\n",
        "toml: budget.wall: unkn",
    ),
    "no methods": (HEAD, "toml: methods: missing"),
    "an empty table": (f"{HEAD}[methods]\n", "toml: methods.NAME: expected 1 to 64"),
    "a method": (f"{HEAD}methods.add = 1\n", "toml: methods.add: expected a table"),
    "a method's name": (
        HEAD + METHOD.replace("add", "'a-b'"),
        "toml: methods.a-b: a method's name",
    ),
    "a method's key": (f"{HEAD}{METHOD}x = 1\n", "toml: methods.add.x: unknown key"),
    "no parameters": (
        f"{HEAD}[methods.add]\n",
        "toml: methods.add.parameters: missing",
    ),
    "a schema": (
        HEAD + METHOD.replace("object", "array"),
        "toml: methods.add.parameters must be a schema with type 'object'",
    ),
    "a costly schema": (
        HEAD + METHOD.replace(" }", ', pattern = "x" }'),
        "toml: methods.add.parameters: the keyword 'pattern' is not allowed",
    ),
    "a schema's file": (
        HEAD + '[methods.add]\nparameters = "gone.json"\n',
        "toml: methods.add.parameters: 'gone.json' cannot be read",
    ),
    "a schema's file of another kind": (
        HEAD + '[methods.add]\nparameters = "sums.py"\n',
        "toml: methods.add.parameters: expected a table or a file",
    ),
    "an example without parameters": (
        f"{HEAD}{METHOD}{EXAMPLE}result = {{}}\n",
        "toml: methods.add.examples[0].parameters: missing",
    ),
    "an example that does not fit": (
        HEAD
        + METHOD.replace(" }", ', required = ["a"] }')
        + f"{EXAMPLE}parameters = {{}}\n",
        "toml: methods.add.examples[0].parameters: missing 'a'",
    ),
    "a result and an error": (
        f'{HEAD}{METHOD}{EXAMPLE}parameters = {{}}\nresult = {{}}\nerror = "e"\n',
        "toml: methods.add.examples[0].error: an example has a result or an error",
    ),
    "too many examples": (
        HEAD + METHOD + f"{EXAMPLE}parameters = {{}}\n" * (MAX_EXAMPLES + 1),
        f"toml: methods.add.examples: expected a list of at most {MAX_EXAMPLES}",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_acceptable_is_refused_by_file_and_key(
    name: str, folder: Path
) -> None:
    """DOM-9.1, DOM-9.3, DOM-9.6."""
    text, sentence = REFUSED[name]

    with pytest.raises(RegistrationError) as refused:
        load_manifest(write(folder, text))

    assert sentence in str(refused.value)
    assert str(refused.value).startswith(f"{folder}/domain.toml: ")
    assert len(str(refused.value)) <= 2_000


NAMES = ["../sums.py", "/etc/hosts.py", "a/../../sums.py", ".sums.py", "a//b.py"]
NAMES += ["C:\\sums.py", "a\nb.py", "", "x" * 201 + ".py", "sums.py\0.py", "~/sums.py"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leaves_the_folder_is_refused(name: str, folder: Path) -> None:
    """DOM-9.4."""
    inner = folder / "inner"
    inner.mkdir()
    quoted = name.encode("unicode_escape").decode().replace("\\x00", "\\u0000")
    text = HEAD.replace("sums.py", quoted) + METHOD

    with pytest.raises(RegistrationError, match="toml: "):
        load_manifest(write(inner, text))


def link_file(folder: Path) -> None:
    (folder / "sums.py").rename(folder / "real.py")
    (folder / "sums.py").symlink_to("real.py")


def link_folder(folder: Path) -> None:
    (folder / "real").mkdir()
    shutil.move(folder / "sums.py", folder / "real" / "sums.py")
    (folder / "code").symlink_to("real")


def make_folder(folder: Path) -> None:
    (folder / "sums.py").unlink()
    (folder / "sums.py").mkdir()


def make_pipe(folder: Path) -> None:
    (folder / "sums.py").unlink()
    os.mkfifo(folder / "sums.py")


def make_large(folder: Path) -> None:
    (folder / "sums.py").write_bytes(b"#" * (MAX_SOURCE_BYTES + 1))


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("sums.py", link_file, "without following a link"),
        ("code/sums.py", link_folder, "without following a link"),
        ("sums.py", make_folder, "is not a file"),
        ("sums.py", make_pipe, "is not a file"),
        ("sums.py", make_large, "has more than 1048576 bytes"),
        ("gone.py", lambda _folder: None, "'gone.py' cannot be read: No such file"),
    ],
)
def test_links_and_what_is_no_file_are_refused(
    name: str, change: Callable[[Path], None], why: str, folder: Path
) -> None:
    """DOM-9.4, DOM-9.5: also where the link stays within the folder."""
    change(folder)

    with pytest.raises(RegistrationError, match=f"toml: source: .*{why}"):
        load_manifest(write(folder, HEAD.replace("sums.py", name) + METHOD))


def test_the_bounds_are_what_they_say(folder: Path) -> None:
    """DOM-9.5: at the bound it is read, one byte beyond it is not."""
    text = HEAD + METHOD
    padded = text + "#" * (MAX_MANIFEST_BYTES - len(text))
    (folder / "sums.py").write_bytes(b"#" * MAX_SOURCE_BYTES)

    assert len(load_manifest(write(folder, padded)).source.code) == MAX_SOURCE_BYTES
    with pytest.raises(RegistrationError, match="has more than 262144 bytes"):
        load_manifest(write(folder, padded + "#"))


def test_a_manifest_that_is_missing_or_a_link_is_refused(folder: Path) -> None:
    """DOM-9.4."""
    with pytest.raises(RegistrationError, match="cannot be read"):
        load_manifest(folder / "gone.toml")
    write(folder, HEAD + METHOD)
    (folder / "link.toml").symlink_to("domain.toml")
    with pytest.raises(RegistrationError, match="without following a link"):
        load_manifest(folder / "link.toml")
    with pytest.raises(RegistrationError, match="not a possible name"):
        load_manifest(Path("a\0b") / "domain.toml")


@pytest.mark.parametrize(
    "file", ["domain.toml", "weather.py", "schemas/days.json", "schemas/summary.json"]
)
def test_the_digest_is_over_every_byte_of_every_file(file: str, tmp_path: Path) -> None:
    """DOM-9.7."""
    folder = shutil.copytree(WEATHER, tmp_path / "copy")
    before = load_manifest(folder).digest
    assert before == load_manifest(WEATHER).digest

    with (folder / file).open("a") as opened:
        opened.write("\n")

    assert load_manifest(folder).digest != before
