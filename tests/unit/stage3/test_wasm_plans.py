"""Plans whose steps are WebAssembly programs: what the record and the ledger show."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING, Final

import pytest

from stage3.pytest_plugin.harness import Harness
from tests.attacks.wasm_attacks import component, module

if TYPE_CHECKING:
    from pathlib import Path

wasmtime = pytest.importorskip("wasmtime", reason="the extra [wasm] is not installed")

MANIFEST: Final = """
name = "guest"
version = "1.0"
description = "Does what its program does."
tier = "wasm"
wasm = "guest.wasm"

[budget]
fuel = 1_000_000

[methods.run]
description = "Runs it."
parameters = { type = "object", additionalProperties = false }
"""

LEAVES: Final = component(
    "wasi:cli/exit@0.2.9",
    '(export "exit" (func (param "s" u32)))',
    call="(param i32)|(call $f (i32.const 1))",
)


def registered(harness: Harness, folder: Path, text: str) -> None:
    (folder / "domain.toml").write_text(MANIFEST)
    (folder / "guest.wasm").write_bytes(bytes(wasmtime.wat2wasm(text)))
    harness.domains.register_manifest(folder / "domain.toml")


def test_a_plan_says_which_engine_keeps_its_programs_in(tmp_path: Path) -> None:
    """WSM-1.5; BOX-8.1."""
    with Harness() as harness:
        registered(harness, tmp_path, module())
        token = harness.issue(scope={"guest": ["run"]}).token_hash
        outcome = harness.run(token, ("guest", "run", {}), ("guest", "run", {}))
        reached = harness.log.trail(outcome.execution_id)[0].details["isolation"]

        assert outcome.success, outcome.error
        assert [result["data"] for result in outcome.results] == [
            {"innocent": True}
        ] * 2
        assert reached["wasm"]["boundary"] is True
        assert reached["wasm"]["engine"].startswith("wasmtime 48.")
        assert harness.log.verify()


@pytest.mark.parametrize(
    ("text", "kind", "detail", "source"),
    [
        (LEAVES, "import", "wasi:cli/exit@0.2.9 exit", "import"),
        (module("(loop (br 0))"), "budget.fuel", "the fuel is used up", "budget"),
    ],
)
def test_a_violation_ends_the_plan_and_the_record_names_it(
    text: str, kind: str, detail: str, source: str, tmp_path: Path
) -> None:
    """WSM-6.1, WSM-6.2; ISO-2.1. Beside it, the ledger is what it would have been."""
    with Harness() as harness:
        registered(harness, tmp_path, text)
        token = harness.issue(scope={"guest": ["run"]}).token_hash
        outcome = harness.run(token, ("guest", "run", {}), ("guest", "run", {}))
        trail = harness.log.trail(outcome.execution_id)
        told = [
            event.details
            for event in trail
            if event.event_type.value == "BOUNDARY_VIOLATION"
        ]

        assert outcome.error is not None
        assert outcome.error.code == "BOUNDARY_VIOLATION"
        assert len(told) == 1
        assert told[0]["violation_type"] == kind
        assert told[0]["detail"] == detail
        assert told[0]["source"] == source
        assert told[0]["step"] == 0
        assert [event.event_type.value for event in trail][-2:] == [
            "BOUNDARY_VIOLATION",
            "EXECUTION_COMPLETED",
        ]
        assert trail[-1].status == "failed"
        assert harness.log.verify()


def test_without_the_engine_a_plan_is_refused_and_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WSM-1.6; BOX-8.2."""

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("stage3.isolation.wasm.tier.version", absent)
    with Harness() as harness:
        registered(harness, tmp_path, module())
        token = harness.issue(scope={"guest": ["run"]}).token_hash
        outcome = harness.run(token, ("guest", "run", {}))

    assert outcome.error is not None
    assert outcome.error.code == "ISOLATION_UNAVAILABLE"
    assert "the extra stage3[wasm] is not installed" in str(outcome.error)
