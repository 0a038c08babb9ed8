"""The import contracts hold, and each of them breaks on the import it forbids.

Every case copies the four packages and ``pyproject.toml``, adds one module or one line,
and runs the linter there. Exactly the contract meant must break: a bad import caught
only by another contract would leave this one untested.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source_rules import CONTRACTS
from tests.architecture.source_tree import PACKAGES, ROOMS_ARE_COMPLETE, ROOT

DRIVER = Path(__file__).with_name("lint_driver.py")

CASES = [
    ("audit-alone", "audit/stray.py", "import tokens.errors"),
    ("audit-alone", "audit/store/stray.py", "import stage2_domains.errors"),
    ("audit-alone", "audit/stray.py", "import stage3.errors"),
    ("domains-alone", "stage2_domains/stray.py", "import audit.errors"),
    ("domains-alone", "stage2_domains/stray.py", "import tokens.errors"),
    ("domains-alone", "stage2_domains/stray.py", "from stage3.plan import X"),
    ("tokens-on-audit", "tokens/stray.py", "import stage2_domains.errors"),
    ("tokens-on-audit", "tokens/stray.py", "def late():\n    import stage3.errors"),
    ("authority-for-faces", "stage3/stray.py", "import tokens.authority"),
    ("authority-for-faces", "stage3/stray.py", "from tokens.keystore import load_key"),
    ("authority-for-faces", "tokens/stray.py", "import tokens.authority"),
    ("executor-signs-nothing", "tokens/registry.py", "import tokens.acts.signers"),
    ("executor-signs-nothing", "stage3/commits.py", "import tokens.acts.issuing"),
    ("box", "stage3/isolation/stray.py", "import audit.errors"),
    ("box", "stage3/isolation/stray.py", "import tokens.errors"),
    ("box", "stage3/isolation/stray.py", "import stage3.errors"),
    ("deciding-is-pure", "audit/trail.py", "import time"),
    ("deciding-is-pure", "audit/merkle.py", "import os"),
    ("deciding-is-pure", "audit/verification.py", "from pathlib import Path"),
    ("deciding-is-pure", "tokens/limits.py", "import audit.clock"),
    (
        "deciding-is-pure",
        "tokens/state/platform_state.py",
        "def late():\n    import random",
    ),
    ("deciding-is-pure", "stage3/gates.py", "import socket"),
    ("deciding-is-pure", "stage3/plan.py", "import threading"),
    ("verification-alone", "audit/verification.py", "import audit.store.stray"),
    ("no-cycles", "audit/errors.py", "import audit.canonical"),
    ("faces-on-top", "stage3/stray.py", "import stage3.cli.main"),
    ("faces-on-top", "stage3/stray.py", "import stage3.pytest_plugin"),
    ("floors", "stage3/gates.py", "import stage3.entries"),
]
EMPTIED = {
    "verification-alone": "audit/store/stray.py",  # a target that drags nothing along
    "floors": "stage3/entries.py",  # or the way up would close a cycle as well
}


def _copy(target: Path) -> None:
    for name in PACKAGES:
        keep_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, target / name, ignore=keep_out)
    shutil.copy(ROOT / "pyproject.toml", target)


def _lint(tree: Path) -> dict[str, dict[str, str]]:
    command = [sys.executable, str(DRIVER), *([] if ROOMS_ARE_COMPLETE else ["prune"])]
    answer = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    report: dict[str, dict[str, str]] = json.loads(answer.stdout.splitlines()[-1])
    return report


def test_the_product_keeps_every_contract(tmp_path: Path) -> None:
    _copy(tmp_path)

    report = _lint(tmp_path)

    assert report["broken"] == {}
    if report["pruned"]:
        pytest.skip(f"kept, but not written yet: {', '.join(report['pruned'])}")


@pytest.mark.parametrize(("contract", "path", "text"), CASES)
def test_the_contract_breaks_on_a_bad_import(
    contract: str, path: str, text: str, tmp_path: Path
) -> None:
    _copy(tmp_path)
    if contract in EMPTIED:
        (tmp_path / EMPTIED[contract]).write_text("", "utf-8")
    before = _lint(tmp_path)
    file = tmp_path / path
    if not file.exists() and file.name != "stray.py":
        pytest.skip(f"{path} is not written yet")
    if missing := [name for name in before["pruned"] if name in text]:
        pytest.skip(f"{missing[0]} is not written yet")
    old = file.read_text("utf-8") if file.exists() else ""

    file.write_text(f"{old}\n{text}\n", "utf-8")

    after = _lint(tmp_path)["broken"]
    changed = {name for name in after if after[name] != before["broken"].get(name)}
    assert changed == {contract}


def test_every_contract_is_shown_to_break() -> None:
    assert {contract for contract, *_ in CASES} == set(CONTRACTS)
