"""The wheel holds the product and nothing else, and works where only it is."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.source_tree import PACKAGES, ROOT, product_sources

METADATA = "stage3-"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    answer = subprocess.run(
        [*build, "--outdir", str(target), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    (file,) = target.glob("stage3-*-py3-none-any.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what an installer would unpack, and nothing of the checkout."""
    target = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def test_the_wheel_holds_the_four_packages_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}

    assert {top for top in tops if not top.startswith(METADATA)} == set(PACKAGES)
    assert not [name for name in names if name.split("/")[-1].startswith("test_")]
    assert not [name for name in names if name.endswith((".pyc", ".db", ".pem"))]


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    assert files <= names
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_wheel_declares_its_entry_points(installed: Path) -> None:
    (file,) = installed.glob("stage3-*.dist-info/entry_points.txt")
    declared = configparser.ConfigParser()
    declared.read(file)

    assert declared["console_scripts"]["stage3"] == "stage3.cli.main:entry"
    if "stage3.pytest_plugin" not in {one.module for one in product_sources()}:
        pytest.skip("stage3.pytest_plugin is not written yet")
    assert declared["pytest11"]["stage3"] == "stage3.pytest_plugin"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_installed_package_imports_without_the_checkout(
    package: str, installed: Path, tmp_path: Path
) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(installed)!r})\n"
        f"import {package}\n"
        f"for name in {package}.__all__: getattr({package}, name)\n"
        f"print({package}.__file__)"
    )

    answer = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 0, answer.stderr[-2000:]
    assert answer.stdout.startswith(str(installed))
