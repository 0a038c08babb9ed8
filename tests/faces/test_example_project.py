"""The example project passes its own tests, in a pytest of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture.source_tree import ROOT

PROJECT = ROOT / "examples" / "pytest_project"


def run_in(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Run the project's tests as its README says, outside this repository."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
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


def test_the_example_project_passes_its_tests(tmp_path: Path) -> None:
    """TST-1.4: the fixture, the trails, the strategies and the failing store."""
    folder = shutil.copytree(PROJECT, tmp_path / "project")

    done = run_in(folder)

    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 16


def test_a_defect_in_the_example_project_is_found_by_its_tests(tmp_path: Path) -> None:
    """Its tests test something: with the largest instead of the sum they fail."""
    folder = shutil.copytree(PROJECT, tmp_path / "project")
    domain = folder / "shopping" / "domain.py"
    text = domain.read_text("utf-8")
    assert "cents = sum(" in text
    domain.write_text(text.replace("cents = sum(", "cents = max("), "utf-8")

    done = run_in(folder, "tests/test_shopping.py")

    assert done.returncode == 1
    assert "failed" in done.stdout
